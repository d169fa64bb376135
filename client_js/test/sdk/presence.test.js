import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { applyDiff, applySnapshot, connectivityOf } from "../../src/sdk/presence.js";
import { UNKNOWN_PRESENCE } from "../../src/sdk/unknown_presence.js";
import { forSeeds, integer, pick, shuffled } from "./seeded.js";

/** @typedef {import("../../src/sdk/presence_frames.js").PresenceUser} PresenceUser */
/** @typedef {import("../../src/sdk/presence_frames.js").PresenceSnapshot} PresenceSnapshot */
/** @typedef {import("../../src/sdk/presence_frames.js").PresenceDiff} PresenceDiff */

const USERS = ["south-1", "south-2", "north-1", "north-2", "__proto__"];

/** @param {string} user @param {Partial<PresenceUser>} [fields] @returns {PresenceUser} */
function person(user, fields = {}) {
  const delegation = user.startsWith("north") ? "north" : "south";
  return { user, delegation, connectivity: "online", availability: "", devices: 0, sinceMs: 0, cause: "", ...fields };
}

/** @param {Partial<PresenceSnapshot>} fields @returns {PresenceSnapshot} */
function snapshot(fields) {
  return { epoch: "e1", version: 1, users: [], sides: [], staleSinceMs: 0, ...fields };
}

/** @param {number} fromVersion @param {Partial<PresenceDiff>} fields @returns {PresenceDiff} */
function diff(fromVersion, fields = {}) {
  return { epoch: "e1", fromVersion, version: fromVersion + 1, joins: [], leaves: [], sides: [], ...fields };
}

/** @param {string} user */
function leave(user) {
  return { user, delegation: "south", cause: "closed", timeMs: 0 };
}

/**
 * A server's history of presence: a snapshot at each version, and the differences between them.
 * @param {() => number} random
 * @param {number} length
 */
function randomPresence(random, length) {
  /** @type {Map<string, PresenceUser>} */
  const users = new Map();
  const snapshots = [snapshot({ version: 0 })];
  const diffs = [];
  for (let version = 0; version < length; version += 1) {
    const user = pick(random, USERS);
    const goes = users.has(user) && random() < 0.4;
    const joined = person(user, { connectivity: pick(random, ["online", "unconfirmed"]), devices: integer(random, 3) });
    if (goes) users.delete(user);
    else users.set(user, joined);
    diffs.push(diff(version, goes ? { leaves: [leave(user)] } : { joins: [joined] }));
    snapshots.push(snapshot({ version: version + 1, users: [...users.values()] }));
  }
  return { snapshots, diffs };
}

/** @param {import("../../src/sdk/presence.js").Presence} presence */
function shown({ current, epoch, version, users }) {
  return { current, epoch, version, users: [...users.values()].sort((a, b) => (a.user < b.user ? -1 : 1)) };
}

test("a snapshot and all differences after it give what a fresh snapshot gives", () => {
  forSeeds(200, (random) => {
    const { snapshots, diffs } = randomPresence(random, 30);
    const start = integer(random, diffs.length);
    const first = applySnapshot(UNKNOWN_PRESENCE, /** @type {PresenceSnapshot} */ (snapshots[start]));
    const led = diffs.slice(start).reduce(applyDiff, first);
    const fresh = applySnapshot(UNKNOWN_PRESENCE, /** @type {PresenceSnapshot} */ (snapshots.at(-1)));
    assert.deepEqual(shown(led), shown(fresh));
  });
});

test("however differences and snapshots are lost and repeated, a view that claims to be level is right", () => {
  forSeeds(300, (random) => {
    const { snapshots, diffs } = randomPresence(random, 20);
    let presence = UNKNOWN_PRESENCE;
    for (const [index, change] of diffs.entries()) {
      if (random() < 0.8) presence = applyDiff(presence, change);
      if (random() < 0.1) presence = applyDiff(presence, pick(random, diffs.slice(0, index + 1)));
      // The answer to a question may be overtaken by what was pushed after it was taken.
      if (presence.needsSnapshot && random() < 0.4) {
        const taken = Math.max(0, index + 1 - integer(random, 3));
        presence = applySnapshot(presence, /** @type {PresenceSnapshot} */ (snapshots[taken]));
      }
      if (!presence.needsSnapshot) {
        const truth = applySnapshot(UNKNOWN_PRESENCE, /** @type {PresenceSnapshot} */ (snapshots[presence.version]));
        assert.deepEqual(shown(presence), shown(truth));
      }
    }
  });
});

