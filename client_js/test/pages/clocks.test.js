import assert from "node:assert/strict";
import { test } from "node:test";

import { clocksDiffer, dayKey, formatDay, formatTime, usableZone } from "../../src/shared/clocks.js";

const MOMENT = Date.UTC(2018, 3, 27, 15, 5);

test("a day is written with its year in both languages", () => {
  assert.equal(formatDay(MOMENT, "ko", "Asia/Seoul"), "2018년 4월 28일 토요일");
  // Whether a comma stands there differs between versions of the Unicode data.
  assert.match(formatDay(MOMENT, "en", "Asia/Seoul"), /^Saturday,? 28 April 2018$/);
});

test("midnight is 00, not 24", () => {
  assert.equal(formatTime(MOMENT, "ko", "Asia/Seoul"), "00:05");
  assert.equal(formatTime(MOMENT, "en", "Asia/Seoul"), "00:05");
});

test("the clocks of both sides differed for 996 days, and then no more", () => {
  const zones = ["Asia/Seoul", "Asia/Pyongyang"];
  assert.equal(clocksDiffer(zones, MOMENT), true);
  assert.equal(clocksDiffer(zones, Date.UTC(2018, 4, 10)), false);
});

test("a day has one key, whatever the hour", () => {
  assert.equal(dayKey(MOMENT, "Asia/Seoul"), "2018-04-28");
  assert.equal(dayKey(MOMENT, "UTC"), "2018-04-27");
});

test("a zone that this browser does not know is shown in UTC", () => {
  assert.equal(usableZone("Mars/Olympus_Mons"), "UTC");
  assert.equal(usableZone("Asia/Pyongyang"), "Asia/Pyongyang");
});
