/** Moments as people type them: what a clock on the wall shows in a zone, without saying which. Pure. */

const MINUTE_MS = 60_000;

/** @type {Map<string, Intl.DateTimeFormat>} */
const formatters = new Map();

/** `2026-11-24T14:05`, as a field for a moment has it. @param {number} timeMs @param {string} timeZone */
export function toWall(timeMs, timeZone) {
  let formatter = formatters.get(timeZone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short", timeZone });
    formatters.set(timeZone, formatter);
  }
  return formatter.format(timeMs).replace(" ", "T");
}

/**
 * The moment at which the clocks of a zone show this; of two, one of them, and of none, one beside it.
 * @param {string} wall
 * @param {string} timeZone
 */
export function fromWall(wall, timeZone) {
  const asUtcMs = Date.parse(`${wall}Z`);
  let timeMs = asUtcMs;
  // The second step is for moments near a change of the clocks: the first one's offset may be of the other side of it.
  for (let step = 0; step < 2; step += 1) timeMs += asUtcMs - Date.parse(`${toWall(timeMs, timeZone)}Z`);
  return Math.floor(timeMs / MINUTE_MS) * MINUTE_MS;
}
