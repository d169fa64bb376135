import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CommandError } from "../../src/sdk/codes.js";
import { Duty } from "../../src/sdk/duty.js";
import { Bench } from "./scripted_server.js";

const HANDOVER = {
  handover: "5d1c9e0b7a34f682",
  state: "offered",
  offered_by: "south-1",
  offered_ms: 1_536_894_000_000,
  items: [{ kind: "note", name: "", text: "열쇠" }],
  digest: "0123",
};

async function opened() {
  const bench = new Bench();
  let number = 0;
  const duty = new Duty(bench.client, () => `k-${++number}`);
  return { duty, socket: await bench.connect() };
}

describe("duty", () => {
  test("says who is at both desks, with what isn't told left open", async () => {
    const { duty, socket } = await opened();
    const answer = duty.duty();
    const sides = [{ delegation: "north", granularity: "staffed", staffed: true }];
    socket.reply(socket.last("duty"), { time_ms: 1, sides });
    const { sides: seen, isStale } = await answer;
    assert.deepEqual([seen[0]?.staffed, seen[0]?.present, seen[0]?.onDuty, isStale], [true, undefined, [], false]);
  });

  test("hands over and takes over with a key of its own, and the same one for a repeat", async () => {
    const { duty, socket } = await opened();
    for (const [type, step] of /** @type {const} */ ([
      ["duty_hand_over", () => duty.handOver(["열쇠"])],
      ["duty_acknowledge", () => duty.acknowledge(HANDOVER.handover, HANDOVER.digest)],
      ["duty_withdraw", () => duty.withdraw(HANDOVER.handover, { key: "again" })],
    ])) {
      const answer = step();
      socket.reply(socket.last(type), { handover: HANDOVER, duplicate: false });
      assert.equal((await answer).handover.offeredBy, "south-1");
    }
    assert.deepEqual(socket.last("duty_hand_over").notes, ["열쇠"]);
    assert.deepEqual(
      ["duty_hand_over", "duty_acknowledge", "duty_withdraw"].map((type) => socket.last(type).key),
      ["k-1", "k-2", "again"],
    );
  });

  test("reads, imports and exports a roster", async () => {
    const { duty, socket } = await opened();
    const read = duty.roster({ fromMs: 5, days: 7 });
    const shifts = [{ user: "south-1", duty: "officer", start_ms: 5, end_ms: 6 }];
    const command = socket.last("duty_roster");
    assert.deepEqual([command.from_ms, command.days], [5, 7]);
    socket.reply(command, { revision: 3, time_zone: "Asia/Seoul", from_ms: 5, until_ms: 9, shifts });
    assert.equal((await read).shifts[0]?.startMs, 5);
    const given = duty.exportRoster("csv");
    socket.reply(socket.last("duty_export"), { revision: 3, format: "csv", text: "user" });
    assert.equal((await given).text, "user");
    const refused = duty.importRoster("csv", "user", 3);
    assert.equal(socket.last("duty_import").revision, 3);
    socket.refuse(socket.last("duty_import"), { name: "roster_hole", temporary: false });
    await assert.rejects(refused, (error) => error instanceof CommandError && error.name === "roster_hole");
    const listed = duty.handovers();
    socket.reply(socket.last("duty_handovers"), { items: [], handovers: [HANDOVER], more: false });
    assert.equal((await listed).handovers[0]?.items[0]?.kind, "note");
  });
});
