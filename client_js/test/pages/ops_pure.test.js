import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { formatCount, formatSpan } from "../../src/ops/format_figures.js";
import { readView, WHOLE_VIEW, writeView } from "../../src/ops/permalink.js";
import { endOfMinute, standingAt } from "../../src/ops/presence_answer.js";
import { withDiff, withEarlier } from "../../src/ops/presence_changes.js";
import * as series from "../../src/ops/series.js";
import { HIGH_BYTES, sessionsOf, slowSessions } from "../../src/ops/session_filter.js";

/** @typedef {import('../../src/sdk/operations_frames.js').StatisticsStep} Step */
/** @typedef {import('../../src/ops/session_filter.js').Session} Session */

/** @param {number} number @param {Partial<Step>} [changes] @returns {Step} */
function step(number, changes = {}) {
  return {
    number,
    timeMs: number * 5_000,
    spanMs: 5_000,
    sides: [],
    directions: [],
    sessions: 0,
    caughtUp: 0,
    slowConsumers: 0,
    hintsMissed: 0,
    loopLagMs: 0,
    bufferedBytes: undefined,
    refusals: new Map(),
    appends: new Map(),
    reasons: [],
    ...changes,
  };
}

describe("a permalink", () => {
  test("gives back the view that it was made of, whatever people type", () => {
    const view = {
      text: "김 & 박?#",
      side: "south",
      node: "a b",
      user: "south-1",
      who: "north-1",
      at: "2026-11-24T14:03",
      of: "b",
      wall: true,
    };
    assert.deepEqual(readView(writeView(view)), view);
  });

  test("is short where nothing is chosen", () => {
    assert.equal(writeView(WHOLE_VIEW), "");
    assert.equal(writeView({ ...WHOLE_VIEW, wall: true }), "?wall=1");
  });

  test("takes anything and believes little", () => {
    assert.deepEqual(readView("?at=yesterday&wall=yes&__proto__=1&foo=2"), WHOLE_VIEW);
    assert.equal(readView(`?q=${"x".repeat(10_000)}`).text.length, 100);
  });
});

describe("series", () => {
  const side = { delegation: "south", sessions: 3, published: 10, ackP50Us: 1_500, ackP99Us: undefined };
  const direction = { sender: "south", receiver: "north", deliveries: 40, seenP50Us: 2_000, seenP99Us: 9_000 };
  const steps = [step(1), step(2, { sides: [side], directions: [direction], spanMs: 4_000, loopLagMs: 7 })];

  test("are rates by the time that a step really took, and milliseconds", () => {
    assert.deepEqual(series.times(steps), [5, 10]);
    assert.deepEqual(series.sessionsOf(steps, "south"), [null, 3]);
    assert.deepEqual(series.messageRate(steps, "south"), [null, 2.5]);
    assert.deepEqual(series.deliveryRate(steps, "south", "north"), [null, 10]);
    assert.deepEqual(series.deliveryRate(steps, "north", "south"), [null, null]);
    assert.deepEqual(series.ackLatency(steps, "south", "ackP50Us"), [null, 1.5]);
    assert.deepEqual(series.seenLatency(steps, "south", "north", "seenP99Us"), [null, 9]);
    assert.deepEqual(series.loopLag(steps), [0, 7]);
  });

  test("have gaps where nothing was measured, never a zero", () => {
    assert.deepEqual(series.ackLatency(steps, "south", "ackP99Us"), [null, null]);
    assert.equal(series.latest([1, 2, null]), 2);
    assert.equal(series.latest([null]), undefined);
  });

  test("that are compared share the top of their scale", () => {
    assert.ok(
      Math.abs(
        series.sharedTop(
          [
            [1, 50],
            [null, 20],
          ],
          10,
        ) - 55,
      ) < 1e-9,
    );
    assert.equal(series.sharedTop([], 10), 11);
  });

  test("of errors are added up, the most frequent first, with when each was last", () => {
    const refused = [
      step(1, {
        refusals: new Map([
          ["busy", 1],
          ["forbidden", 2],
        ]),
      }),
      step(2, { refusals: new Map([["busy", 4]]) }),
    ];
    assert.deepEqual(
      series.totals(refused, (each) => each.refusals),
      [
        { name: "busy", count: 5, lastMs: 10_000 },
        { name: "forbidden", count: 2, lastMs: 5_000 },
      ],
    );
  });
});

