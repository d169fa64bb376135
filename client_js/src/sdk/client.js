/**
 * The public face of the SDK: one person's office, kept up to date. (README.md lists what it offers)
 *
 * It joins the line (`connection.js`), what is known of the office (`known_office.js`), the channels that are followed
 * (`feeds.js`), the outbox (`outgoing.js`) and what is watched, and holds no rule of its own about any of them.
 */
import { localError } from "./codes.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { Feeds } from "./feeds.js";
import { FrameError, pushes, replies } from "./frames.js";
import { KnownOffice } from "./known_office.js";
import { MAX_MENTIONS, MAX_REACTION_CHARS, MAX_TAIL_MESSAGES, MAX_TEXT_BYTES, utf8Bytes } from "./limits.js";
import { Outgoing } from "./outgoing.js";
import { ReadMarks } from "./read_marks.js";
import { unknownLog } from "./timeline.js";
import { referenceTo, TimelineComposer } from "./timeline_view.js";
import { Typists } from "./typists.js";

/** @typedef {import("./connection.js").Environment} LineEnvironment */
/** @typedef {import("./connection.js").ConnectionState} ConnectionState */
/** @typedef {import("./frames.js").ChannelInfo} ChannelInfo */
/** @typedef {import("./known_office.js").Me} Me */
/** @typedef {import("./known_office.js").Channel} Channel */
/** @typedef {import("./wire.js").Frame} Frame */
/** @typedef {import("./timeline_view.js").Timeline} Timeline */

/** @typedef {LineEnvironment & {storage: import("./storage.js").Storage, newKey: () => string}} ClientEnvironment */
/** @typedef {"active" | "idle" | "away" | "dnd"} Availability */

/**
 * @typedef {object} Events
 * @property {ConnectionState} state
 * @property {Me} connected
 * @property {string} timeline channel
 * @property {string} outbox channel
 * @property {undefined} resync something that arrived could not be read: what is held may lack it
 * @property {string} typing channel
 * @property {string} read channel
 * @property {{event: "added" | "removed" | "changed", channel: string}} channel
 * @property {ReturnType<typeof pushes.notice>} notice
 * @property {Frame} entry every message that is pushed, as it came
 * @property {Frame} push one that this class doesn't know
 * @property {{where: string, error: unknown}} error
 */

const DEFAULT_TAIL = 50;
const SIGNED_HEAD = "signed_head";
const DEFAULT_PAGE = 50;
// What can't be read makes us ask for everything anew; a peer that keeps sending it must not keep us busy.
const RESYNC_EVERY_MS = 10_000;

