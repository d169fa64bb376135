/** What the page shows, in its address: a reload, a bookmark or a colleague sees the same. Pure. */

/**
 * @typedef {object} View
 * @property {string} text     Words that a session must contain.
 * @property {string} side     A delegation; empty for both.
 * @property {string} node     Empty for all.
 * @property {string} user     Empty for everybody.
 * @property {string} who      Whose presence is asked for; empty for everybody's.
 * @property {string} at       `2026-11-24T14:03`, in the page's time zone; empty for now.
 * @property {string} of       The node whose figures are shown; empty for all.
 * @property {boolean} wall
 */

/** @type {Readonly<View>} */
export const WHOLE_VIEW = { text: "", side: "", node: "", user: "", who: "", at: "", of: "", wall: false };

/** Names in the address, short, because people read them to each other. @type {Record<Exclude<keyof View, 'wall'>, string>} */
const NAMES = { text: "q", side: "side", node: "node", user: "user", who: "who", at: "at", of: "of" };
const MAX_CHARS = 100;

/**
 * @param {string} search   `location.search`; what it holds may be anything.
 * @returns {View}
 */
export function readView(search) {
  const parameters = new URLSearchParams(search);
  const view = { ...WHOLE_VIEW, wall: parameters.get("wall") === "1" };
  for (const field of fields) view[field] = (parameters.get(NAMES[field]) ?? "").slice(0, MAX_CHARS);
  if (!Number.isFinite(Date.parse(view.at))) view.at = "";
  return view;
}

/**
 * @param {Readonly<View>} view
 * @returns {string}   What follows the path: empty, or with its question mark.
 */
export function writeView(view) {
  const parameters = new URLSearchParams();
  for (const field of fields) if (view[field] !== "") parameters.set(NAMES[field], view[field]);
  if (view.wall) parameters.set("wall", "1");
  const search = parameters.toString();
  return search === "" ? "" : `?${search}`;
}

const fields = /** @type {(keyof typeof NAMES)[]} */ (Object.keys(NAMES));
