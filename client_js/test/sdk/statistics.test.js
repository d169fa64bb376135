import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { applyStatistics, applyStatisticsStep, KEPT_STEPS, UNKNOWN_STATISTICS } from "../../src/sdk/statistics.js";

/** @param {number} number @returns {import("../../src/sdk/operations_frames.js").StatisticsStep} */
function step(number) {
  const nothing = { caughtUp: 0, slowConsumers: 0, hintsMissed: 0, loopLagMs: 0, bufferedBytes: undefined };
  const empty = { refusals: new Map(), appends: new Map(), reasons: [] };
  return {
    number,
    timeMs: number * 5_000,
    spanMs: 5_000,
    sides: [],
    directions: [],
    sessions: 0,
    ...nothing,
    ...empty,
  };
}

/** @param {number} from @param {number} to */
function steps(from, to) {
  return Array.from({ length: to - from + 1 }, (_, index) => step(from + index));
}

/** @param {number} number @param {string} [node] */
const push = (number, node = "a") => ({ node, step: step(number) });
/** @param {number} from @param {number} to */
const snapshot = (from, to) => ({ node: "a", stepMs: 5_000, steps: steps(from, to), others: [] });
/** @param {Readonly<import("../../src/sdk/statistics.js").Statistics>} value */
const numbers = (value) => value.steps.map(({ number }) => number);

describe("statistics", () => {
  test("are the snapshot and what is pushed after it", () => {
    const value = [push(4), push(5)].reduce(applyStatisticsStep, applyStatistics(UNKNOWN_STATISTICS, snapshot(1, 3)));
    assert.deepEqual(numbers(value), [1, 2, 3, 4, 5]);
    assert.equal(value.current, true);
    assert.equal(value.node, "a");
  });

  test("take a step that comes twice once", () => {
    const value = applyStatistics(UNKNOWN_STATISTICS, snapshot(1, 3));
    assert.equal(applyStatisticsStep(value, push(3)), value);
  });

  test("hold what came before the snapshot until it is there", () => {
    const early = [push(3), push(4)].reduce(applyStatisticsStep, UNKNOWN_STATISTICS);
    assert.equal(early.needsSnapshot, true);
    assert.deepEqual(numbers(applyStatistics(early, snapshot(1, 3))), [1, 2, 3, 4]);
  });

  test("ask anew when a step is missing", () => {
    const value = applyStatistics(UNKNOWN_STATISTICS, snapshot(1, 3));
    assert.equal(applyStatisticsStep(value, push(5)).needsSnapshot, true);
    assert.equal(applyStatisticsStep(value, push(4)).needsSnapshot, false);
  });

  test("keep those of other nodes apart, with gaps, each once, until they fall silent", () => {
    const others = [{ node: "b", steps: steps(1, 2) }];
    let value = applyStatistics(UNKNOWN_STATISTICS, { ...snapshot(1, 3), others });
    for (const told of [push(4, "b"), push(4, "b"), push(7, "c"), push(4)]) value = applyStatisticsStep(value, told);
    assert.deepEqual(numbers(value), [1, 2, 3, 4]);
    const ofOthers = () => [...value.others].map(([node, held]) => [node, held.map(({ number }) => number)]);
    assert.deepEqual(ofOthers(), [
      ["b", [1, 2, 4]],
      ["c", [7]],
    ]);
    for (let number = 5; number < 18; number += 1) value = applyStatisticsStep(value, push(number));
    assert.deepEqual(ofOthers(), [["c", [7]]]);
  });

  test("begin anew for another node that was started anew", () => {
    let value = applyStatistics(UNKNOWN_STATISTICS, { ...snapshot(1, 9), others: [{ node: "b", steps: steps(1, 2) }] });
    value = applyStatisticsStep(value, { node: "b", step: { ...step(1), timeMs: 45_000 } });
    assert.deepEqual(
      value.others.get("b")?.map(({ number }) => number),
      [1],
    );
  });

  test("begin with the first step of a node that has just started", () => {
    const value = applyStatisticsStep(applyStatistics(UNKNOWN_STATISTICS, { ...snapshot(1, 0) }), push(1));
    assert.deepEqual(numbers(value), [1]);
    assert.equal(value.needsSnapshot, false);
  });

  test("keep a quarter of an hour and no more", () => {
    const value = steps(2, 400)
      .map(({ number }) => push(number))
      .reduce(applyStatisticsStep, applyStatistics(UNKNOWN_STATISTICS, snapshot(1, 1)));
    assert.equal(value.steps.length, KEPT_STEPS);
    assert.equal(value.steps.at(-1)?.number, 400);
  });
});
