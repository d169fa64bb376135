/**
 * The log of a channel as this client holds it: one contiguous run of seqs within one epoch. Pure.
 *
 * Entries are shown as items: corrections, withdrawals and reactions are entries of their own and change the item that
 * they refer to. Invariant: every entry from `first` to `last` has been applied, whatever order they came in; what came
 * too early waits in `early`. (PROTOCOL.md §5)
 */

/** @typedef {import("./frames.js").Message} Message */
/** @typedef {{readonly seq: number, readonly text: string, readonly timeMs: number}} Version */

/**
 * A message as it stands now.
 * @typedef {object} LogItem
 * @property {number} seq
 * @property {string} key unique together with the sender
 * @property {string} sender
 * @property {string} delegation
 * @property {number} timeMs
 * @property {string} kind `text`, or `suspension` and `resumption`, which say in `data` who decided it and why
 * @property {string} text newest version; empty once withdrawn
 * @property {number} replyTo seq that this answers, 0 is none
 * @property {readonly string[]} mentions
 * @property {string} precedence empty is routine
 * @property {string} data what is attached; see attachments.js
 * @property {readonly Version[]} versions the original first; none once withdrawn
 * @property {{readonly seq: number, readonly timeMs: number} | undefined} withdrawn
 * @property {ReadonlyMap<string, readonly string[]>} reactions users in the order in which they reacted
 */

/**
 * @typedef {object} Log
 * @property {string} channel
 * @property {boolean} isBased whether it is known where the run begins
 * @property {number} epoch
 * @property {number} first seq of the first entry that is held; `last + 1` while there is none
 * @property {number} last
 * @property {number} head the channel's last seq as far as it was told
 * @property {number} expected what must be here by now: a gap is `last < expected`
 * @property {readonly Readonly<LogItem>[]} items messages of the run, in order
 * @property {ReadonlyMap<number, Message>} early entries beyond a gap, by seq
 * @property {ReadonlyMap<number, readonly Message[]>} orphans changes to messages before `first`, by the seq they refer to
 */

const TEXT = "text";
/** Of which something is shown in their place. */
const SHOWN = new Set([TEXT, "suspension", "resumption"]);
const CORRECTION = "correction";
const WITHDRAWAL = "withdrawal";
const REACTION = "reaction";

/**
 * A log of which nothing is known yet. Entries that come now wait until `begin` says where the run begins.
 * @param {string} channel
 * @returns {Readonly<Log>}
 */
export function unknownLog(channel) {
  return {
    channel,
    isBased: false,
    epoch: 0,
    first: 1,
    last: 0,
    head: 0,
    expected: 0,
    items: [],
    early: new Map(),
    orphans: new Map(),
  };
}

/**
 * An empty run that begins after `seq`.
 * @param {string} channel
 * @param {{epoch: number, seq: number, head?: number}} place
 * @returns {Readonly<Log>}
 */
export function emptyLog(channel, { epoch, seq, head = seq }) {
  return { ...unknownLog(channel), isBased: true, epoch, first: seq + 1, last: seq, head, expected: seq };
}

/**
 * What the answer to `subscribe` says: messages after `fromSeq` follow. Keeps the run when it goes on there.
 * @param {Readonly<Log>} log
 * @param {{epoch: number, head: number, fromSeq: number}} reply
 * @returns {Readonly<Log>}
 */
export function begin(log, { epoch, head, fromSeq }) {
  if (log.isBased && log.epoch === epoch) {
    // The server may have begun later than asked: then what lies between has to be asked for.
    return { ...log, head: Math.max(log.head, head), expected: Math.max(log.expected, fromSeq) };
  }
  const early = [...log.early.values()].filter((entry) => entry.epoch === epoch);
  return receiveAll(emptyLog(log.channel, { epoch, seq: fromSeq, head }), early);
}

/**
 * What a `reset` says: what was held is of another epoch; messages after `seq` follow.
 * @param {Readonly<Log>} log
 * @param {{epoch: number, seq: number}} place
 * @returns {Readonly<Log>}
 */
export function reset(log, { epoch, seq }) {
  // The answer to `subscribe` told the same before; it also knows the head.
  if (log.isBased && log.epoch === epoch && log.first === seq + 1 && log.last === seq) return log;
  return emptyLog(log.channel, { epoch, seq });
}

/**
 * Take entries in, in any order and any number of times. Those of another epoch are passed over.
 * @param {Readonly<Log>} log
 * @param {readonly Message[]} entries
 * @returns {Readonly<Log>} the same one if nothing was new
 */
export function receiveAll(log, entries) {
  return entries.reduce(receive, log);
}

/**
 * Take one entry in. (see `receiveAll`)
 * @param {Readonly<Log>} log
 * @param {Message} entry
 * @returns {Readonly<Log>}
 */
export function receive(log, entry) {
  if (log.isBased && (entry.epoch !== log.epoch || entry.seq <= log.last || log.early.has(entry.seq))) return log;
  if (!log.isBased || entry.seq > log.last + 1) {
    const expected = Math.max(log.expected, entry.seq);
    return { ...log, early: new Map(log.early).set(entry.seq, entry), head: Math.max(log.head, entry.seq), expected };
  }
  let next = append(log, entry);
  for (let early = next.early.get(next.last + 1); early !== undefined; early = next.early.get(next.last + 1)) {
    const rest = new Map(next.early);
    rest.delete(early.seq);
    next = append({ ...next, early: rest }, early);
  }
  return next;
}

