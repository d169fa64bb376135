/**
 * What a socket carries to frames and back. (PROTOCOL.md §3)
 *
 * A frame is a map with a string `type`. What else it holds is checked in `frames.js`. The other format is in
 * `msgpack_wire.js`, so that only those load it who use it: browsers read JSON faster, with code that they have already.
 */

/** @typedef {Readonly<Record<string, unknown>> & {readonly type: string}} Frame */

/**
 * One of the two formats. `decode` may throw anything.
 * @typedef {object} Wire
 * @property {string} subprotocol
 * @property {(fields: Readonly<Record<string, unknown>>) => Uint8Array<ArrayBuffer> | string} encode
 * @property {(data: any) => unknown} decode
 */

/** Text frames. @type {Wire} */
export const json = {
  subprotocol: "liaison.v1.json",
  encode: (fields) => JSON.stringify(fields),
  decode(data) {
    if (typeof data !== "string") throw new TypeError("binary data on a json line");
    return JSON.parse(data);
  },
};

/** What came is no frame. */
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
 * @param {Wire} wire
 */
export function encodeCommand(command, wire) {
  return wire.encode(Object.fromEntries(Object.entries(command).map(([name, value]) => [wireName(name), value])));
}

/**
 * Decode what a socket delivered.
 * @param {unknown} data a string, or in msgpack an ArrayBuffer or a view
 * @param {Wire} wire
 * @returns {Frame}
 * @throws {WireError}
 */
export function decodeFrame(data, wire) {
  /** @type {unknown} */
  let value;
  try {
    value = wire.decode(data);
  } catch (error) {
    throw new WireError("unreadable", error);
  }
  if (!isFrame(value)) throw new WireError("a frame is a map with a type");
  return value;
}

/** @param {unknown} value @returns {value is Frame} */
function isFrame(value) {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
