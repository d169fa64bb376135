import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { MemoryStorage } from "../../src/sdk/storage.js";
import { CHANNEL, page, reconnect, shown } from "./conversation.js";
import { Bench, channelInfo, message } from "./scripted_server.js";

// 한글, decomposed as some systems type it, and composed as it goes out.
const DECOMPOSED = "\u1112\u1161\u11ab\u1100\u1173\u11af";
const COMPOSED = "\ud55c\uae00";
describe("publishing", () => {
  test("sends NFC, shows the message at once, and once only when it comes back", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    bench.client.publish(CHANNEL, { text: DECOMPOSED, mentions: ["north-1"] });
    assert.deepEqual(shown(bench), [[0, "queued", COMPOSED]]);
    await bench.time.settle();
    assert.deepEqual(shown(bench), [[0, "sent", COMPOSED]]);
    const command = socket.last("publish");
    assert.deepEqual(command, {
      type: "publish",
      id: command.id,
      channel: CHANNEL,
      key: "key-1",
      text: COMPOSED,
      mentions: ["north-1"],
    });
    socket.push(message(1, { sender: "south-1", delegation: "south", key: "key-1", text: COMPOSED }));
    await bench.acknowledge(command);
    assert.deepEqual(shown(bench), [[1, "delivered", COMPOSED]]);
    assert.deepEqual(bench.client.outbox(CHANNEL), []);
  });

  test("stores before it sends", async () => {
    /** @type {() => void} */
    let stored = () => {};
    const storage = new (class extends MemoryStorage {
      /** @override @param {import("../../src/sdk/outbox.js").Item} item @returns {Promise<void>} */
      async put(item) {
        await new Promise((resolve) => {
          stored = () => resolve(undefined);
        });
        await super.put(item);
      }
    })();
    const bench = new Bench(storage);
    const socket = await bench.connect();
    bench.client.publish(CHANNEL, { text: "글" });
    await bench.time.advance(1_000);
    assert.deepEqual(socket.of("publish"), []);
    stored();
    await bench.time.settle();
    assert.equal(socket.of("publish").length, 1);
    assert.deepEqual(
      (await storage.items()).map(({ key }) => key),
      ["key-1"],
    );
  });

  test("goes on without storage, and says so", async () => {
    const storage = new (class extends MemoryStorage {
      /** @override @returns {Promise<void>} */
      put() {
        return Promise.reject(new Error("no room"));
      }
    })();
    const bench = new Bench(storage);
    const socket = await bench.connect();
    bench.client.publish(CHANNEL, { text: "글" });
    await bench.time.settle();
    assert.equal(socket.of("publish").length, 1);
    assert.deepEqual(
      bench.errors.map(({ where }) => where),
      ["storage"],
    );
  });

  test("repeats what had no answer with the same key, in order, one after the other", async () => {
    const bench = new Bench();
    await bench.connect();
    for (const text of ["하나", "둘", "셋"]) bench.client.publish(CHANNEL, { text });
    await bench.time.settle();
    assert.deepEqual(
      bench.socket.of("publish").map(({ key }) => key),
      ["key-1"],
    );
    const socket = await reconnect(bench);
    for (const [index, key] of ["key-1", "key-2", "key-3"].entries()) {
      const command = socket.last("publish");
      assert.equal(command.key, key);
      await bench.acknowledge(command, { seq: index + 1, duplicate: index === 0 });
    }
    assert.equal(socket.of("publish").length, 3);
    assert.deepEqual(bench.client.outbox(CHANNEL), []);
  });

  test("repeats a message of which nobody knows what became", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    bench.client.publish(CHANNEL, { text: "글" });
    await bench.time.settle();
    socket.refuse(socket.last("publish"), { code: 502, name: "unknown_outcome", temporary: true });
    socket.drop(4002);
    await bench.time.advance(500);
    await bench.accept();
    assert.equal(bench.socket.last("publish").key, "key-1");
  });

  test("waits after a temporary refusal, and keeps the order", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    for (const text of ["하나", "둘"]) bench.client.publish(CHANNEL, { text });
    await bench.time.settle();
    socket.refuse(socket.last("publish"), { name: "storage_full", temporary: true, retry_after_ms: 5_000 });
    await bench.time.advance(4_999);
    assert.deepEqual(
      socket.of("publish").map(({ key }) => key),
      ["key-1"],
    );
    await bench.time.advance(1);
    assert.deepEqual(
      socket.of("publish").map(({ key }) => key),
      ["key-1", "key-1"],
    );
  });

  test("shows a final refusal with its reference, and tries again on request with the same key", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    const key = bench.client.publish(CHANNEL, { text: "글" });
    const settled = bench.client.settled(key);
    await bench.time.settle();
    socket.refuse(socket.last("publish"), { code: 204, name: "forbidden", message: "no" });
    assert.equal((await settled)?.state, "failed");
    const [item] = bench.client.timeline(CHANNEL).items;
    assert.deepEqual(item?.error, { code: 204, name: "forbidden", message: "no", ref: "ref12345", temporary: false });
    bench.client.retry(key);
    await bench.time.settle();
    await bench.acknowledge(socket.last("publish"));
    assert.equal((await bench.client.settled(key))?.state, "acknowledged");
    assert.deepEqual(
      socket.of("publish").map((command) => command.key),
      [key, key],
    );
  });

  test("discards what waits, on the device too", async () => {
    const bench = new Bench();
    await bench.connect();
    bench.socket.drop(1006);
    const key = bench.client.publish(CHANNEL, { text: "글" });
    await bench.time.settle();
    const settled = bench.client.settled(key);
    bench.client.discard(key);
    assert.equal((await settled)?.state, "discarded");
    await bench.time.advance(30_000);
    await bench.accept();
    assert.deepEqual(bench.socket.of("publish"), []);
    assert.deepEqual(await bench.storage.items(), []);
  });

  test("refuses at once what no server would take", async () => {
    const bench = new Bench();
    assert.throws(() => bench.client.publish(CHANNEL, { text: "글" }), { name: "disconnected" });
    await bench.connect();
    assert.throws(() => bench.client.publish(CHANNEL, { text: " \n" }), RangeError);
    assert.throws(() => bench.client.publish(CHANNEL, { text: "한".repeat(5_462) }), RangeError);
    bench.client.publish(CHANNEL, { text: "한".repeat(5_461) });
    assert.throws(() => bench.client.react(CHANNEL, 1, ""), RangeError);
    assert.throws(() => bench.client.withdraw(CHANNEL, 77), RangeError);
  });

  test("corrects, withdraws and reacts through the same outbox", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    socket.push(message(1));
    bench.client.correct(CHANNEL, 1, "고침");
    bench.client.react(CHANNEL, 1, "👍", { removed: true });
    bench.client.withdraw(CHANNEL, 1);
    bench.client.publish(CHANNEL, { text: "답", replyTo: 1 });
    assert.deepEqual(
      bench.client.timeline(CHANNEL).items[0]?.pending.map(({ kind }) => kind),
      ["correction", "reaction", "withdrawal"],
    );
    for (const type of ["correct", "react", "withdraw", "publish"]) {
      await bench.time.settle();
      await bench.acknowledge(socket.last(type));
    }
    const sent = socket.commands.filter(({ type }) => ["correct", "react", "withdraw", "publish"].includes(type));
    assert.deepEqual(
      sent.map(({ id: _, ...fields }) => fields),
      [
        { type: "correct", channel: CHANNEL, key: "key-1", seq: 1, text: "고침" },
        { type: "react", channel: CHANNEL, key: "key-2", seq: 1, reaction: "👍", removed: true },
        { type: "withdraw", channel: CHANNEL, key: "key-3", seq: 1 },
        { type: "publish", channel: CHANNEL, key: "key-4", text: "답", reply_to: 1, mentions: [] },
      ],
    );
  });
});

