import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { en as laterEn } from "../../src/chat/messages_en.js";
import { ko as laterKo } from "../../src/chat/messages_ko.js";
import { en as opsEn } from "../../src/ops/messages_en.js";
import { ko as opsKo } from "../../src/ops/messages_ko.js";
import { en as registersEn } from "../../src/registers/messages_en.js";
import { ko as registersKo } from "../../src/registers/messages_ko.js";
import { en as attachmentEn, ko as attachmentKo } from "../../src/shared/attachment_messages.js";
import { errorKey } from "../../src/shared/error_text.js";
import { addTexts, CATALOGUES, chooseLocale, fill, loadTexts } from "../../src/shared/i18n.js";
import { en as innerEn } from "../../src/shared/inner_messages_en.js";
import { ko as innerKo } from "../../src/shared/inner_messages_ko.js";
import { en as lineCheckEn, ko as lineCheckKo } from "../../src/shared/line_check_messages.js";
import { en as outerEn } from "../../src/shared/outer_messages_en.js";
import { ko as outerKo } from "../../src/shared/outer_messages_ko.js";

await loadTexts("ko");
await loadTexts("en");
addTexts({ ko: opsKo, en: opsEn });
addTexts({ ko: laterKo, en: laterEn });
addTexts({ ko: registersKo, en: registersEn });
addTexts({ ko: outerKo, en: outerEn });
addTexts({ ko: innerKo, en: innerEn });
addTexts({ ko: attachmentKo, en: attachmentEn });
addTexts({ ko: lineCheckKo, en: lineCheckEn });
const { ko, en } = CATALOGUES;
const SOURCES = new URL("../../src/", import.meta.url);
const ERRORS = new URL("../../../server/liaison/protocol/errors.py", import.meta.url);

/** @param {string} [text] */
const placeholders = (text = "") => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

/** The pages' own code, without the catalogues. */
function pageSources() {
  const files = ["chat/", "ops/", "registers/", "shared/"].flatMap((folder) =>
    readdirSync(new URL(folder, SOURCES)).map((file) => folder + file),
  );
  return files
    .filter((file) => /\.jsx?$/.test(file) && !file.includes("messages_"))
    .map((file) => readFileSync(new URL(file, SOURCES), "utf8"))
    .join("\n");
}

test("both languages have the same texts", () => {
  assert.deepEqual(Object.keys(ko), Object.keys(en));
});

test("each text takes the same values in both languages", () => {
  for (const key of Object.keys(en)) assert.deepEqual(placeholders(ko[key]), placeholders(en[key]), key);
});

test("no text is empty, and Korean texts are Korean", () => {
  for (const [key, text] of Object.entries(ko)) assert.match(text, /\p{Script=Hangul}|^\{\w+\} \{\w+\}$/u, key);
  for (const [key, text] of Object.entries(en)) assert.match(text, /\S/, key);
});

test("every text that the pages ask for is there", () => {
  const asked = [...pageSources().matchAll(/\bt\(\s*"(\w+)"/g)].map(([, key]) => String(key));
  assert.ok(asked.length > 50);
  for (const key of asked) assert.ok(Object.hasOwn(en, key), key);
});

test("every text is asked for somewhere", () => {
  const source = pageSources();
  // These are put together from what the server says: t(`error_${name}`).
  const made = [...source.matchAll(/`(\w+_)\$\{|\bnamed\("(\w+_)"/g)].map(([, text, name]) => String(text ?? name));
  const unused = Object.keys(en).filter(
    (key) =>
      !source.includes(`"${key}"`) && !source.includes(`.${key}`) && !made.some((start) => key.startsWith(start)),
  );
  assert.deepEqual(unused, []);
});

test("every error of the wire has a text, except those that only a bug of the page brings about", () => {
  const rows = [...readFileSync(ERRORS, "utf8").matchAll(/^ {4}([A-Z_]+) = ErrorRow\(\d+,/gm)];
  const bugs = rows.map(([, name]) => String(name).toLowerCase()).filter((name) => !Object.hasOwn(en, errorKey(name)));
  assert.ok(rows.length > 20);
  assert.deepEqual(bugs, ["malformed", "unknown_command", "already_connected", "invalid", "conflict"]);
});

test("the language is the one chosen before, else the browser’s", () => {
  assert.equal(chooseLocale("en", "ko-KR"), "en");
  assert.equal(chooseLocale(null, "ko-KR"), "ko");
  assert.equal(chooseLocale(null, "KO"), "ko");
  assert.equal(chooseLocale("klingon", "de-DE"), "en");
});

test("a value is put in as it is, and once", () => {
  assert.equal(fill("{a} and {b}", { a: "{b}", b: "$&" }), "{b} and $&");
  assert.equal(fill("{toString}", {}), "{toString}");
});
