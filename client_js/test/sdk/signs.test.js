import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CHANNEL } from "./conversation.js";
import { Bench, channelInfo, message } from "./scripted_server.js";

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
