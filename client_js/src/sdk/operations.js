/**
 * What only ops have: figures of a node, the log of presence, ending a session or somebody's access. It works through a
 * `LiaisonClient` and is a module of its own, so that no other page loads it.
 */
import { Emitter } from "./emitter.js";
import { FrameError } from "./frames.js";
import { operationsPushes, operationsReplies } from "./operations_frames.js";
import { applyStatistics, applyStatisticsStep, UNKNOWN_STATISTICS } from "./statistics.js";
import { Watch } from "./watch.js";

/** @typedef {import("./client.js").LiaisonClient} LiaisonClient */
/** @typedef {import("./statistics.js").Statistics} Statistics */
/** @typedef {import("./operations_frames.js").PresenceLogPage} PresenceLogPage */

/**
 * @typedef {object} OperationsEvents
 * @property {Readonly<Statistics>} statistics
 * @property {{where: string, error: unknown}} error
 */

/** @param {unknown} answer */
const nothing = (answer) => void answer;
/** @type {import("./frames.js").Reader<import("./wire.js").Frame>} */
const asItIs = (frame) => /** @type {import("./wire.js").Frame} */ (frame);

export class Operations {
  /** @type {LiaisonClient} */
  #client;
  /** @type {Emitter<OperationsEvents>} */
  #events = new Emitter((event, error) => {
    if (event !== "error") this.#report(`listener of ${event}`, error);
  });
  /** @type {Watch<Readonly<Statistics>, import("./statistics.js").StatisticsSnapshot, import("./statistics.js").StatisticsPush>} */
  #statistics;

  /**
   * @param {LiaisonClient} client
   * @param {{setTimeout(fn: () => void, ms: number): any, clearTimeout(id: any): void}} timers
   */
  constructor(client, timers) {
    this.#client = client;
    this.#statistics = new Watch(
      {
        type: "watch_statistics",
        unknown: UNKNOWN_STATISTICS,
        readSnapshot: operationsReplies.statistics,
        applySnapshot: applyStatistics,
        applyDiff: applyStatisticsStep,
      },
      {
        command: (type, fields) => client.ask(type, fields, asItIs),
        timers,
        onChange: () => this.#events.emit("statistics", this.statistics),
        onError: (where, error) => this.#report(where, error),
      },
    );
    client.on("state", ({ name }) => {
      if (name === "connected") this.#statistics.onConnected();
      else this.#statistics.onLost();
    });
    if (client.state.name === "connected") this.#statistics.onConnected();
    client.on("push", (frame) => this.#onPush(frame));
  }

  /** The steps of the last quarter of an hour at the node one is connected to. */
  get statistics() {
    return this.#statistics.value;
  }

  /**
   * @template {keyof OperationsEvents} Name
   * @param {Name} event
   * @param {(argument: OperationsEvents[Name]) => void} listener
   * @returns {() => void} stops listening
   */
  on(event, listener) {
    return this.#events.on(event, listener);
  }

  /** Remembered, and asked for again after each reconnect. */
  watchStatistics(on = true) {
    this.#statistics.want(on);
  }

  // Answered by a promise that rejects with a CommandError

  /**
   * Who came, wavered and went, newest first.
   * @param {{user?: string, beforeMs?: number, before?: number, limit?: number}} [query]
   * @returns {Promise<PresenceLogPage>}
   */
  presenceLog({ user, beforeMs, before, limit } = {}) {
    return this.#client.ask("presence_log", { user, beforeMs, before, limit }, operationsReplies.presenceLog);
  }

  /** End one session of the node one is connected to; its client may come back. @param {string} session */
  async disconnect(session) {
    await this.#client.ask("disconnect", { session }, nothing);
  }

  /**
   * End everything that lets somebody in.
   * @param {string} user
   * @param {string} reason one line, for the audit log
   * @returns {Promise<number>} how many tokens and sign-ins ended
   */
  async revoke(user, reason) {
    const { ended } = await this.#client.ask("revoke", { user, reason }, operationsReplies.revoke);
    return ended;
  }

  /** @param {import("./wire.js").Frame} frame */
  #onPush(frame) {
    if (frame.type !== "statistics") return;
    try {
      this.#statistics.onDiff(operationsPushes.statistics(frame, "statistics"));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#report("push statistics", error);
    }
  }

  /** @param {string} where @param {unknown} error */
  #report(where, error) {
    this.#events.emit("error", { where, error });
  }
}
