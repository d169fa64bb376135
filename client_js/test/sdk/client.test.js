import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { CHANNEL, page, reconnect, shown } from "./conversation.js";
import { Bench, channelInfo, message } from "./scripted_server.js";
import { integer, pick, seeded } from "./seeded.js";

// 한글, decomposed as some systems type it, and composed as it goes out.
const DECOMPOSED = "\u1112\u1161\u11ab\u1100\u1173\u11af";
const COMPOSED = "\ud55c\uae00";
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
