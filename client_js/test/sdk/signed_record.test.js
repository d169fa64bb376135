import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { linkAfter } from "../../src/sdk/chain.js";
import { SignedRecord } from "../../src/sdk/signed_record.js";
import { headBytes, isSigned, keyBytes, makeKey, readableFingerprint, sign, toHex } from "../../src/sdk/signing.js";
import { MemoryStorage } from "../../src/sdk/storage.js";
import { Bench, channelInfo, message } from "./scripted_server.js";

const subtle = /** @type {import("../../src/sdk/chain.js").Subtle} */ (/** @type {unknown} */ (webcrypto.subtle));
const GENERAL = "joint/general";

/** @param {string} name @returns {any} */
const vectors = (name) => JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}`, import.meta.url), "utf8"));

/** A channel whose links are right. @param {number} count @param {Record<string, unknown>} [more] of the last one */
async function chained(count, more = {}) {
  let link = new Uint8Array(32);
  const frames = [];
  for (let seq = 1; seq <= count; seq += 1) {
    const frame = message(seq, seq === count ? more : {});
    link = await linkAfter(subtle, link, frame);
    frames.push({ ...frame, link });
  }
  return frames;
}

/** @param {MemoryStorage} [storage] @param {number} [head] */
async function watched(storage = new MemoryStorage(), head = 0) {
  const bench = new Bench(storage);
  const record = new SignedRecord(bench.client, { subtle, storage, timers: bench.time.timers });
  /** @type {string[]} */
  const forks = [];
  record.on("fork", ({ detail }) => forks.push(detail));
  const socket = await bench.connect({ channels: [channelInfo(GENERAL, { head })] });
  await answerKeys(bench, socket, []);
  if (head === 0) await record.settled();
  return { bench, record, socket, forks };
}

/** Answer the question for keys that is still open. @param {Bench} bench @param {any} socket @param {any[]} keys */
async function answerKeys(bench, socket, keys) {
  await asked(bench, socket, "side_keys");
  socket.reply(socket.last("side_keys"), { office: "office", keys });
  answered.set(socket, (answered.get(socket) ?? 0) + 1);
  await bench.time.settle();
}

/** @type {Map<any, number>} */
const answered = new Map();

/** WebCrypto answers from threads of its own, in its own time. @param {Bench} bench @param {any} socket @param {string} type */
async function asked(bench, socket, type) {
  const enough = type === "side_keys" ? (answered.get(socket) ?? 0) + 1 : 1;
  while (socket.of(type).length < enough) {
    await new Promise((resolve) => setImmediate(resolve));
    await bench.time.settle();
  }
}

describe("statements and signatures", () => {
  test("have the bytes of the vectors, and are accepted", async () => {
    const { heads, keys, refused } = vectors("signed.json");
    for (const head of heads) {
      const statement = headBytes({ ...head, timeMs: head.time_ms });
      assert.equal(toHex(statement), head.bytes);
      assert.ok(await isSigned(subtle, head.public_key, head.signature, statement));
    }
    for (const key of keys) {
      assert.equal(toHex(keyBytes(key)), key.bytes);
      assert.ok(await isSigned(subtle, key.public_key, key.signature, keyBytes(key)));
    }
    for (const { what, public_key, bytes, signature } of refused) {
      const statement = new Uint8Array(Buffer.from(bytes, "hex"));
      assert.ok(!(await isSigned(subtle, public_key, signature, statement)), what);
    }
  });

  test("are made by a key that can't leave the device", async () => {
    const key = await makeKey(subtle, "당직실");
    const statement = keyBytes({ office: "office", delegation: "south", ...key, replaces: "" });
    assert.ok(await isSigned(subtle, key.publicKey, await sign(subtle, key, statement), statement));
    await assert.rejects(webcrypto.subtle.exportKey("pkcs8", key.privateKey));
    assert.equal(readableFingerprint(key.fingerprint).split(" ").length, 8);
  });

  test("links are those of the vectors", async () => {
    let link = new Uint8Array(32);
    for (const { link: expected, ...entry } of vectors("chain.json")) {
      link = await linkAfter(subtle, link, entry);
      assert.equal(toHex(link), expected, `entry ${entry.seq}`);
    }
  });
});

describe("what is pushed", () => {
  test("passes as long as each entry follows from the one before", async () => {
    const { record, socket, forks } = await watched();
    for (const frame of await chained(3)) socket.push(frame);
    await record.settled();
    assert.deepEqual(forks, []);
    assert.equal(record.standing(GENERAL).fork, undefined);
  });

  test("is a fork when an entry does not follow, and stays one until somebody says so, also over a reload", async () => {
    const { bench, record, socket, forks } = await watched();
    const [one, , three] = await chained(3);
    socket.push(one ?? {});
    socket.push({ ...three, seq: 2 });
    await record.settled();
    assert.deepEqual(forks, ["message 2 does not follow from message 1"]);
    await bench.time.advance(5_000);
    const storage = /** @type {MemoryStorage} */ (bench.storage);
    const again = new SignedRecord(new Bench(storage).client, { subtle, storage, timers: bench.time.timers });
    await again.settled();
    assert.match(again.standing(GENERAL).fork?.detail ?? "", /does not follow/);
    await assert.rejects(record.sign(GENERAL), { name: "forked" });
    record.acceptFork(GENERAL);
    assert.equal(record.standing(GENERAL).fork, undefined);
  });

  test("is a fork when another history comes back after a failover, by its head or by an entry that was seen", async () => {
    const storage = new MemoryStorage();
    const first = await watched(storage);
    const frames = await chained(3);
    for (const frame of frames) first.socket.push(frame);
    await first.record.settled();
    await first.bench.time.advance(5_000);

    const shorter = await watched(storage, 2);
    await shorter.record.settled();
    assert.deepEqual(shorter.forks, ["the channel ends after message 2, and message 3 was seen"]);

    const other = await watched(storage, 5);
    const [, , another] = await chained(3, { text: "다른 글" });
    await asked(other.bench, other.socket, "history");
    other.socket.reply(other.socket.last("history"), { channel: GENERAL, epoch: 1, head: 5, messages: [another] });
    await other.record.settled();
    assert.deepEqual(other.forks, ["message 3 is another one than was seen"]);

    const same = await watched(storage, 5);
    await asked(same.bench, same.socket, "history");
    const question = same.socket.last("history");
    assert.deepEqual([question["after"], question["limit"]], [2, 1]);
    same.socket.reply(question, { channel: GENERAL, epoch: 1, head: 5, messages: [frames[2]] });
    await same.record.settled();
    assert.deepEqual(same.forks, []);
  });

  test("is a fork also where the record was loaded after all that was seen had come", async () => {
    const storage = new MemoryStorage();
    const bench = new Bench(storage);
    const socket = await bench.connect({ channels: [channelInfo(GENERAL, { head: 3 })] });
    const record = new SignedRecord(bench.client, { subtle, storage, timers: bench.time.timers });
    await answerKeys(bench, socket, []);
    await asked(bench, socket, "history");
    const question = socket.last("history");
    assert.deepEqual([question["after"], question["limit"]], [2, 1]);
    const frames = await chained(3);
    socket.reply(question, { channel: GENERAL, epoch: 1, head: 3, messages: [frames[2]] });
    await record.settled();
    await bench.time.advance(5_000);

    const [, , another] = await chained(3, { text: "다른 글" });
    const later = await watched(storage, 3);
    await asked(later.bench, later.socket, "history");
    later.socket.reply(later.socket.last("history"), { channel: GENERAL, epoch: 1, head: 3, messages: [another] });
    await later.record.settled();
    assert.deepEqual(later.forks, ["message 3 is another one than was seen"]);
  });
});

/** @param {import("../../src/sdk/signing.js").SigningKey} key @param {string} delegation */
const sideKey = (key, delegation) => ({
  fingerprint: key.fingerprint,
  public_key: key.publicKey,
  delegation,
  label: key.label,
  user: `${delegation}-head`,
  from_ms: 1,
  state: "valid",
  proof: "",
});

describe("signatures", () => {
  test("of each side move its mark, and what both have signed is complete; a forged one is a fork", async () => {
    const { bench, record, socket, forks } = await watched();
    const keys = new Map([
      ["south", await makeKey(subtle, "south")],
      ["north", await makeKey(subtle, "north")],
    ]);
    const registered = [...keys].map(([side, key]) => sideKey(key, side));
    const standing = record.signedHeads(GENERAL);
    await asked(bench, socket, "signed_heads");
    const sides = ["north", "south"].map((delegation) => ({ delegation, seq: 0, time_ms: 0 }));
    const none = {
      channel: GENERAL,
      office: "office",
      epoch: 1,
      head: 0,
      complete_seq: 0,
      sides,
      heads: [],
      more: false,
    };
    socket.reply(socket.last("signed_heads"), none);
    await standing;
    /** @param {string} delegation @param {number} seq @param {string} [as] */
    const signedHead = async (delegation, seq, as = delegation) => {
      const key = /** @type {import("../../src/sdk/signing.js").SigningKey} */ (keys.get(delegation));
      const said = { office: "office", epoch: 1, seq, link: "00".repeat(32), timeMs: 5, fingerprint: key.fingerprint };
      const signature = await sign(subtle, key, headBytes({ ...said, channel: GENERAL, delegation: as }));
      const { timeMs, ...rest } = said;
      const data = JSON.stringify({ ...rest, time_ms: timeMs, signature });
      return message(10 * seq, { kind: "signed_head", delegation: as, text: "", data });
    };
    socket.push(await signedHead("south", 4));
    await answerKeys(bench, socket, registered);
    await record.settled();
    assert.equal(record.standing(GENERAL).completeSeq, 0);
    socket.push(await signedHead("north", 3));
    await record.settled();
    assert.deepEqual([record.standing(GENERAL).completeSeq, forks], [3, []]);
    socket.push(await signedHead("north", 9, "south"));
    await record.settled();
    assert.deepEqual([record.standing(GENERAL).completeSeq, forks.length], [3, 1]);
  });

  test("are made over what this client has seen and checked", async () => {
    const { bench, record, socket } = await watched();
    const frames = await chained(2);
    for (const frame of frames) socket.push(frame);
    await record.settled();
    const created = record.createKey("창구");
    await answerKeys(bench, socket, []);
    await asked(bench, socket, "register_key");
    const request = socket.last("register_key");
    const own = { public_key: request["public_key"], label: request["label"], proof: request["proof"] };
    const info = {
      ...own,
      fingerprint: "f".repeat(64),
      delegation: "south",
      user: "south-1",
      from_ms: 1,
      state: "valid",
    };
    socket.reply(request, { side_key: info, duplicate: false });
    await answerKeys(bench, socket, [info]);
    await created;
    const signing = record.sign(GENERAL);
    await answerKeys(bench, socket, [info]);
    await asked(bench, socket, "sign_head");
    const command = socket.last("sign_head");
    socket.reply(command, { seq: 3, epoch: 1, time_ms: 5, duplicate: false });
    assert.equal((await signing).seq, 2);
    assert.equal(command["link"], toHex(/** @type {Uint8Array} */ (frames[1]?.["link"])));
    const { fingerprint, epoch, seq, link, signature } = command;
    const timeMs = command["time_ms"];
    const statement = {
      office: "office",
      channel: GENERAL,
      epoch,
      seq,
      link,
      timeMs,
      delegation: "south",
      fingerprint,
    };
    assert.ok(await isSigned(subtle, own.public_key, signature, headBytes(statement)));
  });
});
