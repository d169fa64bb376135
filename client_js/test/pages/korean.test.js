import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { fold, markFound, wordsOf } from "../../src/chat/korean.js";

const vectors = JSON.parse(readFileSync(new URL("../../../tests/vectors/search.json", import.meta.url), "utf8"));

test("spellings that the server's search takes for the same are the same here", () => {
  for (const { texts, folded } of vectors.same) for (const text of texts) assert.equal(fold(text), folded);
  for (const [one, other] of vectors.different) assert.notEqual(fold(one), fold(other));
});

test("what was found is marked in the spelling in which it was written", () => {
  const pieces = markFound("오늘 녀자 축구", wordsOf("여자"));
  assert.deepEqual(
    pieces.filter(({ isFound }) => isFound).map(({ text }) => text),
    ["녀자"],
  );
  assert.equal(pieces.map(({ text }) => text).join(""), "오늘 녀자 축구");
});
