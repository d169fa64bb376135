/**
 * Follows channels: subscribes, resumes after each reconnect exactly after the last seq, fills gaps, fetches history.
 *
 * `timeline.js` says what is right; this is the shell that asks.
 */
import { CommandError } from "./codes.js";
import { FrameError, replies } from "./frames.js";
import { MAX_PAGE_MESSAGES } from "./limits.js";
import * as timeline from "./timeline.js";

/** @typedef {import("./wire.js").Frame} Frame */
/** @typedef {import("./frames.js").Message} Message */
/** @typedef {import("./timeline.js").Log} Log */

// After a refusal that is temporary; a lost line needs no timer, for the next one subscribes anew.
const RETRY_MS = 1_000;

/**
 * @typedef {object} Feed
 * @property {string} channel
 * @property {number} tail
 * @property {Readonly<Log>} log
 * @property {boolean} isFilling
 * @property {boolean} isSubscribing
 * @property {Promise<boolean> | undefined} older the page that is being fetched
 * @property {any} retryTimer
 */

/**
 * @typedef {object} Surroundings
 * @property {{setTimeout(fn: () => void, ms: number): any, clearTimeout(id: any): void}} timers
 * @property {(type: string, fields: Readonly<Record<string, unknown>>) => Promise<Frame>} command
 * @property {() => boolean} isConnected
 * @property {(channel: string) => void} onChange
 * @property {(channel: string, epoch: number, head: number) => void} onPlace where a channel stands
 * @property {(channel: string, epoch: number) => void} onEpoch a channel that was followed is of another epoch now
 * @property {(reply: import("./frames.js").SubscribeReply) => void} onReads how far others had read when it was followed
 * @property {(where: string, error: unknown) => void} onError
 */

export class Feeds {
  /** @type {Surroundings} */
  #around;
  /** @type {Map<string, Feed>} */
  #feeds = new Map();

  /** @param {Surroundings} around */
  constructor(around) {
    this.#around = around;
  }

  /**
   * @param {string} channel
   * @returns {Readonly<Log> | undefined}
   */
  log(channel) {
    return this.#feeds.get(channel)?.log;
  }

