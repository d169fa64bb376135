/**
 * The hash chain as a client checks it: an entry's link covers it and the link before. Pure. (PROTOCOL.md §5.4)
 */

const encoder = new TextEncoder();

/** In the order in which they are hashed, with what a field means that the wire left out. @type {readonly [string, unknown][]} */
const FIELDS = [
  ["channel", ""],
  ["seq", 0],
  ["time_ms", 0],
  ["sender", ""],
  ["delegation", ""],
  ["key", ""],
  ["kind", ""],
  ["text", ""],
  ["ref", 0],
  ["reaction", ""],
  ["removed", false],
  ["mentions", []],
  ["precedence", ""],
  ["data", ""],
];

/**
 * What is hashed behind the link before: MessagePack in its shortest form, which `msgpack.js` doesn't promise.
 * @param {Readonly<Record<string, unknown>>} message as the wire has it
 */
export function packedEntry(message) {
  /** @type {number[]} */
  const bytes = [];
  const values = FIELDS.map(([name, missing]) => message[name] ?? missing);
  pack(bytes, values);
  return Uint8Array.from(bytes);
}

/**
 * @param {Subtle} subtle
 * @param {Uint8Array} before
 * @param {Readonly<Record<string, unknown>>} message
 */
export async function linkAfter(subtle, before, message) {
  const packed = packedEntry(message);
  const hashed = new Uint8Array(before.length + packed.length);
  hashed.set(before);
  hashed.set(packed, before.length);
  return new Uint8Array(await subtle.digest("SHA-256", hashed));
}

/**
 * Which entries of a run don't follow from those before. Of the first one that can be told only at the beginning of a
 * channel, where 32 zero bytes stand before it.
 * @param {Subtle} subtle
 * @param {readonly (Readonly<Record<string, unknown>> & {readonly seq: number, readonly link: Uint8Array})[]} messages in order,
 *   with the names of the wire and links as bytes
 * @returns {Promise<ReadonlySet<number>>} their seqs
 */
export async function brokenLinks(subtle, messages) {
  const broken = new Set();
  let before = { seq: 0, link: new Uint8Array(32) };
  for (const message of messages) {
    const isNext = message.seq === before.seq + 1;
    if (isNext) {
      const link = await linkAfter(subtle, before.link, message);
      if (link.some((byte, index) => byte !== message.link[index])) broken.add(message.seq);
    } else if (message !== messages[0]) broken.add(message.seq);
    before = { seq: message.seq, link: Uint8Array.from(message.link) };
  }
  return broken;
}

/** @param {number[]} bytes @param {unknown} value */
function pack(bytes, value) {
  if (typeof value === "boolean") bytes.push(value ? 0xc3 : 0xc2);
  else if (typeof value === "number") packNatural(bytes, value);
  else if (typeof value === "string") {
    const text = encoder.encode(value);
    if (text.length < 32) bytes.push(0xa0 | text.length);
    else packHead(bytes, [0xd9, 0xda, 0xdb], text.length);
    for (const byte of text) bytes.push(byte);
  } else if (Array.isArray(value)) {
    // MessagePack has no form for arrays with one byte of count.
    if (value.length < 16) bytes.push(0x90 | value.length);
    else bytes.push(0xdc, value.length >> 8, value.length & 0xff);
    for (const element of value) pack(bytes, element);
  } else throw new TypeError("an entry has no such field");
}

/** @param {number[]} bytes @param {number} value */
function packNatural(bytes, value) {
  if (value < 0x80) bytes.push(value);
  else if (value < 0x1_0000_0000) packHead(bytes, [0xcc, 0xcd, 0xce], value);
  else {
    bytes.push(0xcf);
    pushBytes(bytes, Math.floor(value / 0x1_0000_0000), 4);
    pushBytes(bytes, value % 0x1_0000_0000, 4);
  }
}

/** @param {number[]} bytes @param {readonly [number, number, number]} codes for 1, 2 and 4 bytes @param {number} value */
function packHead(bytes, [one, two, four], value) {
  const [code, size] = value < 0x100 ? [one, 1] : value < 0x1_0000 ? [two, 2] : [four, 4];
  bytes.push(code);
  pushBytes(bytes, value, size);
}

/** @param {number[]} bytes @param {number} value @param {number} size */
function pushBytes(bytes, value, size) {
  for (let shift = 8 * (size - 1); shift >= 0; shift -= 8) bytes.push((value >>> shift) & 0xff);
}

/**
 * The part of `crypto.subtle` that the signed record needs; keys are opaque.
 * @typedef {object} Subtle
 * @property {(name: string, data: Uint8Array<ArrayBuffer>) => Promise<ArrayBuffer>} digest
 * @property {(name: string, extractable: boolean, uses: ("sign" | "verify")[]) => Promise<any>} generateKey
 * @property {(format: "raw", key: any) => Promise<ArrayBuffer>} exportKey
 * @property {(format: "raw", data: Uint8Array<ArrayBuffer>, name: string, extractable: boolean, uses: ("sign" | "verify")[]) => Promise<any>} importKey
 * @property {(name: string, key: any, data: Uint8Array<ArrayBuffer>) => Promise<ArrayBuffer>} sign
 * @property {(name: string, key: any, signature: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>) => Promise<boolean>} verify
 */
