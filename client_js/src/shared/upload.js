/** Uploads a file, with its progress, which `fetch` does not tell. */

import { mediaTypeOf, uploadPath } from "../sdk/attachments.js";

/** @typedef {import("../sdk/attachments.js").Named} Named */
/** @typedef {{ name: string, ref?: string }} Failure */

/**
 * Say why a file can't be attached before anything is sent; the server looks again, and closer.
 * @param {{ readonly name: string, readonly size: number }} file
 * @returns {Failure | undefined}
 */
export function refusalOf({ name, size }) {
  if (mediaTypeOf(name) === "") return { name: "attachment_type" };
  return size === 0 ? { name: "attachment_incomplete" } : undefined;
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
