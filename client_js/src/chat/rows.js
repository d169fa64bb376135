/** What stands in the message list, from top to bottom: day dividers, the mark of the first unread, messages. Pure. */

import { dayKey } from "../shared/clocks.js";

/**
 * What the grouping looks at; the SDK's timeline items are of this shape and more.
 * @typedef {{ id: string, seq: number, timeMs: number, sender: string, replyTo: number }} Groupable
 */

/**
 * @template {Groupable} Item
 * @typedef {{ type: 'day', id: string, timeMs: number }
 *   | { type: 'unread', id: string }
 *   | { type: 'message', id: string, item: Item, continues: boolean }} Row
 */

/** Messages of one author that follow within this time share one heading. */
export const GROUPING_MS = 5 * 60 * 1000;

/**
 * @template {Groupable} Item
 * @param {readonly Item[]} items   In order; those of the outbox have seq 0 and come last.
 * @param {{ timeZone: string, me: string, unreadAfter: number | undefined }} view   `unreadAfter`: the seq that had been
 *     read when the channel was opened; undefined shows no mark. What `me` wrote is never new to them.
 * @returns {Row<Item>[]}
 */
export function rowsOf(items, { timeZone, me, unreadAfter }) {
  /** @type {Row<Item>[]} */
  const rows = [];
  let day = "";
  let marked = unreadAfter === undefined;
  /** @type {Item | undefined} */
  let previous;
  for (const item of items) {
    const itsDay = dayKey(item.timeMs, timeZone);
    if (itsDay !== day) {
      rows.push({ type: "day", id: `day ${itsDay}`, timeMs: item.timeMs });
      day = itsDay;
      previous = undefined;
    }
    if (!marked && item.seq > Number(unreadAfter) && item.sender !== me) {
      rows.push({ type: "unread", id: "unread" });
      marked = true;
      previous = undefined;
    }
    rows.push({ type: "message", id: item.id, item, continues: continues(previous, item) });
    previous = item;
  }
  return rows;
}

/**
 * @param {Groupable | undefined} previous
 * @param {Groupable} item
 */
function continues(previous, item) {
  return (
    previous !== undefined &&
    previous.sender === item.sender &&
    item.replyTo === 0 &&
    item.timeMs - previous.timeMs < GROUPING_MS
  );
}
