/** Presence before anything is known of it: all that a page needs until it shows people. */

/** @type {Readonly<import("./presence.js").Presence>} */
export const UNKNOWN_PRESENCE = {
  current: false,
  needsSnapshot: true,
  epoch: "",
  version: 0,
  users: new Map(),
  sides: new Map(),
  staleSinceMs: 0,
  waiting: [],
};
