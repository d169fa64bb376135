import assert from "node:assert/strict";
import { test } from "node:test";

import { RowHeights } from "../../src/chat/row_heights.js";

const rows = Array.from({ length: 10_000 }, (_, index) => ({ id: `${index}`, type: "message" }));

test("a row stands below all that are above it, measured or guessed", () => {
  const heights = new RowHeights();
  heights.setRows(rows);
  const before = heights.topOf(9_000);
  const guess = heights.topOf(1);
  heights.measured("17", guess + 60);
  assert.equal(heights.topOf(17), 17 * guess);
  assert.equal(heights.topOf(9_000), before + 60);
  assert.equal(heights.total, 10_000 * guess + 60);
});

test("the row at a place is the one that covers it, and the nearest beyond the ends", () => {
  const heights = new RowHeights();
  heights.setRows(rows);
  for (const index of [0, 1, 4_999, 9_999]) {
    assert.equal(heights.indexAt(heights.topOf(index)), index);
    assert.equal(heights.indexAt(heights.topOf(index + 1) - 0.5), index);
  }
  assert.equal(heights.indexAt(-100), 0);
  assert.equal(heights.indexAt(1e9), 9_999);
});

test("rows keep their measures when others are put above them, and lose them with the width", () => {
  const heights = new RowHeights();
  heights.setRows(rows.slice(5));
  const guess = heights.topOf(1);
  heights.measured("5", 200);
  heights.setRows(rows);
  assert.equal(heights.topOf(6) - heights.topOf(5), 200);
  heights.forget();
  assert.equal(heights.topOf(6) - heights.topOf(5), guess);
});
