/**
 * What this client wants to be on the log and does not know to be there. Pure.
 *
 *     queued ──sent──► sent ──acknowledged──► acknowledged (kept for a while, see below)
 *       ▲  ▲            │ │ │
 *       │  └─line lost──┘ │ └─held──► held (waits at the server) ──acknowledged, line lost──►
 *       │                 └──refused──► failed ──retry──► queued
 *       └─later (a temporary refusal)
 *
 * An item keeps its key from birth, whatever happens: a repeat with the same key is no second message. Per channel one
 * item is under way at a time, the oldest first, so that neither a refusal nor a broken line can change the order.
 *
 * Acknowledged items stay for ten minutes. A restore from backup can lose what was acknowledged; it shows as a `reset`,
 * after which they are offered again with the same keys. (PROTOCOL.md §5)
 */

/** How long after its acknowledgement an item is offered again after a reset. */
export const REOFFER_MS = 10 * 60 * 1000;

/** @typedef {"text" | "correction" | "withdrawal" | "reaction"} ItemKind */

/**
 * The message that an item is about, so that it can be found again when seqs have changed.
 * @typedef {object} Reference
 * @property {number} epoch in which `seq` was its seq
 * @property {number} seq
 * @property {string} sender
 * @property {string} key
 */

/**
 * What a person asked for.
 * @typedef {object} Wish
 * @property {string} key
 * @property {string} user who asked
 * @property {string} channel
 * @property {ItemKind} kind
 * @property {string} text
 * @property {Reference | undefined} about
 * @property {string} reaction
 * @property {boolean} removed
 * @property {readonly string[]} mentions
 * @property {readonly import("./attachments.js").Named[] | undefined} [attachments]
 * @property {string | undefined} [precedence] undefined is routine
 * @property {number} createdMs
 */

/** @typedef {{code: number, name: string, message: string, ref: string, temporary: boolean}} ItemError */
/** @typedef {{seq: number, epoch: number, timeMs: number}} Place */

/**
 * @typedef {Wish & {
 *   order: number,
 *   state: "queued" | "sent" | "held" | "acknowledged" | "failed",
 *   stored: boolean,
 *   notBeforeMs: number,
 *   attempts: number,
 *   error: ItemError | undefined,
 *   place: Place | undefined,
 *   acknowledgedMs: number,
 * }} Item
 */

/** Items by key, in the order in which they were asked for. @typedef {ReadonlyMap<string, Readonly<Item>>} Outbox */

/** @type {Outbox} */
export const EMPTY_OUTBOX = new Map();

/**
 * Add what a person asked for. It may be sent once it is `stored`.
 * @param {Outbox} outbox
 * @param {Wish} wish
 * @returns {Outbox}
 */
export function add(outbox, wish) {
  // Not the time alone: after the device's clock was set back, a new item must still come after the old ones.
  const newest = [...outbox.values()].reduce((order, item) => Math.max(order, item.order), 0);
  const order = Math.max(newest + 1, wish.createdMs);
  return new Map(outbox).set(wish.key, {
    ...wish,
    order,
    state: "queued",
    stored: false,
    notBeforeMs: 0,
    attempts: 0,
    error: undefined,
    place: undefined,
    acknowledgedMs: 0,
  });
}

/** @param {Outbox} outbox @param {string} key */
export function stored(outbox, key) {
  return change(outbox, key, () => ({ stored: true }));
}

/** @param {Outbox} outbox @param {string} key */
export function sent(outbox, key) {
  return change(outbox, key, (item) => ({ state: "sent", attempts: item.attempts + 1 }));
}

/**
 * The item is on the log: its answer came, or its message was seen.
 * @param {Outbox} outbox
 * @param {string} key
 * @param {Place} place
 * @param {number} nowMs
 */
export function acknowledged(outbox, key, place, nowMs) {
  return change(outbox, key, () => ({
    state: "acknowledged",
    place,
    acknowledgedMs: nowMs,
    error: undefined,
    notBeforeMs: 0,
  }));
}

/**
 * The channel is suspended: the item is safe at the server, and its message comes once the channel is resumed.
 * @param {Outbox} outbox
 * @param {string} key
 */
export function held(outbox, key) {
  return change(outbox, key, (item) => (item.state === "acknowledged" ? {} : { state: "held" }));
}

/**
 * The server will never take it like this.
 * @param {Outbox} outbox
 * @param {string} key
 * @param {ItemError} error
 */
export function failed(outbox, key, error) {
  return change(outbox, key, (item) => (item.state === "acknowledged" ? {} : { state: "failed", error }));
}

/**
 * Not now: again at `notBeforeMs`; what was asked for after it waits too.
 * @param {Outbox} outbox
 * @param {string} key
 * @param {number} notBeforeMs
 */
export function later(outbox, key, notBeforeMs) {
  return change(outbox, key, (item) => (item.state === "sent" ? { state: "queued", notBeforeMs } : {}));
}

