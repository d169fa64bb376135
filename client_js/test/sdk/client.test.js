import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { Operations } from "../../src/sdk/operations.js";
import { MemoryStorage } from "../../src/sdk/storage.js";
import { Bench, channelInfo, message } from "./scripted_server.js";
import { integer, pick, seeded } from "./seeded.js";

const CHANNEL = "joint/general";
// 한글, decomposed as some systems type it, and composed as it goes out.
const DECOMPOSED = "\u1112\u1161\u11ab\u1100\u1173\u11af";
const COMPOSED = "\ud55c\uae00";

/** @param {Bench} bench */
function shown(bench) {
  return bench.client.timeline(CHANNEL).items.map(({ seq, state, text }) => [seq, state, text]);
}

/** A line that broke and is up again. @param {Bench} bench @param {Record<string, any>} [fields] of the answer to connect */
async function reconnect(bench, fields) {
  bench.socket.drop(1006);
  await bench.time.advance(30_000);
  return await bench.accept(fields);
}

/** @param {number} from @param {number} to @param {Record<string, any>} [fields] */
function page(from, to, fields = {}) {
  const messages = Array.from({ length: to - from + 1 }, (_, index) => message(from + index, fields));
  return { channel: CHANNEL, epoch: 1, head: 99, messages, ...fields };
}

