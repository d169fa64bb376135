/** What stands in the message list, from top to bottom: day dividers, the mark of the first unread, messages. Pure. */

import { dayKey } from '../shared/clocks.js';

/** @typedef {import('./timeline.js').Item} Item */

/**
 * @typedef {{ type: 'day', id: string, timeMs: number }
 *   | { type: 'unread', id: string }
 *   | { type: 'message', id: string, item: Item, continues: boolean }} Row
 */

/** Messages of one author that follow within this time share one heading. */
export const GROUPING_MS = 5 * 60 * 1000;

/**
 * @param {readonly Item[]} items
 * @param {{ timeZone: string, unreadAfter: number | null }} view   `unreadAfter`: the seq that had been read when the
 *     channel was opened; null shows no mark.
 * @returns {Row[]}
 */
export function rowsOf(items, { timeZone, unreadAfter }) {
  /** @type {Row[]} */
  const rows = [];
  let day = '';
  let marked = unreadAfter === null;
  /** @type {Item | null} */
  let previous = null;
  for (const item of items) {
    const itsDay = dayKey(item.timeMs, timeZone);
    if (itsDay !== day) {
      rows.push({ type: 'day', id: `day ${itsDay}`, timeMs: item.timeMs });
      day = itsDay;
      previous = null;
    }
    if (!marked && item.seq > /** @type {number} */ (unreadAfter)) {
      rows.push({ type: 'unread', id: 'unread' });
      marked = true;
      previous = null;
    }
    rows.push({ type: 'message', id: `message ${item.seq}`, item, continues: continues(previous, item) });
    previous = item;
  }
  return rows;
}

/**
 * @param {Item | null} previous
 * @param {Item} item
 */
function continues(previous, item) {
  return (
    previous !== null &&
    previous.sender === item.sender &&
    item.replyTo === 0 &&
    item.timeMs - previous.timeMs < GROUPING_MS
  );
}
