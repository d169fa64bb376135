import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Bench, message } from "./scripted_server.js";

const REFUSED = { code: 200, name: "unauthenticated", message: "no such token" };

/** @param {Bench} bench */
function reasonOf(bench) {
  const { state } = bench.client;
  return "reason" in state ? state.reason : undefined;
}

describe("connecting", () => {
  test("asks for the subprotocol, and connect comes first", async () => {
    const bench = new Bench();
    const states = [bench.client.state.name];
    bench.client.on("state", ({ name }) => states.push(name));
    const socket = await bench.connect();
    assert.deepEqual(socket.protocols, ["liaison.v1.msgpack"]);
    assert.equal(socket.binaryType, "arraybuffer");
    assert.deepEqual(socket.commands[0], { type: "connect", id: 1, client: "test/1", device: "bench" });
    assert.deepEqual(states, ["idle", "connecting", "connected"]);
    assert.equal(bench.client.me?.name, "김영희");
    assert.equal(bench.client.serverNowMs(), 2_000_000);
  });

  test("is given up and tried again when nothing answers", async () => {
    const bench = new Bench();
    bench.client.start();
    await bench.time.advance(15_000);
    assert.equal(bench.sockets.length, 1);
    assert.equal(bench.socket.isClosedByClient, true);
    assert.equal(reasonOf(bench)?.name, "connect_failed");
    await bench.time.advance(250);
    assert.equal(bench.sockets.length, 2);
  });

  test("ends when the server refuses who we are, with the reference that it gave", async () => {
    const bench = new Bench();
    bench.client.start();
    bench.socket.open();
    bench.socket.refuse(bench.socket.last("connect"), REFUSED);
    await bench.time.advance(600_000);
    const { state } = bench.client;
    assert.equal(state.name, "stopped");
    assert.deepEqual(reasonOf(bench), {
      code: undefined,
      name: "unauthenticated",
      message: "no such token",
      ref: "ref12345",
    });
    assert.equal(bench.sockets.length, 1);
    assert.equal(bench.time.pending, 0);
  });

  test("waits as long as the server asks before it tries again", async () => {
    const bench = new Bench();
    bench.client.start();
    bench.socket.open();
    const draining = { name: "draining", temporary: true, retry_after_ms: 7_000 };
    bench.socket.refuse(bench.socket.last("connect"), draining);
    await bench.time.advance(6_999);
    assert.equal(bench.sockets.length, 1);
    await bench.time.advance(1);
    assert.equal(bench.sockets.length, 2);
  });

  test("a constructor that throws is one more failed attempt", async () => {
    const bench = new Bench();
    const env = { storage: bench.storage, now: bench.time.now, timers: bench.time.timers };
    class Blocked {
      constructor() {
        throw new Error("blocked by policy");
      }
    }
    const { LiaisonClient } = await import("../../src/sdk/client.js");
    const WebSocket = /** @type {any} */ (Blocked);
    const client = new LiaisonClient({ ...env, url: "ws://x", WebSocket, random: () => 0.5, newKey: () => "k" });
    client.start();
    assert.equal(client.state.name, "waiting");
    client.stop();
    assert.equal(bench.time.pending, 0);
  });
});

describe("a line that ends", () => {
  test("comes back after waits that double, and start small again after a good line", async () => {
    const bench = new Bench();
    await bench.connect();
    const waits = [];
    for (let attempt = 0; attempt < 4; attempt += 1) {
      bench.socket.drop(1006);
      const { state } = bench.client;
      assert.ok(state.name === "waiting");
      waits.push(state.retryAtMs - bench.time.nowMs);
      await bench.time.advance(waits.at(-1) ?? 0);
      await bench.accept();
    }
    assert.deepEqual(waits, [250, 500, 1_000, 2_000]);
    await bench.time.advance(10_000);
    bench.socket.drop(1006);
    const { state } = bench.client;
    assert.equal(state.name === "waiting" && state.retryAtMs - bench.time.nowMs, 250);
    assert.deepEqual(reasonOf(bench), { code: undefined, name: "line_lost", message: "", ref: "" });
  });

  for (const code of [1000, 1009, 4500, 4503, 4506, 4999]) {
    test(`with ${code} is not opened again`, async () => {
      const bench = new Bench();
      await bench.connect();
      bench.socket.drop(code);
      await bench.time.advance(600_000);
      assert.equal(bench.client.state.name, "stopped");
      assert.equal(reasonOf(bench)?.code, code);
      assert.equal(bench.sockets.length, 1);
      assert.equal(bench.time.pending, 0);
      assert.equal(bench.onlineListeners, 0);
    });
  }

  for (const code of [1001, 1012, 4000, 4001, 4002, 4321]) {
    test(`with ${code} is opened again`, async () => {
      const bench = new Bench();
      await bench.connect();
      bench.socket.drop(code);
      await bench.time.advance(500);
      assert.equal(bench.sockets.length, 2);
    });
  }

  test("rejects every command that had no answer", async () => {
    const bench = new Bench();
    await bench.connect();
    const search = bench.client.search("회담");
    bench.socket.drop(1006);
    await assert.rejects(search, { name: "disconnected", temporary: true });
    await assert.rejects(bench.client.search("회담"), { name: "disconnected" });
  });

  test("is of no interest any more once another one is open", async () => {
    const bench = new Bench();
    const first = await bench.connect();
    first.drop(1006);
    await bench.time.advance(250);
    await bench.accept();
    first.drop(4503);
    first.push(message(1));
    assert.equal(bench.client.state.name, "connected");
  });

  test("tells with the reason what the server said before", async () => {
    const bench = new Bench();
    await bench.connect();
    bench.socket.push({ type: "error", id: 0, code: 202, name: "revoked", message: "", temporary: false, ref: "abc" });
    bench.socket.drop(4503);
    assert.deepEqual(reasonOf(bench), { code: 4503, name: "revoked", message: "", ref: "abc" });
  });

  test("starts anew on request after it was final", async () => {
    const bench = new Bench();
    await bench.connect();
    bench.socket.drop(4506);
    await bench.connect();
    assert.equal(bench.client.state.name, "connected");
  });
});

