import assert from "node:assert/strict";
import { test } from "node:test";

import { formatBytes } from "../../src/ops/format_bytes.js";
import { withDiff } from "../../src/ops/presence_changes.js";
import { filterSessions } from "../../src/ops/session_filter.js";

/** @param {string} session @param {object} fields */
const session = (session, fields = {}) => ({
  session,
  user: "south-1",
  delegation: "south",
  role: "official",
  client: "web/0.1.0",
  device: "desktop",
  node: "node-a",
  transport: "websocket",
  addressClass: "loopback",
  sinceMs: 1,
  subscriptions: 3,
  bufferedBytes: 0,
  lagMessages: 0,
  ...fields,
});

const SESSIONS = [
  session("a"),
  session("b", { user: "north-1", delegation: "north", sinceMs: 3 }),
  session("c", { user: "bot", role: "bot", client: "Python", sinceMs: 2 }),
];

/** @param {string} filter */
const shown = (filter) =>
  filterSessions(SESSIONS, filter, ({ delegation }) => [delegation === "north" ? "북측" : "남측"]).map(
    (found) => found.session,
  );

test("without a filter all sessions are shown, newest first", () => {
  assert.deepEqual(shown(""), ["b", "c", "a"]);
  assert.deepEqual(shown("  "), ["b", "c", "a"]);
});

test("every word of the filter has to occur, in any field and any case", () => {
  assert.deepEqual(shown("NODE-A python"), ["c"]);
  assert.deepEqual(shown("북측"), ["b"]);
  assert.deepEqual(shown("북측 bot"), []);
});

test("the filter finds composed Hangul by its jamo", () => {
  assert.deepEqual(shown("북측".normalize("NFD")), ["b"]);
});

/** @param {string} user @param {'online' | 'unconfirmed'} connectivity @param {number} sinceMs */
const present = (user, connectivity, sinceMs) => ({
  user,
  delegation: "south",
  connectivity,
  availability: "active",
  devices: 1,
  sinceMs,
  cause: "connected",
});

test("comings and goings are listed newest first, with cause and time", () => {
  const first = withDiff([], new Map(), { joins: [present("a", "online", 5)], leaves: [] }, 9);
  const leave = { user: "a", delegation: "south", cause: "no pong", timeMs: 0 };
  const second = withDiff(first, new Map([["a", present("a", "online", 5)]]), { joins: [], leaves: [leave] }, 9);
  assert.deepEqual(
    second.map(({ id, connectivity, cause, timeMs }) => [id, connectivity, cause, timeMs]),
    [
      [2, "offline", "no pong", 9],
      [1, "online", "connected", 5],
    ],
  );
});

test("somebody who only changes device or availability is no event", () => {
  const before = new Map([["a", present("a", "online", 5)]]);
  assert.deepEqual(withDiff([], before, { joins: [present("a", "online", 7)], leaves: [] }, 9), []);
});

test("the list of changes is bounded", () => {
  let changes = /** @type {readonly import('../../src/ops/presence_changes.js').Change[]} */ ([]);
  for (let i = 0; i < 1000; i += 1) {
    changes = withDiff(changes, new Map(), { joins: [present(`u${i}`, "online", i)], leaves: [] }, i);
  }
  assert.equal(changes.length, 200);
  assert.equal(changes[0]?.user, "u999");
});

test("amounts of bytes take few digits", () => {
  assert.deepEqual([0, 812, 1536, 65536, 1572864].map(formatBytes), ["0 B", "812 B", "1.5 KB", "64 KB", "1.5 MB"]);
});
