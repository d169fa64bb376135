/** What changed in presence, as a list of events for people: newest first, bounded. Pure. */

/** @typedef {import('../sdk/presence.js').PresenceUser} PresenceUser */

/**
 * @typedef {object} Change
 * @property {number} id         Rises by one; for lists.
 * @property {string} user
 * @property {string} delegation
 * @property {'online' | 'unconfirmed' | 'offline'} connectivity   What it became.
 * @property {string} cause      Empty where the server gave none.
 * @property {number} timeMs
 */

/** An afternoon of comings and goings of both sides. */
const MAX_CHANGES = 200;

/**
 * Put what the server remembers beneath what has come in since, each change once.
 * @param {readonly Change[]} changes
 * @param {readonly import('../sdk/operations_frames.js').PresenceEvent[]} events   Newest first.
 * @returns {readonly Change[]}
 */
export function withEarlier(changes, events) {
  const sign = (/** @type {Omit<Change, 'id' | 'delegation' | 'cause'>} */ { user, connectivity, timeMs }) =>
    `${timeMs} ${connectivity} ${user}`;
  const known = new Set(changes.map(sign));
  const earlier = events.filter((event) => !known.has(sign(event)));
  const all = [...changes, ...earlier].sort((a, b) => b.timeMs - a.timeMs).slice(0, MAX_CHANGES);
  return all.map(({ user, delegation, connectivity, cause, timeMs }, index) => ({
    id: all.length - index,
    user,
    delegation,
    connectivity,
    cause,
    timeMs,
  }));
}

/**
 * Add what a difference of presence says. Somebody who only changed availability or devices is no event.
 * @param {readonly Change[]} changes
 * @param {ReadonlyMap<string, PresenceUser>} before   Everybody who was not offline.
 * @param {{ joins: readonly PresenceUser[],
 *   leaves: readonly { user: string, delegation: string, cause: string, timeMs: number }[] }} diff
 * @param {number} nowMs   For what carries no time of its own.
 * @returns {readonly Change[]}
 */
export function withDiff(changes, before, { joins, leaves }, nowMs) {
  /** @type {Omit<Change, 'id'>[]} */
  const fresh = [];
  for (const { user, delegation, connectivity, cause, sinceMs } of joins) {
    if (before.get(user)?.connectivity === connectivity) continue;
    fresh.push({ user, delegation, connectivity, cause, timeMs: sinceMs || nowMs });
  }
  for (const { user, delegation, cause, timeMs } of leaves) {
    fresh.push({ user, delegation, connectivity: "offline", cause, timeMs: timeMs || nowMs });
  }
  const start = (changes[0]?.id ?? 0) + 1;
  const numbered = fresh.map((change, index) => ({ ...change, id: start + index }));
  return [...numbered.reverse(), ...changes].slice(0, MAX_CHANGES);
}
