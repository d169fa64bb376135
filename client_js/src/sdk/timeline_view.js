/**
 * What a page shows of a channel: the log, and behind it what waits in the outbox. Pure.
 */
import { itemAt } from "./timeline.js";

/** @typedef {import("./timeline.js").Log} Log */
/** @typedef {import("./timeline.js").LogItem} LogItem */
/** @typedef {import("./outbox.js").Item} OutboxItem */
/** @typedef {import("./outbox.js").ItemError} ItemError */

/** @typedef {{readonly user: string, readonly delegation: string}} Author */

/**
 * @typedef {Readonly<LogItem> & {
 *   readonly id: string,
 *   readonly state: "queued" | "sent" | "held" | "failed" | "delivered",
 *   readonly error: ItemError | undefined,
 *   readonly pending: readonly Readonly<OutboxItem>[],
 * }} TimelineItem
 */

/**
 * @typedef {object} Timeline
 * @property {string} channel
 * @property {number} epoch 0 until the server has answered
 * @property {readonly TimelineItem[]} items messages in order, those that wait last
 * @property {number} first seq of the first entry that is held
 * @property {number} last
 * @property {number} head
 * @property {boolean} hasOlder
 * @property {boolean} complete nothing is missing between `first` and `head`
 */

/** @type {readonly Readonly<OutboxItem>[]} */
const NOTHING = [];

/**
 * Composes views and keeps what did not change: an item of the log whose pending changes are the same is the same object
 * as last time, so that a page draws only what is new.
 */
export class TimelineComposer {
  /** @type {{log: Readonly<Log>, waiting: readonly Readonly<OutboxItem>[], view: Readonly<Timeline>} | undefined} */
  #latest;
  /** Whether the latest view shows changes that wait. */
  #hadPending = false;
  /** @type {WeakMap<Readonly<LogItem>, TimelineItem>} */
  #plain = new WeakMap();
  /** @type {WeakMap<Readonly<OutboxItem>, TimelineItem>} */
  #optimistic = new WeakMap();

  /**
   * @param {Readonly<Log>} log
   * @param {readonly Readonly<OutboxItem>[]} waiting of this channel, in order, none of them acknowledged
   * @param {Author} author of what waits
   * @returns {Readonly<Timeline>}
   */
  compose(log, waiting, author) {
    if (this.#latest?.log === log && this.#latest.waiting === waiting) return this.#latest.view;
    /** @type {Map<number, Readonly<OutboxItem>[]>} */
    const pending = new Map();
    for (const item of waiting) {
      if (item.kind === "text" || item.about?.epoch !== log.epoch) continue;
      pending.set(item.about.seq, [...(pending.get(item.about.seq) ?? []), item]);
    }
    // Of thousands nearly all are as they were, at the same place.
    const before = pending.size === 0 && !this.#hadPending ? this.#latest : undefined;
    const delivered = log.items.map((item, index) =>
      before?.log.items[index] === item
        ? /** @type {TimelineItem} */ (before.view.items[index])
        : this.#delivered(item, pending.get(item.seq) ?? NOTHING),
    );
    this.#hadPending = pending.size > 0;
    const texts = waiting.filter((item) => item.kind === "text");
    const view = {
      channel: log.channel,
      epoch: log.epoch,
      items: texts.length === 0 ? delivered : [...delivered, ...texts.map((item) => this.#waiting(item, author))],
      first: log.first,
      last: log.last,
      head: log.head,
      hasOlder: log.isBased && log.first > 1,
      complete: log.isBased && log.last >= Math.max(log.head, log.expected),
    };
    this.#latest = { log, waiting, view };
    return view;
  }

  /** @param {Readonly<LogItem>} item @param {readonly Readonly<OutboxItem>[]} pending @returns {TimelineItem} */
  #delivered(item, pending) {
    const known = pending.length === 0 ? this.#plain.get(item) : undefined;
    if (known) return known;
    const id = itemId(item.sender, item.key);
    const shown = { ...item, id, state: /** @type {const} */ ("delivered"), error: undefined, pending };
    if (pending.length === 0) this.#plain.set(item, shown);
    return shown;
  }

  /** @param {Readonly<OutboxItem>} item @param {Author} author @returns {TimelineItem} */
  #waiting(item, author) {
    const known = this.#optimistic.get(item);
    if (known) return known;
    /** @type {TimelineItem} */
    const shown = {
      id: itemId(author.user, item.key),
      seq: 0,
      key: item.key,
      sender: author.user,
      delegation: author.delegation,
      timeMs: item.createdMs,
      text: item.text,
      replyTo: item.about?.seq ?? 0,
      mentions: item.mentions,
      kind: item.kind,
      precedence: item.precedence ?? "",
      data: item.attachments ? JSON.stringify({ attachments: item.attachments }) : "",
      versions: [{ seq: 0, text: item.text, timeMs: item.createdMs }],
      withdrawn: undefined,
      reactions: new Map(),
      state: item.state === "acknowledged" ? "delivered" : item.state,
      error: item.error,
      pending: NOTHING,
    };
    this.#optimistic.set(item, shown);
    return shown;
  }
}

/**
 * The same for a message while it waits and once it is on the log. A blank can be in no user id, so no two pairs meet.
 * @param {string} sender
 * @param {string} key
 */
function itemId(sender, key) {
  return `${sender} ${key}`;
}

/**
 * The message at a seq, as something to refer to from the outbox.
 * @param {Readonly<Log>} log
 * @param {number} seq
 * @returns {import("./outbox.js").Reference | undefined}
 */
export function referenceTo(log, seq) {
  const item = itemAt(log, seq);
  return item && { epoch: log.epoch, seq, sender: item.sender, key: item.key };
}
