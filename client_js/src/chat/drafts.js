/** What somebody has begun to write, by person and channel, kept over a reload. */

import { recall, remember } from "../shared/preferences.js";

/** @param {string} user @param {string} channel */
function nameOf(user, channel) {
  return `draft.${user}.${channel}`;
}

/** @param {string} user @param {string} channel */
export function draftOf(user, channel) {
  return recall(nameOf(user, channel)) ?? "";
}

/** @param {string} user @param {string} channel @param {string} text */
export function keepDraft(user, channel, text) {
  remember(nameOf(user, channel), text);
}
