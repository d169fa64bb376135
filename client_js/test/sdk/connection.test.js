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

/** Let the server refuse the handshake, whatever is found out then. @param {Bench} bench */
async function refuseHandshake(bench) {
  bench.socket.drop(1006);
  await bench.time.settle();
}

describe("a server of another version", () => {
  for (const [what, plainAnswer] of /** @type {const} */ ([
    ["that speaks none of our subprotocols", { status: 400, spoken: "liaison.v2.msgpack, liaison.v2.json" }],
    ["that speaks an older protocol", { status: 400, spoken: "liaison.v0.msgpack, liaison.v0.json" }],
    ["that has nothing at this path", { status: 404 }],
    ["that has other sockets at this path", { status: 426 }],
  ])) {
    test(`${what} is told from one that is gone`, async () => {
      const bench = new Bench();
      bench.plainAnswer = plainAnswer;
      bench.client.start();
      await refuseHandshake(bench);
      assert.equal(bench.client.state.name, "waiting");
      assert.equal(reasonOf(bench)?.name, "unsupported_version");
    });
  }

  for (const [what, plainAnswer] of /** @type {const} */ ([
    ["that can't be reached", undefined],
    ["that speaks ours among others", { status: 400, spoken: "liaison.v2.msgpack, liaison.v1.msgpack" }],
    ["behind a proxy that has no server", { status: 502 }],
    ["that drains", { status: 503 }],
  ])) {
    test(`is not thought of when a handshake fails with one ${what}`, async () => {
      const bench = new Bench();
      bench.plainAnswer = plainAnswer;
      bench.client.start();
      await refuseHandshake(bench);
      assert.equal(reasonOf(bench)?.name, "line_lost");
    });
  }

  test("is tried again, since another node may speak our version", async () => {
    const bench = new Bench();
    bench.plainAnswer = { status: 404 };
    bench.client.start();
    await refuseHandshake(bench);
    await bench.time.advance(30_000);
    await bench.accept();
    assert.equal(bench.client.state.name, "connected");
  });

  test("is not asked about after a line that was open", async () => {
    const bench = new Bench();
    bench.plainAnswer = { status: 404 };
    await bench.connect();
    bench.socket.drop(1006);
    assert.equal(reasonOf(bench)?.name, "line_lost");
  });

  test("that answers after we have stopped is of no interest", async () => {
    const bench = new Bench();
    bench.plainAnswer = { status: 404 };
    bench.client.start();
    bench.socket.drop(1006);
    bench.client.stop();
    await bench.time.settle();
    assert.equal(bench.client.state.name, "idle");
    assert.equal(bench.time.pending, 0);
  });

  for (const name of ["malformed", "unknown_command", "invalid"]) {
    test(`that answers connect with ${name} is one`, async () => {
      const bench = new Bench();
      bench.client.start();
      bench.socket.open();
      bench.socket.refuse(bench.socket.last("connect"), { code: 104, name });
      await bench.time.settle();
      assert.equal(bench.client.state.name, "waiting");
      assert.equal(reasonOf(bench)?.name, "unsupported_version");
    });
  }

  test("that answers connect with what can't be read is one", async () => {
    const bench = new Bench();
    bench.client.start();
    bench.socket.open();
    bench.socket.reply(bench.socket.last("connect"), { session: 7 });
    await bench.time.settle();
    assert.equal(reasonOf(bench)?.name, "unsupported_version");
  });

  test("that writes in another format is one", async () => {
    const bench = new Bench();
    bench.client.start();
    bench.socket.open();
    bench.socket.onmessage?.({ data: "text" });
    await bench.time.settle();
    assert.equal(reasonOf(bench)?.name, "unsupported_version");
    assert.equal(bench.socket.isClosedByClient, true);
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
    bench.socket.push({ type: "go_away", code: 4503, reason: "revoked", reconnect_after_ms: -1 });
    bench.socket.drop(1006);
    await bench.time.advance(600_000);
    assert.equal(bench.client.state.name, "stopped");
    assert.equal(reasonOf(bench)?.name, "revoked");
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
