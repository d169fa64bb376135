/**
 * Brings the outbox to the server: stores before it sends, sends in order, tries again.
 *
 * `outbox.js` says what is right; this is the shell with the clock, the device and the line.
 */
import { fullJitterMs } from "./backoff.js";
import { CommandError } from "./codes.js";
import { replies } from "./frames.js";
import * as outbox from "./outbox.js";

/** @typedef {import("./outbox.js").Item} Item */
/** @typedef {import("./outbox.js").Wish} Wish */
/** @typedef {import("./frames.js").Message} Message */
/** @typedef {import("./wire.js").Frame} Frame */

/**
 * @typedef {object} Surroundings
 * @property {import("./storage.js").Storage} storage
 * @property {{setTimeout(fn: () => void, ms: number): any, clearTimeout(id: any): void}} timers
 * @property {() => number} now
 * @property {() => number} random
 * @property {(type: string, fields: Readonly<Record<string, unknown>>) => Promise<Frame>} command
 * @property {(channel: string) => number | undefined} epochOf a channel's present epoch, if known
 * @property {(channel: string) => void} onChange
 * @property {(where: string, error: unknown) => void} onError
 */

/** What a settled item came to. @typedef {Readonly<Omit<Item, "state"> & {state: Item["state"] | "discarded"}>} Settled */

/** A message that an item refers to is not on the log any more. @type {import("./outbox.js").ItemError} */
const REFERENCE_LOST = {
  code: 0,
  name: "reference_lost",
  message: "the message that this refers to is not on the log any more",
  ref: "",
  temporary: false,
};

export class Outgoing {
  /** @type {Surroundings} */
  #around;
  #user = "";
  /** @type {outbox.Outbox} */
  #items = outbox.EMPTY_OUTBOX;
  /** Keys of items that are known to be on the device. @type {Set<string>} */
  #durable = new Set();
  /** Whether the line is up and the device was asked for what it holds. */
  #maySend = false;
  /** Which line this is; answers to an earlier load come to nothing. */
  #line = 0;
  /** @type {Map<string, any>} */
  #timers = new Map();
  /** @type {Map<string, ((item: Settled) => void)[]>} */
  #settling = new Map();
  /** @type {Map<string, readonly Readonly<Item>[]>} */
  #waitingIn = new Map();

  /** @param {Surroundings} around */
  constructor(around) {
    this.#around = around;
  }

