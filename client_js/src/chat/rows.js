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

/**
 * `unreadAfter`: the seq that had been read when the channel was opened; undefined shows no mark. What `me` wrote is never
 * new to them.
 * @typedef {{ timeZone: string, me: string, unreadAfter: number | undefined }} View
 */

/** Messages of one author that follow within this time share one heading. */
export const GROUPING_MS = 5 * 60 * 1000;

/** All zones are whole quarters of an hour from Greenwich, so no day changes within one. */
const QUARTER_MS = 15 * 60 * 1000;

/**
 * @template {Groupable} Item
 * @param {readonly Item[]} items   In order; those of the outbox have seq 0 and come last.
 * @param {View} view
 * @returns {Row<Item>[]}
 */
export function rowsOf(items, view) {
  return /** @type {Row<Item>[]} */ (new RowComposer().compose(items, view));
}

/**
 * Composes rows anew from where the items differ from the last ones: of ten thousand messages only the last few change.
 * @template {Groupable} Item
 */
export class RowComposer {
  /** @type {readonly Item[]} */
  #items = [];
  /** @type {View | undefined} */
  #view;
  /** @type {Row<Item>[]} */
  #rows = [];
  /** Index of the row of each item. @type {number[]} */
  #rowOf = [];
  /** Naming a day costs some microseconds, and messages come thick. @type {Map<number, string>} */
  #days = new Map();

  /**
   * @param {readonly Item[]} items
   * @param {View} view
   * @returns {readonly Row<Item>[]} the same list if nothing changed
   */
  compose(items, view) {
    const same = this.#isSame(view) ? this.#samePrefix(items) : 0;
    if (this.#view && same === items.length && same === this.#items.length) return this.#rows;
    const rows = this.#rows.slice(0, same === 0 ? 0 : /** @type {number} */ (this.#rowOf[same - 1]) + 1);
    this.#rowOf.length = same;
    this.#view = view;
    this.#items = items;
    let previous = items[same - 1];
    let day = previous ? this.#dayOf(previous) : "";
    let isMarked = view.unreadAfter === undefined || rows.some(({ type }) => type === "unread");
    for (let index = same; index < items.length; index += 1) {
      const item = /** @type {Item} */ (items[index]);
      const itsDay = this.#dayOf(item);
      if (itsDay !== day) {
        rows.push({ type: "day", id: `day ${itsDay}`, timeMs: item.timeMs });
        day = itsDay;
        previous = undefined;
      }
      if (!isMarked && item.seq > Number(view.unreadAfter) && item.sender !== view.me) {
        rows.push({ type: "unread", id: "unread" });
        isMarked = true;
        previous = undefined;
      }
      this.#rowOf.push(rows.length);
      rows.push({ type: "message", id: item.id, item, continues: continues(previous, item) });
      previous = item;
    }
    this.#rows = rows;
    return rows;
  }

  /** @param {View} view */
  #isSame({ timeZone, me, unreadAfter }) {
    const before = this.#view;
    if (before?.timeZone !== timeZone) this.#days.clear();
    return before?.timeZone === timeZone && before.me === me && before.unreadAfter === unreadAfter;
  }

  /** @param {readonly Item[]} items */
  #samePrefix(items) {
    const most = Math.min(items.length, this.#items.length);
    let same = 0;
    while (same < most && items[same] === this.#items[same]) same += 1;
    return same;
  }

  /** @param {Item} item */
  #dayOf({ timeMs }) {
    const quarter = Math.floor(timeMs / QUARTER_MS);
    let day = this.#days.get(quarter);
    if (day === undefined) {
      day = dayKey(timeMs, /** @type {View} */ (this.#view).timeZone);
      this.#days.set(quarter, day);
    }
    return day;
  }
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
