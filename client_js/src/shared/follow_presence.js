/** Who is here, as a signal of the page: loaded by what shows people. */

import { PresenceFeed } from "../sdk/presence_feed.js";

const pageTimers = {
  setTimeout: (/** @type {() => void} */ fn, /** @type {number} */ ms) => setTimeout(fn, ms),
  clearTimeout: (/** @type {number} */ id) => clearTimeout(id),
};

/** @param {import('./live.js').Live} live */
export function followPresence(live) {
  const feed = new PresenceFeed(live.client, pageTimers);
  feed.on("presence", (presence) => {
    live.presence.value = presence;
  });
  feed.on("error", ({ where, error }) => console.warn(`liaison: ${where}`, error));
  feed.watch();
  return feed;
}
