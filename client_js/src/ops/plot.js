/** One chart on a canvas, by uPlot. Loaded when the page shows its first chart, and by nothing else. */

import UPlot from "uplot";

/** The charts are of one quarter of an hour. Of a node that has just begun they show what there is, from a minute on. */
const MOST_SHOWN_S = 15 * 60;
const LEAST_SHOWN_S = 60;

/**
 * @typedef {object} Line
 * @property {string} colour    Any colour that a style sheet may name; custom properties are those of the place.
 * @property {boolean} dashed
 */

/**
 * @typedef {object} Look
 * @property {readonly Line[]} lines
 * @property {(value: number) => string} format
 * @property {(timeMs: number) => string} formatTime
 * @property {(index: number | undefined) => void} onPoint   Which moment the pointer is at.
 */

export class Plot {
  /** @type {HTMLElement} */
  #place;
  /** @type {Look} */
  #look;
  /** @type {UPlot} */
  #plot;
  #top = 1;
  /** Colours as the canvas takes them. @type {Map<string, string>} */
  #colours = new Map();
  /** @type {ResizeObserver} */
  #observer;

  /** @param {HTMLElement} place   Its size is the chart's. @param {Look} look */
  constructor(place, look) {
    this.#place = place;
    this.#look = look;
    this.#plot = new UPlot(this.#options(), [[], ...look.lines.map(() => [])], place);
    this.#observer = new ResizeObserver(() => this.#plot.setSize(this.#size()));
    this.#observer.observe(place);
  }

  /**
   * @param {Look} look   As many lines as there were.
   * @param {readonly number[]} times   Seconds, rising.
   * @param {readonly (readonly (number | null)[])[]} columns   One for each line.
   * @param {number} top
   */
  update(look, times, columns, top) {
    this.#look = look;
    this.#top = top;
    this.#plot.setData(/** @type {UPlot.AlignedData} */ ([[...times], ...columns.map((column) => [...column])]));
  }

  /** The theme changed. */
  recolour() {
    this.#colours.clear();
    this.#plot.redraw(false, true);
  }

  destroy() {
    this.#observer.disconnect();
    this.#plot.destroy();
  }

  #size() {
    const { clientWidth, clientHeight } = this.#place;
    return { width: Math.max(clientWidth, 40), height: Math.max(clientHeight, 40) };
  }

  /** @returns {UPlot.Options} */
  #options() {
    const { fontFamily, fontSize } = getComputedStyle(this.#place);
    const font = `${fontSize} ${fontFamily}`;
    const em = Number.parseFloat(fontSize);
    const ink = () => this.#colour("var(--ink-soft)");
    const grid = { stroke: () => this.#colour("var(--line)"), width: 1 };
    const ticks = { show: false };
    return {
      ...this.#size(),
      // The legend is text of the page, where it can be selected, translated and read out.
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false, setScale: false } },
      scales: {
        x: { time: true, range: (_, min, max) => shown(min, max || Date.now() / 1000) },
        y: { range: () => [0, this.#top] },
      },
      axes: [
        {
          stroke: ink,
          font,
          grid,
          ticks,
          size: em * 2,
          gap: 4,
          space: em * 6,
          incrs: [60, 180, 300],
          values: (_, splits) => splits.map((split) => this.#look.formatTime(split * 1000)),
        },
        {
          stroke: ink,
          font,
          grid,
          ticks,
          size: em * 4.5,
          gap: 4,
          space: em * 2.5,
          values: (_, splits) => splits.map((split) => this.#look.format(split)),
        },
      ],
      series: [{}, ...this.#look.lines.map((_, index) => this.#series(index))],
      hooks: {
        setCursor: [({ cursor }) => this.#look.onPoint(cursor.left === -10 ? undefined : (cursor.idx ?? undefined))],
      },
    };
  }

  /** @param {number} index @returns {UPlot.Series} */
  #series(index) {
    const stroke = () => this.#colour(this.#look.lines[index]?.colour ?? "var(--ink)");
    const dash = this.#look.lines[index]?.dashed ? { dash: [5, 4] } : {};
    return {
      stroke,
      width: 2,
      ...dash,
      // A line needs two neighbours; what stands alone would not be seen.
      points: { show: true, size: 5, fill: stroke, width: 0, filter: (plot, column) => lonely(plot.data[column]) },
    };
  }

  /** @param {string} css */
  #colour(css) {
    let colour = this.#colours.get(css);
    if (colour === undefined) {
      // A canvas knows neither custom properties nor `light-dark()`; an element does.
      const probe = document.createElement("span");
      probe.style.color = css;
      this.#place.append(probe);
      colour = getComputedStyle(probe).color;
      probe.remove();
      this.#colours.set(css, colour);
    }
    return colour;
  }
}

/** @param {UPlot.AlignedData[number] | undefined} column */
function lonely(column) {
  /** @type {number[]} */
  const found = [];
  for (let index = 0; index < (column?.length ?? 0); index += 1) {
    const isThere = (/** @type {number} */ at) => typeof column?.[at] === "number";
    if (isThere(index) && !isThere(index - 1) && !isThere(index + 1)) found.push(index);
  }
  return found;
}

/**
 * What the time's scale begins and ends with, in whole minutes, so that it doesn't move with each step.
 * @param {number} first   Seconds; 0 or less while nothing is known.
 * @param {number} last
 * @returns {[number, number]}
 */
function shown(first, last) {
  const known = first > 0 ? Math.ceil((last - first) / LEAST_SHOWN_S) * LEAST_SHOWN_S : 0;
  return [last - Math.min(MOST_SHOWN_S, Math.max(LEAST_SHOWN_S, known)), last];
}