/**
 * What has to be asked for so that the run is contiguous up to what was seen of the channel.
 * @param {Readonly<Log>} log
 * @returns {{after: number} | undefined}
 */
export function gapOf(log) {
  return log.isBased && log.last < log.expected ? { after: log.last } : undefined;
}

/**
 * Forget what came beyond a gap: after a reconnect the server sends it again.
 * @param {Readonly<Log>} log
 * @returns {Readonly<Log>}
 */
export function withoutEarly(log) {
  return log.isBased ? { ...log, early: new Map(), expected: log.last } : unknownLog(log.channel);
}

/**
 * Put a page of history before the run.
 * @param {Readonly<Log>} log
 * @param {{epoch: number, head: number, messages: readonly Message[]}} page ends just before `first`
 * @returns {Readonly<Log>} the same one if the page does not fit, because the log moved meanwhile
 */
export function prepend(log, { epoch, messages }) {
  const [oldest] = messages;
  if (oldest === undefined || epoch !== log.epoch || !endsAt(messages, log.first - 1)) return log;
  const texts = messages.filter((entry) => SHOWN.has(entry.kind));
  const items = new Map(texts.map((entry) => [entry.seq, itemOf(entry)]));
  const orphans = new Map(log.orphans);
  // What the run says of messages in the page comes last, as it does in the log.
  for (const item of items.values()) orphans.delete(item.seq);
  const changes = messages.filter(isChange);
  const later = [...items.keys()].flatMap((seq) => log.orphans.get(seq) ?? []);
  for (const change of [...changes, ...later]) {
    const item = items.get(change.ref);
    if (item) items.set(change.ref, changed(item, change));
  }
  const earlier = changes.filter((change) => change.ref < oldest.seq);
  for (const change of earlier.reverse()) orphans.set(change.ref, [change, ...(orphans.get(change.ref) ?? [])]);
  return { ...log, first: oldest.seq, items: [...items.values(), ...log.items], orphans };
}

/**
 * The item at a seq, if it is held.
 * @param {Readonly<Log>} log
 * @param {number} seq
 */
export function itemAt(log, seq) {
  return log.items[indexOf(log.items, seq)];
}

/** @param {readonly Message[]} messages @param {number} seq */
function endsAt(messages, seq) {
  const first = seq - messages.length + 1;
  return messages.every((entry, index) => entry.seq === first + index);
}

/** @param {Message} entry */
function isChange(entry) {
  return entry.kind === CORRECTION || entry.kind === WITHDRAWAL || entry.kind === REACTION;
}

/**
 * @param {Readonly<Log>} log
 * @param {Message} entry with seq `log.last + 1`
 * @returns {Readonly<Log>}
 */
function append(log, entry) {
  const { seq } = entry;
  const next = {
    ...log,
    last: seq,
    head: Math.max(log.head, seq),
    expected: Math.max(log.expected, seq),
  };
  if (SHOWN.has(entry.kind)) return { ...next, items: [...log.items, itemOf(entry)] };
  if (!isChange(entry)) return next;
  const index = indexOf(log.items, entry.ref);
  const item = log.items[index];
  if (item) return { ...next, items: log.items.with(index, changed(item, entry)) };
  if (entry.ref >= log.first) return next;
  return { ...next, orphans: new Map(log.orphans).set(entry.ref, [...(log.orphans.get(entry.ref) ?? []), entry]) };
}

/**
 * @param {readonly Readonly<LogItem>[]} items
 * @param {number} seq
 * @returns {number} -1 if there is none
 */
function indexOf(items, seq) {
  let low = 0;
  let high = items.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = /** @type {LogItem} */ (items[middle]).seq;
    if (found === seq) return middle;
    if (found < seq) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** @param {Message} entry @returns {Readonly<LogItem>} */
function itemOf({ seq, key, sender, delegation, timeMs, kind, text, ref, mentions, precedence, data }) {
  return {
    kind,
    seq,
    key,
    sender,
    delegation,
    timeMs,
    text,
    replyTo: ref,
    mentions,
    precedence,
    data,
    versions: [{ seq, text, timeMs }],
    withdrawn: undefined,
    reactions: new Map(),
  };
}

/** @param {Readonly<LogItem>} item @param {Message} change @returns {Readonly<LogItem>} */
function changed(item, change) {
  const { seq, timeMs, text } = change;
  if (change.kind === REACTION) return { ...item, reactions: reacted(item.reactions, change) };
  // A withdrawal is the last word; the server refuses corrections after it.
  if (item.withdrawn) return item;
  if (change.kind === WITHDRAWAL) return { ...item, text: "", versions: [], withdrawn: { seq, timeMs } };
  return { ...item, text, versions: [...item.versions, { seq, text, timeMs }] };
}

/**
 * @param {ReadonlyMap<string, readonly string[]>} reactions
 * @param {Message} change
 */
function reacted(reactions, { reaction, sender, removed }) {
  const others = (reactions.get(reaction) ?? []).filter((user) => user !== sender);
  const users = removed ? others : [...others, sender];
  const next = new Map(reactions);
  if (users.length > 0) next.set(reaction, users);
  else next.delete(reaction);
  return next;
}
