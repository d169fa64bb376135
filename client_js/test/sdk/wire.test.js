import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { decode, encode } from "@msgpack/msgpack";

import { FrameError, pushes, replies } from "../../src/sdk/frames.js";
import { utf8Bytes } from "../../src/sdk/limits.js";
import { msgpack } from "../../src/sdk/msgpack_wire.js";
import { presencePushes } from "../../src/sdk/presence_frames.js";
import { decodeFrame, encodeCommand, json, WireError } from "../../src/sdk/wire.js";
import { entry } from "./entries.js";

describe("commands", () => {
  const command = { type: "publish", id: 1, channel: "joint/general", replyTo: 4, text: "안녕", mentions: undefined };
  const onTheWire = { type: "publish", id: 1, channel: "joint/general", reply_to: 4, text: "안녕" };

  test("have the wire's field names and leave out what is undefined", () => {
    assert.deepEqual(decode(/** @type {Uint8Array} */ (encodeCommand(command, msgpack))), onTheWire);
    assert.deepEqual(JSON.parse(/** @type {string} */ (encodeCommand(command, json))), onTheWire);
  });
});

describe("frames", () => {
  test("are read from both formats", () => {
    const frame = { type: "notice", severity: "info" };
    assert.deepEqual(decodeFrame(encode(frame), msgpack), frame);
    assert.deepEqual(decodeFrame(encode(frame).slice().buffer, msgpack), frame);
    assert.deepEqual(decodeFrame(JSON.stringify(frame), json), frame);
  });

  const refused = /** @type {[string, unknown, import("../../src/sdk/wire.js").Wire][]} */ ([
    ["text on a msgpack line", "{}", msgpack],
    ["bytes on a json line", encode({ type: "x" }), json],
    ["a truncated map", encode({ type: "notice" }).slice(0, 4), msgpack],
    ["bytes after the map", new Uint8Array([...encode({ type: "x" }), 0]), msgpack],
    ["a list", encode([1]), msgpack],
    ["nothing", new Uint8Array(), msgpack],
    ["a map without a type", encode({ id: 1 }), msgpack],
    ["a type that is no string", encode({ type: 1 }), msgpack],
    ["a prototype as a key", new Uint8Array([0x81, 0xa9, ...Buffer.from("__proto__"), 0x80]), msgpack],
    ["broken json", "{", json],
    ["null", "null", json],
  ]);
  for (const [what, data, format] of refused) {
    test(`refuse ${what}`, () => {
      assert.throws(() => decodeFrame(data, format), WireError);
    });
  }
});

describe("fields", () => {
  const message = {
    ...{ type: "message", channel: "joint/general", epoch: 1, seq: 1, time_ms: 1_001, sender: "south-1" },
    ...{ delegation: "south", key: "key-1", kind: "text", text: "글 1", link: new Uint8Array(32) },
  };

  test("that the server left out have their default, and unknown ones are ignored", () => {
    assert.deepEqual(pushes.message({ ...message, of_a_newer_server: 1 }, "message"), entry(1));
  });

  test("that the server left out and that have no default make the frame unreadable", () => {
    const { version: _, ...rest } = { epoch: "e", from_version: 1, version: 2 };
    assert.throws(
      () => presencePushes.presence_diff(rest, "presence_diff"),
      /presence_diff\.version is no safe integer/,
    );
  });

  test("that are integers beyond 2^53 are refused, for they have been rounded", () => {
    const frame = decode(encode({ time_ms: 2n ** 60n }, { useBigInt64: true }));
    assert.throws(() => replies.ping(frame, "ping"), FrameError);
  });

  test("of a message that can't be read leave its place in the log", () => {
    const poisoned = pushes.message({ ...message, text: 5 }, "message");
    assert.deepEqual([poisoned.seq, poisoned.kind, poisoned.text], [1, "unreadable", ""]);
    assert.throws(() => pushes.message({ ...message, seq: "1" }, "message"), FrameError);
  });
});

test("the size of a text is that of its UTF-8", () => {
  for (const text of ["", "abc", "é", "안녕하십니까", "👍🏽", "a한😀"]) {
    assert.equal(utf8Bytes(text), Buffer.byteLength(text), text);
  }
});
