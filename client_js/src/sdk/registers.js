/**
 * The registers: dispatches, suspension, and what needs two keys. Works through a `LiaisonClient` and is a module of its
 * own, so that only a page that shows them loads it. (PROTOCOL.md §13)
 *
 * A register changes only on the condition that nobody else has changed it since one looked: each step of a dispatch names
 * the revision that was seen. Every change carries a key, by which a repeat is known; a form that may be sent again makes
 * one with `newKey` when it is opened and gives it to each try.
 */
import { administrationReplies } from "./administration_frames.js";
import { dispatchReplies } from "./dispatch_frames.js";

/** @typedef {import("./client.js").LiaisonClient} LiaisonClient */
/** @typedef {ReturnType<typeof dispatchReplies.dispatches>["dispatches"][number]} Dispatch */
/** @typedef {ReturnType<typeof dispatchReplies.dispatch>} WholeDispatch */
/** @typedef {ReturnType<typeof administrationReplies.administration>} Administration */
/** @typedef {Administration["proposals"][number]} Proposal */
/** @typedef {Administration["suspensions"][number]} Suspension */
/** @typedef {ReturnType<typeof administrationReplies.held>} Held */

/** @typedef {"" | "priority" | "flash" | "life_safety"} Precedence */
/** @typedef {{kind: "figure" | "name" | "time", label: string, value: string}} DispatchItem */
/**
 * @typedef {object} Letter
 * @property {string} subject
 * @property {string} body
 * @property {string} signatory
 * @property {string} rank
 * @property {string} addressee
 * @property {Precedence} [precedence]
 * @property {readonly DispatchItem[]} [items]
 * @property {readonly import("./attachments.js").Named[]} [attachments] one's own uploads to `DELEGATION/dispatches`, or
 *   what the version before has
 * @property {string} [reference] number of the dispatch that this one answers
 */

/**
 * What both sides are asked to approve.
 * @typedef {{kind: "resume", channel: string, suspension: string}
 *   | {kind: "membership" | "bot_access", channel: string, user: string, access: "none" | "read" | "write"}
 *   | {kind: "retention", channel: string, days: number}
 *   | {kind: "export", channel: string, until_ms: number}
 *   | {kind: "granularity", granularity: "named" | "count" | "staffed"}} Subject
 */

export class Registers {
  /** @type {LiaisonClient} */
  #client;
  /** @type {() => string} */
  #newKey;

  /**
   * @param {LiaisonClient} client
   * @param {() => string} newKey idempotency keys, 1 to 64 characters
   */
  constructor(client, newKey) {
    this.#client = client;
    this.#newKey = newKey;
  }

  /** A key for a form that may be sent more than once. */
  newKey() {
    return this.#newKey();
  }

  // All of these reject with a CommandError

  /**
   * The register as one's side may see it, newest first; go on with the last one's `begunMs` as `beforeMs`.
   * @param {{state?: string | undefined, side?: string | undefined, precedence?: string | undefined,
   *   waitsOn?: string | undefined, overdue?: boolean | undefined, year?: number | undefined,
   *   beforeMs?: number | undefined, limit?: number | undefined}} [wanted]
   */
  dispatches(wanted = {}) {
    return this.#client.ask("dispatches", wanted, dispatchReplies.dispatches);
  }

  /** One dispatch with its whole history and what one may do about it. @param {string} dispatch number, or id of a draft */
  dispatch(dispatch) {
    return this.#client.ask("dispatch", { dispatch }, dispatchReplies.dispatch);
  }

  /** Begin a dispatch. @param {Letter} letter @param {string} [key] */
  async draftDispatch(letter, key = this.#newKey()) {
    const reply = await this.#client.ask("dispatch_draft", { key, ...letter }, dispatchReplies.step);
    return reply.dispatch;
  }

  /**
   * Make a step of a dispatch's life.
   * @param {string} command a name of PROTOCOL.md §13.1, such as `dispatch_accept`
   * @param {{dispatch: string, revision: number}} seen the dispatch as one has seen it
   * @param {Readonly<Record<string, unknown>>} [fields] what the step has besides, such as `note`
   * @param {string} [key]
   */
  async stepDispatch(command, { dispatch, revision }, fields = {}, key = this.#newKey()) {
    const reply = await this.#client.ask(command, { ...fields, key, dispatch, revision }, dispatchReplies.step);
    return reply.dispatch;
  }

  /**
   * Close a joint channel until both sides resume it.
   * @param {string} channel
   * @param {{authority: string, reason: string}} words one line each
   * @param {string} [key]
   */
  suspend(channel, { authority, reason }, key = this.#newKey()) {
    const fields = { channel, key, authority, reason };
    return this.#client.ask("suspend_channel", fields, administrationReplies.suspension);
  }

  /** One's own messages that wait in a channel, oldest first, and how many of one's whole side. @param {string} channel */
  heldMessages(channel) {
    return this.#client.ask("held_messages", { channel }, administrationReplies.held);
  }

  /** What is in force, and proposals, newest first. @param {{openOnly?: boolean, limit?: number}} [wanted] */
  administration({ openOnly, limit } = {}) {
    return this.#client.ask("administration", { openOnly, limit }, administrationReplies.administration);
  }

  /**
   * Ask both sides. To propose is not to approve.
   * @param {Subject} subject
   * @param {number} expiresMs
   * @param {string} [key]
   */
  async propose(subject, expiresMs, key = this.#newKey()) {
    const reply = await this.#client.ask("propose", { key, subject, expiresMs }, administrationReplies.proposal);
    return reply.proposal;
  }

  /**
   * Turn one's side's key: what has this digest, and nothing else, is approved.
   * @param {{proposal: string, digest: string}} read
   * @param {string} [key]
   */
  async approve({ proposal, digest }, key = this.#newKey()) {
    const reply = await this.#client.ask("approve_proposal", { key, proposal, digest }, administrationReplies.proposal);
    return reply.proposal;
  }

  /** Say no for one's side. @param {string} proposal @param {string} reason one line @param {string} [key] */
  async reject(proposal, reason, key = this.#newKey()) {
    const reply = await this.#client.ask("reject_proposal", { key, proposal, reason }, administrationReplies.proposal);
    return reply.proposal;
  }

  /** Take back what one's own side has proposed. @param {string} proposal @param {string} [key] */
  async withdrawProposal(proposal, key = this.#newKey()) {
    const reply = await this.#client.ask("withdraw_proposal", { key, proposal }, administrationReplies.proposal);
    return reply.proposal;
  }

  /** The log that both sides read, as it was written. @param {{after?: number, before?: number, limit?: number}} [page] */
  administrationLog({ after, before, limit } = {}) {
    const fields = { channel: "joint/administration", after, before, limit };
    return this.#client.ask("history", fields, administrationReplies.log);
  }
}
