import assert from "node:assert/strict";
import { test } from "node:test";

import { standingOf } from "../../src/shared/desk_standing.js";

const CLOSED = {
  delegation: "south",
  lineUp: true,
  staffed: false,
  hasRoster: true,
  unstaffedSinceMs: 0,
  outsideHours: true,
};

test("an empty desk is outside its hours only where a roster and the hours ask for nobody", () => {
  assert.equal(standingOf(CLOSED), "desk_closed");
  for (const change of [{ hasRoster: false }, { unstaffedSinceMs: 1 }, { outsideHours: false }])
    assert.equal(standingOf({ ...CLOSED, ...change }), "desk_empty", JSON.stringify(change));
  assert.equal(standingOf({ delegation: "north", lineUp: true, staffed: false }), "desk_empty");
});

test("who is there is there at any hour, and a line that is down says nothing of the desk", () => {
  assert.equal(standingOf({ ...CLOSED, staffed: true }), "desk_staffed");
  assert.equal(standingOf({ ...CLOSED, lineUp: false, staffed: true }), "line_is_down");
});
