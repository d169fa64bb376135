import assert from "node:assert/strict";
import { test } from "node:test";

import { add, EMPTY_OUTBOX, waitingIn } from "../../src/sdk/outbox.js";
import { emptyLog, receive, receiveAll } from "../../src/sdk/timeline.js";
import { referenceTo, TimelineComposer } from "../../src/sdk/timeline_view.js";
import { entries, entry } from "./entries.js";

const CHANNEL = "joint/general";
const AUTHOR = { user: "south-1", delegation: "south" };
const log = receiveAll(emptyLog(CHANNEL, { epoch: 1, seq: 0 }), entries(1, 3));

/** @param {Partial<import("../../src/sdk/outbox.js").Wish>} fields */
function waiting(fields) {
  const wish = { key: "w", user: "south-1", channel: CHANNEL, kind: /** @type {const} */ ("text"), text: "대기" };
  const rest = { about: undefined, reaction: "", removed: false, mentions: [], createdMs: 9 };
  return waitingIn(add(EMPTY_OUTBOX, { ...wish, ...rest, ...fields }), CHANNEL);
}

test("what waits comes last and keeps its identity once it is delivered", () => {
  const composer = new TimelineComposer();
  const before = composer.compose(log, waiting({ key: "key-4" }), AUTHOR);
  assert.deepEqual(
    before.items.map(({ seq, state, text }) => [seq, state, text]),
    [
      [1, "delivered", "글 1"],
      [2, "delivered", "글 2"],
      [3, "delivered", "글 3"],
      [0, "queued", "대기"],
    ],
  );
  const after = composer.compose(receive(log, entry(4)), [], AUTHOR);
  assert.equal(after.items[3]?.id, before.items[3]?.id);
  assert.equal(after.items[3]?.state, "delivered");
});

test("a view changes only when something did, and then only the items that did", () => {
  const composer = new TimelineComposer();
  /** @type {readonly never[]} */
  const nothing = [];
  const first = composer.compose(log, nothing, AUTHOR);
  assert.equal(composer.compose(log, nothing, AUTHOR), first);
  const next = composer.compose(receive(log, entry(4, { kind: "correction", ref: 2, text: "고침" })), nothing, AUTHOR);
  assert.equal(next.items[0], first.items[0]);
  assert.notEqual(next.items[1], first.items[1]);
  assert.equal(next.items[2], first.items[2]);
});

test("own changes that wait hang on the message that they are about, in its epoch only", () => {
  const composer = new TimelineComposer();
  const about = referenceTo(log, 2);
  const wish = { kind: /** @type {const} */ ("reaction"), reaction: "👍", about };
  const view = composer.compose(log, waiting(wish), AUTHOR);
  assert.deepEqual(
    view.items.map((item) => item.pending.length),
    [0, 1, 0],
  );
  const other = receiveAll(emptyLog(CHANNEL, { epoch: 2, seq: 0 }), entries(1, 3, { epoch: 2 }));
  assert.deepEqual(
    composer.compose(other, waiting(wish), AUTHOR).items.map((item) => item.pending.length),
    [0, 0, 0],
  );
});

test("a view is complete when nothing is missing up to the head", () => {
  const composer = new TimelineComposer();
  assert.equal(composer.compose(log, [], AUTHOR).complete, true);
  assert.equal(composer.compose(receive(log, entry(6)), [], AUTHOR).complete, false);
  assert.equal(composer.compose({ ...log, head: 4 }, [], AUTHOR).complete, false);
});
