import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_ATTACHMENTS } from "../../src/sdk/limits.js";
import { Tray } from "../../src/shared/tray.js";

/** @typedef {import("../../src/sdk/attachments.js").Named} Named */
/** @typedef {{ resolve: (done: Named) => void, reject: (failure: unknown) => void, signal: AbortSignal }} Upload */

const MAX_BYTES = 100;

/** @param {string} name @param {number} [size] */
const file = (name, size = 9) => /** @type {File} */ ({ name, size });

/** @param {string} name @param {string} [sha256] @returns {Named} */
const named = (name, sha256 = name) => ({ sha256, name, media_type: "text/plain", size_bytes: 9 });

/** A tray whose uploads end when the test says so, and what has gone and was held back. @param {readonly Named[]} [present] */
function begin(present) {
  /** @type {Upload[]} */
  const uploads = [];
  /** @type {string[]} */
  const events = [];
  const tray = new Tray("joint/general", {
    maxBytes: MAX_BYTES,
    ...(present && { present }),
    send: (_channel, _file, { signal }) => new Promise((resolve, reject) => uploads.push({ resolve, reject, signal })),
  });
  const whenUp = () =>
    tray.whenUp(
      (files) => events.push(`gone ${files.map(({ name }) => name).join()}`),
      () => events.push("held back"),
    );
  /** @param {number} index */
  const upload = (index) => /** @type {Upload} */ (uploads[index]);
  return { tray, uploads, upload, events, whenUp };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("what has no files goes at once, and so does what has them all up", async () => {
  const { tray, upload, events, whenUp } = begin();
  whenUp();
  tray.add([file("a.txt")]);
  upload(0).resolve(named("a.txt"));
  await settled();
  whenUp();
  assert.deepEqual(events, ["gone ", "gone a.txt"]);
});

test("what is sent during an upload goes once, with all files, when the last one is up", async () => {
  const { tray, upload, events, whenUp } = begin();
  tray.add([file("a.txt"), file("b.txt")]);
  whenUp();
  tray.whenUp(() => events.push("another"));
  upload(1).resolve(named("b.txt"));
  await settled();
  assert.deepEqual(events, []);
  upload(0).resolve(named("a.txt"));
  await settled();
  assert.deepEqual(events, ["gone a.txt,b.txt"]);
  assert.equal(tray.held.value, undefined);
});

test("what waits is held back when a file fails, and goes after another try", async () => {
  const { tray, upload, events, whenUp } = begin();
  tray.add([file("a.txt")]);
  whenUp();
  upload(0).reject({ name: "network" });
  await settled();
  assert.deepEqual(events, ["held back"]);
  assert.ok(tray.isHeldBack.value);
  const [failed] = tray.files.value;
  assert.deepEqual(failed?.failure, { name: "network" });
  if (failed) tray.retry(failed);
  whenUp();
  assert.ok(!tray.isHeldBack.value);
  upload(1).resolve(named("a.txt"));
  await settled();
  assert.deepEqual(events, ["held back", "gone a.txt"]);
});

test("what waits is held back when a file is taken away, whose upload ends", async () => {
  const { tray, upload, events, whenUp } = begin();
  tray.add([file("a.txt"), file("b.txt")]);
  whenUp();
  const [first] = tray.files.value;
  if (first) tray.remove(first);
  assert.ok(upload(0).signal.aborted);
  upload(0).reject({ name: "aborted" });
  upload(1).resolve(named("b.txt"));
  await settled();
  assert.deepEqual(events, ["held back"]);
  assert.deepEqual(
    tray.files.value.map(({ name }) => name),
    ["b.txt"],
  );
});

test("what waits is held back when a file that can't go is added to it", () => {
  const { tray, events, whenUp } = begin();
  tray.add([file("a.txt")]);
  whenUp();
  tray.add([file("b.exe")]);
  assert.deepEqual(events, ["held back"]);
});

test("what was called off, or whose page is left, never goes", async () => {
  for (const end of /** @type {const} */ (["callOff", "close"])) {
    const { tray, upload, events, whenUp } = begin();
    tray.add([file("a.txt")]);
    whenUp();
    tray[end]();
    upload(0).resolve(named("a.txt"));
    await settled();
    assert.deepEqual(events, [], end);
    assert.equal(upload(0).signal.aborted, end === "close");
  }
});

test("what can't be attached is refused before it is sent, with the server's name for it", () => {
  const { tray, uploads } = begin();
  tray.add([file("a.svg"), file("b.txt", 0), file("c.txt", MAX_BYTES + 1), file("d.txt", MAX_BYTES)]);
  assert.deepEqual(
    tray.files.value.map(({ failure }) => failure?.name),
    ["attachment_type", "attachment_incomplete", "attachment_too_large", undefined],
  );
  assert.equal(uploads.length, 1);
  const off = new Tray("joint/general", { maxBytes: 0 });
  off.add([file("a.txt")]);
  assert.equal(off.files.value[0]?.failure?.name, "attachments_off");
});

test("one content is attached once, also beside what was attached before", async () => {
  const { tray, upload, events, whenUp } = begin([named("old.txt", "1234")]);
  tray.add([file("copy.txt")]);
  upload(0).resolve(named("copy.txt", "1234"));
  await settled();
  assert.deepEqual(
    tray.files.value.map(({ failure }) => failure?.name),
    [undefined, "attachment_twice"],
  );
  whenUp();
  assert.deepEqual(events, ["gone old.txt"]);
});

test("no more files than the wire takes, and room again when one is taken away", () => {
  const { tray, uploads } = begin();
  tray.add(Array.from({ length: MAX_ATTACHMENTS + 1 }, (_, index) => file(`${index}.txt`)));
  assert.equal(uploads.length, MAX_ATTACHMENTS);
  assert.ok(tray.excess.value);
  const [first] = tray.files.value;
  if (first) tray.remove(first);
  assert.ok(!tray.excess.value);
  tray.add([file("last.txt")]);
  assert.equal(uploads.length, MAX_ATTACHMENTS + 1);
});
