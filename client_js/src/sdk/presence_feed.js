/**
 * Who is here, kept up to date. It works through a `LiaisonClient` and is a module of its own, so that a page loads it
 * when it shows people.
 */
import { Emitter } from "./emitter.js";
import { applyDiff, applySnapshot } from "./presence.js";
import { presencePushes, presenceReplies } from "./presence_frames.js";
import { UNKNOWN_PRESENCE } from "./unknown_presence.js";
import { takePushes, watchThrough } from "./watch.js";

/** @typedef {import("./presence.js").Presence} Presence */
/** @typedef {import("./presence_frames.js").PresenceDiff} PresenceDiff */

/**
 * @typedef {object} PresenceEvents
 * @property {Readonly<Presence>} presence
 * @property {{before: Readonly<Presence>, diff: PresenceDiff}} change a difference was applied to the view `before`
 * @property {{where: string, error: unknown}} error
 */

export class PresenceFeed {
  /** @type {import("./client.js").LiaisonClient} */
  #client;
  /** @type {Emitter<PresenceEvents>} */
  #events = new Emitter((event, error) => {
    if (event !== "error") this.#report(`listener of ${event}`, error);
  });
  /** @type {import("./watch.js").Watch<Readonly<Presence>, import("./presence_frames.js").PresenceSnapshot, PresenceDiff>} */
  #watch;

  /**
   * @param {import("./client.js").LiaisonClient} client
   * @param {{setTimeout(fn: () => void, ms: number): any, clearTimeout(id: any): void}} timers
   */
  constructor(client, timers) {
    this.#client = client;
    this.#watch = watchThrough(
      client,
      timers,
      {
        type: "presence",
        unknown: UNKNOWN_PRESENCE,
        readSnapshot: presenceReplies.presence,
        applySnapshot,
        applyDiff,
      },
      {
        onChange: () => this.#events.emit("presence", this.value),
        onApplied: (before, diff) => this.#events.emit("change", { before, diff }),
        onError: (where, error) => this.#report(where, error),
      },
    );
    takePushes(client, {
      presence_snapshot: (frame) =>
        this.#watch.onSnapshot(presencePushes.presence_snapshot(frame, "presence_snapshot")),
      presence_diff: (frame) => this.#watch.onDiff(presencePushes.presence_diff(frame, "presence_diff")),
    });
  }

  get value() {
    return this.#watch.value;
  }

  /** Remembered, and asked for again after each reconnect. */
  watch(on = true) {
    this.#watch.want(on);
  }

  /** Each side's presence once, at the granularity it is shown with; rejects with a CommandError. */
  stats() {
    return this.#client.ask("presence_stats", {}, presenceReplies.presenceStats);
  }

  /**
   * @template {keyof PresenceEvents} Name
   * @param {Name} event
   * @param {(argument: PresenceEvents[Name]) => void} listener
   * @returns {() => void} stops listening
   */
  on(event, listener) {
    return this.#events.on(event, listener);
  }

  /** @param {string} where @param {unknown} error */
  #report(where, error) {
    this.#events.emit("error", { where, error });
  }
}
