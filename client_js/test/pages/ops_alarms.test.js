import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  alarmsOf,
  LATE_LOOP_MS,
  MANY_SLOW_CONSUMERS,
  SLOW_ACK_MS,
  SLOW_SEEN_MS,
  UNEQUAL_RATIO,
} from "../../src/ops/alarms.js";

/** @typedef {import('../../src/sdk/operations_frames.js').StatisticsStep} Step */
/** @typedef {import('../../src/ops/alarms.js').Known} Known */

const NOW_MS = 1_000_000;
const STEP_MS = 5_000;
const SIDES = ["south", "north"];

/** @param {number} age   Steps before the newest. @param {Partial<Step>} [changes] @returns {Step} */
function step(age, changes = {}) {
  return {
    number: 100 - age,
    timeMs: NOW_MS - 1_000 - age * STEP_MS,
    spanMs: STEP_MS,
    sides: SIDES.map((delegation) => ({ delegation, sessions: 1, published: 1, ackP50Us: 900, ackP99Us: 4_000 })),
    directions: SIDES.flatMap((sender) =>
      SIDES.map((receiver) => ({ sender, receiver, deliveries: 1, seenP50Us: 1_000, seenP99Us: 6_000 })),
    ),
    sessions: 2,
    caughtUp: 0,
    slowConsumers: 0,
    hintsMissed: 0,
    loopLagMs: 2,
    bufferedBytes: 0,
    refusals: new Map(),
    appends: new Map([["committed", 5]]),
    reasons: [],
    ...changes,
  };
}

/** Steps of which the newest are as given, oldest of them first. @param {Partial<Step>[]} newest */
function steps(...newest) {
  const calm = Array.from({ length: 10 }, (_, index) => step(newest.length + 9 - index));
  return [...calm, ...newest.map((changes, index) => step(newest.length - 1 - index, changes))];
}

/** @param {Partial<Known>} [changes] @returns {Known} */
function known(changes = {}) {
  return {
    nowMs: NOW_MS,
    isConnected: true,
    presenceIsCurrent: true,
    statisticsAreCurrent: true,
    steps: steps(),
    stepMs: STEP_MS,
    sides: SIDES.map((delegation) => ({ delegation, staffed: true })),
    desks: [],
    ...changes,
  };
}

/** @param {Partial<Known>} changes */
const names = (changes) => alarmsOf(known(changes)).map(({ name }) => name);

/** @param {string} delegation @param {number} ackP99Us @returns {Partial<Step>} */
function acks(delegation, ackP99Us) {
  return { sides: step(0).sides.map((side) => (side.delegation === delegation ? { ...side, ackP99Us } : side)) };
}

/** @param {string} sender @param {string} receiver @param {number} seenP99Us @returns {Partial<Step>} */
function seen(sender, receiver, seenP99Us) {
  return {
    directions: step(0).directions.map((direction) =>
      direction.sender === sender && direction.receiver === receiver ? { ...direction, seenP99Us } : direction,
    ),
  };
}

/** @param {any} value @returns {any} */
function swapped(value) {
  if (Array.isArray(value)) return value.map(swapped);
  if (value instanceof Map) return value;
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, swapped(inner)]));
  return value === "south" ? "north" : value === "north" ? "south" : value;
}

