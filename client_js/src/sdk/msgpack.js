/**
 * The part of MessagePack that the wire uses, both ways. (PROTOCOL.md §3, the format: github.com/msgpack/msgpack)
 *
 * A general library is four times as large, for streams, extensions and 64-bit integers that no frame has; together with
 * the rest it would not fit the page's budget. What is not in PROTOCOL.md is refused here, before anybody looks at it:
 * extensions, keys that are no strings or are `__proto__`, integers that JavaScript would round, broken UTF-8, bytes
 * that are left over, and nesting without end.
 */

/** Frames nest five deep; a hostile peer must not exhaust the stack. */
const MAX_DEPTH = 32;
/** Shorter strings are read faster by hand than by a TextDecoder; field names and ids are all shorter. */
const SHORT_BYTES = 24;

const toText = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const toBytes = new TextEncoder();

/** The bytes are not what the wire may carry. */
export class MsgpackError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "MsgpackError";
  }
}

/**
 * @param {ArrayBuffer | ArrayBufferView} data exactly one value
 * @returns {unknown}
 * @throws {MsgpackError | RangeError | TypeError} for anything else: the bytes end too early, or are no UTF-8
 */
export function decode(data) {
  const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : viewOf(data);
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new MsgpackError("bytes are left over");
  return value;
}

/** @param {ArrayBufferView} view */
function viewOf(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  /**
   * @param {number} depth
   * @returns {unknown}
   */
  value(depth) {
    if (depth > MAX_DEPTH) throw new MsgpackError("nested too deep");
    const head = this.natural(1);
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 0x0f, depth);
    if (head < 0xa0) return this.array(head & 0x0f, depth);
    if (head < 0xc0) return this.text(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    return this.long(head, depth);
  }

  /**
   * A value whose head says only of what kind it is, or how many bytes tell its size.
   * @param {number} head
   * @param {number} depth
   */
  long(head, depth) {
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.take(this.natural(1 << (head - 0xc4)));
      case 0xca:
        return this.view.getFloat32(this.skip(4));
      case 0xcb:
        return this.view.getFloat64(this.skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.natural(1 << (head - 0xcc));
      case 0xcf:
        return safe(this.view.getBigUint64(this.skip(8)));
      case 0xd0:
        return this.view.getInt8(this.skip(1));
      case 0xd1:
        return this.view.getInt16(this.skip(2));
      case 0xd2:
        return this.view.getInt32(this.skip(4));
      case 0xd3:
        return safe(this.view.getBigInt64(this.skip(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.natural(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.array(this.natural(2 << (head - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.map(this.natural(2 << (head - 0xde)), depth);
      default:
        throw new MsgpackError(`type ${head} is not of this wire`);
    }
  }

  /** Go on by some bytes; gives where they begin. The view refuses to read beyond its end. @param {number} size */
  skip(size) {
    const start = this.at;
    this.at += size;
    return start;
  }

  /** An unsigned integer. @param {number} size 1, 2 or 4 bytes */
  natural(size) {
    const start = this.skip(size);
    if (size === 1) return this.view.getUint8(start);
    return size === 2 ? this.view.getUint16(start) : this.view.getUint32(start);
  }

  /** @param {number} size */
  take(size) {
    const start = this.skip(size);
    if (this.at > this.bytes.length) throw new MsgpackError("the bytes end too early");
    return this.bytes.subarray(start, this.at);
  }

  /** @param {number} size */
  text(size) {
    const bytes = this.take(size);
    if (size > SHORT_BYTES) return toText.decode(bytes);
    let text = "";
    for (const byte of bytes) {
      if (byte > 0x7f) return toText.decode(bytes);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** @param {number} size @param {number} depth */
  array(size, depth) {
    // Filled and not allocated ahead: the size is a claim, and every element takes at least one byte.
    const elements = [];
    for (let index = 0; index < size; index += 1) elements.push(this.value(depth + 1));
    return elements;
  }

  /** @param {number} size @param {number} depth */
  map(size, depth) {
    /** @type {Record<string, unknown>} */
    const fields = {};
    for (let index = 0; index < size; index += 1) {
      const key = this.value(depth + 1);
      if (typeof key !== "string" || key === "__proto__") throw new MsgpackError("a map has a key that is no name");
      fields[key] = this.value(depth + 1);
    }
    return fields;
  }
}

/** @param {bigint} value */
function safe(value) {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new MsgpackError("an integer is too large");
  return number;
}

/**
 * Every size and integer takes its widest form: valid, a few bytes more on commands that are small, and no table of forms.
 * @param {unknown} value of strings, booleans, safe integers, null, arrays and plain objects; fields that are undefined are
 *     left out
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {MsgpackError}
 */
export function encode(value) {
  /** @type {number[]} */
  const out = [];
  write(out, value);
  return new Uint8Array(out);
}

/** @param {number[]} out @param {unknown} value */
function write(out, value) {
  if (value === null) out.push(0xc0);
  else if (typeof value === "boolean") out.push(value ? 0xc3 : 0xc2);
  else if (typeof value === "string") writeText(out, value);
  else if (Number.isSafeInteger(value)) writeInteger(out, Number(value));
  else if (Array.isArray(value)) {
    writeSize(out, 0xdd, value.length);
    for (const element of value) write(out, element);
  } else if (typeof value === "object") writeMap(out, Object.entries(/** @type {object} */ (value)));
  else throw new MsgpackError(`this ${typeof value} has no place on the wire`);
}

/** @param {number[]} out @param {[string, unknown][]} entries */
function writeMap(out, entries) {
  const present = entries.filter(([, value]) => value !== undefined);
  writeSize(out, 0xdf, present.length);
  for (const [name, value] of present) {
    writeText(out, name);
    write(out, value);
  }
}

/** @param {number[]} out @param {string} text */
function writeText(out, text) {
  const bytes = toBytes.encode(text);
  writeSize(out, 0xdb, bytes.length);
  for (const byte of bytes) out.push(byte);
}

/** @param {number[]} out @param {number} head @param {number} size */
function writeSize(out, head, size) {
  out.push(head, size >>> 24, (size >>> 16) & 0xff, (size >>> 8) & 0xff, size & 0xff);
}

/** @param {number[]} out @param {number} value */
function writeInteger(out, value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value));
  out.push(0xd3, ...bytes);
}