describe("after a reload", () => {
  test("what waited is shown before the line is up, and is sent first, with its key", async () => {
    const before = new Bench();
    await before.connect();
    before.socket.drop(1006);
    before.client.publish(CHANNEL, { text: "전날" });
    await before.time.settle();
    before.client.stop();

    const after = new Bench(before.storage);
    after.client.start();
    await after.time.settle();
    assert.deepEqual(shown(after), [[0, "queued", "전날"]]);
    assert.equal(after.client.me?.user, "south-1");
    assert.equal(after.client.people.get("north-1")?.name, "리철수");
    await after.accept();
    assert.deepEqual(
      after.socket.of("publish").map(({ key, text }) => [key, text]),
      [["key-1", "전날"]],
    );
  });

  test("nobody sends what another person left on the device", async () => {
    const before = new Bench();
    await before.connect();
    before.socket.drop(1006);
    before.client.publish(CHANNEL, { text: "남측 초안" });
    await before.time.settle();
    before.client.stop();

    const after = new Bench(before.storage);
    await after.connect({ user: "north-1", delegation: "north" });
    await after.time.advance(5_000);
    assert.deepEqual(after.socket.of("publish"), []);
    assert.deepEqual(shown(after), []);
    assert.equal((await before.storage.items()).length, 1);
  });

  test("two tabs send an item with one key between them", async () => {
    const first = new Bench();
    await first.connect();
    first.socket.drop(1006);
    first.client.publish(CHANNEL, { text: "글" });
    await first.time.settle();
    const second = new Bench(first.storage);
    await second.connect();
    await first.time.advance(30_000);
    await first.accept();
    assert.deepEqual(
      [first, second].map((tab) => tab.socket.of("publish").map(({ key }) => key)),
      [["key-1"], ["key-1"]],
    );
  });

  test("a tab that comes back does not send what another one discarded", async () => {
    const first = new Bench();
    await first.connect();
    first.socket.drop(1006);
    const key = first.client.publish(CHANNEL, { text: "글" });
    await first.time.settle();
    const second = new Bench(first.storage);
    second.client.start();
    await second.time.settle();
    first.client.discard(key);
    await second.accept();
    assert.deepEqual(second.socket.of("publish"), []);
  });

  test("forget leaves nothing on the device", async () => {
    const bench = new Bench();
    await bench.connect();
    bench.client.publish(CHANNEL, { text: "글" });
    await bench.time.settle();
    await bench.client.forget();
    assert.deepEqual(await bench.storage.items(), []);
    assert.equal(await bench.storage.recall("office"), undefined);
    assert.equal(bench.client.me, undefined);
    assert.equal(bench.client.state.name, "idle");
  });
});

