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
