import assert from "node:assert/strict";
import { test } from "node:test";

import { mentionedIn, piecesOf } from "../../src/chat/mentions.js";
import { candidates, mentionAt } from "../../src/chat/name_completion.js";

const PEOPLE = [
  { user: "south-1", name: "김민준" },
  { user: "south-2", name: "김민준아" },
  { user: "north-1", name: "Ri <b>$&" },
];

test("what follows an @ at the beginning of a word is a name in the making", () => {
  assert.deepEqual(mentionAt("안녕 @김", 5), { start: 3, query: "김" });
  assert.deepEqual(mentionAt("@", 1), { start: 0, query: "" });
  assert.equal(mentionAt("a@김", 3), undefined);
  assert.equal(mentionAt("@김\n민", 4), undefined);
  assert.equal(mentionAt("없음", 2), undefined);
});

test("people are offered by any word of the name or by the id", () => {
  assert.deepEqual(
    candidates(PEOPLE, "김", 5).map(({ user }) => user),
    ["south-1", "south-2"],
  );
  assert.deepEqual(
    candidates(PEOPLE, "north", 5).map(({ user }) => user),
    ["north-1"],
  );
  assert.equal(candidates(PEOPLE, "", 2).length, 2);
});

test("of two names that fit the longer one is meant, and the pieces make up the text", () => {
  const text = "@김민준아 그리고 @Ri <b>$& 또 @모름";
  assert.deepEqual(mentionedIn(text, PEOPLE), ["south-2", "north-1"]);
  assert.equal(
    piecesOf(text, PEOPLE)
      .map((piece) => piece.text)
      .join(""),
    text,
  );
});
