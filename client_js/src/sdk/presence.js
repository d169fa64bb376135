/**
 * Presence as this client may see it: a snapshot, then differences. Pure. (PROTOCOL.md §6)
 *
 * Differences that come before a snapshot wait for it, and a gap between them asks for a new one. As long as the view is
 * not `current`, what it holds must not be shown: nobody knows.
 */

/** @typedef {import("./presence_frames.js").PresenceSnapshot} PresenceSnapshot */
/** @typedef {import("./presence_frames.js").PresenceDiff} PresenceDiff */
/** @typedef {import("./presence_frames.js").PresenceUser} PresenceUser */
/** @typedef {import("./presence_frames.js").SidePresence} SidePresence */

/**
 * @typedef {object} Presence
 * @property {boolean} current whether this is how it is now
 * @property {boolean} needsSnapshot
 * @property {string} epoch
 * @property {number} version
 * @property {ReadonlyMap<string, PresenceUser>} users everybody who is not offline
 * @property {ReadonlyMap<string, SidePresence>} sides by delegation
 * @property {number} staleSinceMs since when the server itself can't tell; 0 while it can
 * @property {readonly PresenceDiff[]} waiting differences that came before their snapshot
 */

// Far more than arrives while a snapshot is under way; beyond it the oldest are of no use to a newer snapshot.
const MAX_WAITING = 256;

/**
 * @param {Readonly<Presence>} presence
 * @param {PresenceSnapshot} snapshot
 * @returns {Readonly<Presence>}
 */
export function applySnapshot(presence, { epoch, version, users, sides, staleSinceMs }) {
  const isOvertaken = presence.epoch === epoch && presence.version > version && !presence.needsSnapshot;
  if (isOvertaken) return presence;
  /** @type {Readonly<Presence>} */
  const fresh = {
    current: staleSinceMs === 0,
    needsSnapshot: false,
    epoch,
    version,
    users: new Map(users.map((user) => [user.user, user])),
    sides: new Map(sides.map((side) => [side.delegation, side])),
    staleSinceMs,
    waiting: [],
  };
  // What waited and is of another epoch than the snapshot is older or newer than it; only a newer one may ask again,
  // and nothing tells which it is. The snapshot is the server's latest word, so the others go.
  return presence.waiting.filter((diff) => diff.epoch === epoch).reduce(applyDiff, fresh);
}

/**
 * @param {Readonly<Presence>} presence
 * @param {PresenceDiff} diff
 * @returns {Readonly<Presence>} with `needsSnapshot` when this one can't be applied
 */
export function applyDiff(presence, diff) {
  const isNext = diff.epoch === presence.epoch && diff.fromVersion <= presence.version;
  if (presence.needsSnapshot || !isNext) {
    const waiting = [...presence.waiting, diff].slice(-MAX_WAITING);
    return { ...presence, needsSnapshot: true, waiting };
  }
  if (diff.version <= presence.version) return presence;
  const users = new Map(presence.users);
  const sides = new Map(presence.sides);
  // Joins before leaves: somebody who is in both came and went.
  for (const user of diff.joins) users.set(user.user, user);
  for (const { user } of diff.leaves) users.delete(user);
  for (const side of diff.sides) sides.set(side.delegation, side);
  return { ...presence, version: diff.version, users, sides };
}

/**
 * What may be shown of somebody.
 * @param {Readonly<Presence>} presence
 * @param {string} user
 * @param {string} [delegation] theirs, if known: of a side that tells no names nobody's absence can be told
 * @returns {"online" | "unconfirmed" | "offline" | "unknown"}
 */
export function connectivityOf(presence, user, delegation = "") {
  if (!presence.current) return "unknown";
  const seen = presence.users.get(user);
  if (seen) return seen.connectivity;
  return (presence.sides.get(delegation)?.granularity ?? "named") === "named" ? "offline" : "unknown";
}
