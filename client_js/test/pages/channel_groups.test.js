import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, channelIn } from "../../src/chat/channel_address.js";
import { delegationOf, groupChannels, isReadAcross, membersOf } from "../../src/chat/channel_groups.js";

/** @param {string} name @param {'joint' | 'side' | 'direct'} kind @param {string[]} [members] */
const channel = (name, kind, members = []) => ({
  channel: name,
  kind,
  title: { ko: name, en: name },
  members,
  unread: 0,
});

const PEOPLE = new Map([
  ["south-1", { delegation: "south" }],
  ["south-2", { delegation: "south" }],
  ["north-1", { delegation: "north" }],
]);

test("channels are grouped by who shares them, the joint ones first", () => {
  const channels = [
    channel("dm/south-1+south-2", "direct"),
    channel("south/office", "side"),
    channel("joint/weather", "joint"),
    channel("south/duty", "side"),
    channel("joint/general", "joint"),
  ];
  assert.deepEqual(
    groupChannels(channels, ({ channel: name }) => name).map(({ kind, channels: group }) => [
      kind,
      ...group.map(({ channel: name }) => name),
    ]),
    [
      ["joint", "joint/general", "joint/weather"],
      ["side", "south/duty", "south/office"],
      ["direct", "dm/south-1+south-2"],
    ],
  );
});

test("the general channel is the first of its group, the others go by title, and news moves none of them", () => {
  const channels = ["joint/weather", "joint/dams", "joint/general", "south/duty", "south/general"].map((name) =>
    channel(name, name.startsWith("joint") ? "joint" : "side"),
  );
  const order = (/** @type {typeof channels} */ all) =>
    groupChannels(all, ({ channel: name }) => name).flatMap((group) => group.channels.map(({ channel: name }) => name));
  const expected = ["joint/general", "joint/dams", "joint/weather", "south/general", "south/duty"];
  assert.deepEqual(order(channels), expected);
  assert.deepEqual(order(channels.map((one) => ({ ...one, unread: one.channel.length }))), expected);
});

test("the rule of who reads across is the same for both sides", () => {
  const joint = channel("joint/general", "joint");
  const across = channel("dm/north-1+south-1", "direct", ["north-1", "south-1"]);
  for (const side of ["south", "north"]) {
    assert.equal(isReadAcross(joint, side, PEOPLE), true);
    assert.equal(isReadAcross(channel(`${side}/duty`, "side"), side, PEOPLE), false);
    assert.equal(isReadAcross(across, side, PEOPLE), true);
  }
});

test("a direct channel within one side is not read across", () => {
  assert.equal(isReadAcross(channel("dm/south-1+south-2", "direct"), "south", PEOPLE), false);
});

test("somebody unknown in a direct channel counts as the other side: the warning is the safe answer", () => {
  assert.equal(isReadAcross(channel("dm/gone+south-1", "direct"), "south", PEOPLE), true);
});

test("names say to whom a channel belongs", () => {
  assert.equal(delegationOf("north/duty"), "north");
  assert.deepEqual(membersOf(channel("dm/a+b", "direct")), ["a", "b"]);
});

test("an address leads back to its channel, whatever the name holds", () => {
  for (const name of ["joint/general", "south/상황실", "dm/a+b", "joint/100%-#?", ""]) {
    assert.equal(channelIn(addressOf(name)), name);
  }
  assert.equal(channelIn("#joint/%E0%A4%A"), "");
});
