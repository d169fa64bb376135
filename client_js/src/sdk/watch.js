/**
 * Keeps one value that the server tells as a snapshot and then in differences: presence, or the table of sessions.
 */
import { CommandError } from "./codes.js";

/** @typedef {import("./wire.js").Frame} Frame */

// After a refusal that is temporary, such as a feed that can't be had just now.
const RETRY_MS = 2_000;

/**
 * @template Value, Snapshot, Diff
 * @typedef {object} Kind
 * @property {string} type of the command that asks for a snapshot and, with `watch`, for differences
 * @property {Value} unknown
 * @property {import("./frames.js").Reader<Snapshot>} readSnapshot
 * @property {(value: Value, snapshot: Snapshot) => Value} applySnapshot
 * @property {(value: Value, diff: Diff) => Value} applyDiff
 */

/**
 * @template {{readonly needsSnapshot: boolean}} Value
 * @template Snapshot, Diff
 */
export class Watch {
  /** @type {Kind<Value, Snapshot, Diff>} */
  #kind;
  /** @type {import("./feeds.js").Surroundings["command"]} */
  #command;
  /** @type {import("./feeds.js").Surroundings["timers"]} */
  #timers;
  /** @type {() => void} */
  #onChange;
  /** @type {(before: Value, diff: Diff) => void} */
  #onApplied;
  /** @type {(where: string, error: unknown) => void} */
  #onError;
  /** @type {Value} */
  #value;
  #isWanted = false;
  #isConnected = false;
  #isAsking = false;
  /** @type {any} */
  #timer;

  /**
   * @param {Kind<Value, Snapshot, Diff>} kind
   * @param {Pick<import("./feeds.js").Surroundings, "command" | "timers" | "onError"> & {
   *   onChange: () => void,
   *   onApplied?: (before: Value, diff: Diff) => void,
   * }} around `onApplied` hears of each difference that led on from what was held, and what that was
   */
  constructor(kind, { command, timers, onChange, onApplied = () => {}, onError }) {
    this.#kind = kind;
    this.#command = command;
    this.#timers = timers;
    this.#onChange = onChange;
    this.#onApplied = onApplied;
    this.#onError = onError;
    this.#value = kind.unknown;
  }

  get value() {
    return this.#value;
  }

  /** @param {boolean} isWanted */
  want(isWanted) {
    if (this.#isWanted === isWanted) return;
    this.#isWanted = isWanted;
    if (isWanted) {
      this.#ask();
      return;
    }
    this.#timers.clearTimeout(this.#timer);
    this.#set(this.#kind.unknown);
    if (this.#isConnected) {
      this.#command(this.#kind.type, { watch: false }).catch((error) => this.#onError(this.#kind.type, error));
    }
  }

  onConnected() {
    this.#isConnected = true;
    this.#ask();
  }

  onLost() {
    this.#isConnected = false;
    this.#isAsking = false;
    this.#timers.clearTimeout(this.#timer);
    this.#set(this.#kind.unknown);
  }

  /** @param {Snapshot} snapshot */
  onSnapshot(snapshot) {
    if (this.#isWanted) this.#set(this.#kind.applySnapshot(this.#value, snapshot));
  }

  /** @param {Diff} diff */
  onDiff(diff) {
    if (!this.#isWanted) return;
    const before = this.#value;
    this.#set(this.#kind.applyDiff(before, diff));
    if (this.#value.needsSnapshot) this.#ask();
    else if (this.#value !== before) this.#onApplied(before, diff);
  }

  /** A difference may be lost. */
  resync() {
    this.#set(this.#kind.unknown);
    this.#ask();
  }

  async #ask() {
    if (!this.#isWanted || !this.#isConnected || this.#isAsking) return;
    this.#isAsking = true;
    this.#timers.clearTimeout(this.#timer);
    try {
      const frame = await this.#command(this.#kind.type, { watch: true });
      this.#isAsking = false;
      this.onSnapshot(this.#kind.readSnapshot(frame, this.#kind.type));
      // What waited did not reach up to the snapshot: ask again, but not in a tight loop.
      if (this.#isWanted && this.#value.needsSnapshot) this.#askLater();
    } catch (error) {
      this.#isAsking = false;
      this.#onRefused(error);
    }
  }

  /** @param {unknown} error */
  #onRefused(error) {
    // The line was lost: the next one asks.
    if (!this.#isConnected) return;
    this.#onError(this.#kind.type, error);
    // Without an answer what is held can't be trusted any more.
    this.#set(this.#kind.unknown);
    if (!(error instanceof CommandError) || error.temporary) this.#askLater();
  }

  #askLater() {
    this.#timers.clearTimeout(this.#timer);
    this.#timer = this.#timers.setTimeout(() => this.#ask(), RETRY_MS);
  }

  /** @param {Value} value */
  #set(value) {
    if (this.#value === value) return;
    this.#value = value;
    this.#onChange();
  }
}
