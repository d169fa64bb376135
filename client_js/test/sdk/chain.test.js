import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";

import { brokenLinks, linkAfter } from "../../src/sdk/chain.js";
import { message } from "./scripted_server.js";

/** @typedef {any} Entry */

const subtle = /** @type {import("../../src/sdk/chain.js").Subtle} */ (/** @type {unknown} */ (webcrypto.subtle));

/** A channel of five entries whose links are right. @returns {Promise<Entry[]>} */
async function run() {
  const entries = [];
  let link = new Uint8Array(32);
  for (let seq = 1; seq <= 5; seq += 1) {
    const entry = message(seq);
    link = await linkAfter(subtle, link, entry);
    entries.push({ ...entry, link });
  }
  return entries;
}

/** @param {readonly Entry[]} entries */
const broken = async (entries) => [...(await brokenLinks(subtle, entries))];

test("nothing is broken in a record as it was written, from its beginning or from anywhere", async () => {
  const entries = await run();
  assert.deepEqual(await broken(entries), []);
  assert.deepEqual(await broken(entries.slice(2)), []);
  assert.deepEqual(await broken([]), []);
});

test("a changed entry does not follow, the first one of all neither", async () => {
  for (const seq of [1, 3, 5]) {
    const entries = (await run()).map((entry) => (entry.seq === seq ? { ...entry, text: "changed" } : entry));
    assert.deepEqual(await broken(entries), [seq]);
  }
});

test("a changed entry with a link made anew shows at the next one", async () => {
  const entries = await run();
  const changed = { ...entries[2], text: "changed" };
  entries[2] = { ...changed, link: await linkAfter(subtle, entries[1].link, changed) };
  assert.deepEqual(await broken(entries), [4]);
});

test("what follows a missing entry, or one out of its place, does not follow", async () => {
  const [one, two, three, four, five] = await run();
  assert.deepEqual(await broken([one, two, four, five]), [4]);
  assert.deepEqual(await broken([one, three, two, four, five]), [3, 2, 4]);
});
