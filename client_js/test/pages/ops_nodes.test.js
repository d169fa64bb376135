import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { figuresOf, nodesOf, tellsFigures } from "../../src/ops/nodes.js";
import { UNKNOWN_STATISTICS } from "../../src/sdk/statistics.js";

/** @typedef {import('../../src/sdk/operations_frames.js').StatisticsStep} Step */

/** @param {number} number @param {Partial<Step>} [fields] @returns {Step} */
function step(number, fields = {}) {
  return {
    number,
    timeMs: number * 5_000 + 1_000,
    spanMs: 5_000,
    sides: [{ delegation: "south", sessions: 1, published: 2, ackP50Us: undefined, ackP99Us: 900 }],
    directions: [{ sender: "south", receiver: "north", deliveries: 3, seenP50Us: 10, seenP99Us: undefined }],
    sessions: 1,
    caughtUp: 0,
    slowConsumers: 1,
    hintsMissed: 0,
    loopLagMs: 4,
    bufferedBytes: undefined,
    refusals: new Map([["busy", 1]]),
    appends: new Map(),
    reasons: [],
    ...fields,
  };
}

/** @param {readonly Step[]} steps @param {Record<string, readonly Step[]>} others */
function statistics(steps, others) {
  return { ...UNKNOWN_STATISTICS, current: true, node: "a", steps, others: new Map(Object.entries(others)) };
}

describe("the figures of several nodes", () => {
  const busy = step(2, {
    timeMs: 13_900,
    sides: [{ delegation: "south", sessions: 4, published: 5, ackP50Us: 80, ackP99Us: 700 }],
    directions: [{ sender: "south", receiver: "north", deliveries: 30, seenP50Us: 9, seenP99Us: 50 }],
    sessions: 4,
    loopLagMs: 90,
    bufferedBytes: 7,
    refusals: new Map([
      ["busy", 2],
      ["forbidden", 1],
    ]),
    reasons: ["draining"],
  });

  test("are sums, and of times and lags the longest", () => {
    const [sum] = figuresOf(statistics([step(2)], { b: [busy] }), "").steps;
    assert.deepEqual(sum?.sides, [{ delegation: "south", sessions: 5, published: 7, ackP50Us: 80, ackP99Us: 900 }]);
    assert.deepEqual(sum?.directions, [
      { sender: "south", receiver: "north", deliveries: 33, seenP50Us: 10, seenP99Us: 50 },
    ]);
    assert.deepEqual([sum?.sessions, sum?.slowConsumers, sum?.loopLagMs, sum?.bufferedBytes], [5, 2, 90, 7]);
    assert.deepEqual(Object.fromEntries(sum?.refusals ?? []), { busy: 3, forbidden: 1 });
    assert.deepEqual(sum?.reasons, ["draining"]);
  });

  test("are the same whichever node one is connected to", () => {
    const here = figuresOf(statistics([step(1), step(2)], { b: [busy] }), "").steps;
    const there = figuresOf({ ...statistics([busy], { a: [step(1), step(2)] }), node: "b" }, "").steps;
    assert.deepEqual(here, there);
  });

  test("wait for the node that ends its step last, so that no sum falls short", () => {
    const { steps } = figuresOf(statistics([step(1), step(2), step(3)], { b: [step(1), step(2)] }), "");
    assert.deepEqual(
      steps.map(({ sessions }) => sessions),
      [2, 2],
    );
  });

  test("wait no longer for a node that is silent", () => {
    const mine = [1, 2, 3, 4, 5, 6].map((number) => step(number));
    const { steps } = figuresOf(statistics(mine, { b: [step(1)] }), "");
    assert.equal(steps.length, 6);
    assert.equal(steps.at(-1)?.sessions, 1);
  });

  test("are those of one node where it is chosen, and of all where nobody knows it", () => {
    const both = statistics([step(2)], { b: [busy] });
    assert.deepEqual(figuresOf(both, "b").steps, [busy]);
    assert.deepEqual(figuresOf(both, "gone"), figuresOf(both, ""));
    assert.deepEqual(
      nodesOf(both).map(([name]) => name),
      ["a", "b"],
    );
  });

  test("are the node's own where there is one", () => {
    const alone = statistics([step(1)], {});
    assert.equal(figuresOf(alone, ""), alone);
  });
});

test("a node that tells figures and no sessions is of another version, one that tells neither is lost", () => {
  // The last step of each ended at 16 s.
  const told = statistics([step(3)], { b: [step(3)] });
  assert.equal(tellsFigures(told, "b", 0), true);
  assert.equal(tellsFigures(told, "b", 5_900), true);
  assert.equal(tellsFigures(told, "b", 6_000), false);
  assert.equal(tellsFigures(told, "c", 0), false);
});
