/** One suite for every storage. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { IDBFactory } from "fake-indexeddb";

import { IndexedDbStorage } from "../../src/sdk/indexeddb_storage.js";
import { add, EMPTY_OUTBOX } from "../../src/sdk/outbox.js";
import { MemoryStorage } from "../../src/sdk/storage.js";

/** @typedef {import("../../src/sdk/storage.js").Storage} Storage */

/** @param {string} key @param {string} text */
function item(key, text) {
  const about = { epoch: 1, seq: 2, sender: "north-1", key: "k" };
  const wish = { key, user: "south-1", channel: "joint/general", kind: /** @type {const} */ ("text"), text, about };
  const outbox = add(EMPTY_OUTBOX, { ...wish, reaction: "", removed: false, mentions: ["north-1"], createdMs: 5 });
  return /** @type {import("../../src/sdk/outbox.js").Item} */ (outbox.get(key));
}

/** @param {string} name @param {() => Promise<Storage>} open */
function contract(name, open) {
  describe(name, () => {
    test("gives back what was put, by key", async () => {
      const storage = await open();
      await storage.put(item("a", "하나"));
      await storage.put(item("__proto__", "둘"));
      await storage.put(item("a", "셋"));
      const held = [...(await storage.items())].sort((a, b) => (a.key < b.key ? 1 : -1));
      assert.deepEqual(held, [item("a", "셋"), item("__proto__", "둘")]);
    });

    test("holds its own copy", async () => {
      const storage = await open();
      const mine = item("a", "하나");
      await storage.put(mine);
      mine.text = "changed";
      assert.equal((await storage.items())[0]?.text, "하나");
    });

    test("removes, also what isn't there", async () => {
      const storage = await open();
      await storage.put(item("a", "하나"));
      await storage.remove("a");
      await storage.remove("a");
      assert.deepEqual(await storage.items(), []);
    });

    test("remembers values with their maps, and forgets", async () => {
      const storage = await open();
      const people = new Map([["__proto__", { name: "김영희" }]]);
      assert.equal(await storage.recall("office"), undefined);
      await storage.remember("office", { people });
      assert.deepEqual(await storage.recall("office"), { people });
      await storage.remember("office", undefined);
      assert.equal(await storage.recall("office"), undefined);
    });
  });
}

contract("memory", () => Promise.resolve(new MemoryStorage()));
contract("IndexedDB", () => IndexedDbStorage.open(new IDBFactory()));

test("IndexedDB keeps it over a reload, and two tabs share it", async () => {
  const factory = new IDBFactory();
  const first = await IndexedDbStorage.open(factory);
  const second = await IndexedDbStorage.open(factory);
  await first.put(item("a", "하나"));
  assert.deepEqual(await second.items(), [item("a", "하나")]);
  first.close();
  second.close();
  const reloaded = await IndexedDbStorage.open(factory);
  assert.deepEqual(await reloaded.items(), [item("a", "하나")]);
});
