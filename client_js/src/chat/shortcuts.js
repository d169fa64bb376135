/** Keys that work everywhere on the page, by where they are and not by what is printed on them: so also in Hangul. */

import { groupChannels } from "./channel_groups.js";
import { lineCheckKeyMs } from "./use_registers.js";

/** @typedef {import('./desk.js').Desk} Desk */

/** @param {KeyboardEvent} event */
function nameOf({ ctrlKey, metaKey, altKey, shiftKey, code }) {
  const control = ctrlKey || metaKey;
  return `${control ? "Ctrl+" : ""}${altKey ? "Alt+" : ""}${shiftKey ? "Shift+" : ""}${code}`;
}

/** @param {Desk} desk @param {number} step */
function openNeighbour(desk, step) {
  const groups = groupChannels(desk.client.channels.values(), (channel) => desk.titleOf(channel));
  const names = groups.flatMap(({ channels }) => channels.map(({ channel }) => channel));
  const index = names.indexOf(desk.selected.value);
  const next = names[(index + step + names.length) % names.length];
  if (next !== undefined) desk.open(next);
}

/** @param {Desk} _ @param {KeyboardEvent} event */
function stepLineCheck(_, { repeat }) {
  if (!repeat) lineCheckKeyMs.value = performance.now();
}

/** @type {ReadonlyMap<string, (desk: Desk, event: KeyboardEvent) => void>} */
const SHORTCUTS = new Map([
  ["Ctrl+KeyK", (desk) => desk.openSheet("switcher")],
  ["Ctrl+Slash", (desk) => desk.openSheet("help")],
  ["Ctrl+Shift+KeyD", (desk) => desk.openSheet("date")],
  ["Ctrl+Shift+KeyF", (desk) => desk.togglePanel("search")],
  ["Alt+ArrowUp", (desk) => openNeighbour(desk, -1)],
  ["Alt+ArrowDown", (desk) => openNeighbour(desk, 1)],
  ["F9", stepLineCheck],
]);

/** Follow them until the returned function is called. @param {Desk} desk */
export function followShortcuts(desk) {
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    const act = event.isComposing ? undefined : SHORTCUTS.get(nameOf(event));
    if (!act) return;
    event.preventDefault();
    act(desk, event);
  };
  addEventListener("keydown", onKeyDown);
  return () => removeEventListener("keydown", onKeyDown);
}
