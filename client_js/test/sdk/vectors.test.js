/** The SDK against the vectors that the server's tests read as well; see tests/vectors/README.md. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { decode, encode } from "@msgpack/msgpack";

import { administrationReplies } from "../../src/sdk/administration_frames.js";
import { CLOSE_CODES, ERROR_CODES } from "../../src/sdk/codes.js";
import { dispatchReplies } from "../../src/sdk/dispatch_frames.js";
import { dutyReplies } from "../../src/sdk/duty_frames.js";
import { pushes, readError, replies } from "../../src/sdk/frames.js";
import { lineCheckReplies } from "../../src/sdk/line_check_frames.js";
import { msgpack } from "../../src/sdk/msgpack_wire.js";
import { operationsPushes, operationsReplies } from "../../src/sdk/operations_frames.js";
import { presencePushes, presenceReplies } from "../../src/sdk/presence_frames.js";
import { signedRecordReplies } from "../../src/sdk/signed_record_frames.js";
import { decodeFrame, encodeCommand, json, WireError } from "../../src/sdk/wire.js";

/** @param {string} name @returns {any} */
const read = (name) => JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}`, import.meta.url), "utf8"));

/** @param {string} hex */
const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));

/** @param {any} payload */
function payloadOf({ hex, repeat }) {
  if (repeat === undefined) return bytes(hex);
  return bytes(repeat.before + repeat.unit.repeat(repeat.times) + repeat.after);
}

/** Links are bytes in one format and base64 in the other; nothing else differs. @param {any} value @returns {any} */
function plain(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

/** The readers by the command that they read the reply of; a command that isn't here is answered without fields. */
const READERS = new Map(
  /** @type {[string, (value: unknown, where: string) => unknown][]} */ ([
    ["connect", replies.connect],
    ["subscribe", replies.subscribe],
    ["publish", replies.publish],
    ["correct", replies.publish],
    ["withdraw", replies.publish],
    ["react", replies.publish],
    ["history", replies.history],
    ["search", replies.search],
    ["channels", replies.channels],
    ["open_direct", replies.openDirect],
    ["presence", presenceReplies.presence],
    ["presence_stats", presenceReplies.presenceStats],
    ["watch_sessions", operationsReplies.sessions],
    ["watch_statistics", operationsReplies.statistics],
    ["presence_log", operationsReplies.presenceLog],
    ["revoke", operationsReplies.revoke],
    ["ping", replies.ping],
    ["dispatches", dispatchReplies.dispatches],
    ["dispatch", dispatchReplies.dispatch],
    ["line_check_call", lineCheckReplies.step],
    ["line_check_answer", lineCheckReplies.step],
    ["line_check_request", lineCheckReplies.step],
    ["line_checks", lineCheckReplies.lineChecks],
    ["desks", lineCheckReplies.desks],
    ["duty", dutyReplies.duty],
    ["duty_roster", dutyReplies.roster],
    ["duty_import", dutyReplies.imported],
    ["duty_export", dutyReplies.exported],
    ["duty_handovers", dutyReplies.handovers],
    ["duty_hand_over", dutyReplies.step],
    ["duty_acknowledge", dutyReplies.step],
    ["duty_withdraw", dutyReplies.step],
    ["suspend_channel", administrationReplies.suspension],
    ["held_messages", administrationReplies.held],
    ["propose", administrationReplies.proposal],
    ["approve_proposal", administrationReplies.proposal],
    ["reject_proposal", administrationReplies.proposal],
    ["withdraw_proposal", administrationReplies.proposal],
    ["administration", administrationReplies.administration],
    ["export_channel", administrationReplies.exported],
    ["register_key", signedRecordReplies.key],
    ["revoke_key", signedRecordReplies.key],
    ["side_keys", signedRecordReplies.keys],
    ["sign_head", signedRecordReplies.signed],
    ["signed_heads", signedRecordReplies.heads],
  ]),
);
const WITHOUT_FIELDS = new Set(["unsubscribe", "read", "typing", "availability", "disconnect"]);

describe("commands", () => {
  for (const vector of read("commands.json")) {
    test(`are encoded to what they are: ${vector.json.slice(0, 60)}`, () => {
      const command = JSON.parse(vector.json);
      assert.equal(encodeCommand(command, json), vector.json);
      // The SDK's encoder takes long forms, so the bytes differ; what they hold must not.
      const packed = /** @type {Uint8Array} */ (encodeCommand(command, msgpack));
      assert.deepEqual(decode(packed), decode(bytes(vector.msgpack)));
      assert.deepEqual(decode(packed), command);
    });
  }
});

describe("frames of the server", () => {
  for (const vector of [...read("answers.json"), ...read("pushes.json")]) {
    test(`are the same in both formats: ${vector.json.slice(0, 60)}`, () => {
      const fromJson = decodeFrame(vector.json, json);
      const fromMsgpack = decodeFrame(bytes(vector.msgpack), msgpack);
      assert.deepEqual(plain(fromMsgpack), fromJson);
      assert.deepEqual(plain(decode(bytes(vector.msgpack))), fromJson);
    });
  }

  for (const vector of read("answers.json")) {
    test(`can be read as answers: ${vector.json.slice(0, 60)}`, () => {
      const frame = decodeFrame(vector.json, json);
      if (vector.to === undefined) {
        const error = readError(frame, "error");
        assert.equal(ERROR_CODES.get(error.name), error.code);
        return;
      }
      // Each step of a dispatch is answered alike.
      const reader = READERS.get(vector.to) ?? (vector.to.startsWith("dispatch_") ? dispatchReplies.step : undefined);
      if (reader === undefined) assert.ok(WITHOUT_FIELDS.has(vector.to), vector.to);
      else assert.doesNotThrow(() => reader(frame, vector.to));
    });
  }

  for (const vector of read("pushes.json")) {
    test(`can be read as pushes: ${vector.json.slice(0, 60)}`, () => {
      const frame = decodeFrame(vector.json, json);
      const reader = new Map(Object.entries({ ...pushes, ...presencePushes, ...operationsPushes })).get(frame.type);
      assert.ok(reader, frame.type);
      const value = /** @type {Record<string, unknown>} */ (reader(frame, frame.type));
      assert.notEqual(value["kind"], "unreadable");
    });
  }
});

describe("frames that mean nothing", () => {
  // The rest are frames to a client: a map with a type, though no command.
  for (const reject of read("rejects.json")) {
    // A browser refuses text that is not UTF-8 before anybody sees it.
    if (reject.format === "json" && reject.what.includes("UTF-8")) continue;
    if (reject.error !== "malformed" || /\bid\b|surrogate/.test(reject.what)) continue;
    test(`are refused: ${reject.what} in ${reject.format}`, () => {
      const payload = payloadOf(reject.payload);
      const data = reject.format === "json" ? new TextDecoder().decode(payload) : payload;
      assert.throws(() => decodeFrame(data, reject.format === "json" ? json : msgpack), WireError);
    });
  }
});

test("links are those that MessagePack's shortest form gives", () => {
  let link = new Uint8Array(32);
  for (const { link: expected, ...entry } of read("chain.json")) {
    const hash = createHash("sha256").update(link);
    link = new Uint8Array(hash.update(encode(Object.values(entry))).digest());
    assert.equal(Buffer.from(link).toString("hex"), expected, `entry ${entry.seq}`);
  }
});

test("every close code and error that a vector names is known", () => {
  for (const { error } of read("rejects.json")) assert.ok(ERROR_CODES.has(error), error);
  for (const vector of read("pushes.json")) {
    const frame = JSON.parse(vector.json);
    if (frame.type === "go_away") assert.ok(CLOSE_CODES.has(frame.code), frame.code);
  }
});
