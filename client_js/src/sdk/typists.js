/**
 * Who writes now: others' signs run out by themselves, one's own are sent seldom enough.
 */
import { TYPING_TTL_MS } from "./limits.js";

// Half of what the server shows one sign for: one may be late and nobody seems to pause.
const RESEND_MS = TYPING_TTL_MS / 2;

export class Typists {
  /** @type {Pick<import("./feeds.js").Surroundings, "timers" | "onChange"> & {now: () => number}} */
  #around;
  /** Timers by user, by channel. @type {Map<string, Map<string, any>>} */
  #writing = new Map();
  /** @type {Map<string, number>} */
  #saidMs = new Map();

  /** @param {Pick<import("./feeds.js").Surroundings, "timers" | "onChange"> & {now: () => number}} around */
  constructor(around) {
    this.#around = around;
  }

  /** @param {string} channel @returns {string[]} in the order in which they began */
  in(channel) {
    return [...(this.#writing.get(channel)?.keys() ?? [])];
  }

  /** @param {{channel: string, user: string}} sign */
  onTyping({ channel, user }) {
    const writing = this.#writing.get(channel) ?? new Map();
    this.#writing.set(channel, writing);
    const isNew = !writing.has(user);
    this.#around.timers.clearTimeout(writing.get(user));
    writing.set(
      user,
      this.#around.timers.setTimeout(() => this.stopped(channel, user), TYPING_TTL_MS),
    );
    if (isNew) this.#around.onChange(channel);
  }

  /** Somebody stopped: the message is there, or the time is over. @param {string} channel @param {string} user */
  stopped(channel, user) {
    const writing = this.#writing.get(channel);
    if (!writing?.has(user)) return;
    this.#around.timers.clearTimeout(writing.get(user));
    writing.delete(user);
    this.#around.onChange(channel);
  }

  onLost() {
    for (const [channel, writing] of this.#writing) for (const user of [...writing.keys()]) this.stopped(channel, user);
    this.#saidMs.clear();
  }

  /**
   * Whether it is time to say again that one writes; if so, it counts as said.
   * @param {string} channel
   */
  isDue(channel) {
    const now = this.#around.now();
    const saidMs = this.#saidMs.get(channel) ?? Number.NEGATIVE_INFINITY;
    if (now >= saidMs && now - saidMs < RESEND_MS) return false;
    this.#saidMs.set(channel, now);
    return true;
  }

  /** One's own message went out: the next key press is news again. @param {string} channel */
  said(channel) {
    this.#saidMs.delete(channel);
  }
}
