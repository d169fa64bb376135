/** The tables of the wire are kept twice, in Python and here. These tests read both. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { CLOSE_CODES, ERROR_CODES, isFinal, mayReconnect } from "../../src/sdk/codes.js";
import * as limits from "../../src/sdk/limits.js";

/** @param {string} name */
function protocolSource(name) {
  return readFileSync(new URL(`../../../server/liaison/protocol/${name}.py`, import.meta.url), "utf8");
}

/** @param {string} source @param {RegExp} pattern with a name and a number */
function table(source, pattern) {
  return new Map([...source.matchAll(pattern)].map(([, name, number]) => [name ?? "", Number(number)]));
}

test("close codes are those of the server", () => {
  const rows = table(protocolSource("close_codes"), /^ {4}([A-Z_]+) = (\d+)$/gm);
  assert.ok(rows.size > 10);
  const own = new Map([...CLOSE_CODES].map(([code, name]) => [name.toUpperCase(), code]));
  assert.deepEqual(own, rows);
});

test("errors are those of the server", () => {
  const rows = table(protocolSource("errors"), /^ {4}([A-Z_]+) = ErrorRow\((\d+),/gm);
  assert.ok(rows.size > 20);
  const own = new Map([...ERROR_CODES].map(([name, code]) => [name.toUpperCase(), code]));
  assert.deepEqual(own, rows);
});

test("limits are those of the server", () => {
  const source = protocolSource("limits");
  const names = Object.keys(limits).filter((name) => name === name.toUpperCase());
  assert.ok(names.length > 4);
  for (const name of names) {
    const [, expression = ""] = new RegExp(`^${name}: Final = ([\\d_ *]+)$`, "m").exec(source) ?? [];
    const factors = expression.split("*").map((factor) => Number(factor.replaceAll("_", "")));
    const value = factors.reduce((product, factor) => product * factor, 1);
    assert.equal(/** @type {Record<string, unknown>} */ (limits)[name], value, name);
  }
});

test("the range of a close code carries the verdict, also for codes of a newer server", () => {
  for (const code of [undefined, 1001, 1005, 1006, 1011, 1012, 1013, 4000, 4123, 4499])
    assert.ok(mayReconnect(code), `${code}`);
  for (const code of [1000, 1002, 1003, 1007, 1008, 1009, 1010, 4500, 4777, 4999])
    assert.ok(!mayReconnect(code), `${code}`);
  assert.ok(isFinal(4500) && !isFinal(4499) && !isFinal(1000) && !isFinal(undefined));
});
