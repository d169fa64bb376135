import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Operations } from "../../src/sdk/operations.js";
import { reconnect } from "./conversation.js";
import { Bench } from "./scripted_server.js";

describe("presence", () => {
  const online = { user: "north-1", delegation: "north", connectivity: "online" };
  const snapshot = { epoch: "e", version: 3, users: [online], sides: [] };

  test("is unknown until the snapshot, follows the differences, and is unknown without a line", async () => {
    const bench = new Bench();
    bench.presence.watch();
    const socket = await bench.connect();
    assert.equal(bench.presence.value.current, false);
    socket.reply(socket.last("presence"), snapshot);
    await bench.time.settle();
    assert.equal(bench.presence.value.users.get("north-1")?.connectivity, "online");
    /** @type {string[][]} */
    const changes = [];
    bench.presence.on("change", ({ before, diff }) =>
      changes.push([...before.users.keys(), ...diff.leaves.map(({ user }) => `-${user}`)]),
    );
    const leaves = [{ user: "north-1", delegation: "north" }];
    socket.push({ type: "presence_diff", epoch: "e", from_version: 3, version: 4, joins: [], leaves, sides: [] });
    assert.equal(bench.presence.value.users.size, 0);
    assert.deepEqual(changes, [["north-1", "-north-1"]]);
    socket.drop(1006);
    assert.equal(bench.presence.value.current, false);
  });

  test("asks for a snapshot at a gap, and once only", async () => {
    const bench = new Bench();
    bench.presence.watch();
    const socket = await bench.connect();
    socket.reply(socket.last("presence"), snapshot);
    await bench.time.settle();
    for (const version of [6, 7]) {
      socket.push({
        type: "presence_diff",
        epoch: "e",
        from_version: version - 1,
        version,
        joins: [],
        leaves: [],
        sides: [],
      });
    }
    assert.equal(socket.of("presence").length, 2);
    socket.reply(socket.last("presence"), { ...snapshot, version: 6 });
    await bench.time.settle();
    assert.equal(bench.presence.value.version, 7);
  });

  test("is watched again on the next line, unless nobody wants it any more", async () => {
    const bench = new Bench();
    bench.presence.watch();
    new Operations(bench.client, bench.time.timers).watchSessions();
    await bench.connect();
    await reconnect(bench);
    assert.deepEqual(
      bench.socket.of("presence").map(({ watch }) => watch),
      [true],
    );
    assert.deepEqual(
      bench.socket.of("watch_sessions").map(({ watch }) => watch),
      [true],
    );
    bench.presence.watch(false);
    assert.equal(bench.socket.last("presence").watch, false);
    await reconnect(bench);
    assert.deepEqual(bench.socket.of("presence"), []);
  });

  test("asks again after a while when it can't be had just now", async () => {
    const bench = new Bench();
    bench.presence.watch();
    const socket = await bench.connect();
    socket.refuse(socket.last("presence"), { name: "unavailable", temporary: true });
    await bench.time.advance(2_000);
    assert.equal(socket.of("presence").length, 2);
  });
});
