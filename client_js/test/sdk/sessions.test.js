import assert from "node:assert/strict";
import { test } from "node:test";

import { applySessions, applySessionsDiff, UNKNOWN_SESSIONS } from "../../src/sdk/sessions.js";
import { forSeeds, integer, pick } from "./seeded.js";

/** @typedef {import("../../src/sdk/operations_frames.js").SessionInfo} SessionInfo */
/** @typedef {import("../../src/sdk/operations_frames.js").SessionsDiff} SessionsDiff */

/** @param {string} id @param {number} [bufferedBytes] @returns {SessionInfo} */
function session(id, bufferedBytes = 0) {
  return {
    session: id,
    user: "south-1",
    delegation: "south",
    role: "official",
    client: "web/0.1.0",
    device: "desktop",
    node: "a",
    transport: "websocket",
    addressClass: "loopback",
    sinceMs: 1,
    subscriptions: 2,
    bufferedBytes,
    lagMessages: 0,
  };
}

/** @param {number} fromVersion @param {Partial<SessionsDiff>} [fields] @returns {SessionsDiff} */
function diff(fromVersion, fields = {}) {
  return { fromVersion, version: fromVersion + 1, opened: [], closed: [], nodes: [], ...fields };
}

test("a snapshot and its differences give what a fresh snapshot gives", () => {
  forSeeds(100, (random) => {
    /** @type {Map<string, SessionInfo>} */
    const truth = new Map();
    let table = applySessions(UNKNOWN_SESSIONS, { version: 0, sessions: [], nodes: [] });
    for (let version = 0; version < 30; version += 1) {
      const id = pick(random, ["a", "b", "constructor", "__proto__"]);
      const closes = truth.has(id) && random() < 0.5;
      const opened = session(id, integer(random, 100));
      if (closes) truth.delete(id);
      else truth.set(id, opened);
      table = applySessionsDiff(table, diff(version, closes ? { closed: [id] } : { opened: [opened] }));
    }
    const fresh = applySessions(UNKNOWN_SESSIONS, { version: 30, sessions: [...truth.values()], nodes: [] });
    assert.deepEqual(new Map([...table.sessions].sort()), new Map([...fresh.sessions].sort()));
    assert.equal(table.version, fresh.version);
  });
});

test("a gap asks for a snapshot, and what came meanwhile is applied to it", () => {
  const table = applySessions(UNKNOWN_SESSIONS, { version: 1, sessions: [], nodes: [] });
  const gapped = applySessionsDiff(table, diff(3, { opened: [session("b")] }));
  assert.equal(gapped.needsSnapshot, true);
  const whole = applySessions(gapped, { version: 3, sessions: [session("a")], nodes: [] });
  assert.deepEqual([...whole.sessions.keys()], ["a", "b"]);
  assert.equal(whole.version, 4);
});

test("a snapshot that differences have overtaken is passed over", () => {
  const table = applySessionsDiff(applySessions(UNKNOWN_SESSIONS, { version: 5, sessions: [], nodes: [] }), diff(5));
  assert.equal(applySessions(table, { version: 5, sessions: [session("a")], nodes: [] }), table);
});

test("what is known of the nodes stays until something changes about them", () => {
  const node = { node: "b", total: 3, silentSinceMs: 5 };
  const nodes = [{ ...node, state: /** @type {const} */ ("silent") }];
  const table = applySessions(UNKNOWN_SESSIONS, { version: 1, sessions: [], nodes });
  assert.deepEqual(applySessionsDiff(table, diff(1)).nodes, nodes);
  const now = [{ ...node, state: /** @type {const} */ ("current") }];
  assert.deepEqual(applySessionsDiff(table, { ...diff(1), nodes: now }).nodes, now);
});
