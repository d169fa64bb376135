/** "Why did she show offline at 14:03?", answered from the log of presence. Pure. */

/** @typedef {import('../sdk/operations_frames.js').PresenceEvent} PresenceEvent */

/**
 * The last change up to a moment: it made what was shown then. Undefined where nobody can know.
 * @param {readonly PresenceEvent[]} events   Of one person, newest first.
 * @param {number} atMs
 * @returns {PresenceEvent | undefined}
 */
export function standingAt(events, atMs) {
  return events.find(({ timeMs }) => timeMs <= atMs);
}

/** A minute is asked for as a whole, as people remember it: up to its end. @param {string} at `2026-11-24T14:03` */
export function endOfMinute(at) {
  return Date.parse(at) + 60_000 - 1;
}
