/** How somebody's presence is put into one state for the screen. Pure. */

/** @typedef {'active' | 'idle' | 'away' | 'dnd' | 'online' | 'unconfirmed' | 'offline' | 'unknown'} PersonState */

const AVAILABILITIES = new Set(["active", "idle", "away", "dnd"]);

/**
 * @param {'online' | 'unconfirmed' | 'offline' | 'unknown'} connectivity   Of the SDK.
 * @param {string | undefined} availability   Empty where the viewer isn't told: across the sides.
 * @returns {PersonState}
 */
export function personState(connectivity, availability) {
  if (connectivity !== "online" || !AVAILABILITIES.has(availability ?? "")) return connectivity;
  return /** @type {PersonState} */ (availability);
}

/** Those one can reach first. @type {Record<PersonState, number>} */
const RANK = { active: 0, online: 0, idle: 1, away: 2, dnd: 2, unconfirmed: 3, unknown: 4, offline: 5 };

/**
 * Order for a list of people: by state, then by name.
 * @param {{ state: PersonState, name: string }} a
 * @param {{ state: PersonState, name: string }} b
 */
export function byReach(a, b) {
  return RANK[a.state] - RANK[b.state] || a.name.localeCompare(b.name, "ko");
}
