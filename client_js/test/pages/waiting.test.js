import assert from "node:assert/strict";
import { test } from "node:test";

import {
  waitingDispatches,
  waitingHandovers,
  waitingLineChecks,
  waitingProposals,
} from "../../src/registers/waiting.js";

test("of dispatches that wait, drafts are counted apart from those that both sides see", () => {
  const dispatches = [{ number: "north-2026-0001" }, { number: "" }, { number: "north-2026-0002" }];
  assert.deepEqual(waitingDispatches(dispatches), { numbered: 2, drafts: 1 });
});

test("proposals count while they are undecided and the own side has not approved", () => {
  const proposals = [
    { state: "open", waitsOn: ["south", "north"] },
    { state: "approved_by_one", waitsOn: ["north"] },
    { state: "approved_by_one", waitsOn: ["south"] },
    { state: "expired", waitsOn: ["south"] },
  ];
  assert.equal(waitingProposals(proposals, "south"), 2);
  assert.equal(waitingProposals(proposals, "north"), 2);
});

test("a line check counts for the side whose step is due", () => {
  const check = /** @type {import("../../src/sdk/line_checks.js").LineCheck} */ ({
    caller: "south",
    answerer: "north",
  });
  const open = [
    { ...check, state: "open" },
    { ...check, state: "called" },
    { ...check, state: "called" },
  ];
  assert.equal(waitingLineChecks(open, "south"), 1);
  assert.equal(waitingLineChecks(open, "north"), 2);
});

test("a handover counts until somebody takes it over or it is withdrawn", () => {
  assert.equal(waitingHandovers([{ state: "offered" }, { state: "acknowledged" }, { state: "withdrawn" }]), 1);
});
