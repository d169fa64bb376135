/**
 * The record that both sides sign: keys, signatures, how far a channel is signed, and forks. It works through a
 * `LiaisonClient` and is a module of its own, so that only pages that show it load it. (PROTOCOL.md §13.4)
 *
 * Every entry that comes is checked against the one before. What was seen last is remembered on the device, so that a
 * server that comes back with another history is found out, also after a reload.
 */
import { linkAfter } from "./chain.js";
import { CommandError } from "./codes.js";
import { Emitter } from "./emitter.js";
import { listOf, natural, record, text } from "./frames.js";
import { readSignedHeadData, signedRecordReplies } from "./signed_record_frames.js";
import { fromBase64, headBytes, isSigned, keyBytes, makeKey, sign, toHex } from "./signing.js";

/** @typedef {import("./client.js").LiaisonClient} LiaisonClient */
/** @typedef {import("./wire.js").Frame} Frame */
/** @typedef {import("./chain.js").Subtle} Subtle */
/** @typedef {import("./signed_record_frames.js").SideKey} SideKey */
/** @typedef {{epoch: number, seq: number, link: string}} Place the link is hexadecimal */
/** @typedef {{channel: string, detail: string, seen: Readonly<Place>}} Fork */
/** @typedef {{seq: number, timeMs: number}} SignedUpTo */

/**
 * What is known of a channel's signatures. `completeSeq`: every side that reads it has signed up to there, 0 for nothing;
 * `completeMs` is when the last of them did.
 * @typedef {{completeSeq: number, completeMs: number, bySide: ReadonlyMap<string, SignedUpTo>, fork: Fork | undefined}} Standing
 */

/**
 * @typedef {object} SignedRecordEvents
 * @property {string} signed channel whose standing changed
 * @property {Fork} fork
 * @property {{where: string, error: unknown}} error
 */

/** @typedef {{subtle: Subtle, storage: import("./storage.js").Storage, timers: {setTimeout(fn: () => void, ms: number): any, clearTimeout(id: any): void}}} Environment */

const SIGNED_HEAD = "signed_head";
const SEEN = "record seen";
const FORKS = "record forks";
const SAVE_AFTER_MS = 2_000;

const readHistory = record({
  epoch: natural,
  head: natural,
  messages: listOf((frame) => /** @type {Frame} */ (frame)),
});
const readPlace = record({ epoch: natural, seq: natural, kind: text });

