/**
 * Close codes and errors of the wire. (PROTOCOL.md §7 and §8)
 */

/** Names of the close codes that the server sends. @type {ReadonlyMap<number, string>} */
export const CLOSE_CODES = new Map([
  [1000, "normal"],
  [1002, "protocol_error"],
  [1003, "unsupported_data"],
  [1007, "invalid_data"],
  [1009, "message_too_big"],
  [1012, "service_restart"],
  [4001, "slow"],
  [4002, "unknown_outcome"],
  [4003, "no_pong"],
  [4004, "overloaded"],
  [4005, "disconnected"],
  [4006, "authentication_timeout"],
  [4500, "malformed"],
  [4501, "unauthenticated"],
  [4503, "revoked"],
  [4504, "too_many_sessions"],
  [4505, "flooding"],
]);

/** Numbers of the errors that the server answers with, by name. @type {ReadonlyMap<string, number>} */
export const ERROR_CODES = new Map([
  ["malformed", 100],
  ["unknown_command", 101],
  ["not_connected", 102],
  ["already_connected", 103],
  ["invalid", 104],
  ["too_large", 105],
  ["unauthenticated", 200],
  ["authentication_timeout", 201],
  ["revoked", 202],
  ["wrong_credentials", 203],
  ["forbidden", 204],
  ["origin_refused", 205],
  ["too_many_sessions", 206],
  ["no_such_channel", 300],
  ["no_such_message", 301],
  ["no_such_user", 302],
  ["not_author", 303],
  ["withdrawn", 304],
  ["conflict", 305],
  ["no_such_session", 306],
  ["rate_limited", 400],
  ["busy", 401],
  ["flooding", 402],
  ["unavailable", 500],
  ["storage_full", 501],
  ["unknown_outcome", 502],
  ["draining", 503],
  ["internal", 504],
  ["no_such_dispatch", 600],
  ["dispatch_state", 601],
  ["dispatch_closed", 602],
  ["dispatch_changed", 603],
  ["dispatch_other_side", 604],
  ["dispatch_own_clearance", 605],
  ["dispatch_not_cleared", 606],
  ["dispatch_not_read_back", 607],
  ["dispatch_items", 608],
  ["dispatch_answer", 609],
  ["dispatch_time", 610],
  ["no_such_line_check", 620],
  ["line_check_ended", 621],
  ["line_check_not_called", 622],
  ["line_check_called", 623],
  ["line_check_other_side", 624],
  ["line_check_open", 625],
  ["roster_syntax", 626],
  ["roster_hole", 627],
  ["roster_overlap", 628],
  ["roster_person", 629],
  ["roster_changed", 630],
  ["no_roster", 631],
  ["not_on_duty", 632],
  ["no_such_handover", 633],
  ["handover_changed", 634],
  ["handover_ended", 635],
  ["own_handover", 636],
  ["handover_open", 637],
  ["no_such_proposal", 640],
  ["proposal_ended", 641],
  ["proposal_expired", 642],
  ["proposal_approved", 643],
  ["proposal_not_approved", 644],
  ["proposal_digest", 645],
  ["already_approved", 646],
  ["side_has_approved", 647],
  ["proposal_other_side", 648],
  ["proposal_time", 649],
  ["not_for_both_sides", 650],
  ["not_a_person", 651],
  ["not_a_bot", 652],
  ["already_suspended", 653],
  ["not_suspended", 654],
  ["export_not_approved", 655],
  ["no_such_key", 660],
  ["key_other_side", 661],
  ["key_ended", 662],
  ["key_exists", 663],
  ["key_invalid", 664],
  ["too_many_keys", 665],
  ["signature_wrong", 666],
  ["head_epoch", 667],
  ["head_seq", 668],
  ["head_link", 669],
  ["head_older", 670],
  ["head_time", 671],
  ["no_such_attachment", 680],
  ["attachment_type", 681],
  ["attachment_mismatch", 682],
  ["attachment_too_large", 683],
  ["attachment_name", 684],
  ["attachment_incomplete", 685],
  ["attachment_slow", 686],
  ["attachment_quota", 687],
  ["attachment_not_uploaded", 688],
  ["attachments_off", 689],
]);

// Standard codes after which trying again can't help: the same bytes would be refused again.
const FINAL_STANDARD_CODES = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010]);
const FIRST_OWN_CODE = 4000;
const FIRST_FINAL_CODE = 4500;

/**
 * Whether a client may connect again after a close. The range carries the verdict, so that this obeys codes that were
 * added after it was written.
 * @param {number | undefined} code undefined for a line that just broke
 */
export function mayReconnect(code) {
  if (code === undefined) return true;
  if (code >= FIRST_OWN_CODE) return code < FIRST_FINAL_CODE;
  return !FINAL_STANDARD_CODES.has(code);
}

/**
 * Whether the server ended this for good, whatever it announced before.
 * @param {number | undefined} code
 */
export function isFinal(code) {
  return code !== undefined && code >= FIRST_FINAL_CODE;
}

/**
 * @typedef {object} ErrorDetails
 * @property {number} code of PROTOCOL.md §7; 0 for the local names `timeout`, `disconnected` and `unreadable_reply`
 * @property {string} name
 * @property {string} message for developers; people are shown a text chosen by `name`
 * @property {boolean} temporary whether trying again may help
 * @property {number | undefined} [retryAfterMs]
 * @property {string} [ref] reference that the server's log has too
 */

/** A command was refused, or got no answer. */
export class CommandError extends Error {
  /** @param {ErrorDetails} details */
  constructor(details) {
    super(details.message);
    this.name = details.name;
    this.code = details.code;
    this.temporary = details.temporary;
    this.retryAfterMs = details.retryAfterMs;
    this.ref = details.ref ?? "";
  }
}

/**
 * An error that arises on this device and not on the server; all of them are temporary.
 * @param {"timeout" | "disconnected" | "unreadable_reply"} name
 * @param {string} message
 */
export function localError(name, message) {
  return new CommandError({ code: 0, name, message, temporary: true });
}