  /** @param {string} channel @param {number} tail */
  subscribe(channel, tail) {
    if (this.#feeds.has(channel)) return;
    /** @type {Feed} */
    const feed = {
      channel,
      tail,
      log: timeline.unknownLog(channel),
      isFilling: false,
      isSubscribing: false,
      older: undefined,
      retryTimer: undefined,
    };
    this.#feeds.set(channel, feed);
    if (this.#around.isConnected()) this.#subscribe(feed);
  }

  /** @param {string} channel */
  unsubscribe(channel) {
    const feed = this.#feeds.get(channel);
    if (feed === undefined) return;
    this.#around.timers.clearTimeout(feed.retryTimer);
    this.#feeds.delete(channel);
    if (this.#around.isConnected()) {
      this.#around.command("unsubscribe", { channel }).catch((error) => this.#around.onError("unsubscribe", error));
    }
  }

  /** Forget every timeline: somebody else signed in. */
  clear() {
    for (const feed of this.#feeds.values()) this.#set(feed, timeline.unknownLog(feed.channel));
  }

  onConnected() {
    for (const feed of this.#feeds.values()) this.#subscribe(feed);
  }

  onLost() {
    for (const feed of this.#feeds.values()) {
      this.#around.timers.clearTimeout(feed.retryTimer);
      feed.isSubscribing = false;
      feed.isFilling = false;
      feed.older = undefined;
      this.#set(feed, timeline.withoutEarly(feed.log));
    }
  }

  /** Something that was pushed may be lost: subscribe anew, which resumes after what is here. */
  resync() {
    for (const feed of this.#feeds.values()) this.#subscribe(feed);
  }

  /** Try a channel again that was refused, such as one that has been opened to us. @param {string} channel */
  revive(channel) {
    const feed = this.#feeds.get(channel);
    if (feed && !feed.log.isBased && this.#around.isConnected()) this.#subscribe(feed);
  }

  /** @param {Message} message */
  onMessage(message) {
    const feed = this.#feeds.get(message.channel);
    if (feed === undefined) return;
    if (feed.log.isBased && message.epoch > feed.log.epoch) {
      // A reset should have come first. Subscribing with the old position brings it.
      this.#subscribe(feed);
      return;
    }
    this.#set(feed, timeline.receive(feed.log, message));
    this.#fill(feed);
  }

  /** @param {import("./frames.js").ResetPush} place */
  onReset({ channel, epoch, seq }) {
    const feed = this.#feeds.get(channel);
    if (feed === undefined) return;
    const before = feed.log;
    this.#set(feed, timeline.reset(before, { epoch, seq }));
    if (before.isBased && before.epoch !== epoch) this.#around.onEpoch(channel, epoch);
  }

  /**
   * Fetch the page before the first entry that is held. Calls that come meanwhile share it.
   * @param {string} channel
   * @param {number} limit
   * @returns {Promise<boolean>} whether there is more; rejects with a CommandError
   */
  async loadOlder(channel, limit) {
    const feed = this.#feeds.get(channel);
    if (feed === undefined || !feed.log.isBased || feed.log.first <= 1) return false;
    feed.older ??= this.#fetchOlder(feed, limit);
    return await feed.older;
  }

  /**
   * Fetch everything down to a seq. The run stays contiguous, so that no later correction or withdrawal is missing.
   * @param {string} channel
   * @param {number} seq
   */
  async loadUntil(channel, seq) {
    let first = this.log(channel)?.first ?? 0;
    while (first > seq) {
      const hasMore = await this.loadOlder(channel, MAX_PAGE_MESSAGES);
      const reached = this.log(channel)?.first ?? 0;
      if (!hasMore || reached >= first) return;
      first = reached;
    }
  }

  /** @param {Feed} feed @param {number} limit */
  async #fetchOlder(feed, limit) {
    try {
      const before = feed.log.first;
      const frame = await this.#around.command("history", { channel: feed.channel, before, limit });
      this.#set(feed, timeline.prepend(feed.log, replies.history(frame, "history")));
      return feed.log.first > 1;
    } finally {
      feed.older = undefined;
    }
  }

  /** @param {Feed} feed */
  async #subscribe(feed) {
    if (feed.isSubscribing) return;
    feed.isSubscribing = true;
    const { channel, log, tail } = feed;
    const from = log.isBased ? { position: { epoch: log.epoch, seq: log.last } } : { tail };
    try {
      const frame = await this.#around.command("subscribe", { channel, ...from });
      feed.isSubscribing = false;
      this.#onSubscribed(feed, replies.subscribe(frame, "subscribe"));
    } catch (error) {
      feed.isSubscribing = false;
      this.#onRefused(feed, error);
    }
  }

  /** @param {Feed} feed @param {import("./frames.js").SubscribeReply} reply */
  #onSubscribed(feed, reply) {
    if (this.#feeds.get(feed.channel) !== feed) return;
    const before = feed.log;
    this.#around.onPlace(feed.channel, reply.epoch, reply.head);
    this.#set(feed, timeline.begin(before, reply));
    if (before.isBased && before.epoch !== reply.epoch) this.#around.onEpoch(feed.channel, reply.epoch);
    this.#around.onReads(reply);
    this.#fill(feed);
  }

  /** @param {Feed} feed @param {unknown} error */
  #onRefused(feed, error) {
    if (!(error instanceof CommandError) || error.name !== "disconnected") this.#around.onError("subscribe", error);
    const mayHelp = !(error instanceof CommandError) || error.temporary;
    if (mayHelp) this.#later(feed, error, () => this.#subscribe(feed));
  }

  /** Ask for what is missing until nothing is. @param {Feed} feed */
  async #fill(feed) {
    if (feed.isFilling) return;
    feed.isFilling = true;
    try {
      for (let gap = timeline.gapOf(feed.log); gap && feed.isFilling; gap = timeline.gapOf(feed.log)) {
        const fields = { channel: feed.channel, after: gap.after, limit: MAX_PAGE_MESSAGES };
        const page = replies.history(await this.#around.command("history", fields), "history");
        const next = timeline.receiveAll(feed.log, page.messages);
        if (next === feed.log) throw new FrameError(`history after ${gap.after} of ${feed.channel} brought nothing`);
        this.#set(feed, next);
      }
    } catch (error) {
      if (!(error instanceof CommandError) || error.name !== "disconnected") this.#around.onError("history", error);
      this.#later(feed, error, () => this.#fill(feed));
    } finally {
      feed.isFilling = false;
    }
  }

  /**
   * Do something again after a while, on this line only.
   * @param {Feed} feed
   * @param {unknown} error
   * @param {() => void} again
   */
  #later(feed, error, again) {
    if (!this.#around.isConnected() || this.#feeds.get(feed.channel) !== feed) return;
    const asked = error instanceof CommandError ? (error.retryAfterMs ?? 0) : 0;
    this.#around.timers.clearTimeout(feed.retryTimer);
    feed.retryTimer = this.#around.timers.setTimeout(again, Math.max(asked, RETRY_MS));
  }

  /** @param {Feed} feed @param {Readonly<Log>} log */
  #set(feed, log) {
    if (feed.log === log) return;
    feed.log = log;
    if (this.#feeds.get(feed.channel) === feed) this.#around.onChange(feed.channel);
  }
}