export class SignedRecord {
  /** @type {LiaisonClient} */
  #client;
  /** @type {Environment} */
  #env;
  /** @type {Emitter<SignedRecordEvents>} */
  #events = new Emitter((event, error) => {
    if (event !== "error") this.#report(`listener of ${event}`, error);
  });
  /** @type {Map<string, Place>} */
  #seen = new Map();
  /** @type {Map<string, Fork>} */
  #forks = new Map();
  /** @type {Map<string, ReadonlyMap<string, SignedUpTo>>} */
  #bySide = new Map();
  /** @type {Map<string, SideKey>} */
  #keys = new Map();
  #office = "";
  /** Entries are checked one after another: each needs the link before. @type {Promise<void>} */
  #turn;
  /** @type {any} */
  #saveTimer;

  /** @param {LiaisonClient} client @param {Environment} env */
  constructor(client, env) {
    this.#client = client;
    this.#env = env;
    this.#turn = this.#recall();
    client.on("entry", (frame) => this.#next(() => this.#onEntry(frame)));
    client.on("connected", () => this.#next(() => this.#onConnected()));
    if (client.state.name === "connected")
      this.#next(async () => {
        await this.#onConnected();
        await this.#seeHeads();
      });
  }

  /**
   * @template {keyof SignedRecordEvents} Name
   * @param {Name} event
   * @param {(argument: SignedRecordEvents[Name]) => void} listener
   * @returns {() => void} stops listening
   */
  on(event, listener) {
    return this.#events.on(event, listener);
  }

  /** @param {string} channel @returns {Readonly<Standing>} */
  standing(channel) {
    const bySide = this.#bySide.get(channel) ?? new Map();
    const sides = [...bySide.values()];
    return {
      completeSeq: sides.length === 0 ? 0 : Math.min(...sides.map(({ seq }) => seq)),
      completeMs: Math.max(0, ...sides.map(({ timeMs }) => timeMs)),
      bySide,
      fork: this.#forks.get(channel),
    };
  }

  /** Somebody has looked into a fork and says so: what is there now is what was seen. @param {string} channel */
  acceptFork(channel) {
    if (!this.#forks.delete(channel)) return;
    this.#save();
    this.#events.emit("signed", channel);
  }

  /** Resolves once all that has come so far is checked. */
  settled() {
    return this.#turn;
  }

  // Answered by a promise that rejects with a CommandError

  /** The keys of both sides. @returns {Promise<{office: string, keys: readonly SideKey[]}>} */
  async keys() {
    const answer = await this.#client.ask("side_keys", {}, signedRecordReplies.keys);
    this.#office = answer.office;
    this.#keys = new Map(answer.keys.map((key) => [key.fingerprint, key]));
    return answer;
  }

  /** How far each side has signed, and a page of signatures. @param {string} channel @param {{before?: number, limit?: number}} [page] */
  async signedHeads(channel, { before, limit } = {}) {
    const answer = await this.#client.ask("signed_heads", { channel, before, limit }, signedRecordReplies.heads);
    this.#bySide.set(
      channel,
      new Map(answer.sides.map(({ delegation, seq, timeMs }) => [delegation, { seq, timeMs }])),
    );
    this.#events.emit("signed", channel);
    return answer;
  }

  /** The key that this device holds for the person who is signed in. */
  async ownKey() {
    return /** @type {import("./signing.js").SigningKey | undefined} */ (
      await this.#env.storage.recall(this.#keyName())
    );
  }

  /**
   * For a head: make a key on this device and register it; it takes the place of the one that the device had.
   * @param {string} label
   */
  async createKey(label) {
    const { office } = await this.keys();
    const old = await this.ownKey();
    const replaced = old && this.#keys.get(old.fingerprint)?.state === "valid" ? old : undefined;
    const key = await makeKey(this.#env.subtle, label);
    const replaces = replaced?.fingerprint ?? "";
    const statement = keyBytes({
      ...this.#statementOf(office),
      fingerprint: key.fingerprint,
      label: key.label,
      replaces,
    });
    const proof = await sign(this.#env.subtle, key, statement);
    const endorsement = replaced ? await sign(this.#env.subtle, replaced, statement) : undefined;
    const { publicKey } = key;
    const more = replaced ? { replaces, endorsement } : {};
    const answer = await this.registerKey({ public_key: publicKey, label: key.label, proof, ...more });
    await this.#env.storage.remember(this.#keyName(), key);
    return answer;
  }

  /**
   * For a head: register a key that is held elsewhere, such as a bot's.
   * @param {Readonly<Record<string, unknown>>} request what `liaison key request` writes
   */
  async registerKey(request) {
    const key = `key ${String(request["public_key"]).slice(0, 60)}`;
    const { sideKey } = await this.#client.ask("register_key", { key, ...request }, signedRecordReplies.key);
    await this.keys();
    return sideKey;
  }

  /** For a head: end a key of the own side. @param {string} fingerprint @param {string} reason */
  async revokeKey(fingerprint, reason) {
    const key = `end ${fingerprint.slice(0, 60)}`;
    const { sideKey } = await this.#client.ask("revoke_key", { key, fingerprint, reason }, signedRecordReplies.key);
    await this.keys();
    return sideKey;
  }

  /**
   * Sign a followed channel as far as this client has seen and checked it.
   * @param {string} channel
   * @returns {Promise<Readonly<Place>>} what was signed
   */
  async sign(channel) {
    await this.#turn;
    const seen = this.#seen.get(channel);
    const key = await this.ownKey();
    if (this.#forks.has(channel)) throw refused("forked", "the record contradicts what was seen of it");
    if (seen === undefined) throw refused("not_seen", "nothing of this channel has been seen here yet");
    if (key === undefined) throw refused("no_such_key", "this device has no key");
    const { office } = await this.keys();
    const timeMs = Math.round(this.#client.serverNowMs());
    const { fingerprint } = key;
    const statement = headBytes({ ...this.#statementOf(office), ...seen, channel, timeMs, fingerprint });
    const signature = await sign(this.#env.subtle, key, statement);
    const fields = { channel, fingerprint, ...seen, time_ms: timeMs, signature };
    await this.#client.ask("sign_head", fields, signedRecordReplies.signed);
    return seen;
  }

  // From here on: what happens

  /** @param {string} office */
  #statementOf(office) {
    return { office, delegation: this.#client.me?.delegation ?? "" };
  }

  #keyName() {
    return `signing key ${this.#client.me?.user ?? ""}`;
  }

  /** @param {() => Promise<void>} work */
  #next(work) {
    this.#turn = this.#turn.then(work).catch((error) => this.#report("signed record", error));
  }

  async #onConnected() {
    await this.keys();
    for (const [channel, seen] of this.#seen) {
      const info = this.#client.channels.get(channel);
      if (info === undefined) continue;
      if (info.head < seen.seq) {
        this.#found(channel, `the channel ends after message ${info.head}, and message ${seen.seq} was seen`);
        this.#seen.delete(channel);
        continue;
      }
      const frame = await this.#entry(channel, seen.seq);
      if (frame && linkOf(frame) !== seen.link) {
        this.#found(channel, `message ${seen.seq} is another one than was seen`);
        this.#see(channel, frame);
      }
    }
  }

  /** What came while this was still being loaded has been seen by the person all the same. */
  async #seeHeads() {
    for (const { channel, head } of this.#client.channels.values()) {
      if (head <= (this.#seen.get(channel)?.seq ?? 0)) continue;
      const frame = await this.#entry(channel, head);
      if (frame) this.#see(channel, frame);
    }
  }

  /** @param {string} channel @param {number} seq @returns {Promise<Frame | undefined>} */
  async #entry(channel, seq) {
    const page = await this.#client.ask("history", { channel, after: seq - 1, limit: 1 }, readHistory);
    return page.messages[0];
  }

  /** @param {Frame} frame */
  async #onEntry(frame) {
    const channel = String(frame["channel"]);
    const { seq, kind } = readPlace(frame, "message");
    const seen = this.#seen.get(channel);
    const link = linkOf(frame);
    if (seen && seq === seen.seq && link !== seen.link) {
      this.#found(channel, `message ${seq} is another one than was seen`);
    } else if (seen && seq === seen.seq + 1) {
      const expected = await linkAfter(this.#env.subtle, fromHex(seen.link), frame);
      if (toHex(expected) !== link) this.#found(channel, `message ${seq} does not follow from message ${seen.seq}`);
    }
    if (!seen || seq >= seen.seq) this.#see(channel, frame);
    if (kind === SIGNED_HEAD) await this.#onSignedHead(channel, frame);
  }

  /** @param {string} channel @param {Frame} frame */
  async #onSignedHead(channel, frame) {
    const head = readSignedHeadData(JSON.parse(String(frame["data"])), "signed head");
    const delegation = String(frame["delegation"]);
    if (!this.#keys.has(head.fingerprint)) await this.keys();
    const key = this.#keys.get(head.fingerprint);
    const statement = headBytes({ ...head, channel, delegation });
    const isRight =
      key?.delegation === delegation &&
      head.office === this.#office &&
      key.fromMs <= head.timeMs &&
      (key.untilMs === 0 || head.timeMs < key.untilMs) &&
      (await isSigned(this.#env.subtle, key.publicKey, head.signature, statement));
    if (!isRight) {
      this.#found(channel, `the signature in message ${frame["seq"]} is not that of ${delegation}`);
      return;
    }
    const bySide = this.#bySide.get(channel) ?? new Map();
    if ((bySide.get(delegation)?.seq ?? 0) < head.seq) {
      this.#bySide.set(channel, new Map(bySide).set(delegation, { seq: head.seq, timeMs: head.timeMs }));
      this.#events.emit("signed", channel);
    }
  }

  /** @param {string} channel @param {string} detail */
  #found(channel, detail) {
    const fork = { channel, detail, seen: this.#seen.get(channel) ?? { epoch: 0, seq: 0, link: "" } };
    this.#forks.set(channel, fork);
    this.#save();
    this.#events.emit("fork", fork);
  }

  /** @param {string} channel @param {Frame} frame */
  #see(channel, frame) {
    const { epoch, seq } = readPlace(frame, "message");
    this.#seen.set(channel, { epoch, seq, link: linkOf(frame) });
    this.#save();
  }

  async #recall() {
    try {
      const { storage } = this.#env;
      this.#seen = new Map(/** @type {Map<string, Place> | undefined} */ (await storage.recall(SEEN)) ?? []);
      this.#forks = new Map(/** @type {Map<string, Fork> | undefined} */ (await storage.recall(FORKS)) ?? []);
    } catch (error) {
      this.#report("storage", error);
    }
  }

  /** Soon, and once for many entries. */
  #save() {
    this.#env.timers.clearTimeout(this.#saveTimer);
    this.#saveTimer = this.#env.timers.setTimeout(async () => {
      try {
        await this.#env.storage.remember(SEEN, this.#seen);
        await this.#env.storage.remember(FORKS, this.#forks);
      } catch (error) {
        this.#report("storage", error);
      }
    }, SAVE_AFTER_MS);
  }

  /** @param {string} where @param {unknown} error */
  #report(where, error) {
    this.#events.emit("error", { where, error });
  }
}

/** What is refused on this device, and not by the server. @param {string} name @param {string} message */
function refused(name, message) {
  return new CommandError({ code: 0, name, message, temporary: false });
}

/** Bytes in one format of the wire, base64 in the other. @param {Frame} frame */
function linkOf(frame) {
  const link = frame["link"];
  return toHex(link instanceof Uint8Array ? link : fromBase64(String(link)));
}

/** @param {string} hex */
function fromHex(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}
