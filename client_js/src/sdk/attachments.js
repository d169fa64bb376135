/**
 * Attachments: what entries name, where the files are, and which files can be attached at all. (PROTOCOL.md §14)
 *
 * Apart from `frames.js`, so that only what shows or takes attachments loads it.
 */
import { listOf, natural, record, text, withDefault } from "./frames.js";

/** @typedef {{readonly sha256: string, readonly name: string, readonly mediaType: string, readonly sizeBytes: number}} Attachment */

/** An attachment as it comes. */
export const attachment = record({ sha256: text, name: text, mediaType: text, sizeBytes: natural });

const data = record({ attachments: withDefault(listOf(attachment), []) });

/** Types by the ending of a file's name: what a browser thinks of a file depends on the machine. @type {ReadonlyMap<string, string>} */
export const MEDIA_TYPES = new Map([
  ["txt", "text/plain"],
  ["csv", "text/csv"],
  ["pdf", "application/pdf"],
  ["png", "image/png"],
  ["jpg", "image/jpeg"],
  ["jpeg", "image/jpeg"],
  ["webp", "image/webp"],
  ["odt", "application/vnd.oasis.opendocument.text"],
  ["ods", "application/vnd.oasis.opendocument.spreadsheet"],
  ["odp", "application/vnd.oasis.opendocument.presentation"],
  ["hwpx", "application/hwp+zip"],
  ["docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
  ["xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
  ["pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"],
]);

/** @param {string} name @returns {string} without its dot, in lower case; empty for a name that has none */
export function endingOf(name) {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}

/** @param {string} name @returns {string} empty for a file that can't be attached */
export function mediaTypeOf(name) {
  return MEDIA_TYPES.get(endingOf(name)) ?? "";
}

/**
 * What a message names in its `data`; nothing for what names none or can't be read.
 * @param {string} text
 * @returns {readonly Attachment[]}
 */
export function attachmentsIn(text) {
  try {
    return data(JSON.parse(text), "data").attachments;
  } catch {
    return [];
  }
}

/** @param {string} channel @returns {string} */
function folder(channel) {
  return `/api/v1/channels/${channel.split("/").map(encodeURIComponent).join("/")}/attachments`;
}

/** Where a file is fetched from. @param {string} channel @param {Attachment} attached */
export function attachmentPath(channel, attached) {
  return `${folder(channel)}/${encodeURIComponent(attached.sha256)}`;
}

/** Where a file is uploaded to. @param {string} channel @param {string} name */
export function uploadPath(channel, name) {
  return `${folder(channel)}?name=${encodeURIComponent(name)}`;
}

/**
 * An attachment as commands name it, and as an upload is answered: with the names of the wire.
 * @typedef {{readonly sha256: string, readonly name: string, readonly media_type: string, readonly size_bytes: number}} Named
 */

/** @param {Attachment} attached @returns {Named} */
export function named({ sha256, name, mediaType, sizeBytes }) {
  return { sha256, name, media_type: mediaType, size_bytes: sizeBytes };
}
