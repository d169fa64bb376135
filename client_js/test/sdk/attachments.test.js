/** Which files can be attached is kept twice, in Python and here; and what an entry names is read and written. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  attachmentPath,
  attachmentsIn,
  endingOf,
  MEDIA_TYPES,
  mediaTypeOf,
  named,
  uploadPath,
} from "../../src/sdk/attachments.js";

const NAMED = { sha256: "ab".repeat(32), name: "지도.png", media_type: "image/png", size_bytes: 99 };
const READ = { sha256: NAMED.sha256, name: NAMED.name, mediaType: "image/png", sizeBytes: 99 };

test("types and endings are those of the server", () => {
  const source = readFileSync(new URL("../../../server/liaison/protocol/media_types.py", import.meta.url), "utf8");
  const types = new Map([...source.matchAll(/^([A-Z_]+): Final = "([^"]+)"$/gm)].map(([, name, type]) => [name, type]));
  const rows = [...source.matchAll(/^ {4}([A-Z_]+): \((.*?),?\),$/gm)].flatMap(([, name, endings = ""]) =>
    [...endings.matchAll(/"(\w+)"/g)].map(([, ending]) => [ending, types.get(String(name))]),
  );
  assert.ok(rows.length > 10);
  assert.deepEqual([...MEDIA_TYPES], rows);
});

test("a name tells its type by its last ending alone", () => {
  assert.deepEqual(["a.PDF", "a.txt.exe", "a", ".pdf", "a."].map(mediaTypeOf), [
    "application/pdf",
    "",
    "",
    "application/pdf",
    "",
  ]);
  assert.equal(endingOf("보고서.최종.HWPX"), "hwpx");
});

test("what an entry names is read, and what can't be read is nothing", () => {
  assert.deepEqual(attachmentsIn(JSON.stringify({ attachments: [NAMED] })), [READ]);
  for (const text of ["", "{", "[]", "null", "{}", '{"attachments":[{}]}', '{"attachments":5}', '{"gates":3}'])
    assert.deepEqual(attachmentsIn(text), [], text);
  assert.deepEqual(named(READ), NAMED);
});

test("addresses hold a channel's slash and nothing else of it as it is", () => {
  assert.equal(
    attachmentPath("joint/일반", READ),
    `/api/v1/channels/joint/%EC%9D%BC%EB%B0%98/attachments/${READ.sha256}`,
  );
  assert.equal(uploadPath("dm/a+b", "a b?&.txt"), "/api/v1/channels/dm/a%2Bb/attachments?name=a%20b%3F%26.txt");
});
