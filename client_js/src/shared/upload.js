/** Uploads a file, with its progress, which `fetch` does not tell. */

import { mediaTypeOf, uploadPath } from "../sdk/attachments.js";

/** @typedef {import("../sdk/attachments.js").Named} Named */
/** @typedef {{ name: string, ref?: string }} Failure */

/** What the line or the moment is to blame for, and not the file. */
const PASSING = new Set(["network", "timeout", "attachment_slow", "unavailable", "draining", "rate_limited", "busy"]);

/**
 * Say why a file can't be attached before anything is sent; the server looks again, and closer.
 * @param {{ readonly name: string, readonly size: number }} file
 * @param {number} maxBytes   0 where no files are taken.
 * @returns {Failure | undefined}
 */
export function refusalOf({ name, size }, maxBytes) {
  if (maxBytes === 0) return { name: "attachments_off" };
  if (mediaTypeOf(name) === "") return { name: "attachment_type" };
  if (size > maxBytes) return { name: "attachment_too_large" };
  return size === 0 ? { name: "attachment_incomplete" } : undefined;
}

/** Whether the same file may go up the next time. @param {Failure} failure */
export function isWorthRetrying({ name }) {
  return PASSING.has(name);
}

/**
 * @param {string} channel
 * @param {File} file
 * @param {{ onProgress: (part: number) => void, signal: AbortSignal }} options   `part` is from 0 to 1.
 * @returns {Promise<Named>} rejects with a Failure
 */
export function upload(channel, file, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", uploadPath(channel, file.name));
    request.setRequestHeader("Content-Type", mediaTypeOf(file.name));
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    request.onload = () => {
      if (request.status === 201) resolve(request.response);
      else reject(request.response ?? { name: "network" });
    };
    request.onerror = () => reject({ name: "network" });
    request.onabort = () => reject({ name: "aborted" });
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
