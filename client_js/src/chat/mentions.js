/** Mentions: `@Name` in a text, for people who can read the channel. Pure. */

/** @typedef {{ user: string, name: string }} Person */

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
