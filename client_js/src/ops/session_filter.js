/** Which sessions the table shows, and in which order. Pure. */

/** @typedef {import('../sdk/operations_frames.js').SessionInfo} Session */

/**
 * The sessions of a side, a node and a user, where one is named.
 * @param {Iterable<Session>} sessions
 * @param {{ side: string, node: string, user: string }} wanted
 * @returns {Session[]}
 */
export function sessionsOf(sessions, { side, node, user }) {
  return [...sessions].filter(
    (session) =>
      (side === "" || session.delegation === side) &&
      (node === "" || session.node === node) &&
      (user === "" || session.user === user),
  );
}

/** Those that take too little, the worst first. @param {Iterable<Session>} sessions @returns {Session[]} */
export function slowSessions(sessions) {
  return [...sessions]
    .filter(({ bufferedBytes, lagMessages }) => lagMessages > 0 || bufferedBytes > HIGH_BYTES)
    .sort((a, b) => b.lagMessages - a.lagMessages || b.bufferedBytes - a.bufferedBytes);
}

/** More than this waits only for a client that takes too little. */
export const HIGH_BYTES = 64 * 1024;

/**
 * The sessions in which every word of the filter occurs somewhere, newest first.
 * @param {Iterable<Session>} sessions
 * @param {string} filter
 * @param {(session: Session) => readonly string[]} wordsOf   What is shown besides the session's own fields: names, sides.
 * @returns {Session[]}
 */
export function filterSessions(sessions, filter, wordsOf) {
  const wanted = fold(filter).split(/\s+/).filter(Boolean);
  return [...sessions]
    .filter((session) => {
      const text = fold([...FIELDS.map((field) => session[field]), ...wordsOf(session)].join("\n"));
      return wanted.every((word) => text.includes(word));
    })
    .sort((a, b) => b.sinceMs - a.sinceMs || a.session.localeCompare(b.session));
}

/** @type {readonly ('user' | 'delegation' | 'role' | 'client' | 'device' | 'node' | 'transport' | 'addressClass')[]} */
const FIELDS = ["user", "delegation", "role", "client", "device", "node", "transport", "addressClass"];

/** @param {string} text */
function fold(text) {
  return text.normalize("NFC").toLowerCase();
}