describe("alarms", () => {
  test("are none on a quiet day, and none before the first figures", () => {
    assert.deepEqual(alarmsOf(known()), []);
    assert.deepEqual(alarmsOf(known({ steps: [] })), []);
  });

  test("say only that the line is down while it is", () => {
    assert.deepEqual(names({ isConnected: false, presenceIsCurrent: false, statisticsAreCurrent: false }), ["no_line"]);
  });

  test("tell an unknown presence, and then claim nothing of desks", () => {
    const sides = [{ delegation: "south", staffed: false }];
    assert.deepEqual(names({ presenceIsCurrent: false, sides }), ["presence_stale"]);
  });

  test("tell figures that stopped, by the feed or by the clock", () => {
    assert.deepEqual(names({ statisticsAreCurrent: false }), ["figures_stale"]);
    assert.deepEqual(names({ nowMs: NOW_MS + 3 * STEP_MS }), ["figures_stale"]);
    assert.deepEqual(names({ nowMs: NOW_MS + 2 * STEP_MS - 1_000 }), []);
  });

  for (const [reason, name] of /** @type {const} */ ([
    ["deaf to the bus", "deaf"],
    ["the log can't commit: disk full", "log"],
    ["the log does not answer", "log"],
    ["accounts are stale", "accounts_stale"],
    ["draining", "draining"],
    ["a reason of a newer server", "reason"],
  ])) {
    test(`name what the node says of itself: ${reason}`, () => {
      assert.deepEqual(names({ steps: steps({ reasons: [reason] }) }), [name]);
      assert.deepEqual(names({ steps: steps({ reasons: [reason] }, {}) }), []);
    });
  }

  test("tell each desk that nobody is at", () => {
    const sides = SIDES.map((delegation) => ({ delegation, staffed: false }));
    assert.deepEqual(
      alarmsOf(known({ sides })).map(({ name, side }) => [name, side]),
      [
        ["unstaffed", "south"],
        ["unstaffed", "north"],
      ],
    );
  });

  test("of a desk with a roster follow its hours, and nothing is claimed before the desks have told", () => {
    const sides = SIDES.map((delegation) => ({ delegation, staffed: false }));
    const desks = [
      { delegation: "south", hasRoster: true, unstaffedSinceMs: 0 },
      { delegation: "north", hasRoster: true, unstaffedSinceMs: 5_000 },
    ];
    assert.deepEqual(
      alarmsOf(known({ sides, desks })).map(({ side }) => side),
      ["north"],
    );
    // Somebody else of that side is here, and nobody who is on duty.
    assert.deepEqual(names({ desks }), ["unstaffed"]);
    assert.deepEqual(names({ sides, desks: undefined }), []);
  });

  test("tell slow acknowledgements of a side once they go on", () => {
    const slow = acks("north", (SLOW_ACK_MS + 50) * 1000);
    assert.deepEqual(names({ steps: steps(slow) }), []);
    const [alarm] = alarmsOf(known({ steps: steps(slow, {}, slow) }));
    assert.deepEqual(alarm, { name: "slow_ack", severity: "alarm", side: "north", values: { ms: SLOW_ACK_MS + 50 } });
    assert.deepEqual(names({ steps: steps(slow, slow, {}, {}) }), []);
    const atLimit = acks("north", SLOW_ACK_MS * 1000);
    assert.deepEqual(names({ steps: steps(atLimit, atLimit, atLimit) }), []);
  });

  test("tell a slow direction, and that the other one is faster", () => {
    const slow = seen("south", "north", (SLOW_SEEN_MS + 100) * 1000);
    const found = alarmsOf(known({ steps: steps(slow, slow) }));
    assert.deepEqual(
      found.map(({ name, side, across }) => [name, side, across]),
      [
        ["slow_seen", "south", "north"],
        ["unequal", "south", "north"],
      ],
    );
    assert.deepEqual(found[1]?.values, { ms: SLOW_SEEN_MS + 100, back: 6 });
  });

  test("tell inequality only where it is felt", () => {
    const hardly = seen("south", "north", 6_000 * (UNEQUAL_RATIO + 1));
    assert.deepEqual(names({ steps: steps(hardly, hardly, hardly) }), []);
    const within = seen("south", "south", 400_000);
    assert.deepEqual(names({ steps: steps(within, within, within) }), []);
  });

  test("tell a loop that is late", () => {
    assert.deepEqual(names({ steps: steps({ loopLagMs: LATE_LOOP_MS }) }), ["late_loop"]);
    assert.deepEqual(names({ steps: steps({ loopLagMs: LATE_LOOP_MS - 1 }) }), []);
  });

  test("tell commits that failed and bugs, for a minute", () => {
    const bad = {
      appends: new Map([
        ["refused", 2],
        ["unknown", 1],
      ]),
      refusals: new Map([["internal", 4]]),
    };
    const found = alarmsOf(known({ steps: steps(bad) }));
    assert.deepEqual(
      found.map(({ name, values }) => [name, values?.["count"]]),
      [
        ["appends", 3],
        ["internal", 4],
      ],
    );
    assert.deepEqual(names({ steps: steps(bad, ...Array.from({ length: 13 }, () => ({}))) }), []);
    assert.deepEqual(names({ steps: steps({ refusals: new Map([["forbidden", 50]]) }) }), []);
  });

  test("tell a spike of slow consumers, not a single one", () => {
    assert.deepEqual(names({ steps: steps({ slowConsumers: MANY_SLOW_CONSUMERS - 1 }) }), []);
    const half = { slowConsumers: MANY_SLOW_CONSUMERS / 2 };
    assert.deepEqual(names({ steps: steps(half, half) }), ["slow_consumers"]);
  });

  test("put what is worst first", () => {
    const sides = [{ delegation: "south", staffed: false }];
    assert.deepEqual(names({ sides, steps: steps({ reasons: ["draining"] }) }), ["unstaffed", "draining"]);
  });

  test("are the same for either side", () => {
    const slow = { ...seen("south", "north", 900_000), ...acks("south", 900_000) };
    const one = known({ steps: steps(slow, slow), sides: [{ delegation: "south", staffed: false }] });
    const other = /** @type {Known} */ (swapped(one));
    const sorted = (/** @type {any[]} */ alarms) => alarms.map((alarm) => JSON.stringify(alarm)).sort();
    assert.equal(alarmsOf(one).length, 4);
    assert.deepEqual(sorted(swapped(alarmsOf(one))), sorted(alarmsOf(other)));
  });
});