describe("following a channel", () => {
  test("shows what is pushed, and keeps the channel's head and unread count level", async () => {
    const bench = new Bench();
    await bench.connect();
    await bench.follow();
    /** @type {string[]} */
    const heard = [];
    bench.client.on("timeline", (channel) => heard.push(channel));
    bench.socket.push(message(1));
    assert.deepEqual(shown(bench), [[1, "delivered", "글 1"]]);
    assert.deepEqual(heard, [CHANNEL]);
    assert.equal(bench.client.channels.get(CHANNEL)?.unread, 1);
  });

  test("begins with the tail, once the line is up", async () => {
    const bench = new Bench();
    bench.client.subscribe(CHANNEL, { tail: 5_000 });
    const socket = await bench.connect();
    assert.deepEqual(socket.of("subscribe"), [{ type: "subscribe", id: 2, channel: CHANNEL, tail: 100 }]);
  });

  test("resumes exactly after the last seq", async () => {
    const bench = new Bench();
    await bench.connect();
    await bench.follow({ head: 9, from_seq: 7 });
    for (const seq of [8, 9]) bench.socket.push(message(seq));
    const socket = await reconnect(bench);
    assert.deepEqual(socket.last("subscribe").position, { epoch: 1, seq: 9 });
    assert.equal(socket.last("subscribe").tail, undefined);
    socket.reply(socket.last("subscribe"), { channel: CHANNEL, epoch: 1, head: 10, from_seq: 9 });
    socket.push(message(10));
    await bench.time.settle();
    assert.deepEqual(
      shown(bench).map(([seq]) => seq),
      [8, 9, 10],
    );
  });

  test("fills a gap from the history, page by page", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    for (const seq of [1, 6, 7]) socket.push(message(seq));
    socket.push(message(8));
    assert.deepEqual(
      socket.of("history").map(({ after }) => after),
      [1],
    );
    socket.reply(socket.last("history"), page(2, 3));
    await bench.time.settle();
    assert.deepEqual(
      socket.of("history").map(({ after }) => after),
      [1, 3],
    );
    socket.reply(socket.last("history"), page(4, 5));
    await bench.time.settle();
    assert.deepEqual(
      shown(bench).map(([seq]) => seq),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    assert.equal(bench.client.timeline(CHANNEL).complete, true);
  });

  test("asks for a gap again after a refusal that is temporary", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    socket.push(message(2));
    socket.refuse(socket.last("history"), { name: "unavailable", temporary: true, retry_after_ms: 4_000 });
    await bench.time.advance(3_999);
    assert.equal(socket.of("history").length, 1);
    await bench.time.advance(1);
    socket.reply(socket.last("history"), page(1, 1));
    await bench.time.settle();
    assert.deepEqual(
      shown(bench).map(([seq]) => seq),
      [1, 2],
    );
  });

  test("does not ask in a tight loop when the history brings nothing", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    socket.push(message(5));
    socket.reply(socket.last("history"), page(1, 0));
    await bench.time.advance(999);
    assert.equal(socket.of("history").length, 1);
    await bench.time.advance(1);
    assert.equal(socket.of("history").length, 2);
  });

  test("survives an entry that can't be read: its place is kept and nothing is asked for again", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    socket.push(message(1));
    socket.push(message(2, { text: 42 }));
    socket.push(message(3));
    await bench.time.settle();
    assert.deepEqual(
      shown(bench).map(([seq]) => seq),
      [1, 3],
    );
    assert.equal(socket.of("history").length, 0);
  });

  test("asks for everything anew when a push was no frame, but not again and again", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    socket.push(message(1));
    bench.presence.watch();
    for (let count = 0; count < 20; count += 1) {
      socket.onmessage?.({ data: new ArrayBuffer(1) });
      socket.reply(socket.last("subscribe"), { channel: CHANNEL, epoch: 1, head: 1, from_seq: 1 });
      await bench.time.settle();
    }
    await bench.time.settle();
    assert.deepEqual(
      socket.of("subscribe").map(({ position }) => position),
      [undefined, { epoch: 1, seq: 1 }],
    );
    assert.equal(bench.errors.length, 20);
  });

  test("forgets the timeline at a reset and shows what follows", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    for (const seq of [1, 2, 3]) socket.push(message(seq));
    socket.push({ type: "reset", channel: CHANNEL, epoch: 2, seq: 0 });
    socket.push(message(1, { epoch: 2, text: "복구" }));
    assert.deepEqual(shown(bench), [[1, "delivered", "복구"]]);
    assert.equal(bench.client.channels.get(CHANNEL)?.epoch, 2);
  });

  test("of which a message of a newer epoch comes is subscribed to anew, to be told of the reset", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    socket.push(message(1));
    socket.push(message(1, { epoch: 2 }));
    assert.deepEqual(socket.last("subscribe").position, { epoch: 1, seq: 1 });
  });

  test("loads older pages, one at a time, down to where one wants to be", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow({ head: 300, from_seq: 299 });
    socket.push(message(300));
    const until = bench.client.loadUntil(CHANNEL, 50);
    const meanwhile = bench.client.loadOlder(CHANNEL);
    assert.deepEqual(
      socket.of("history").map(({ before, limit }) => [before, limit]),
      [[300, 200]],
    );
    socket.reply(socket.last("history"), page(100, 299));
    await bench.time.settle();
    assert.equal(await meanwhile, true);
    socket.reply(socket.last("history"), page(1, 99));
    await until;
    const timeline = bench.client.timeline(CHANNEL);
    assert.deepEqual([timeline.items.length, timeline.first, timeline.hasOlder], [300, 1, false]);
    assert.equal(await bench.client.loadOlder(CHANNEL), false);
  });

  test("ends when the channel is taken away", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    socket.push(message(1));
    socket.push({ type: "channel", event: "removed", channel: CHANNEL });
    assert.equal(bench.client.channels.has(CHANNEL), false);
    assert.deepEqual(shown(bench), []);
    await reconnect(bench);
    assert.deepEqual(bench.socket.of("subscribe"), []);
  });

  test("begins when the channel is opened to us, though it was refused before", async () => {
    const bench = new Bench();
    bench.client.subscribe("joint/new");
    const socket = await bench.connect();
    socket.refuse(socket.last("subscribe"), { name: "no_such_channel" });
    await bench.time.settle();
    socket.push({ type: "channel", event: "added", channel: "joint/new", info: channelInfo("joint/new") });
    assert.equal(socket.of("subscribe").length, 2);
  });
});

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

