/**
 * The table of live sessions that ops watch: a snapshot, then differences. Pure. (PROTOCOL.md §6)
 */

/** @typedef {import("./operations_frames.js").SessionInfo} SessionInfo */
/** @typedef {import("./operations_frames.js").SessionsSnapshot} SessionsSnapshot */
/** @typedef {import("./operations_frames.js").SessionsDiff} SessionsDiff */

/**
 * @typedef {object} Sessions
 * @property {boolean} current whether this is how it is now
 * @property {boolean} needsSnapshot
 * @property {number} version
 * @property {ReadonlyMap<string, SessionInfo>} sessions by session id
 * @property {readonly import("./operations_frames.js").NodeSessions[]} nodes how far each node's sessions are known
 * @property {readonly SessionsDiff[]} waiting differences that came before their snapshot
 */

// As for presence: far more than arrives while a snapshot is under way.
const MAX_WAITING = 256;

/** Nothing is known. @type {Readonly<Sessions>} */
export const UNKNOWN_SESSIONS = {
  current: false,
  needsSnapshot: true,
  version: 0,
  sessions: new Map(),
  nodes: [],
  waiting: [],
};

/**
 * @param {Readonly<Sessions>} table
 * @param {SessionsSnapshot} snapshot
 * @returns {Readonly<Sessions>}
 */
export function applySessions(table, { version, sessions, nodes }) {
  if (!table.needsSnapshot && table.version > version) return table;
  /** @type {Readonly<Sessions>} */
  const fresh = {
    current: true,
    needsSnapshot: false,
    version,
    sessions: new Map(sessions.map((session) => [session.session, session])),
    nodes,
    waiting: [],
  };
  return table.waiting.reduce(applySessionsDiff, fresh);
}

/**
 * @param {Readonly<Sessions>} table
 * @param {SessionsDiff} diff
 * @returns {Readonly<Sessions>} with `needsSnapshot` when this one can't be applied
 */
export function applySessionsDiff(table, diff) {
  if (table.needsSnapshot || diff.fromVersion > table.version) {
    return { ...table, needsSnapshot: true, waiting: [...table.waiting, diff].slice(-MAX_WAITING) };
  }
  if (diff.version <= table.version) return table;
  const sessions = new Map(table.sessions);
  for (const session of diff.opened) sessions.set(session.session, session);
  for (const session of diff.closed) sessions.delete(session);
  return { ...table, version: diff.version, sessions, nodes: diff.nodes.length > 0 ? diff.nodes : table.nodes };
}
