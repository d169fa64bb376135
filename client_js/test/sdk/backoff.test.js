import assert from "node:assert/strict";
import { test } from "node:test";

import { fullJitterMs } from "../../src/sdk/backoff.js";
import { seeded } from "./seeded.js";

test("waits spread over the whole range, which doubles up to half a minute", () => {
  const almostOne = () => 1 - Number.EPSILON;
  assert.deepEqual(
    [0, 1, 2, 6, 50, 5_000].map((attempt) => fullJitterMs(attempt, almostOne)),
    [499, 999, 1_999, 29_999, 29_999, 29_999],
  );
  assert.equal(
    fullJitterMs(3, () => 0),
    0,
  );
});

test("clients that were dropped together don't come back together", () => {
  const random = seeded(1);
  const waits = Array.from({ length: 1_000 }, () => fullJitterMs(4, random));
  const perSecond = [0, 1, 2, 3, 4, 5, 6, 7].map(
    (second) => waits.filter((ms) => Math.floor(ms / 1_000) === second).length,
  );
  assert.ok(Math.min(...perSecond) > 80, String(perSecond));
});
