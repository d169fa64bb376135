/** The client on a real socket: the one of `ws`, in both wire formats. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { decode, encode } from "@msgpack/msgpack";
import { WebSocket, WebSocketServer } from "ws";

import { LiaisonClient } from "../../src/sdk/client.js";
import { msgpack } from "../../src/sdk/msgpack_wire.js";
import { MemoryStorage } from "../../src/sdk/storage.js";
import { message, welcome } from "./scripted_server.js";

const CHANNEL = "joint/general";

/** @typedef {"msgpack" | "json"} WireFormat */

/**
 * @param {WireFormat} wire
 * @param {Record<string, unknown>} frame
 */
function toWire(wire, frame) {
  if (wire === "msgpack") return encode(frame);
  const base64 = (/** @type {string} */ _, /** @type {unknown} */ value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
  return JSON.stringify(frame, base64);
}

/**
 * @param {WireFormat} wire
 * @param {Buffer} data
 * @returns {Record<string, any>}
 */
function fromWire(wire, data) {
  return /** @type {Record<string, any>} */ (wire === "msgpack" ? decode(data) : JSON.parse(String(data)));
}

/** @param {Record<string, any>} command @returns {Record<string, unknown>[]} */
function answers({ type, id, channel, key, text }) {
  const reply = { type: "reply", id };
  if (type === "connect") return [{ ...reply, ...welcome() }];
  if (type === "subscribe") return [{ ...reply, channel, epoch: 1, head: 0, from_seq: 0 }];
  if (type !== "publish") return [reply];
  const own = message(1, { sender: "south-1", delegation: "south", key, text });
  return [own, { ...reply, seq: 1, epoch: 1, time_ms: 1, duplicate: false }];
}

for (const wire of /** @type {WireFormat[]} */ (["msgpack", "json"])) {
  test(`a message goes out and comes back in ${wire}`, async () => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: ([first]) => first ?? false });
    await once(server, "listening");
    server.on("connection", (socket) => {
      assert.equal(socket.protocol, `liaison.v1.${wire}`);
      socket.on("message", (/** @type {Buffer} */ data) => {
        for (const frame of answers(fromWire(wire, data))) socket.send(toWire(wire, frame));
      });
    });
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    const client = new LiaisonClient({
      url: `ws://127.0.0.1:${port}/api/v1/socket`,
      WebSocket,
      storage: new MemoryStorage(),
      timers: { setTimeout, clearTimeout },
      now: Date.now,
      random: Math.random,
      newKey: () => crypto.randomUUID(),
      // JSON is what one gets who asks for nothing.
      ...(wire === "msgpack" ? { wire: msgpack } : {}),
    });
    /** @type {unknown[]} */
    const errors = [];
    client.on("error", (report) => errors.push(report));
    const connected = new Promise((resolve) => client.on("connected", resolve));
    client.start();
    client.subscribe(CHANNEL);
    await connected;
    const key = client.publish(CHANNEL, { text: "안녕하십니까" });
    const item = await client.settled(key);
    assert.deepEqual(item?.place, { seq: 1, epoch: 1, timeMs: 5_001 });
    assert.deepEqual(
      client.timeline(CHANNEL).items.map(({ seq, text, state }) => [seq, text, state]),
      [[1, "안녕하십니까", "delivered"]],
    );
    client.stop();
    server.close();
    assert.deepEqual(errors, []);
  });
}

test("a server that isn't there is waited for", async () => {
  const client = new LiaisonClient({
    url: "ws://127.0.0.1:1/api/v1/socket",
    WebSocket,
    storage: new MemoryStorage(),
    timers: { setTimeout, clearTimeout },
    now: Date.now,
    random: () => 0.999,
    newKey: () => "k",
  });
  const waiting = new Promise((resolve) => {
    client.on("state", (state) => state.name === "waiting" && resolve(state.reason.name));
  });
  client.start();
  assert.equal(await waiting, "line_lost");
  client.stop();
});