describe("after a restore of the server", () => {
  /** A bench with one acknowledged message of ours, at seq 1 of epoch 1. */
  async function acknowledgedOne() {
    const bench = new Bench();
    await bench.connect();
    await bench.follow();
    bench.client.publish(CHANNEL, { text: "글" });
    await bench.time.settle();
    bench.socket.push(message(1, { sender: "south-1", key: "key-1", text: "글" }));
    await bench.acknowledge(bench.socket.last("publish"));
    return bench;
  }

  test("what was acknowledged a short time ago is offered again with the same key", async () => {
    const bench = await acknowledgedOne();
    await bench.time.advance(60_000);
    await bench.accept();
    const { socket } = bench;
    socket.push({ type: "reset", channel: CHANNEL, epoch: 2, seq: 0 });
    await bench.time.settle();
    assert.deepEqual(
      socket.of("publish").map(({ key, text }) => [key, text]),
      [["key-1", "글"]],
    );
    await bench.acknowledge(socket.last("publish"), { epoch: 2 });
    await bench.time.advance(5_000);
    assert.equal(socket.of("publish").length, 1);
  });

  test("it is offered again, too, in a channel that nobody follows and when we were away meanwhile", async () => {
    const bench = await acknowledgedOne();
    bench.client.unsubscribe(CHANNEL);
    const socket = await reconnect(bench, { channels: [channelInfo(CHANNEL, { epoch: 2 })] });
    assert.deepEqual(
      socket.of("publish").map(({ key }) => key),
      ["key-1"],
    );
  });

  test("a withdrawal does not hit the message that has got the seq now", async () => {
    const bench = await acknowledgedOne();
    bench.socket.drop(1006);
    const key = bench.client.withdraw(CHANNEL, 1);
    await bench.time.advance(30_000);
    const socket = await bench.accept({ channels: [channelInfo(CHANNEL, { epoch: 2, head: 1 })] });
    // The withdrawal waits behind the message that is offered again.
    await bench.acknowledge(socket.last("publish"), { seq: 2, epoch: 2 });
    const question = socket.last("history");
    assert.deepEqual([question.after, question.limit], [0, 1]);
    socket.reply(question, page(1, 1, { epoch: 2, key: "somebody-else's" }));
    const settled = await bench.client.settled(key);
    assert.equal(settled?.error?.name, "reference_lost");
    assert.deepEqual(socket.of("withdraw"), []);
  });

  test("a withdrawal goes out when its message is where it was", async () => {
    const bench = await acknowledgedOne();
    bench.socket.drop(1006);
    bench.client.withdraw(CHANNEL, 1);
    await bench.time.advance(30_000);
    const socket = await bench.accept({ channels: [channelInfo(CHANNEL, { epoch: 2, head: 1 })] });
    await bench.acknowledge(socket.last("publish"), { epoch: 2, duplicate: true });
    socket.reply(socket.last("history"), page(1, 1, { epoch: 2, sender: "south-1", key: "key-1" }));
    await bench.time.settle();
    assert.equal(socket.last("withdraw").seq, 1);
  });
});