  /**
   * Items of a channel that are not acknowledged; the same list until something changes.
   * @param {string} channel
   */
  waitingIn(channel) {
    const known = this.#waitingIn.get(channel);
    if (known) return known;
    const waiting = outbox.waitingIn(this.#items, channel);
    this.#waitingIn.set(channel, waiting);
    return waiting;
  }

  /**
   * Whose outbox this is. What other people left on the device stays there, unsent and unseen.
   * @param {string} user
   */
  belongTo(user) {
    if (user === this.#user) return;
    this.#user = user;
    this.#replace(outbox.EMPTY_OUTBOX);
    this.#durable.clear();
  }

  /** Take in what the device holds for this person. @returns {Promise<void>} never rejects */
  async load() {
    const user = this.#user;
    const storedBefore = new Set(this.#durable);
    try {
      const held = (await this.#around.storage.items()).filter((item) => item.user === user);
      if (user !== this.#user) return;
      for (const item of held) this.#durable.add(item.key);
      this.#replace(outbox.merge(this.#items, held, storedBefore));
      this.#removeExpired();
    } catch (error) {
      this.#around.onError("storage", error);
    }
  }

  /** The line is up. */
  async onConnected() {
    const line = ++this.#line;
    await this.load();
    if (line !== this.#line) return;
    this.#maySend = true;
    for (const channel of outbox.waitingChannels(this.#items)) this.#pump(channel);
  }

  onLost() {
    this.#line += 1;
    this.#maySend = false;
    for (const timer of this.#timers.values()) this.#around.timers.clearTimeout(timer);
    this.#timers.clear();
    this.#replace(outbox.lineLost(this.#items));
  }

  /**
   * Store what a person asked for, then send it.
   * @param {Omit<Wish, "user" | "createdMs">} wish
   */
  add(wish) {
    this.#replace(outbox.add(this.#items, { ...wish, user: this.#user, createdMs: this.#around.now() }));
    this.#store(wish.key).then(() => {
      this.#replace(outbox.stored(this.#items, wish.key));
      this.#pump(wish.channel);
    });
  }

  /** @param {string} key */
  retry(key) {
    const item = this.#items.get(key);
    if (item === undefined) return;
    this.#replace(outbox.retry(this.#items, key));
    this.#store(key);
    this.#pump(item.channel);
  }

  /** @param {string} key */
  discard(key) {
    const item = this.#items.get(key);
    // What is acknowledged is on the record; nothing here can take it back.
    if (item === undefined || item.state === "acknowledged") return;
    this.#replace(outbox.without(this.#items, key));
    this.#remove(key);
    this.#settle({ ...item, state: "discarded" });
    this.#pump(item.channel);
  }

  /**
   * @param {string} key
   * @returns {Promise<Settled | undefined>} undefined for a key that isn't here
   */
  settled(key) {
    const item = this.#items.get(key);
    if (item === undefined || item.state === "acknowledged" || item.state === "failed") return Promise.resolve(item);
    return new Promise((resolve) => this.#settling.set(key, [...(this.#settling.get(key) ?? []), resolve]));
  }

  /**
   * A message of this person is on the log: it may be one of ours whose answer is still under way, or never comes.
   * @param {Message} message
   */
  onOwnMessage({ key, seq, epoch, timeMs, channel }) {
    const item = this.#items.get(key);
    if (item?.channel === channel && item.state !== "acknowledged") this.#acknowledge(key, { seq, epoch, timeMs });
  }

  /**
   * A channel is of another epoch now.
   * @param {string} channel
   * @param {number} epoch
   */
  onEpoch(channel, epoch) {
    this.#replace(outbox.reoffer(this.#items, channel, epoch, this.#around.now()));
    this.#pump(channel);
  }

  /** Remove everything that the device holds for this person. */
  async forget() {
    const keys = [...this.#items.keys()];
    this.#replace(outbox.EMPTY_OUTBOX);
    for (const key of keys) await this.#remove(key);
  }

  /** @param {string} channel */
  #pump(channel) {
    if (!this.#maySend) return;
    const now = this.#around.now();
    const next = outbox.nextToSend(this.#items, channel, now);
    if (next === undefined) return;
    if ("waitUntilMs" in next) this.#pumpAfter(channel, next.waitUntilMs - now);
    else this.#send(next.item);
  }

  /** @param {string} channel @param {number} ms */
  #pumpAfter(channel, ms) {
    this.#around.timers.clearTimeout(this.#timers.get(channel));
    const timer = this.#around.timers.setTimeout(() => {
      this.#timers.delete(channel);
      this.#pump(channel);
    }, ms);
    this.#timers.set(channel, timer);
  }

  /** @param {Readonly<Item>} item */
  async #send(item) {
    const { key, channel } = item;
    const line = this.#line;
    this.#replace(outbox.sent(this.#items, key));
    try {
      if (await this.#isReferenceLost(item)) this.#fail(key, REFERENCE_LOST);
      else {
        const reply = replies.publish(await this.#around.command(...commandFor(item)), "publish");
        // Its message may have come before this answer.
        if (reply.held) this.#replace(outbox.held(this.#items, key));
        else this.#acknowledge(key, reply);
      }
    } catch (error) {
      // On a new line the item is queued or sent again already; what became of the old attempt is of no interest.
      if (line === this.#line) this.#onRefused(key, error);
    }
    this.#pump(channel);
  }

  /** @param {string} key @param {unknown} error a CommandError, or an answer that could not be read */
  #onRefused(key, error) {
    if (error instanceof CommandError && !error.temporary) {
      const { code, name, message, ref, temporary } = error;
      this.#fail(key, { code, name, message, ref, temporary });
      return;
    }
    if (!(error instanceof CommandError)) this.#around.onError("publish", error);
    const asked = error instanceof CommandError ? (error.retryAfterMs ?? 0) : 0;
    const attempts = this.#items.get(key)?.attempts ?? 0;
    const waitMs = Math.max(asked, fullJitterMs(attempts, this.#around.random));
    this.#replace(outbox.later(this.#items, key, this.#around.now() + waitMs));
  }

  /**
   * Whether the message that an item is about can't be found where it was. Seqs mean something only in their epoch: after
   * a restore the same seq may be somebody else's message, and a withdrawal must not hit that one.
   * @param {Readonly<Item>} item
   */
  async #isReferenceLost({ about, channel }) {
    const epoch = this.#around.epochOf(channel);
    if (about === undefined || epoch === undefined || about.epoch === epoch) return false;
    const frame = await this.#around.command("history", { channel, after: about.seq - 1, limit: 1 });
    const [found] = replies.history(frame, "history").messages;
    return !(found?.seq === about.seq && found.sender === about.sender && found.key === about.key);
  }

  /** @param {string} key @param {outbox.Place} place */
  #acknowledge(key, { seq, epoch, timeMs }) {
    this.#replace(outbox.acknowledged(this.#items, key, { seq, epoch, timeMs }, this.#around.now()));
    this.#store(key);
    this.#settle(this.#items.get(key));
    this.#removeExpired();
  }

  /** @param {string} key @param {outbox.ItemError} error */
  #fail(key, error) {
    this.#replace(outbox.failed(this.#items, key, error));
    this.#store(key);
    this.#settle(this.#items.get(key));
  }

  /** @param {Settled | undefined} item */
  #settle(item) {
    if (item === undefined) return;
    for (const resolve of this.#settling.get(item.key) ?? []) resolve(item);
    this.#settling.delete(item.key);
  }

  #removeExpired() {
    for (const key of outbox.expired(this.#items, this.#around.now())) {
      this.#replace(outbox.without(this.#items, key));
      this.#remove(key);
    }
  }

  /** @param {string} key @returns {Promise<void>} never rejects: without storage we send without a net */
  async #store(key) {
    const item = this.#items.get(key);
    if (item === undefined) return;
    try {
      await this.#around.storage.put({
        ...item,
        state: item.state === "sent" || item.state === "held" ? "queued" : item.state,
      });
      // It may have been discarded while it was being stored.
      if (this.#items.has(key)) this.#durable.add(key);
      else await this.#remove(key);
    } catch (error) {
      this.#around.onError("storage", error);
    }
  }

  /** @param {string} key @returns {Promise<void>} never rejects */
  async #remove(key) {
    this.#durable.delete(key);
    try {
      await this.#around.storage.remove(key);
    } catch (error) {
      this.#around.onError("storage", error);
    }
  }

  /** @param {outbox.Outbox} items */
  #replace(items) {
    const before = this.#items;
    if (items === before) return;
    this.#items = items;
    /** @type {Set<string>} */
    const touched = new Set();
    for (const item of [...before.values(), ...items.values()]) {
      if (before.get(item.key) !== items.get(item.key)) touched.add(item.channel);
    }
    for (const channel of touched) this.#waitingIn.delete(channel);
    for (const channel of touched) this.#around.onChange(channel);
  }
}

/**
 * @param {Readonly<Item>} item
 * @returns {[type: string, fields: Readonly<Record<string, unknown>>]}
 */
function commandFor({ kind, channel, key, text, about, reaction, removed, mentions, precedence, attachments }) {
  const seq = about?.seq;
  switch (kind) {
    case "text":
      return ["publish", { channel, key, text, replyTo: seq, mentions, precedence, attachments }];
    case "correction":
      return ["correct", { channel, key, seq, text }];
    case "withdrawal":
      return ["withdraw", { channel, key, seq }];
    case "reaction":
      return ["react", { channel, key, seq, reaction, removed }];
  }
}
