/** Figures as the charts want them: columns of numbers, null where nothing was measured. Pure. */

/** @typedef {import('../sdk/operations_frames.js').StatisticsStep} Step */
/** @typedef {readonly (number | null)[]} Column */

/** The end of each step in seconds, as the charts count time. @param {readonly Step[]} steps @returns {number[]} */
export function times(steps) {
  return steps.map(({ timeMs }) => timeMs / 1000);
}

/** @param {readonly Step[]} steps @param {string} delegation @returns {Column} */
export function sessionsOf(steps, delegation) {
  return steps.map((step) => sideOf(step, delegation)?.sessions ?? null);
}

/** Messages a second. @param {readonly Step[]} steps @param {string} delegation @returns {Column} */
export function messageRate(steps, delegation) {
  return steps.map((step) => perSecond(step, sideOf(step, delegation)?.published));
}

/** Messages handed to sockets a second. @param {readonly Step[]} steps @param {string} sender @param {string} receiver @returns {Column} */
export function deliveryRate(steps, sender, receiver) {
  return steps.map((step) => perSecond(step, directionOf(step, sender, receiver)?.deliveries));
}

/** Milliseconds. @param {readonly Step[]} steps @param {string} delegation @param {'ackP50Us' | 'ackP99Us'} quantile @returns {Column} */
export function ackLatency(steps, delegation, quantile) {
  return steps.map((step) => milliseconds(sideOf(step, delegation)?.[quantile]));
}

/**
 * Milliseconds.
 * @param {readonly Step[]} steps
 * @param {string} sender
 * @param {string} receiver
 * @param {'seenP50Us' | 'seenP99Us'} quantile
 * @returns {Column}
 */
export function seenLatency(steps, sender, receiver, quantile) {
  return steps.map((step) => milliseconds(directionOf(step, sender, receiver)?.[quantile]));
}

/** @param {readonly Step[]} steps @returns {Column} */
export function loopLag(steps) {
  return steps.map(({ loopLagMs }) => loopLagMs);
}

/** The last figure that was measured; undefined for none. @param {Column} column */
export function latest(column) {
  return column.findLast((value) => value !== null) ?? undefined;
}

/**
 * The top of a scale that several charts share, so that their lines can be compared by eye; at least `least`.
 * @param {readonly Column[]} columns
 * @param {number} least
 */
export function sharedTop(columns, least) {
  let top = least;
  for (const column of columns) for (const value of column) if (value !== null && value > top) top = value;
  // Some air above, or the highest point would be cut by the frame.
  return top * 1.1;
}

/**
 * What happened in the newest steps, most frequent first.
 * @param {readonly Step[]} steps
 * @param {(step: Step) => ReadonlyMap<string, number>} countsOf
 * @returns {{ name: string, count: number, lastMs: number }[]}
 */
export function totals(steps, countsOf) {
  /** @type {Map<string, { name: string, count: number, lastMs: number }>} */
  const found = new Map();
  for (const step of steps) {
    for (const [name, count] of countsOf(step)) {
      const before = found.get(name)?.count ?? 0;
      found.set(name, { name, count: before + count, lastMs: step.timeMs });
    }
  }
  return [...found.values()].sort((a, b) => b.count - a.count || a.name.localeCompare(b.name));
}

/** @param {Step} step @param {string} delegation */
function sideOf({ sides }, delegation) {
  return sides.find((side) => side.delegation === delegation);
}

/** @param {Step} step @param {string} sender @param {string} receiver */
function directionOf({ directions }, sender, receiver) {
  return directions.find((direction) => direction.sender === sender && direction.receiver === receiver);
}

/** @param {Step} step @param {number | undefined} count */
function perSecond({ spanMs }, count) {
  return count === undefined || spanMs === 0 ? null : (count * 1000) / spanMs;
}

/** @param {number | undefined} us */
function milliseconds(us) {
  return us === undefined ? null : us / 1000;
}
