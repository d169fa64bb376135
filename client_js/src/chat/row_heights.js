/**
 * How high each row of the message list is, and so where each one stands: measured where it has been drawn, guessed where
 * it hasn't. Pure. Heights and places are CSS pixels; places count from the top of the first row.
 */

/** @typedef {{ id: string, type: string }} Sized */

/** About what rows come to; each is measured before anybody sees it, so a guess only moves the scroll bar a little. */
const GUESS_PX = { day: 43, unread: 27, message: 40 };

export class RowHeights {
  /** @type {Map<string, number>} */
  #measured = new Map();
  /** @type {readonly Sized[]} */
  #rows = [];
  /** Where each row begins, and behind the last one the height of all. */
  #tops = new Float64Array(1);
  #isStale = false;

  /** @param {readonly Sized[]} rows */
  setRows(rows) {
    if (rows === this.#rows) return;
    this.#rows = rows;
    this.#isStale = true;
  }

  /** Note how high a row turned out to be. @param {string} id @param {number} px */
  measured(id, px) {
    if (this.#measured.get(id) === px) return;
    this.#measured.set(id, px);
    this.#isStale = true;
  }

  /** Every measure is void: the list has another width. */
  forget() {
    this.#measured.clear();
    this.#isStale = true;
  }

  get total() {
    return this.topOf(this.#rows.length);
  }

  /** Where a row begins; of the one behind the last, where all end. @param {number} index */
  topOf(index) {
    if (this.#isStale) this.#addUp();
    return this.#tops[Math.max(0, Math.min(index, this.#rows.length))] ?? 0;
  }

  /** The row that covers a place, the first or the last beyond the ends. @param {number} px */
  indexAt(px) {
    let low = 0;
    let high = this.#rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.topOf(middle) <= px) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // One pass over ten thousand numbers takes some ten microseconds, at most once a frame: a tree would not be felt.
  #addUp() {
    const count = this.#rows.length;
    if (this.#tops.length <= count) this.#tops = new Float64Array(2 * count + 64);
    let top = 0;
    for (let index = 0; index < count; index += 1) {
      const row = /** @type {Sized} */ (this.#rows[index]);
      this.#tops[index] = top;
      top += this.#measured.get(row.id) ?? GUESS_PX[/** @type {'message'} */ (row.type)] ?? GUESS_PX.message;
    }
    this.#tops[count] = top;
    this.#isStale = false;
  }
}
