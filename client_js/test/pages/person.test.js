import assert from "node:assert/strict";
import { test } from "node:test";

import { byReach, personState } from "../../src/shared/person.js";

test("what somebody says of themselves counts only while they are connected", () => {
  assert.equal(personState("online", "dnd"), "dnd");
  assert.equal(personState("unconfirmed", "active"), "unconfirmed");
  assert.equal(personState("offline", "active"), "offline");
});

test("while nothing is known, the last state is not shown", () => {
  assert.equal(personState("unknown", "active"), "unknown");
});

test("across the sides only the connection is known", () => {
  assert.equal(personState("online", ""), "online");
  assert.equal(personState("online", undefined), "online");
});

test("those who can be reached come first, then by name", () => {
  const people = [
    { state: /** @type {const} */ ("offline"), name: "가" },
    { state: /** @type {const} */ ("away"), name: "나" },
    { state: /** @type {const} */ ("active"), name: "라" },
    { state: /** @type {const} */ ("online"), name: "다" },
  ];
  assert.deepEqual(
    people.sort(byReach).map(({ name }) => name),
    ["다", "라", "나", "가"],
  );
});
