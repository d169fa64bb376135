/**
 * Which rows of a long list are in the document, and where the list is scrolled to.
 *
 * The truth is the reader's place: a message and how far its lower edge is from the top of what is visible. Scrolling moves
 * the place; whatever else happens (older rows above, new ones below, a row that turns out higher than guessed, another
 * width) leaves it and moves the scroll position instead, before the next frame is painted.
 */

import { RowHeights } from "./row_heights.js";

/** @typedef {{ id: string, type: string }} Row */
/**
 * `below`: how far the end is beneath what is visible.
 * @typedef {{ id: string, edge: number, below: number }} Place
 */
/** Rows from `first` up to and without `end`. @typedef {{ first: number, end: number }} Range */

/** Closer to the bottom than this, the list follows what comes. */
export const STICKY_PX = 100;
/** Beyond both edges of what is visible: so that a short scroll needs no new row, and the arrow keys find the next one. */
const SPARE_ROWS = 6;
/** When fewer than this are left, the next ones are drawn. */
const SPARE_ROWS_LEAST = 3;
export const MAX_ROWS = 60;
const FIRST_GUESS_VIEWPORT_PX = 800;

export class MessageWindow {
  #heights = new RowHeights();
  /** @type {readonly Row[]} */
  #rows = [];
  /** @type {HTMLElement | null} */
  #scroller = null;
  /** @type {HTMLElement | null} */
  #list = null;
  #viewportPx = FIRST_GUESS_VIEWPORT_PX;
  #widthPx = 0;
  /** Undefined is the end of the list, wherever that will be. @type {Place | undefined} */
  #place;
  /** The place was asked for, and the rows around it have yet to be measured. */
  #isAiming = false;
  #setTop = -1;
  /** @type {Range} */
  #range = { first: 0, end: 0 };
  /** @type {() => void} */
  #redraw;

  /** @param {() => void} redraw   Asks for the rows of `range` to be drawn, and `drawn` to be called. */
  constructor(redraw) {
    this.#redraw = redraw;
  }

  /**
   * @param {HTMLElement | null} scroller
   * @param {HTMLElement | null} list   Holds an element for each drawn row and nothing else.
   */
  attach(scroller, list) {
    this.#scroller = scroller;
    this.#list = list;
  }

