import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeRoster, rosterIn } from "../../src/registers/roster_file.js";

test("a file is read in UTF-8, with a mark or without, and as Korean spreadsheets write it", () => {
  assert.equal(decodeRoster(new TextEncoder().encode("사용자")), "사용자");
  assert.equal(decodeRoster(new Uint8Array([0xef, 0xbb, 0xbf, 0x61])), "a");
  // "근무" in EUC-KR.
  assert.equal(decodeRoster(new Uint8Array([0xb1, 0xd9, 0xb9, 0xab])), "근무");
});

test("a calendar is told from a table by how it begins, and lines end as they do here", () => {
  assert.deepEqual(rosterIn("\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"), {
    format: "icalendar",
    text: "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
  });
  assert.deepEqual(rosterIn("user,duty\r\nbegin:vcalendar"), { format: "csv", text: "user,duty\nbegin:vcalendar" });
});
