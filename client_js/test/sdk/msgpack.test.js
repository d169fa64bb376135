import assert from "node:assert/strict";
import { test } from "node:test";

// The reference implementation is the other end here.
import * as reference from "@msgpack/msgpack";

import { decode, encode, MsgpackError } from "../../src/sdk/msgpack.js";
import { forSeeds, integer, pick } from "./seeded.js";

/** Around each bound where the format changes its head. */
const INTEGERS = [0, 1, 31, 32, 127, 128, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
const SIZES = [0, 1, 15, 16, 23, 24, 25, 31, 32, 255, 256, 65535, 65536];

/** @param {() => number} random */
function text(random) {
  const letters = pick(random, ["abc_", "가나다 한글", "é\u0000\u007f", "👍🏽", "\ufeff"]);
  return letters.repeat(integer(random, 12));
}

/** @param {() => number} random @param {number} depth @returns {unknown} */
function anything(random, depth) {
  const kind = integer(random, depth > 4 ? 4 : 6);
  if (kind === 0) return pick(random, [null, true, false]);
  if (kind === 1) return pick(random, INTEGERS) * pick(random, [1, -1]) || 0;
  if (kind < 4) return text(random);
  const elements = Array.from({ length: integer(random, 20) }, () => anything(random, depth + 1));
  if (kind === 4) return elements;
  return Object.fromEntries(elements.map((element, index) => [`${text(random)}${index}`, element]));
}

test("what the reference encodes is read, and the reference reads what is encoded here", () => {
  forSeeds(300, (random) => {
    const value = anything(random, 0);
    assert.deepEqual(decode(reference.encode(value)), value);
    assert.deepEqual(reference.decode(encode(value)), value);
  });
});

test("every width of integer is read, up to where JavaScript rounds", () => {
  for (const value of INTEGERS.flatMap((each) => [each, -each || 0])) {
    assert.equal(decode(reference.encode(value)), value);
    assert.equal(decode(reference.encode(BigInt(value), { useBigInt64: true })), value);
    assert.equal(reference.decode(encode(value)), value);
  }
  for (const value of [2n ** 53n, 2n ** 64n - 1n, -(2n ** 53n)]) {
    assert.throws(() => decode(reference.encode(value, { useBigInt64: true })), MsgpackError);
  }
});

test("every width of text, list, map and bytes is read", () => {
  for (const size of SIZES) {
    const list = Array.from({ length: size }, (_, index) => index % 100);
    const map = Object.fromEntries(list.map((value, index) => [`key ${index}`, value]));
    for (const value of ["x".repeat(size), "글".repeat(size), list, map, new Uint8Array(size).fill(7)]) {
      assert.deepEqual(decode(reference.encode(value)), value);
    }
  }
});

test("numbers with a fraction are read", () => {
  for (const value of [0.5, -1e300, Number.POSITIVE_INFINITY]) assert.equal(decode(reference.encode(value)), value);
  assert.equal(decode(reference.encode(0.5, { forceFloat32: true })), 0.5);
});

test("a buffer and a view into a larger one are read alike", () => {
  const bytes = reference.encode({ text: "글", link: new Uint8Array([1, 2]) });
  const within = new Uint8Array(bytes.length + 7);
  within.set(bytes, 5);
  assert.deepEqual(decode(within.subarray(5, 5 + bytes.length)), decode(bytes));
  assert.deepEqual(decode(bytes.slice().buffer), decode(bytes));
});

test("a value that is cut off anywhere is refused", () => {
  const bytes = reference.encode({
    list: [1, 300, 70_000, "글자", 2 ** 40, 0.5],
    link: new Uint8Array(40),
    text: "x".repeat(300),
  });
  for (let size = 0; size < bytes.length; size += 1) assert.throws(() => decode(bytes.slice(0, size)), `${size} bytes`);
});

test("arbitrary bytes give a value or an error, and soon", () => {
  forSeeds(3000, (random) => {
    const bytes = Uint8Array.from({ length: integer(random, 60) }, () => integer(random, 256));
    try {
      decode(bytes);
    } catch (error) {
      assert.ok(error instanceof MsgpackError || error instanceof RangeError || error instanceof TypeError);
    }
  });
});

const HEX = /** @type {const} */ ([
  ["an extension", "c70101ff"],
  ["a timestamp", "d6ff00000000"],
  ["the unused type", "c1"],
  ["a map with an integer for a key", "810101"],
  ["a map with a prototype for a key", `81a9${Buffer.from("__proto__").toString("hex")}80`],
  ["text that is no UTF-8", "a2c328"],
  ["a surrogate in UTF-8", "a3eda080"],
  ["bytes that are left over", "0000"],
  ["a list that claims to hold four billion", "ddffffffff00"],
  ["bytes that claim to be four billion", "c6ffffffff00"],
  ["lists in lists without end", "91".repeat(10_000)],
]);
for (const [what, hex] of HEX) {
  test(`refuse ${what}`, () => {
    assert.throws(() => decode(Buffer.from(hex, "hex")));
  });
}

test("what has no place on the wire is not encoded", () => {
  for (const value of [0.5, Number.NaN, 2 ** 53, 1n, undefined, Symbol("x"), () => 1]) {
    assert.throws(() => encode(value), MsgpackError);
  }
});

test("fields that are undefined are left out", () => {
  assert.deepEqual(reference.decode(encode({ a: undefined, b: 1 })), { b: 1 });
});
