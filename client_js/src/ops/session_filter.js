/** Which sessions the table shows, and in which order. Pure. */

/** @typedef {import('../sdk/frames.js').SessionInfo} Session */

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
