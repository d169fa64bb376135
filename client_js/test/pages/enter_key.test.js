import assert from "node:assert/strict";
import { test } from "node:test";

import { endsInHangul, RESTING, step } from "../../src/shared/enter_key.js";

/**
 * Feed events and give the actions that aren't `pass`.
 * @param {import('../../src/shared/enter_key.js').EnterEvent[]} events
 */
function actions(events) {
  let state = RESTING;
  const taken = [];
  for (const event of events) {
    const next = step(state, event);
    state = next.state;
    if (next.action !== "pass") taken.push(next.action);
  }
  return taken;
}

/** @param {string} text @returns {import('../../src/shared/enter_key.js').EnterEvent[]} */
const composing = (text) => [
  { type: "compositionstart" },
  ...[...text].map((_, i) => /** @type {const} */ ({ type: "compositionupdate", data: text.slice(0, i + 1) })),
];
/** @param {string} data */
const ended = (data) => /** @type {const} */ ({ type: "compositionend", data });
/** @param {number} keyCode @param {object} [more] */
const enter = (keyCode, more = {}) =>
  /** @type {import('../../src/shared/enter_key.js').EnterEvent} */ ({
    type: "keydown",
    code: "Enter",
    keyCode,
    shiftKey: false,
    repeat: false,
    ...more,
  });
const released = /** @type {const} */ ({ type: "keyup", code: "Enter" });
/** @param {string} code */
const key = (code) => /** @type {const} */ ({ type: "keydown", code, keyCode: 65, shiftKey: false, repeat: false });

test("a clean Enter sends", () => {
  assert.deepEqual(actions([enter(13), released]), ["send"]);
});

test("Shift and Enter is a line break", () => {
  assert.deepEqual(actions([enter(13, { shiftKey: true }), { type: "linebreak" }, released]), []);
});

test("the numeric keypad sends as well", () => {
  assert.deepEqual(actions([enter(13, { code: "NumpadEnter" })]), ["send"]);
});

test("an Enter with key code 13 in a Hangul syllable sends once, when the syllable has ended", () => {
  assert.deepEqual(actions([...composing("한"), enter(13), ended("한"), released]), ["await_end", "send"]);
});

test("an Enter taken by the input method in a Hangul syllable sends once, when the syllable has ended", () => {
  assert.deepEqual(actions([...composing("한"), enter(229), ended("한"), released]), ["await_end", "send"]);
});

test("an Enter that comes after the syllable has ended, as in Safari, sends once", () => {
  assert.deepEqual(actions([...composing("한"), ended("한"), enter(229), released]), ["send"]);
});

test("a second, clean Enter of the same press is swallowed", () => {
  assert.deepEqual(actions([...composing("한"), enter(229), ended("한"), enter(13), released]), [
    "await_end",
    "send",
    "prevent",
  ]);
  assert.deepEqual(actions([...composing("한"), ended("한"), enter(229), enter(13), released]), ["send", "prevent"]);
});

test("the next press of Enter sends again", () => {
  const first = [...composing("한"), enter(229), ended("한"), enter(13), released];
  assert.deepEqual(actions([...first, key("KeyA"), enter(13)]).slice(-1), ["send"]);
});

test("the line break of an Enter that sends does not reach the field", () => {
  const actual = actions([...composing("한"), enter(229), ended("한"), { type: "linebreak" }, released]);
  assert.deepEqual(actual, ["await_end", "send", "prevent"]);
});

test("in a Japanese composition Enter only commits, in whatever order it comes", () => {
  assert.deepEqual(actions([...composing("かな"), enter(229), ended("仮名"), released]), []);
  assert.deepEqual(actions([...composing("かな"), ended("仮名"), enter(229), released]), []);
});

test("the second, clean Enter of a Japanese commit does not send, the next press does", () => {
  const commit = [...composing("かな"), enter(229), ended("仮名"), enter(13), released];
  assert.deepEqual(actions(commit), ["prevent"]);
  assert.deepEqual(actions([...commit, enter(13)]), ["prevent", "send"]);
});

test("an Enter that picks a Hanja for a Hangul syllable does not send", () => {
  assert.deepEqual(actions([...composing("한"), enter(229), ended("韓"), released]), ["await_end"]);
});

test("a composition that does not end by itself is ended after a while", () => {
  assert.deepEqual(actions([...composing("한"), enter(13), { type: "overdue" }, ended("한")]), [
    "await_end",
    "end_composition",
    "send",
  ]);
});

test("a composition that ended in time is left alone", () => {
  assert.deepEqual(actions([...composing("한"), enter(13), ended("한"), { type: "overdue" }]), ["await_end", "send"]);
});

test("two presses in one composition are one wish", () => {
  const actual = actions([...composing("한"), enter(229), released, enter(229), ended("한"), released]);
  assert.deepEqual(
    actual.filter((action) => action === "send"),
    ["send"],
  );
});

test("a syllable that ended by typing on is not sent by the key that ended it", () => {
  assert.deepEqual(actions([...composing("한"), ended("한"), key("Space")]), []);
});

test("a held Enter sends once", () => {
  assert.deepEqual(
    actions([enter(13), enter(13, { repeat: true })]).filter((action) => action === "send"),
    ["send"],
  );
});

test("syllables and jamo are Hangul, kana, Hanja and Latin are not", () => {
  assert.deepEqual(["한", "ㅎ", "ᄒ", "abc 글"].map(endsInHangul), [true, true, true, true]);
  assert.deepEqual(["", "かな", "韓", "abc", "한a"].map(endsInHangul), [false, false, false, false, false]);
});
