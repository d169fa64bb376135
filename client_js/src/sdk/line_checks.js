/**
 * What the two duty desks do in a line check, and the strip of the last days. It works through a `LiaisonClient` and is
 * a module of its own, so that only the pages that show checks load it. (PROTOCOL.md §13.2)
 *
 * Everything is answered by a promise that rejects with a CommandError. A step that got no answer is repeated with the
 * same `key`; it is then made once.
 */
import { lineCheckReplies } from "./line_check_frames.js";

/** @typedef {import("./client.js").LiaisonClient} LiaisonClient */
/** @typedef {import("./line_check_frames.js").LineCheck} LineCheck */
/** @typedef {import("./line_check_frames.js").LineChecksView} LineChecksView */
/** @typedef {{check: LineCheck, duplicate: boolean}} LineCheckStep */

export const LINE_CHECKS = "joint/line-checks";

export class LineChecks {
  /** @type {LiaisonClient} */
  #client;
  /** @type {() => string} */
  #newKey;

  /** @param {LiaisonClient} client @param {() => string} newKey */
  constructor(client, newKey) {
    this.#client = client;
    this.#newKey = newKey;
  }

  /**
   * The last days, today last, the same for both sides; what waits for a desk, and what comes next.
   * @param {{days?: number}} [query]
   * @returns {Promise<LineChecksView>}
   */
  lineChecks({ days } = {}) {
    return this.#client.ask("line_checks", { days }, lineCheckReplies.lineChecks);
  }

  /** Call the other desk in a check of the schedule. @param {string} check @param {{key?: string}} [options] */
  call(check, { key } = {}) {
    return this.#step("line_check_call", { check }, key);
  }

  /** Answer the other desk. @param {string} check @param {{key?: string}} [options] */
  answer(check, { key } = {}) {
    return this.#step("line_check_answer", { check }, key);
  }

  /** Call the other desk besides the schedule. @param {{key?: string}} [options] */
  request({ key } = {}) {
    return this.#step("line_check_request", {}, key);
  }

  /**
   * @param {string} type
   * @param {Readonly<Record<string, unknown>>} fields
   * @param {string} [key]
   * @returns {Promise<LineCheckStep>}
   */
  #step(type, fields, key = this.#newKey()) {
    return this.#client.ask(type, { ...fields, key }, lineCheckReplies.step);
  }
}