describe("differences", () => {
  test("that come before their snapshot wait for it", () => {
    const early = [diff(4, { joins: [person("south-1")] }), diff(5, { joins: [person("north-1")] })];
    const waiting = early.reduce(applyDiff, UNKNOWN_PRESENCE);
    assert.equal(waiting.current, false);
    const presence = applySnapshot(waiting, snapshot({ version: 5, users: [person("south-1")] }));
    assert.equal(presence.version, 6);
    assert.deepEqual([...presence.users.keys()], ["south-1", "north-1"]);
  });

  test("that waited and are of another epoch than the snapshot are dropped", () => {
    const waiting = applyDiff(UNKNOWN_PRESENCE, diff(4, { epoch: "e0", joins: [person("south-1")] }));
    const presence = applySnapshot(waiting, snapshot({ version: 4 }));
    assert.deepEqual([presence.needsSnapshot, presence.current, presence.users.size], [false, true, 0]);
  });

  test("with a gap between them ask for a snapshot and are not applied", () => {
    const before = applySnapshot(UNKNOWN_PRESENCE, snapshot({ version: 3 }));
    const gapped = applyDiff(before, diff(4, { joins: [person("south-1")] }));
    assert.equal(gapped.needsSnapshot, true);
    assert.equal(gapped.users.size, 0);
  });

  test("of another epoch ask for a snapshot", () => {
    const before = applySnapshot(UNKNOWN_PRESENCE, snapshot({ version: 3 }));
    assert.equal(applyDiff(before, diff(3, { epoch: "e2" })).needsSnapshot, true);
  });

  test("that were applied already change nothing", () => {
    const before = applySnapshot(UNKNOWN_PRESENCE, snapshot({ version: 3 }));
    assert.equal(applyDiff(before, diff(1, { joins: [person("south-1")] })), before);
  });

  test("apply joins before leaves", () => {
    const before = applySnapshot(UNKNOWN_PRESENCE, snapshot({ version: 3 }));
    const after = applyDiff(before, diff(3, { joins: [person("south-1")], leaves: [leave("south-1")] }));
    assert.equal(after.users.size, 0);
  });

  test("in any order before the snapshot never apply one twice or out of turn", () => {
    forSeeds(100, (random) => {
      const { snapshots, diffs } = randomPresence(random, 12);
      const waiting = shuffled(random, diffs).reduce(applyDiff, UNKNOWN_PRESENCE);
      const presence = applySnapshot(waiting, /** @type {PresenceSnapshot} */ (snapshots.at(-1)));
      assert.equal(presence.needsSnapshot, false);
      assert.equal(presence.version, diffs.length);
    });
  });
});

describe("what may be shown of somebody", () => {
  const named = { granularity: /** @type {const} */ ("named"), staffed: true, online: 1 };
  const presence = applySnapshot(
    UNKNOWN_PRESENCE,
    snapshot({
      users: [person("south-1", { connectivity: "unconfirmed" })],
      sides: [
        { delegation: "south", ...named },
        { delegation: "north", ...named, granularity: "count" },
      ],
    }),
  );

  test("is what the server said, and offline for those it didn't name", () => {
    assert.equal(connectivityOf(presence, "south-1", "south"), "unconfirmed");
    assert.equal(connectivityOf(presence, "south-2", "south"), "offline");
  });

  test("is unknown where a side tells no names", () => {
    assert.equal(connectivityOf(presence, "north-1", "north"), "unknown");
  });

  test("is unknown for everybody while the feed is stale or there is none", () => {
    const stale = applySnapshot(presence, snapshot({ version: 2, users: [person("south-1")], staleSinceMs: 5 }));
    assert.equal(connectivityOf(stale, "south-1", "south"), "unknown");
    assert.equal(connectivityOf(UNKNOWN_PRESENCE, "south-1", "south"), "unknown");
  });
});