test("figures are written in few digits", () => {
  assert.deepEqual([0, 0.44, 3, 9.96, 12.4, 1234].map(formatCount), ["0", "0.4", "3", "10.0", "12", "1,234"]);
  assert.deepEqual([0, 0.62, 12.4, 999, 1500].map(formatSpan), ["0 ms", "0.6 ms", "12 ms", "999 ms", "1.5 s"]);
});

describe("sessions", () => {
  /** @param {string} id @param {Partial<Session>} [changes] @returns {Session} */
  function session(id, changes = {}) {
    const names = { user: "south-1", delegation: "south", role: "official", client: "", device: "", node: "a" };
    const place = { transport: "", addressClass: "private", sinceMs: 0, subscriptions: 0 };
    return { session: id, ...names, ...place, bufferedBytes: 0, lagMessages: 0, ...changes };
  }

  test("are chosen by side, node and user together", () => {
    const all = [session("1"), session("2", { node: "b" }), session("3", { delegation: "north", user: "north-1" })];
    const ids = (/** @type {Partial<{ side: string, node: string, user: string }>} */ wanted) =>
      sessionsOf(all, { side: "", node: "", user: "", ...wanted }).map((each) => each.session);
    assert.deepEqual(ids({}), ["1", "2", "3"]);
    assert.deepEqual(ids({ side: "south" }), ["1", "2"]);
    assert.deepEqual(ids({ side: "south", node: "b" }), ["2"]);
    assert.deepEqual(ids({ user: "north-1", node: "b" }), []);
  });

  test("that take too little are listed, the worst first", () => {
    const all = [
      session("ok", { bufferedBytes: HIGH_BYTES }),
      session("full", { bufferedBytes: HIGH_BYTES + 1 }),
      session("behind", { lagMessages: 3 }),
      session("far", { lagMessages: 30 }),
    ];
    assert.deepEqual(
      slowSessions(all).map((each) => each.session),
      ["far", "behind", "full"],
    );
  });
});

describe("the log of presence", () => {
  /**
   * @param {number} number @param {number} timeMs @param {'online' | 'unconfirmed' | 'offline'} connectivity
   * @returns {import('../../src/sdk/operations_frames.js').PresenceEvent}
   */
  const event = (number, timeMs, connectivity) => ({
    number,
    timeMs,
    user: "south-1",
    delegation: "south",
    connectivity,
    cause: "no pong",
  });

  test("says what stood at a moment", () => {
    const events = [event(3, 300, "online"), event(2, 200, "offline"), event(1, 100, "unconfirmed")];
    assert.equal(standingAt(events, 250)?.connectivity, "offline");
    assert.equal(standingAt(events, 200)?.connectivity, "offline");
    assert.equal(standingAt(events, 99), undefined);
  });

  test("takes a minute as a whole", () => {
    assert.equal(endOfMinute("2026-11-24T14:03") - Date.parse("2026-11-24T14:03"), 59_999);
  });

  test("is put beneath what came in meanwhile, each change once and newest first", () => {
    const diff = {
      joins: [],
      leaves: [{ user: "south-1", delegation: "south", cause: "no pong", timeMs: 300 }],
    };
    const live = withDiff([], new Map(), diff, 999);
    const both = withEarlier(live, [event(9, 300, "offline"), event(8, 200, "unconfirmed")]);
    assert.deepEqual(
      both.map(({ timeMs, connectivity }) => [timeMs, connectivity]),
      [
        [300, "offline"],
        [200, "unconfirmed"],
      ],
    );
    assert.equal(new Set(both.map(({ id }) => id)).size, 2);
    const next = withDiff(
      both,
      new Map(),
      { ...diff, leaves: diff.leaves.map((leave) => ({ ...leave, timeMs: 400 })) },
      0,
    );
    assert.equal(new Set(next.map(({ id }) => id)).size, 3);
  });
});
