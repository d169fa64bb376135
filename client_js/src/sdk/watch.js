/**
 * Keeps one value that the server tells as a snapshot and then in differences: presence, the table of sessions, figures.
 */
import { CommandError } from "./codes.js";
import { FrameError } from "./frames.js";

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

/** @type {import("./frames.js").Reader<Frame>} */
const asItIs = (frame) => /** @type {Frame} */ (frame);

/**
 * Watch something on each line of a client.
 * @template {{readonly needsSnapshot: boolean}} Value
 * @template Snapshot, Diff
 * @param {import("./client.js").LiaisonClient} client
 * @param {import("./feeds.js").Surroundings["timers"]} timers
 * @param {Kind<Value, Snapshot, Diff>} kind
 * @param {{onChange: () => void, onApplied?: (before: Value, diff: Diff) => void, onError: (where: string, error: unknown) => void}} hears
 * @returns {Watch<Value, Snapshot, Diff>}
 */
export function watchThrough(client, timers, kind, hears) {
  const command = (/** @type {string} */ type, /** @type {Readonly<Record<string, unknown>>} */ fields) =>
    client.ask(type, fields, asItIs);
  const watch = new Watch(kind, { command, timers, ...hears });
  client.on("state", ({ name }) => {
    if (name === "connected") watch.onConnected();
    else watch.onLost();
  });
  client.on("resync", () => watch.resync());
  if (client.state.name === "connected") watch.onConnected();
  return watch;
}

/**
 * Take pushes that the client itself doesn't know; after one that can't be read everything is asked for anew.
 * @param {import("./client.js").LiaisonClient} client
 * @param {Readonly<Record<string, (frame: Frame) => void>>} takers by type; others are left alone
 */
export function takePushes(client, takers) {
  const byType = new Map(Object.entries(takers));
  client.on("push", (frame) => {
    try {
      byType.get(frame.type)?.(frame);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      client.unreadable(`push ${frame.type}`, error);
    }
  });
}

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
