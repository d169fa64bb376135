/**
 * Bytes to frames and back, in both formats of the wire. (PROTOCOL.md §3)
 *
 * A frame is a map with a string `type`. What else it holds is checked in `frames.js`.
 */
import { decode, encode } from "./msgpack.js";

/** @typedef {"msgpack" | "json"} WireFormat */
/** @typedef {Readonly<Record<string, unknown>> & {readonly type: string}} Frame */

/** @type {Readonly<Record<WireFormat, string>>} */
export const SUBPROTOCOLS = { msgpack: "liaison.v1.msgpack", json: "liaison.v1.json" };

/** The bytes are no frame. */
export class WireError extends Error {
  /** @param {string} message @param {unknown} [cause] */
  constructor(message, cause) {
    super(message, { cause });
    this.name = "WireError";
  }
}

/**
 * The name of a field on the wire: `replyTo` is `reply_to`.
 * @param {string} name
 */
export function wireName(name) {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Encode a command; fields that are undefined are left out.
 * @param {Readonly<Record<string, unknown>>} command with camelCase names
 * @param {WireFormat} format
 * @returns {Uint8Array<ArrayBuffer> | string}
 */
export function encodeCommand(command, format) {
  const fields = Object.fromEntries(Object.entries(command).map(([name, value]) => [wireName(name), value]));
  return format === "json" ? JSON.stringify(fields) : encode(fields);
}

/**
 * Decode what a socket delivered.
 * @param {unknown} data a string in json; an ArrayBuffer or a view in msgpack
 * @param {WireFormat} format
 * @returns {Frame}
 * @throws {WireError}
 */
export function decodeFrame(data, format) {
  const value = format === "json" ? decodeJson(data) : decodeMsgpack(data);
  if (!isFrame(value)) throw new WireError("a frame is a map with a type");
  return value;
}

/** @param {unknown} data @returns {unknown} */
function decodeJson(data) {
  if (typeof data !== "string") throw new WireError("binary data on a json line");
  try {
    return JSON.parse(data);
  } catch (error) {
    throw new WireError("not JSON", error);
  }
}

/** @param {unknown} data @returns {unknown} */
function decodeMsgpack(data) {
  if (!(data instanceof ArrayBuffer || ArrayBuffer.isView(data))) throw new WireError("text on a msgpack line");
  try {
    return decode(data);
  } catch (error) {
    throw new WireError("not msgpack", error);
  }
}

/** @param {unknown} value @returns {value is Frame} */
function isFrame(value) {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
