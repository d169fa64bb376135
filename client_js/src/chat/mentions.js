/** Mentions: `@Name` in a text, for people who can read the channel. Pure. */

/** @typedef {{ user: string, name: string }} Person */

/** Beyond this many characters what follows an @ is no name any more. */
const MOST_NAME_CHARS = 24;

/**
 * What is being typed of a name before the caret.
 * @param {string} text
 * @param {number} caret
 * @returns {{ start: number, query: string } | undefined}
 */
export function mentionAt(text, caret) {
  const start = text.lastIndexOf("@", caret - 1);
  if (start < 0 || (start > 0 && !/[\s(]/.test(/** @type {string} */ (text[start - 1])))) return undefined;
  const query = text.slice(start + 1, caret);
  return query.length <= MOST_NAME_CHARS && !/[\n@]/.test(query) ? { start, query } : undefined;
}

/**
 * People whose name or id goes on as was typed.
 * @template {Person} P
 * @param {readonly P[]} people
 * @param {string} query
 * @param {number} most
 */
export function candidates(people, query, most) {
  const wanted = query.toLowerCase();
  return people
    .filter(({ user, name }) => user.startsWith(wanted) || ` ${name.toLowerCase()}`.includes(` ${wanted}`))
    .slice(0, most);
}

/**
 * A text in pieces, those that mention one of these people with who that is. Of two names that fit, the longer counts.
 * @param {string} text
 * @param {readonly Person[]} people
 * @returns {{ text: string, user: string }[]}   `user` is empty for plain text.
 */
export function piecesOf(text, people) {
  const byLength = [...people].sort((a, b) => b.name.length - a.name.length);
  /** @type {{ text: string, user: string }[]} */
  const pieces = [];
  let plainFrom = 0;
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", at + 1)) {
    const person = byLength.find(({ name }) => text.startsWith(name, at + 1));
    if (!person) continue;
    if (at > plainFrom) pieces.push({ text: text.slice(plainFrom, at), user: "" });
    plainFrom = at + 1 + person.name.length;
    pieces.push({ text: text.slice(at, plainFrom), user: person.user });
    at = plainFrom - 1;
  }
  if (plainFrom < text.length) pieces.push({ text: text.slice(plainFrom), user: "" });
  return pieces;
}

/** Who is mentioned in a text. @param {string} text @param {readonly Person[]} people */
export function mentionedIn(text, people) {
  const users = piecesOf(text, people).map(({ user }) => user);
  return [...new Set(users)].filter((user) => user !== "");
}
