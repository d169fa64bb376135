import assert from "node:assert/strict";
import { test } from "node:test";

import { replies } from "../../src/sdk/frames.js";
import { KnownOffice } from "../../src/sdk/known_office.js";
import { MemoryStorage } from "../../src/sdk/storage.js";
import { channelInfo, welcome } from "./scripted_server.js";

/** @param {MemoryStorage} storage @param {Record<string, number>} [untold] */
function officeOn(storage, untold = {}) {
  /** @type {string[]} */
  const forgotten = [];
  const marks = {
    untold: (/** @type {string} */ channel) => untold[channel] ?? 0,
    forget: (/** @type {string} */ channel) => void forgotten.push(channel),
  };
  const onError = (/** @type {string} */ where, /** @type {unknown} */ error) => assert.fail(`${where}: ${error}`);
  return { known: new KnownOffice({ storage, now: () => 1_000, onError }, marks), forgotten };
}

/** @param {Record<string, any>} fields of the one channel */
const answer = (fields) => replies.connect(welcome({ channels: [channelInfo("joint/general", fields)] }), "connect");

test("unread is what lies beyond the position, also one that the server has not heard of", () => {
  const { known } = officeOn(new MemoryStorage(), { "joint/general": 7 });
  known.welcome(answer({ head: 9, read_seq: 4 }));
  assert.equal(known.channels.get("joint/general")?.unread, 2);
  const before = known.channels;
  known.change("joint/general", () => ({ head: 12 }));
  assert.equal(known.channels.get("joint/general")?.unread, 5);
  assert.equal(before.get("joint/general")?.unread, 2);
  known.change("joint/general", () => ({ readSeq: 30 }));
  assert.equal(known.channels.get("joint/general")?.unread, 0);
  assert.equal(known.serverNowMs(), 2_000_000);
});

test("positions of a channel that is of another epoch are forgotten", () => {
  const { known, forgotten } = officeOn(new MemoryStorage());
  known.welcome(answer({}));
  known.welcome(answer({}));
  assert.deepEqual(forgotten, []);
  known.welcome(answer({ epoch: 2 }));
  assert.deepEqual(forgotten, ["joint/general"]);
});

test("the device holds it until it is forgotten, and never undoes what the server has told", async () => {
  const storage = new MemoryStorage();
  officeOn(storage).known.welcome(answer({ head: 3 }));
  const later = officeOn(storage).known;
  assert.equal((await later.recall())?.user, "south-1");
  assert.equal(later.channels.get("joint/general")?.unread, 3);
  later.welcome(answer({ head: 8 }));
  assert.equal(await later.recall(), undefined);
  assert.equal(later.channels.get("joint/general")?.unread, 8);
  await later.forget();
  assert.equal(later.me, undefined);
  assert.equal(await officeOn(storage).known.recall(), undefined);
});