describe("signs of other people", () => {
  test("somebody writes until their message comes, or for six seconds", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    await bench.follow();
    for (const user of ["south-2", "south-3", "south-1"]) socket.push({ type: "typing", channel: CHANNEL, user });
    assert.deepEqual(bench.client.typists(CHANNEL), ["south-2", "south-3"]);
    socket.push(message(1, { sender: "south-2" }));
    assert.deepEqual(bench.client.typists(CHANNEL), ["south-3"]);
    await bench.time.advance(4_000);
    socket.push({ type: "typing", channel: CHANNEL, user: "south-3" });
    await bench.time.advance(5_999);
    assert.deepEqual(bench.client.typists(CHANNEL), ["south-3"]);
    await bench.time.advance(1);
    assert.deepEqual(bench.client.typists(CHANNEL), []);
  });

  test("one's own sign goes out at most every three seconds, and anew after a message", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    const count = () => socket.of("typing").length;
    bench.client.typing(CHANNEL);
    bench.client.typing(CHANNEL);
    assert.equal(count(), 1);
    await bench.time.advance(3_000);
    bench.client.typing(CHANNEL);
    assert.equal(count(), 2);
    bench.client.publish(CHANNEL, { text: "글" });
    bench.client.typing(CHANNEL);
    assert.equal(count(), 3);
  });

  test("read positions rise and never fall, of one's own side by person, of the other as a whole", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    const own = { type: "read", channel: CHANNEL, delegation: "south", user: "south-2" };
    for (const seq of [4, 3]) socket.push({ ...own, seq });
    socket.push({ type: "read", channel: CHANNEL, delegation: "north", seq: 2 });
    const { byUser, bySide } = bench.client.reads(CHANNEL);
    assert.deepEqual(
      [...byUser, ...bySide],
      [
        ["south-2", 4],
        ["north", 2],
      ],
    );
  });

  test("read positions from before are told by the answer to a subscription, and don't undo what came since", async () => {
    const bench = new Bench();
    const socket = await bench.connect();
    socket.push({ type: "read", channel: CHANNEL, delegation: "south", user: "south-2", seq: 4 });
    await bench.follow({ head: 5, from_seq: 5, reads: { "south-2": 3, "south-3": 5 }, side_reads: { north: 1 } });
    const { byUser, bySide } = bench.client.reads(CHANNEL);
    assert.deepEqual(Object.fromEntries([...byUser, ...bySide]), { "south-2": 4, "south-3": 5, north: 1 });
  });
});

describe("reading", () => {
  const head = { channels: [channelInfo(CHANNEL, { head: 9, read_seq: 2 })] };

  test("is told once, as far as one has got meanwhile", async () => {
    const bench = new Bench();
    const socket = await bench.connect(head);
    for (const seq of [3, 5, 9, 4]) bench.client.read(CHANNEL, seq);
    assert.equal(bench.client.channels.get(CHANNEL)?.unread, 0);
    assert.deepEqual(
      socket.of("read").map(({ seq }) => seq),
      [3],
    );
    socket.reply(socket.last("read"));
    await bench.time.settle();
    assert.deepEqual(
      socket.of("read").map(({ seq }) => seq),
      [3, 9],
    );
    socket.reply(socket.last("read"));
    await bench.time.settle();
    assert.equal(socket.of("read").length, 2);
  });

  test("without a line is told on the next one", async () => {
    const bench = new Bench();
    await bench.connect(head);
    bench.socket.drop(1006);
    bench.client.read(CHANNEL, 9);
    await bench.time.advance(30_000);
    await bench.accept(head);
    assert.deepEqual(
      bench.socket.of("read").map(({ seq }) => seq),
      [9],
    );
    assert.equal(bench.client.channels.get(CHANNEL)?.unread, 0);
  });

  test("goes over a signature, but over none before which something is unread", async () => {
    const bench = new Bench();
    await bench.connect();
    await bench.follow();
    const unread = () => bench.client.channels.get(CHANNEL)?.unread;
    bench.socket.push(message(1, { kind: "signed_head" }));
    assert.equal(unread(), 0);
    bench.socket.push(message(2));
    bench.socket.push(message(3, { kind: "signed_head" }));
    assert.equal(unread(), 2);
  });

  test("on another device counts here", async () => {
    const bench = new Bench();
    const socket = await bench.connect(head);
    socket.push({ type: "read", channel: CHANNEL, delegation: "south", user: "south-1", seq: 7 });
    assert.equal(bench.client.channels.get(CHANNEL)?.unread, 2);
  });
});

