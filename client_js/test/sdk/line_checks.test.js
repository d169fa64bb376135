import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CommandError } from "../../src/sdk/codes.js";
import { LineChecks } from "../../src/sdk/line_checks.js";
import { Bench } from "./scripted_server.js";

const CHECK = {
  check: "2018-09-15T09:00",
  due_ms: 1_536_969_600_000,
  caller: "south",
  answerer: "north",
  state: "called",
};

async function opened() {
  const bench = new Bench();
  const keys = ["k-1", "k-2", "k-3"];
  const lineChecks = new LineChecks(bench.client, () => keys.shift() ?? "");
  return { bench, lineChecks, socket: await bench.connect() };
}

describe("line checks", () => {
  test("call, answer and ask with a key of their own, and with the same one for a repeat", async () => {
    const { lineChecks, socket } = await opened();
    for (const [type, step] of /** @type {const} */ ([
      ["line_check_call", () => lineChecks.call(CHECK.check)],
      ["line_check_answer", () => lineChecks.answer(CHECK.check)],
      ["line_check_request", () => lineChecks.request()],
    ])) {
      const answer = step();
      socket.reply(socket.last(type), { check: CHECK, duplicate: false });
      assert.deepEqual([(await answer).check.state, (await answer).check.outcome], ["called", ""]);
    }
    const again = lineChecks.call(CHECK.check, { key: "k-1" });
    socket.reply(socket.last("line_check_call"), { check: CHECK, duplicate: true });
    assert.equal((await again).duplicate, true);
    const sent = [
      ...socket.of("line_check_call"),
      ...socket.of("line_check_answer"),
      ...socket.of("line_check_request"),
    ];
    assert.deepEqual(
      sent.map(({ check, key }) => [check, key]),
      [
        [CHECK.check, "k-1"],
        [CHECK.check, "k-1"],
        [CHECK.check, "k-2"],
        [undefined, "k-3"],
      ],
    );
  });

  test("give the strip, with what the server leaves out filled in", async () => {
    const { lineChecks, socket } = await opened();
    const answer = lineChecks.lineChecks({ days: 7 });
    const command = socket.last("line_checks");
    assert.equal(command.days, 7);
    socket.reply(command, {
      time_ms: 1_536_969_660_000,
      time_zone: "Asia/Seoul",
      times: ["09:00"],
      answer_within_ms: 180_000,
      days: [{ date: "2018-09-15", caller: "south", checks: [CHECK] }],
      open: [CHECK],
      heartbeat: [{ delegation: "north", line_up: true, staffed: false }],
    });
    const view = await answer;
    assert.equal(view.days[0]?.checks[0]?.dueMs, CHECK.due_ms);
    assert.deepEqual([view.next, view.heartbeat[0]?.lineUp], [undefined, true]);
  });

  test("reject with the server's refusal", async () => {
    const { lineChecks, socket } = await opened();
    const answer = lineChecks.answer(CHECK.check);
    socket.refuse(socket.last("line_check_answer"), { name: "line_check_not_called", temporary: false });
    await assert.rejects(answer, (error) => error instanceof CommandError && error.name === "line_check_not_called");
  });
});
