/**
 * The files that are up and have not gone yet, by person and channel, kept over a reload as the text beside them is. What
 * is kept is what the server answered, and not the files: it has those, for longer than any draft waits.
 */

import { attachment, named } from "../sdk/attachments.js";
import { listOf } from "../sdk/frames.js";
import { recall, remember } from "../shared/preferences.js";

/** @typedef {import("../sdk/attachments.js").Named} Named */

const readFiles = listOf(attachment);

/** Begins as a draft's name does, so that it is forgotten with the drafts. @param {string} user @param {string} channel */
function nameOf(user, channel) {
  return `draft.${user}.${channel} files`;
}

/** @param {string} user @param {string} channel @returns {readonly Named[]} */
export function draftFilesOf(user, channel) {
  try {
    return readFiles(JSON.parse(recall(nameOf(user, channel)) ?? "[]"), "files").map(named);
  } catch {
    return [];
  }
}

/** @param {string} user @param {string} channel @param {readonly Named[]} files */
export function keepDraftFiles(user, channel, files) {
  remember(nameOf(user, channel), files.length > 0 ? JSON.stringify(files) : "");
}