/**
 * The line is gone, and with it every answer that was under way: all of it is sent again on the next one. So is what the
 * server holds, for it may have been released unseen: the repeat tells what became of it.
 * @param {Outbox} outbox
 * @returns {Outbox}
 */
export function lineLost(outbox) {
  return changeAll(outbox, (item) =>
    item.state === "sent" || item.state === "held" ? { state: "queued", notBeforeMs: 0 } : undefined,
  );
}

/**
 * Try a failed item again, with the same key.
 * @param {Outbox} outbox
 * @param {string} key
 */
export function retry(outbox, key) {
  return change(outbox, key, (item) =>
    item.state === "failed" ? { state: "queued", error: undefined, notBeforeMs: 0, attempts: 0 } : {},
  );
}

/**
 * @param {Outbox} outbox
 * @param {string} key
 * @returns {Outbox}
 */
export function without(outbox, key) {
  if (!outbox.has(key)) return outbox;
  const next = new Map(outbox);
  next.delete(key);
  return next;
}

/**
 * The channel is of another epoch now: offer again what was acknowledged in an earlier one a short time ago.
 * @param {Outbox} outbox
 * @param {string} channel
 * @param {number} epoch the new one
 * @param {number} nowMs
 * @returns {Outbox}
 */
export function reoffer(outbox, channel, epoch, nowMs) {
  return changeAll(outbox, (item) => {
    const isLost = item.state === "acknowledged" && item.place !== undefined && item.place.epoch !== epoch;
    const isRecent = nowMs - item.acknowledgedMs <= REOFFER_MS;
    return item.channel === channel && isLost && isRecent ? { state: "queued", place: undefined } : undefined;
  });
}

/**
 * Keys of acknowledged items that need no longer be kept.
 * @param {Outbox} outbox
 * @param {number} nowMs
 */
export function expired(outbox, nowMs) {
  return [...outbox.values()]
    .filter((item) => item.state === "acknowledged" && nowMs - item.acknowledgedMs > REOFFER_MS)
    .map((item) => item.key);
}

/**
 * Take in what the device holds: items of an earlier visit, and those of other tabs.
 *
 * What is here and no longer there was discarded in another tab, unless it came after the device was asked.
 * @param {Outbox} outbox
 * @param {readonly Readonly<Item>[]} held
 * @param {ReadonlySet<string>} storedBefore keys of items here that were stored when the device was asked
 * @returns {Outbox}
 */
export function merge(outbox, held, storedBefore) {
  const heldKeys = new Set(held.map((item) => item.key));
  const here = [...outbox.values()].filter(
    (item) => item.state === "sent" || heldKeys.has(item.key) || !storedBefore.has(item.key),
  );
  // Nothing is under way on a line that is not there: `sent` is never stored.
  const added = held.filter((item) => !outbox.has(item.key)).map((item) => ({ ...item, stored: true }));
  const all = [...here, ...added].sort((a, b) => a.order - b.order || (a.key < b.key ? -1 : 1));
  return new Map(all.map((item) => [item.key, item]));
}

/**
 * What to send next in a channel, if anything: the oldest that is not settled, when its time has come.
 * @param {Outbox} outbox
 * @param {string} channel
 * @param {number} nowMs
 * @returns {{item: Readonly<Item>} | {waitUntilMs: number} | undefined}
 */
export function nextToSend(outbox, channel, nowMs) {
  const item = waitingIn(outbox, channel).find(({ state }) => state !== "failed" && state !== "held");
  if (item === undefined || item.state === "sent" || !item.stored) return undefined;
  return item.notBeforeMs > nowMs ? { waitUntilMs: item.notBeforeMs } : { item };
}

/**
 * Items of a channel that are not acknowledged, in order.
 * @param {Outbox} outbox
 * @param {string} channel
 */
export function waitingIn(outbox, channel) {
  return [...outbox.values()].filter((item) => item.channel === channel && item.state !== "acknowledged");
}

/**
 * Channels in which something waits.
 * @param {Outbox} outbox
 */
export function waitingChannels(outbox) {
  const waiting = [...outbox.values()].filter((item) => item.state !== "acknowledged");
  return new Set(waiting.map((item) => item.channel));
}

/**
 * @param {Outbox} outbox
 * @param {string} key
 * @param {(item: Readonly<Item>) => Partial<Item>} differences
 * @returns {Outbox} the same one for a key that isn't there: it was discarded meanwhile
 */
function change(outbox, key, differences) {
  const item = outbox.get(key);
  return item === undefined ? outbox : new Map(outbox).set(key, { ...item, ...differences(item) });
}

/**
 * @param {Outbox} outbox
 * @param {(item: Readonly<Item>) => Partial<Item> | undefined} differences undefined leaves the item as it is
 * @returns {Outbox}
 */
function changeAll(outbox, differences) {
  const next = new Map(outbox);
  for (const item of outbox.values()) {
    const changes = differences(item);
    if (changes) next.set(item.key, { ...item, ...changes });
  }
  return next;
}