  /** The rows to draw of these. @param {readonly Row[]} rows @returns {Range} */
  layOut(rows) {
    if (rows !== this.#rows) {
      const isLonger = rows.at(-1)?.id !== this.#rows.at(-1)?.id;
      this.#rows = rows;
      this.#heights.setRows(rows);
      if (isLonger && this.#place && this.#place.below < STICKY_PX && !this.#isAiming) this.#place = undefined;
      this.#range = this.#rangeAt(this.#topOfPlace());
    }
    return this.#range;
  }

  /** The rows are in the document: measure them, and put the list where the reader was. */
  drawn() {
    const [scroller, list] = [this.#scroller, this.#list];
    if (!scroller || !list) return;
    this.#measureViewport(scroller);
    this.#measureRows(list);
    list.style.paddingTop = `${this.#heights.topOf(this.#range.first)}px`;
    list.style.paddingBottom = `${this.#heights.total - this.#heights.topOf(this.#range.end)}px`;
    const wanted = this.#topOfPlace();
    this.#scrollTo(scroller, this.#place ? wanted + list.offsetTop : scroller.scrollHeight - scroller.clientHeight);
    // Rows that are smaller than they were guessed leave room for more.
    if (this.#follow(wanted)) return;
    this.#isAiming = false;
    if (!this.#place) return;
    const isOff = Math.abs(wanted + list.offsetTop - scroller.scrollTop) > 1;
    this.#place = isOff ? this.#placeAt(scroller, list) : this.#withDistance(this.#place, scroller);
  }

  /** The reader, or this window itself, has scrolled. @returns {boolean} whether it was the reader */
  scrolled() {
    const [scroller, list] = [this.#scroller, this.#list];
    if (!scroller || !list || Math.abs(scroller.scrollTop - this.#setTop) < 1) return false;
    this.#setTop = -1;
    this.#isAiming = false;
    this.#place = this.#placeAt(scroller, list);
    this.#follow(scroller.scrollTop - list.offsetTop);
    return true;
  }

  /** Bring a row into view at a share of the height of what is visible. @param {string} id @param {number} share */
  aimAt(id, share) {
    this.#place = { id, edge: this.#viewportPx * share, below: Number.POSITIVE_INFINITY };
    this.#isAiming = true;
    this.#range = this.#rangeAt(this.#topOfPlace());
    this.#redraw();
  }

  /** Go to the end and stay there. */
  toEnd() {
    this.#place = undefined;
    this.#isAiming = false;
    this.#range = this.#rangeAt(this.#topOfPlace());
    this.#redraw();
  }

  get isAtEnd() {
    return !this.#place || this.#place.below < STICKY_PX;
  }

  /** How far the list can be scrolled up from here. */
  get abovePx() {
    return this.#topOfPlace();
  }

  /** @param {HTMLElement} scroller */
  #measureViewport(scroller) {
    this.#viewportPx = scroller.clientHeight || FIRST_GUESS_VIEWPORT_PX;
    if (this.#widthPx !== scroller.clientWidth) this.#heights.forget();
    this.#widthPx = scroller.clientWidth;
  }

  /** @param {HTMLElement} list */
  #measureRows(list) {
    for (const [index, element] of [...list.children].entries()) {
      const row = this.#rows[this.#range.first + index];
      if (row) this.#heights.measured(row.id, element.getBoundingClientRect().height);
    }
  }

  /** Have other rows drawn if these don't reach. @param {number} top @returns {boolean} whether they don't */
  #follow(top) {
    const first = this.#heights.indexAt(top) - SPARE_ROWS_LEAST;
    const end = this.#heights.indexAt(top + this.#viewportPx) + 1 + SPARE_ROWS_LEAST;
    const reaches = this.#range.first <= Math.max(0, first) && this.#range.end >= Math.min(this.#rows.length, end);
    if (reaches) return false;
    const next = this.#rangeAt(top);
    if (next.first === this.#range.first && next.end === this.#range.end) return false;
    this.#range = next;
    this.#redraw();
    return true;
  }

  /** @param {number} top @returns {Range} */
  #rangeAt(top) {
    const shownFirst = this.#heights.indexAt(top);
    const shownEnd = this.#heights.indexAt(top + this.#viewportPx) + 1;
    const spare = Math.max(0, Math.min(SPARE_ROWS, (MAX_ROWS - (shownEnd - shownFirst)) >> 1));
    const first = Math.max(0, shownFirst - spare);
    return { first, end: Math.min(this.#rows.length, shownEnd + spare, first + MAX_ROWS) };
  }

  /** Where the list is to be scrolled to, from the top of the first row. */
  #topOfPlace() {
    const index = this.#place ? this.#indexOf(this.#place.id) : -1;
    if (!this.#place || index < 0) return Math.max(0, this.#heights.total - this.#viewportPx);
    return Math.max(0, this.#heights.topOf(index + 1) - this.#place.edge);
  }

  /** @param {HTMLElement} scroller @param {HTMLElement} list @returns {Place | undefined} */
  #placeAt(scroller, list) {
    const top = scroller.scrollTop - list.offsetTop;
    let index = this.#heights.indexAt(top);
    // A day's divider moves when older messages of that day are put above.
    while (index < this.#rows.length - 1 && this.#rows[index]?.type !== "message") index += 1;
    const row = this.#rows[index];
    return row && this.#withDistance({ id: row.id, edge: this.#heights.topOf(index + 1) - top, below: 0 }, scroller);
  }

  /** @param {Place} place @param {HTMLElement} scroller @returns {Place | undefined} */
  #withDistance(place, scroller) {
    const below = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    return below < 2 ? undefined : { ...place, below };
  }

  /** @param {string} id */
  #indexOf(id) {
    // It is among the drawn ones, or near the end, nearly always.
    for (let index = this.#range.first; index < this.#range.end; index += 1)
      if (this.#rows[index]?.id === id) return index;
    return this.#rows.findLastIndex((row) => row.id === id);
  }

  /** @param {HTMLElement} scroller @param {number} top */
  #scrollTo(scroller, top) {
    if (Math.abs(scroller.scrollTop - top) > 0.5) scroller.scrollTop = top;
    this.#setTop = scroller.scrollTop;
  }
}
