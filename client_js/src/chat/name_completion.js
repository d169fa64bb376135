/** What is being typed of a name after an at sign, and whom it may mean. Pure; apart from `mentions.js`, which is loaded sooner. */

/** @typedef {import('./mentions.js').Person} Person */

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
