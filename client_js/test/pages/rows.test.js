import assert from "node:assert/strict";
import { test } from "node:test";

import { GROUPING_MS, rowsOf } from "../../src/chat/rows.js";

const EVENING = Date.UTC(2026, 11, 31, 14, 58);

/** @param {number} seq @param {number} timeMs @param {string} sender @param {number} [replyTo] */
const text = (seq, timeMs, sender, replyTo = 0) => ({ id: `${seq}`, seq, timeMs, sender, replyTo });

/** @param {ReturnType<typeof text>[]} items @param {number} [unreadAfter] */
function shape(items, unreadAfter) {
  return rowsOf(items, { timeZone: "Asia/Seoul", me: "me", unreadAfter }).map((row) =>
    row.type === "message" && row.continues ? `${row.id}+` : row.id,
  );
}

test("messages of one author within five minutes share a heading", () => {
  const items = [text(1, 0, "a"), text(2, GROUPING_MS - 1, "a"), text(3, 2 * GROUPING_MS - 1, "a")];
  assert.deepEqual(shape(items), ["day 1970-01-01", "1", "2+", "3"]);
});

test("another author gets a heading", () => {
  assert.deepEqual(shape([text(1, 0, "a"), text(2, 1, "b")]), ["day 1970-01-01", "1", "2"]);
});

test("a reply gets a heading, for it shows what it answers", () => {
  assert.deepEqual(shape([text(1, 0, "a"), text(2, 1, "a", 1)]), ["day 1970-01-01", "1", "2"]);
});

test("days are those of the office, not of Greenwich", () => {
  const items = [text(1, EVENING, "a"), text(2, EVENING + 3 * 60_000, "a")];
  assert.deepEqual(shape(items), ["day 2026-12-31", "1", "day 2027-01-01", "2"]);
});

test("the mark of the first unread stands once, before the first message after the read position", () => {
  const items = [text(1, 0, "a"), text(3, 1, "a"), text(4, 2, "a")];
  assert.deepEqual(shape(items, 2), ["day 1970-01-01", "1", "unread", "3", "4+"]);
  assert.deepEqual(shape(items, 4), ["day 1970-01-01", "1", "3+", "4+"]);
});

test("what one wrote is never new to oneself", () => {
  assert.deepEqual(shape([text(1, 0, "a"), text(2, 1, "me"), text(0, 2, "me")], 1), ["day 1970-01-01", "1", "2", "0+"]);
  assert.deepEqual(shape([text(1, 0, "me"), text(2, 1, "a")], 0), ["day 1970-01-01", "1", "unread", "2"]);
});
