import assert from "node:assert/strict";
import { test } from "node:test";

import { initials } from "../../src/chat/initials.js";

test("a Korean name is called by its last two syllables", () => {
  assert.deepEqual(["김민준", "남궁민수", "이설"].map(initials), ["민준", "민수", "이설"]);
});

test("other names are told apart by where their first and last words begin", () => {
  assert.deepEqual(["남측 연락관 1", "south-1", "Ada King Lovelace", "😀x y", " "].map(initials), [
    "남1",
    "S",
    "AL",
    "😀Y",
    "?",
  ]);
});