describe("go_away", () => {
  test("brings us back exactly when the server said", async () => {
    const bench = new Bench();
    await bench.connect();
    bench.socket.push({ type: "go_away", code: 4000, reason: "restart", reconnect_after_ms: 3_000 });
    await bench.time.advance(1_000);
    bench.socket.drop(1012);
    assert.equal(reasonOf(bench)?.name, "going_away");
    await bench.time.advance(1_999);
    assert.equal(bench.sockets.length, 1);
    await bench.time.advance(1);
    assert.equal(bench.sockets.length, 2);
  });

  test("makes us move when its time is there and the line is still open", async () => {
    const bench = new Bench();
    const first = await bench.connect();
    first.push({ type: "go_away", code: 4000, reason: "restart", reconnect_after_ms: 3_000 });
    await bench.time.advance(3_000);
    assert.equal(first.isClosedByClient, true);
    assert.equal(bench.sockets.length, 2);
  });

  test("with -1 is final, whatever the code of the close", async () => {
    const bench = new Bench();
    await bench.connect();
    bench.socket.push({ type: "go_away", code: 4506, reason: "signed out", reconnect_after_ms: -1 });
    bench.socket.drop(1006);
    await bench.time.advance(600_000);
    assert.equal(bench.client.state.name, "stopped");
    assert.equal(reasonOf(bench)?.name, "signed_out");
    assert.equal(bench.sockets.length, 1);
  });

  test("does not outweigh a close that is final", async () => {
    const bench = new Bench();
    await bench.connect();
    bench.socket.push({ type: "go_away", code: 4000, reason: "", reconnect_after_ms: 10 });
    bench.socket.drop(4503);
    assert.equal(bench.client.state.name, "stopped");
  });
});

describe("a line that says nothing", () => {
  test("is asked after 15 s and given up 10 s later", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.time.advance(14_999);
    assert.equal(socket.of("ping").length, 0);
    await bench.time.advance(1);
    assert.equal(socket.of("ping").length, 1);
    await bench.time.advance(9_999);
    assert.equal(bench.client.state.name, "connected");
    await bench.time.advance(1);
    assert.equal(reasonOf(bench)?.name, "line_silent");
    assert.equal(socket.isClosedByClient, true);
  });

  test("is alive as long as anything at all arrives", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    for (let round = 0; round < 6; round += 1) {
      await bench.time.advance(12_000);
      socket.push({ type: "of_a_newer_server" });
    }
    assert.equal(socket.of("ping").length, 0);
    await bench.time.advance(15_000);
    socket.reply(socket.last("ping"), { time_ms: 1 });
    await bench.time.advance(14_000);
    assert.equal(bench.client.state.name, "connected");
    assert.deepEqual(bench.errors, []);
  });

  test("is asked at once when the device's clock was set back", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.time.advance(10_000);
    bench.clockSkewMs = -3_600_000;
    await bench.time.advance(5_000);
    assert.equal(socket.of("ping").length, 1);
  });
});

describe("hints about the network", () => {
  test("going offline makes us ask the line whether it lives", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.setOnline(false);
    assert.equal(socket.of("ping").length, 1);
    await bench.time.advance(10_000);
    assert.equal(bench.client.state.name, "offline");
  });

  test("coming back online tries at once", async () => {
    const bench = new Bench();
    bench.isOnline = false;
    await bench.connect();
    bench.socket.drop(1006);
    assert.equal(bench.client.state.name, "offline");
    await bench.time.advance(5_000);
    assert.equal(bench.sockets.length, 1);
    await bench.setOnline(true);
    assert.equal(bench.sockets.length, 2);
  });

  test("that are wrong don't keep us away for ever", async () => {
    const bench = new Bench();
    bench.isOnline = false;
    await bench.connect();
    bench.socket.drop(1006);
    await bench.time.advance(30_000);
    await bench.accept();
    assert.equal(bench.client.state.name, "connected");
  });
});

describe("stopping", () => {
  test("leaves no timer, no listener and no socket", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    bench.client.publish("joint/general", { text: "글" });
    bench.presence.watch();
    await bench.time.settle();
    bench.client.stop();
    await bench.time.settle();
    assert.equal(bench.client.state.name, "idle");
    assert.equal(socket.isClosedByClient, true);
    assert.equal(bench.time.pending, 0);
    assert.equal(bench.onlineListeners, 0);
  });

  test("from within a listener is obeyed", async () => {
    const bench = new Bench();
    bench.client.on("state", ({ name }) => name === "connecting" && bench.client.stop());
    bench.client.start();
    await bench.time.advance(60_000);
    assert.equal(bench.client.state.name, "idle");
    assert.equal(bench.sockets.length, 0);
  });
});

test("what a socket delivers never makes anything throw", async () => {
  const bench = new Bench();
  const socket = await bench.connect();
  const payloads = [
    "text",
    new ArrayBuffer(0),
    new Uint8Array([0xc1]).buffer,
    new Uint8Array([0x91, 0x01]).buffer,
    null,
  ];
  for (const data of payloads) socket.onmessage?.({ data });
  socket.push({ type: "message" });
  socket.push({ type: "reply" });
  socket.push({ type: "error", id: "x" });
  socket.push({ type: "go_away", code: "soon" });
  await bench.time.settle();
  assert.equal(bench.client.state.name, "connected");
  assert.ok(bench.errors.length >= payloads.length);
});
