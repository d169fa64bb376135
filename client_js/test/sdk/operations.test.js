import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CommandError } from "../../src/sdk/codes.js";
import { Operations } from "../../src/sdk/operations.js";
import { Bench } from "./scripted_server.js";

const STEP = {
  number: 1,
  time_ms: 5_000,
  span_ms: 5_000,
  sides: [{ delegation: "south", sessions: 2, published: 3, ack_p50_us: 900 }],
  directions: [{ sender: "south", receiver: "north", deliveries: 6 }],
  sessions: 3,
  refusals: { forbidden: 1 },
};

/** @param {Bench} bench */
async function watched(bench) {
  const operations = new Operations(bench.client, bench.time.timers);
  operations.watchStatistics();
  const socket = await bench.connect();
  return { operations, socket };
}

describe("operations", () => {
  test("watch the figures of the node, as a snapshot and what is pushed then", async () => {
    const bench = new Bench();
    const { operations, socket } = await watched(bench);
    let told = 0;
    operations.on("statistics", () => {
      told += 1;
    });
    socket.reply(socket.last("watch_statistics"), { node: "a", step_ms: 5_000, steps: [STEP] });
    await bench.time.settle();
    socket.push({ type: "statistics", node: "a", step: { ...STEP, number: 2 } });
    assert.equal(told, 2);
    const { current, node, steps } = operations.statistics;
    assert.deepEqual([current, node, steps.length], [true, "a", 2]);
    assert.deepEqual(steps[0]?.sides, [
      { delegation: "south", sessions: 2, published: 3, ackP50Us: 900, ackP99Us: undefined },
    ]);
    assert.equal(steps[0]?.refusals.get("forbidden"), 1);
  });

  test("are unknown while the line is down, and asked for again on the next one", async () => {
    const bench = new Bench();
    const { operations, socket } = await watched(bench);
    socket.reply(socket.last("watch_statistics"), { node: "a", step_ms: 5_000, steps: [STEP] });
    await bench.time.settle();
    socket.drop(1006);
    assert.equal(operations.statistics.current, false);
    await bench.time.advance(30_000);
    const next = await bench.accept();
    assert.deepEqual(
      next.of("watch_statistics").map(({ watch }) => watch),
      [true],
    );
  });

  test("ask for everything anew, once, after a push that can't be read", async () => {
    const bench = new Bench();
    const { operations, socket } = await watched(bench);
    socket.reply(socket.last("watch_statistics"), { node: "a", step_ms: 5_000, steps: [STEP] });
    await bench.time.settle();
    socket.push({ type: "statistics", node: "a", step: { ...STEP, number: "2" } });
    socket.push({ type: "statistics", node: 7 });
    assert.deepEqual(
      bench.errors.map(({ where }) => where),
      ["push statistics", "push statistics"],
    );
    assert.equal(socket.of("watch_statistics").length, 2);
    socket.reply(socket.last("watch_statistics"), { node: "a", step_ms: 5_000, steps: [STEP] });
    await bench.time.settle();
    assert.equal(operations.statistics.steps.length, 1);
  });

  test("ask for the log of presence by person and moment", async () => {
    const bench = new Bench();
    const operations = new Operations(bench.client, bench.time.timers);
    const socket = await bench.connect();
    const asked = operations.presenceLog({ user: "south-1", beforeMs: 100, limit: 20 });
    const { user, before_ms, limit } = socket.last("presence_log");
    assert.deepEqual([user, before_ms, limit], ["south-1", 100, 20]);
    const event = {
      number: 2,
      time_ms: 90,
      user: "south-1",
      delegation: "south",
      connectivity: "offline",
      cause: "slow",
    };
    socket.reply(socket.last("presence_log"), { node: "a", since_ms: 5, events: [event], more: false });
    const page = await asked;
    assert.equal(page.events[0]?.timeMs, 90);
    assert.deepEqual([page.sinceMs, page.more], [5, false]);
  });

  test("end a session or somebody's access, and say why it can't be done", async () => {
    const bench = new Bench();
    const operations = new Operations(bench.client, bench.time.timers);
    const socket = await bench.connect();
    const ending = operations.disconnect("abc");
    assert.equal(socket.last("disconnect").session, "abc");
    socket.reply(socket.last("disconnect"), {});
    await ending;
    const revoking = operations.revoke("south-1", "stolen");
    assert.equal(socket.last("revoke").reason, "stolen");
    socket.reply(socket.last("revoke"), { ended: 2 });
    assert.equal(await revoking, 2);
    const refused = operations.disconnect("gone");
    socket.refuse(socket.last("disconnect"), { name: "no_such_session", temporary: false });
    await assert.rejects(refused, (error) => error instanceof CommandError && error.name === "no_such_session");
  });
});
