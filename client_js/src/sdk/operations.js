/**
 * What only ops have: the table of sessions, figures of a node, the log of presence, ending a session or somebody's access. It works through a
 * `LiaisonClient` and is a module of its own, so that no other page loads it.
 */
import { Emitter } from "./emitter.js";
import { lineCheckReplies } from "./line_check_frames.js";
import { operationsPushes, operationsReplies } from "./operations_frames.js";
import { applySessions, applySessionsDiff, UNKNOWN_SESSIONS } from "./sessions.js";
import { applyStatistics, applyStatisticsStep, UNKNOWN_STATISTICS } from "./statistics.js";
import { takePushes, watchThrough } from "./watch.js";

/** @typedef {import("./client.js").LiaisonClient} LiaisonClient */
/** @typedef {import("./sessions.js").Sessions} Sessions */
/** @typedef {import("./statistics.js").Statistics} Statistics */
/** @typedef {import("./operations_frames.js").PresenceLogPage} PresenceLogPage */
/** @typedef {import("./line_check_frames.js").DesksView} DesksView */

/**
 * @typedef {object} OperationsEvents
 * @property {Readonly<Statistics>} statistics
 * @property {Readonly<Sessions>} sessions
 * @property {{where: string, error: unknown}} error
 */

/** @param {unknown} answer */
const nothing = (answer) => void answer;

export class Operations {
  /** @type {LiaisonClient} */
  #client;
  /** @type {Emitter<OperationsEvents>} */
  #events = new Emitter((event, error) => {
    if (event !== "error") this.#report(`listener of ${event}`, error);
  });
  /** @type {import("./watch.js").Watch<Readonly<Statistics>, import("./statistics.js").StatisticsSnapshot, import("./statistics.js").StatisticsPush>} */
  #statistics;
  /** @type {import("./watch.js").Watch<Readonly<Sessions>, import("./operations_frames.js").SessionsSnapshot, import("./operations_frames.js").SessionsDiff>} */
  #sessions;

  /**
   * @param {LiaisonClient} client
   * @param {{setTimeout(fn: () => void, ms: number): any, clearTimeout(id: any): void}} timers
   */
  constructor(client, timers) {
    this.#client = client;
    const onError = (/** @type {string} */ where, /** @type {unknown} */ error) => this.#report(where, error);
    this.#statistics = watchThrough(
      client,
      timers,
      {
        type: "watch_statistics",
        unknown: UNKNOWN_STATISTICS,
        readSnapshot: operationsReplies.statistics,
        applySnapshot: applyStatistics,
        applyDiff: applyStatisticsStep,
      },
      { onChange: () => this.#events.emit("statistics", this.statistics), onError },
    );
    this.#sessions = watchThrough(
      client,
      timers,
      {
        type: "watch_sessions",
        unknown: UNKNOWN_SESSIONS,
        readSnapshot: operationsReplies.sessions,
        applySnapshot: applySessions,
        applyDiff: applySessionsDiff,
      },
      { onChange: () => this.#events.emit("sessions", this.sessions), onError },
    );
    takePushes(client, {
      statistics: (frame) => this.#statistics.onDiff(operationsPushes.statistics(frame, "statistics")),
      sessions_diff: (frame) => this.#sessions.onDiff(operationsPushes.sessions_diff(frame, "sessions_diff")),
    });
  }

  get sessions() {
    return this.#sessions.value;
  }

  /** The steps of the last quarter of an hour: at the node one is connected to, and at the others. */
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

  /** Remembered, and asked for again after each reconnect. */
  watchSessions(on = true) {
    this.#sessions.want(on);
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

  /**
   * Both duty desks, and what came of the line checks of the last days, today last, without texts and names. Nothing
   * is pushed: ask again when a notice `desk_unstaffed` or `desk_staffed` comes, and once a minute.
   * @param {{days?: number}} [query]
   * @returns {Promise<DesksView>}
   */
  desks({ days } = {}) {
    return this.#client.ask("desks", { days }, lineCheckReplies.desks);
  }

  /** Show all sessions of somebody, also where there are too many to show all. @param {string} user */
  async lookFor(user) {
    this.#sessions.onSnapshot(await this.#client.ask("watch_sessions", { user }, operationsReplies.sessions));
  }

  /** End one session, at whichever node; its client may come back. @param {string} session */
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

  /** @param {string} where @param {unknown} error */
  #report(where, error) {
    this.#events.emit("error", { where, error });
  }
}
