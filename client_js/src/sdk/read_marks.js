/**
 * How far people have read: others' positions as the server tells them, one's own as far as the server must still be told.
 */
import { CommandError } from "./codes.js";

/** @typedef {{readonly bySide: ReadonlyMap<string, number>, readonly byUser: ReadonlyMap<string, number>}} Reads */

/** Positions only rise. @param {ReadonlyMap<string, number>} known @param {ReadonlyMap<string, number>} told */
function furthest(known, told) {
  const both = new Map(known);
  for (const [reader, seq] of told) both.set(reader, Math.max(seq, both.get(reader) ?? 0));
  return both;
}

/** @type {Reads} */
const NO_READS = { bySide: new Map(), byUser: new Map() };

export class ReadMarks {
  /** @type {Pick<import("./feeds.js").Surroundings, "command" | "isConnected" | "onChange" | "onError">} */
  #around;
  /** @type {Map<string, Reads>} */
  #reads = new Map();
  /** What the server has not confirmed, by channel. @type {Map<string, number>} */
  #untold = new Map();
  /** Channels for which a command is under way. @type {Set<string>} */
  #telling = new Set();

  /** @param {Pick<import("./feeds.js").Surroundings, "command" | "isConnected" | "onChange" | "onError">} around */
  constructor(around) {
    this.#around = around;
  }

  /** @param {string} channel */
  in(channel) {
    return this.#reads.get(channel) ?? NO_READS;
  }

  /**
   * What the answer to `subscribe` tells of others' positions.
   * @param {{channel: string, reads: ReadonlyMap<string, number>, sideReads: ReadonlyMap<string, number>}} reply
   */
  onSubscribed({ channel, reads, sideReads }) {
    const { bySide, byUser } = this.in(channel);
    this.#reads.set(channel, { bySide: furthest(bySide, sideReads), byUser: furthest(byUser, reads) });
    if (reads.size + sideReads.size > 0) this.#around.onChange(channel);
  }

  /** A `read` push. @param {{channel: string, delegation: string, user: string, seq: number}} mark */
  onRead({ channel, delegation, user, seq }) {
    const { bySide, byUser } = this.in(channel);
    const isOfUser = user !== "";
    const [marks, reader] = isOfUser ? [byUser, user] : [bySide, delegation];
    if ((marks.get(reader) ?? 0) >= seq) return;
    const raised = new Map(marks).set(reader, seq);
    this.#reads.set(channel, isOfUser ? { bySide, byUser: raised } : { bySide: raised, byUser });
    this.#around.onChange(channel);
  }

  /** Positions mean nothing in another epoch. @param {string} channel */
  forget(channel) {
    this.#untold.delete(channel);
    if (this.#reads.delete(channel)) this.#around.onChange(channel);
  }

  /** Tell the server that one has read up to a seq; while the line is down, once it is back. @param {string} channel @param {number} seq */
  tell(channel, seq) {
    if (this.untold(channel) >= seq) return;
    this.#untold.set(channel, seq);
    this.#tellNow(channel);
  }

  /** What the server has not confirmed, 0 for nothing. @param {string} channel */
  untold(channel) {
    return this.#untold.get(channel) ?? 0;
  }

  onConnected() {
    for (const channel of this.#untold.keys()) this.#tellNow(channel);
  }

  onLost() {
    this.#telling.clear();
  }

  /** @param {string} channel */
  async #tellNow(channel) {
    const seq = this.#untold.get(channel);
    if (seq === undefined || this.#telling.has(channel) || !this.#around.isConnected()) return;
    this.#telling.add(channel);
    try {
      await this.#around.command("read", { channel, seq });
      if (this.#untold.get(channel) === seq) this.#untold.delete(channel);
    } catch (error) {
      const isRefused = error instanceof CommandError && !error.temporary;
      if (isRefused) this.#untold.delete(channel);
      if (!(error instanceof CommandError && error.name === "disconnected")) this.#around.onError("read", error);
      // A temporary refusal: the next message that is read, or the next line, tells it.
      return;
    } finally {
      this.#telling.delete(channel);
    }
    // One may have read on meanwhile.
    this.#tellNow(channel);
  }
}