export class LiaisonClient {
  /** @type {ClientEnvironment} */
  #env;
  /** @type {Emitter<Events>} */
  #events = new Emitter((event, error) => {
    // A listener of "error" that throws has nobody left to tell.
    if (event !== "error") this.#report(`listener of ${String(event)}`, error);
  });
  /** @type {Connection} */
  #connection;
  /** @type {KnownOffice} */
  #known;
  /** @type {Feeds} */
  #feeds;
  /** @type {Outgoing} */
  #outgoing;
  /** @type {Typists} */
  #typists;
  /** @type {ReadMarks} */
  #readMarks;
  /** @type {Map<string, TimelineComposer>} */
  #composers = new Map();
  /** @type {Availability | undefined} */
  #availability;
  #resyncedMs = Number.NEGATIVE_INFINITY;

  /** @param {ClientEnvironment} env */
  constructor(env) {
    this.#env = env;
    this.#connection = new Connection(env, {
      onState: (state) => this.#events.emit("state", state),
      onConnected: (reply) => this.#onConnected(reply),
      onLost: () => this.#onLost(),
      onPush: (frame) => this.#onPush(frame),
      onUnreadable: (error) => this.unreadable("wire", error),
      onError: (where, error) => this.#report(where, error),
    });
    const around = {
      ...env,
      command: (/** @type {string} */ type, /** @type {Readonly<Record<string, unknown>>} */ fields) =>
        this.#connection.command(type, fields),
      isConnected: () => this.#connection.isConnected,
      onError: (/** @type {string} */ where, /** @type {unknown} */ error) => this.#report(where, error),
    };
    this.#feeds = new Feeds({
      ...around,
      onChange: (channel) => this.#events.emit("timeline", channel),
      onPlace: (channel, epoch, head) =>
        this.#known.change(channel, (info) => ({ epoch, head: maxHead(info, epoch, head) })),
      onEpoch: (channel, epoch) => this.#onEpoch(channel, epoch),
      onReads: (reply) => this.#readMarks.onSubscribed(reply),
    });
    this.#outgoing = new Outgoing({
      ...around,
      epochOf: (channel) => this.channels.get(channel)?.epoch,
      onChange: (channel) => this.#onOutboxChange(channel),
    });
    this.#typists = new Typists({ ...around, onChange: (channel) => this.#events.emit("typing", channel) });
    this.#readMarks = new ReadMarks({ ...around, onChange: (channel) => this.#events.emit("read", channel) });
    this.#known = new KnownOffice(around, this.#readMarks);
  }

  // What is known

  get state() {
    return this.#connection.state;
  }

  /** Who is signed in; after a reload who last was. */
  get me() {
    return this.#known.me;
  }

  get office() {
    return this.#known.office;
  }

  get people() {
    return this.#known.people;
  }

  get channels() {
    return this.#known.channels;
  }

  /** When anything last arrived, by `now()`; 0 for never. */
  get lastHeardMs() {
    return this.#connection.lastHeardMs;
  }

  /** The server's clock, as far as it can be told from here. */
  serverNowMs() {
    return this.#known.serverNowMs();
  }

  /**
   * @param {string} channel
   * @returns {Readonly<Timeline>}
   */
  timeline(channel) {
    const composer = this.#composers.get(channel) ?? new TimelineComposer();
    this.#composers.set(channel, composer);
    const author = { user: this.me?.user ?? "", delegation: this.me?.delegation ?? "" };
    return composer.compose(this.#log(channel), this.#outgoing.waitingIn(channel), author);
  }

  /** Own items of a channel that are not acknowledged. @param {string} channel */
  outbox(channel) {
    return this.#outgoing.waitingIn(channel);
  }

  /** Who else writes now. @param {string} channel */
  typists(channel) {
    return this.#typists.in(channel).filter((user) => user !== this.me?.user);
  }

  /** How far others have read. @param {string} channel */
  reads(channel) {
    return this.#readMarks.in(channel);
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} event
   * @param {(argument: Events[Name]) => void} listener
   * @returns {() => void} stops listening
   */
  on(event, listener) {
    return this.#events.on(event, listener);
  }

  // The line

  /** Connect, and stay connected. What waited on the device from an earlier visit shows as soon as it is read. */
  start() {
    this.#recall();
    this.#connection.start();
  }

  stop() {
    this.#connection.stop();
  }

  retryNow() {
    this.#connection.retryNow();
  }

  /** At sign-out: stop, and remove what this device holds for the person. */
  async forget() {
    this.stop();
    this.#feeds.clear();
    const forgotten = this.#known.forget();
    await this.#outgoing.forget();
    this.#outgoing.belongTo("");
    await forgotten;
  }

  // Through the outbox

  /**
   * @param {string} channel
   * @param {{text: string, replyTo?: number, mentions?: readonly string[], precedence?: string | undefined, attachments?: import("./outbox.js").Wish["attachments"]}} message
   * @returns {string} its key
   * @throws {RangeError} for a text that is empty or too long
   */
  publish(channel, { text, replyTo = 0, mentions = [], precedence, attachments }) {
    if (mentions.length > MAX_MENTIONS) throw new RangeError(`at most ${MAX_MENTIONS} people can be mentioned`);
    this.#typists.said(channel);
    const about = replyTo === 0 ? undefined : this.#reference(channel, replyTo);
    return this.#enqueue({
      channel,
      kind: "text",
      text: messageText(text),
      about,
      mentions: [...mentions],
      attachments,
      precedence,
    });
  }

  /** @param {string} channel @param {number} seq @param {string} text @throws {RangeError} */
  correct(channel, seq, text) {
    const about = this.#reference(channel, seq);
    return this.#enqueue({ channel, kind: "correction", text: messageText(text), about });
  }

  /** @param {string} channel @param {number} seq @throws {RangeError} */
  withdraw(channel, seq) {
    return this.#enqueue({ channel, kind: "withdrawal", about: this.#reference(channel, seq) });
  }

  /**
   * @param {string} channel
   * @param {number} seq
   * @param {string} reaction
   * @param {{removed?: boolean}} [options]
   * @throws {RangeError}
   */
  react(channel, seq, reaction, { removed = false } = {}) {
    const size = [...reaction].length;
    if (size < 1 || size > MAX_REACTION_CHARS)
      throw new RangeError(`a reaction has 1 to ${MAX_REACTION_CHARS} characters`);
    return this.#enqueue({ channel, kind: "reaction", reaction, removed, about: this.#reference(channel, seq) });
  }

  /** The item once it is `acknowledged`, `failed` or `discarded`. @param {string} key */
  settled(key) {
    return this.#outgoing.settled(key);
  }

  /** A failed item again, with the same key. @param {string} key */
  retry(key) {
    this.#outgoing.retry(key);
  }

  /** Take an item out that is not acknowledged. @param {string} key */
  discard(key) {
    this.#outgoing.discard(key);
  }

  // Answered by a promise that rejects with a CommandError

  /** @param {string} channel @param {number} [limit] @returns {Promise<boolean>} whether there is more */
  loadOlder(channel, limit = DEFAULT_PAGE) {
    return this.#feeds.loadOlder(channel, limit);
  }

  /** @param {string} channel @param {number} seq */
  loadUntil(channel, seq) {
    return this.#feeds.loadUntil(channel, seq);
  }

  /** @param {string} channel @param {{after?: number, before?: number, limit?: number}} [page] */
  history(channel, { after, before, limit } = {}) {
    return this.#ask("history", { channel, after, before, limit }, replies.history);
  }

  /** @param {string} query @param {{channel?: string, beforeMs?: number, limit?: number}} [page] */
  search(query, { channel, beforeMs, limit } = {}) {
    return this.#ask("search", { query: query.normalize("NFC"), channel, beforeMs, limit }, replies.search);
  }

  /** @param {readonly string[]} users @returns {Promise<Channel>} */
  async openDirect(users) {
    const { channel } = await this.#ask("open_direct", { users }, replies.openDirect);
    return this.#addChannel(channel);
  }

  /**
   * For a module that adds to this class.
   * @template T
   * @param {string} type
   * @param {Readonly<Record<string, unknown>>} fields
   * @param {import("./frames.js").Reader<T>} read
   */
  ask(type, fields, read) {
    return this.#ask(type, fields, read);
  }

  async refreshChannels() {
    const { channels } = await this.#ask("channels", {}, replies.channels);
    this.#known.list(channels);
    for (const channel of this.channels.keys()) this.#events.emit("channel", { event: "changed", channel });
  }

  // Remembered, and done again after each reconnect

  /** @param {string} channel @param {{tail?: number}} [options] */
  subscribe(channel, { tail = DEFAULT_TAIL } = {}) {
    this.#feeds.subscribe(channel, Math.min(tail, MAX_TAIL_MESSAGES));
  }

  /** Also forgets the timeline. @param {string} channel */
  unsubscribe(channel) {
    this.#feeds.unsubscribe(channel);
    this.#composers.delete(channel);
  }

  /** @param {Availability} state */
  setAvailability(state) {
    this.#availability = state;
    this.#sayAvailability();
  }

  /** @param {string} channel @param {number} seq */
  read(channel, seq) {
    const info = this.channels.get(channel);
    if (info && info.readSeq >= seq) return;
    this.#known.change(channel, () => ({ readSeq: seq }));
    this.#readMarks.tell(channel, seq);
    this.#events.emit("read", channel);
  }

  /** Call it at every key. @param {string} channel */
  typing(channel) {
    if (!this.#connection.isConnected || !this.#typists.isDue(channel)) return;
    this.#try("typing", { channel });
  }

  // From here on: what happens

  /** @param {import("./frames.js").ConnectReply} reply */
  #onConnected(reply) {
    if (this.me !== undefined && this.me.user !== reply.user) this.#feeds.clear();
    const me = this.#known.welcome(reply);
    this.#outgoing.belongTo(me.user);
    this.#events.emit("connected", me);
    this.#sayAvailability();
    this.#feeds.onConnected();
    this.#readMarks.onConnected();
    this.#offerWhatNeedsIt();
  }

  async #offerWhatNeedsIt() {
    await this.#outgoing.onConnected();
    // Also in channels that nobody follows here, and if the restore happened while we were away.
    for (const { channel, epoch } of this.channels.values()) this.#outgoing.onEpoch(channel, epoch);
  }

  #onLost() {
    this.#outgoing.onLost();
    this.#feeds.onLost();
    this.#typists.onLost();
    this.#readMarks.onLost();
  }

  /** @param {Frame} frame */
  #onPush(frame) {
    try {
      this.#dispatch(frame);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.unreadable(`push ${frame.type}`, error);
    }
  }

  /** @param {Frame} frame */
  #dispatch(frame) {
    switch (frame.type) {
      case "message":
        this.#onMessage(pushes.message(frame, "message"));
        return this.#events.emit("entry", frame);
      case "reset":
        return this.#onReset(pushes.reset(frame, "reset"));
      case "typing":
        return this.#typists.onTyping(pushes.typing(frame, "typing"));
      case "read":
        return this.#onRead(pushes.read(frame, "read"));
      case "channel":
        return this.#onChannel(pushes.channel(frame, "channel"));
      case "notice":
        return this.#events.emit("notice", pushes.notice(frame, "notice"));
      default:
        // Of a module that adds to this class, or of a newer server.
        return this.#events.emit("push", frame);
    }
  }

  /** @param {import("./frames.js").Message} message */
  #onMessage(message) {
    const { channel, sender, seq, epoch } = message;
    this.#typists.stopped(channel, sender);
    if (sender === this.me?.user) this.#outgoing.onOwnMessage(message);
    this.#known.change(channel, (info) => (info.epoch === epoch && info.head < seq ? { head: seq } : {}));
    // A signature is nothing to read: whoever has read all before it has read it.
    if (message.kind === SIGNED_HEAD && this.channels.get(channel)?.readSeq === seq - 1) this.read(channel, seq);
    this.#feeds.onMessage(message);
  }

  /** @param {import("./frames.js").ResetPush} place */
  #onReset(place) {
    this.#known.change(place.channel, () => ({ epoch: place.epoch, head: place.seq }));
    this.#feeds.onReset(place);
  }

  /** @param {string} channel @param {number} epoch */
  #onEpoch(channel, epoch) {
    this.#readMarks.forget(channel);
    this.#outgoing.onEpoch(channel, epoch);
  }

  /** @param {ReturnType<typeof pushes.read>} mark */
  #onRead(mark) {
    const { channel, user, seq } = mark;
    // One's own position, moved on another device.
    if (user !== "" && user === this.me?.user) {
      this.#known.change(channel, (info) => ({ readSeq: Math.max(info.readSeq, seq) }));
    }
    this.#readMarks.onRead(mark);
  }

  /** @param {ReturnType<typeof pushes.channel>} push */
  #onChannel({ event, channel, info }) {
    if (event === "removed") {
      this.#known.remove(channel);
      this.unsubscribe(channel);
    } else if (info) {
      this.#known.add(info);
      this.#feeds.revive(channel);
    }
    this.#events.emit("channel", { event, channel });
  }

  /**
   * Something arrived that could not be read; also for a module that adds to this class.
   * @param {string} where @param {unknown} error
   */
  unreadable(where, error) {
    this.#report(where, error);
    const now = this.#env.now();
    const isTooSoon = now >= this.#resyncedMs && now - this.#resyncedMs < RESYNC_EVERY_MS;
    if (isTooSoon || !this.#connection.isConnected) return;
    this.#resyncedMs = now;
    this.#feeds.resync();
    this.#events.emit("resync", undefined);
  }

  /** @param {string} channel */
  #onOutboxChange(channel) {
    this.#events.emit("outbox", channel);
    this.#events.emit("timeline", channel);
  }

  /** @param {ChannelInfo} info @returns {Channel} */
  #addChannel(info) {
    const event = this.channels.has(info.channel) ? "changed" : "added";
    const added = this.#known.add(info);
    this.#events.emit("channel", { event, channel: info.channel });
    return added;
  }

  /** @param {Partial<import("./outbox.js").Wish> & Pick<import("./outbox.js").Wish, "channel" | "kind">} wish */
  #enqueue(wish) {
    if (this.me === undefined) throw localError("disconnected", "nobody has signed in on this device yet");
    const key = this.#env.newKey();
    this.#outgoing.add({ text: "", about: undefined, reaction: "", removed: false, mentions: [], ...wish, key });
    return key;
  }

  /** @param {string} channel @param {number} seq */
  #reference(channel, seq) {
    const about = referenceTo(this.#log(channel), seq);
    if (about === undefined) throw new RangeError(`no message ${seq} of ${channel} is loaded`);
    return about;
  }

  /** @param {string} channel */
  #log(channel) {
    return this.#feeds.log(channel) ?? this.#unfollowed(channel);
  }

  /** One value per channel, so that a view that did not change stays the same. @type {Map<string, ReturnType<typeof unknownLog>>} */
  #emptyLogs = new Map();

  /** @param {string} channel */
  #unfollowed(channel) {
    const log = this.#emptyLogs.get(channel) ?? unknownLog(channel);
    this.#emptyLogs.set(channel, log);
    return log;
  }

  /**
   * @template T
   * @param {string} type
   * @param {Readonly<Record<string, unknown>>} fields
   * @param {import("./frames.js").Reader<T>} read
   * @returns {Promise<T>} rejects with a CommandError only
   */
  async #ask(type, fields, read) {
    const frame = await this.#connection.command(type, fields);
    try {
      return read(frame, type);
    } catch (error) {
      this.#report(type, error);
      throw localError("unreadable_reply", `the answer to ${type} could not be read`);
    }
  }

  /** @param {string} type @param {Readonly<Record<string, unknown>>} fields */
  #try(type, fields) {
    this.#connection.command(type, fields).catch((error) => this.#report(type, error));
  }

  #sayAvailability() {
    if (this.#availability && this.#connection.isConnected) this.#try("availability", { state: this.#availability });
  }

  /** Show what the device holds before the line is up. */
  async #recall() {
    try {
      const me = await this.#known.recall();
      if (me === undefined) return;
      this.#outgoing.belongTo(me.user);
      await this.#outgoing.load();
    } catch (error) {
      this.#report("storage", error);
    }
  }

  /** @param {string} where @param {unknown} error */
  #report(where, error) {
    this.#events.emit("error", { where, error });
  }
}

/** @param {ChannelInfo} info @param {number} epoch @param {number} head */
function maxHead(info, epoch, head) {
  return info.epoch === epoch ? Math.max(info.head, head) : head;
}

/**
 * A text as the log holds it: NFC, since the same Korean word typed on another system may come apart in letters.
 * @param {string} text
 * @throws {RangeError}
 */
function messageText(text) {
  const normal = text.normalize("NFC");
  if (normal.trim() === "") throw new RangeError("a message needs a text");
  if (utf8Bytes(normal) > MAX_TEXT_BYTES)
    throw new RangeError(`a message has at most ${MAX_TEXT_BYTES} bytes of UTF-8`);
  return normal;
}
