/**
 * A channel's log as people see it: entries in, messages out. Pure: each function gives a new timeline.
 *
 * The log only ever grows; corrections, withdrawals and reactions are entries of their own that name an earlier seq.
 * They may be loaded before the message they are about, because history is loaded backwards: then they wait for it.
 */

/**
 * An entry as it comes over the wire. (PROTOCOL.md §5)
 * @typedef {object} Entry
 * @property {string} channel
 * @property {number} epoch
 * @property {number} seq
 * @property {number} time_ms
 * @property {string} sender
 * @property {string} delegation
 * @property {string} key
 * @property {string} kind
 * @property {string} [text]
 * @property {number} [ref]
 * @property {string} [reaction]
 * @property {boolean} [removed]
 * @property {readonly string[]} [mentions]
 */

/**
 * @typedef {object} Item
 * @property {number} seq
 * @property {number} timeMs
 * @property {string} sender
 * @property {string} delegation
 * @property {string} key
 * @property {string} text                     As it stands now.
 * @property {number} replyTo                  Seq of the message that this one answers, 0 is none.
 * @property {readonly string[]} mentions
 * @property {readonly string[]} earlier       Texts that were corrected, oldest first.
 * @property {boolean} withdrawn
 * @property {ReadonlyMap<string, readonly string[]>} reactions   Who gave each, in the order they came.
 */

/**
 * @typedef {object} Timeline
 * @property {number} epoch
 * @property {number} first   Everything from this seq …
 * @property {number} last    … to this one has been loaded; `last < first` is nothing at all.
 * @property {readonly Item[]} items   In rising seq.
 * @property {ReadonlyMap<number, readonly Entry[]>} waiting   Changes to messages before `first`, by their seq.
 */

/**
 * A timeline that starts after `seq` and knows nothing yet.
 * @param {number} epoch
 * @param {number} seq
 * @returns {Timeline}
 */
export function emptyTimeline(epoch, seq) {
  return { epoch, first: seq + 1, last: seq, items: [], waiting: new Map() };
}

/**
 * Add entries that follow on the last one; those that are there already change nothing.
 * @param {Timeline} timeline
 * @param {readonly Entry[]} entries   In rising seq.
 * @returns {Timeline}
 */
export function append(timeline, entries) {
  const fresh = entries.filter((entry) => entry.seq > timeline.last);
  const final = fresh.at(-1);
  if (final === undefined) return timeline;
  const items = [...timeline.items];
  const waiting = new Map(timeline.waiting);
  for (const entry of fresh) place(items, waiting, entry);
  return { ...timeline, last: final.seq, items, waiting };
}

/**
 * Add the page of history that ends just before the first entry.
 * @param {Timeline} timeline
 * @param {readonly Entry[]} entries   In rising seq.
 * @returns {Timeline}
 */
export function prepend(timeline, entries) {
  const older = entries.filter((entry) => entry.seq < timeline.first);
  const earliest = older[0];
  if (earliest === undefined) return timeline;
  /** @type {Item[]} */
  const items = [];
  /** @type {Map<number, readonly Entry[]>} */
  const waiting = new Map();
  for (const entry of older) place(items, waiting, entry);
  // What waited came later than anything of this page, so it is applied last.
  for (const changes of timeline.waiting.values()) {
    for (const change of changes) place(items, waiting, change);
  }
  return { ...timeline, first: earliest.seq, items: [...items, ...timeline.items], waiting };
}

/**
 * @param {Item[]} items
 * @param {Map<number, readonly Entry[]>} waiting
 * @param {Entry} entry
 */
function place(items, waiting, entry) {
  if (entry.kind === 'text') {
    items.push(itemOf(entry));
    return;
  }
  const ref = entry.ref ?? 0;
  const index = indexOfSeq(items, ref);
  const item = items[index];
  if (item === undefined) waiting.set(ref, [...(waiting.get(ref) ?? []), entry]);
  else items[index] = changed(item, entry);
}

/**
 * @param {Entry} entry
 * @returns {Item}
 */
function itemOf(entry) {
  return {
    seq: entry.seq,
    timeMs: entry.time_ms,
    sender: entry.sender,
    delegation: entry.delegation,
    key: entry.key,
    text: entry.text ?? '',
    replyTo: entry.ref ?? 0,
    mentions: entry.mentions ?? [],
    earlier: [],
    withdrawn: false,
    reactions: new Map(),
  };
}

/**
 * @param {Item} item
 * @param {Entry} entry
 * @returns {Item}
 */
function changed(item, entry) {
  switch (entry.kind) {
    case 'correction':
      return { ...item, text: entry.text ?? '', earlier: [...item.earlier, item.text] };
    case 'withdrawal':
      // The record keeps the text, the screen doesn't.
      return { ...item, withdrawn: true, text: '', earlier: [], reactions: new Map() };
    case 'reaction':
      return { ...item, reactions: withReaction(item.reactions, entry) };
    default:
      return item;
  }
}

/**
 * @param {ReadonlyMap<string, readonly string[]>} reactions
 * @param {Entry} entry
 */
function withReaction(reactions, entry) {
  const name = entry.reaction ?? '';
  const others = (reactions.get(name) ?? []).filter((user) => user !== entry.sender);
  const users = entry.removed ? others : [...others, entry.sender];
  const next = new Map(reactions);
  if (users.length > 0) next.set(name, users);
  else next.delete(name);
  return next;
}

/**
 * Where the message with this seq is in `items`, -1 if it isn't there.
 * @param {readonly Item[]} items
 * @param {number} seq
 */
export function indexOfSeq(items, seq) {
  let low = 0;
  let high = items.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = /** @type {Item} */ (items[middle]).seq;
    if (found === seq) return middle;
    if (found < seq) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/**
 * The newest message of one's own that can still be corrected.
 * @param {Timeline} timeline
 * @param {string} user
 * @returns {Item | undefined}
 */
export function lastOwn(timeline, user) {
  return timeline.items.findLast((item) => item.sender === user && !item.withdrawn);
}
