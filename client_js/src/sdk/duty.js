/**
 * Rosters, handovers and who is at the duty desk. It works through a `LiaisonClient` and is a module of its own, so that
 * only the pages that show them load it. (PROTOCOL.md §13.5)
 *
 * Everything is answered by a promise that rejects with a CommandError; what is wrong in a roster is said by its
 * `message`, with the line. A step that got no answer is repeated with the same `key`; it is then made once.
 */
import { dutyReplies } from "./duty_frames.js";

/** @typedef {import("./client.js").LiaisonClient} LiaisonClient */
/** @typedef {import("./duty_frames.js").Handover} Handover */
/** @typedef {"csv" | "icalendar"} RosterFormat */
/** @typedef {{key?: string}} Repeat */
/** @typedef {{handover: Handover, duplicate: boolean}} HandoverStep */

export class Duty {
  /** @type {LiaisonClient} */
  #client;
  /** @type {() => string} */
  #newKey;

  /** @param {LiaisonClient} client @param {() => string} newKey */
  constructor(client, newKey) {
    this.#client = client;
    this.#newKey = newKey;
  }

  /** Who is on duty on both sides now, the other side as finely as was agreed. */
  duty() {
    return this.#client.ask("duty", {}, dutyReplies.duty);
  }

  /** Own side's shifts. @param {{fromMs?: number, days?: number}} [query] */
  roster({ fromMs, days } = {}) {
    return this.#client.ask("duty_roster", { fromMs, days }, dutyReplies.roster);
  }

  /**
   * Put another roster in the place of the one whose revision one has seen, 0 for none.
   * @param {RosterFormat} format
   * @param {string} text
   * @param {number} revision
   * @param {Repeat} [repeat]
   */
  importRoster(format, text, revision, { key = this.#newKey() } = {}) {
    return this.#client.ask("duty_import", { format, text, revision, key }, dutyReplies.imported);
  }

  /** @param {RosterFormat} format */
  exportRoster(format) {
    return this.#client.ask("duty_export", { format }, dutyReplies.exported);
  }

  /** Own side's handovers, newest first, and what is open now. @param {{limit?: number}} [query] */
  handovers({ limit } = {}) {
    return this.#client.ask("duty_handovers", { limit }, dutyReplies.handovers);
  }

  /** Offer what is open to whoever comes in. @param {readonly string[]} [notes] @param {Repeat} [repeat] */
  handOver(notes = [], { key } = {}) {
    return this.#step("duty_hand_over", { notes }, key);
  }

  /** Take over what was offered. @param {string} handover @param {string} digest @param {Repeat} [repeat] */
  acknowledge(handover, digest, { key } = {}) {
    return this.#step("duty_acknowledge", { handover, digest }, key);
  }

  /** Take back what one has offered. @param {string} handover @param {Repeat} [repeat] */
  withdraw(handover, { key } = {}) {
    return this.#step("duty_withdraw", { handover }, key);
  }

  /**
   * @param {string} type
   * @param {Readonly<Record<string, unknown>>} fields
   * @param {string} [key]
   * @returns {Promise<HandoverStep>}
   */
  #step(type, fields, key = this.#newKey()) {
    return this.#client.ask(type, { ...fields, key }, dutyReplies.step);
  }
}
