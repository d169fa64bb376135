import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = /** @type {any} */ ({ visibilityState: "visible", hasFocus: () => true });
const { isWorthANotification } = await import("../../src/chat/notifications.js");

const item = { sender: "other", mentions: /** @type {string[]} */ ([]), precedence: "", withdrawn: undefined };
const away = { choice: /** @type {const} */ ("mentions"), isAttended: false, isDisturbable: true, me: "me" };
const joint = { kind: "joint" };

test("whoever sits at the screen, wants none, or wrote it is not notified", () => {
  const urgent = { ...item, precedence: "life_safety" };
  assert.equal(isWorthANotification(urgent, joint, { ...away, isAttended: true }), false);
  assert.equal(isWorthANotification(urgent, joint, { ...away, choice: "off" }), false);
  assert.equal(isWorthANotification({ ...urgent, sender: "me" }, joint, away), false);
});

test("mentions and direct messages are worth it, others only to those who want all", () => {
  assert.equal(isWorthANotification(item, joint, away), false);
  assert.equal(isWorthANotification(item, joint, { ...away, choice: "all" }), true);
  assert.equal(isWorthANotification(item, { kind: "direct" }, away), true);
  assert.equal(isWorthANotification({ ...item, mentions: ["me"] }, joint, away), true);
});

test("do-not-disturb silences all but flash and life safety", () => {
  const silent = { ...away, choice: /** @type {const} */ ("all"), isDisturbable: false };
  for (const precedence of ["", "priority"])
    assert.equal(isWorthANotification({ ...item, mentions: ["me"], precedence }, joint, silent), false);
  for (const precedence of ["flash", "life_safety"])
    assert.equal(isWorthANotification({ ...item, precedence }, joint, silent), true);
});