test("availability is said again on each line", async () => {
  const bench = new Bench();
  bench.client.setAvailability("dnd");
  await bench.connect();
  await reconnect(bench);
  assert.deepEqual(
    bench.socket.of("availability").map(({ state }) => state),
    ["dnd"],
  );
});

test("search asks in NFC and gives what it found", async () => {
  const bench = new Bench();
  const socket = await bench.connect();
  const found = bench.client.search(DECOMPOSED, { channel: CHANNEL });
  const command = socket.last("search");
  assert.equal(command.query, COMPOSED);
  socket.reply(command, { messages: [message(4)], more: true });
  const { messages, more } = await found;
  assert.deepEqual([messages.map(({ seq }) => seq), more], [[4], true]);
});

test("a command without an answer is given up after its deadline", async () => {
  const bench = new Bench();
  const socket = await bench.connect();
  const refused = assert.rejects(bench.client.openDirect(["north-1"]), { name: "timeout" });
  for (let second = 0; second < 15; second += 1) {
    await bench.time.advance(1_000);
    socket.push({ type: "of_a_newer_server" });
  }
  await refused;
  socket.reply(socket.last("open_direct"), { channel: channelInfo("dm/north-1+south-1") });
  await bench.time.settle();
  assert.equal(bench.client.channels.size, 1);
});

test("a listener that throws is reported and hurts nobody", async () => {
  const bench = new Bench();
  await bench.connect();
  await bench.follow();
  /** @type {string[]} */
  const heard = [];
  bench.client.on("timeline", () => {
    throw new Error("a bug of the page");
  });
  const stop = bench.client.on("timeline", (channel) => heard.push(channel));
  bench.socket.push(message(1));
  assert.deepEqual(heard, [CHANNEL]);
  assert.deepEqual(
    bench.errors.map(({ where }) => where),
    ["listener of timeline"],
  );
  stop();
  bench.socket.push(message(2));
  assert.equal(heard.length, 1);
});

/** Nothing that a field may hold. @param {() => number} random */
function nonsense(random) {
  return pick(random, [
    undefined,
    null,
    -1,
    1.5,
    2 ** 60,
    "",
    "__proto__",
    "?".repeat(300),
    true,
    [],
    [null],
    {},
    { a: [1] },
  ]);
}

/** A frame with something wrong in it. @param {() => number} random @param {Record<string, any>} frame */
function distorted(random, frame) {
  const wrong = { ...frame };
  for (let count = 1 + integer(random, 3); count > 0; count -= 1)
    wrong[pick(random, [...Object.keys(frame), "of_a_newer_server"])] = nonsense(random);
  return wrong;
}

test("whatever a server pushes, the line stays, everything can be shown, and what is written goes out once", async () => {
  const vectors = readFileSync(new URL("../../../tests/vectors/pushes.json", import.meta.url), "utf8");
  // Whoever is told to go goes; that is tested elsewhere.
  const known = JSON.parse(vectors)
    .map((/** @type {{json: string}} */ { json }) => JSON.parse(json))
    .filter((/** @type {{type: string}} */ { type }) => type !== "go_away");
  for (let seed = 1; seed <= 10; seed += 1) {
    const random = seeded(seed);
    const bench = new Bench();
    const socket = await bench.connect();
    bench.presence.watch();
    await bench.follow();
    for (let count = 0; count < 200; count += 1) socket.push(distorted(random, pick(random, known)));
    await bench.time.settle();
    assert.equal(bench.client.state.name, "connected", `seed ${seed}`);
    for (const channel of [CHANNEL, ...bench.client.channels.keys()]) bench.client.timeline(channel);
    // Not of the channel that may have been reset or taken away meanwhile.
    const key = bench.client.publish("south/general", { text: "글" });
    await bench.time.settle();
    assert.equal(socket.of("publish").length, 1, `seed ${seed}`);
    await bench.acknowledge(socket.last("publish"), { epoch: 1 });
    assert.equal((await bench.client.settled(key))?.state, "acknowledged", `seed ${seed}`);
    bench.client.stop();
  }
});
