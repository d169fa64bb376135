/** The digest of a proposal, made here of what is shown, so that one approves what one has read. (PROTOCOL.md §13.3) */

import { sha256 } from "../shared/sha256.js";

/** @typedef {import('../sdk/registers.js').Proposal} Proposal */

/** The fields of each kind, as they are on the wire; those that another kind has are not part of it. @type {Record<string, readonly string[]>} */
const FIELDS = {
  resume: ["channel", "suspension"],
  membership: ["channel", "user", "access"],
  bot_access: ["channel", "user", "access"],
  retention: ["channel", "days"],
  export: ["channel", "untilMs"],
  granularity: ["granularity"],
};

/**
 * Canonical JSON of what both sides approve; undefined for a kind that this page doesn't know.
 * @param {Proposal} proposal
 */
export function contentOf({ proposal, subject, proposedBy, expiresMs }) {
  const fields = FIELDS[subject.kind];
  if (fields === undefined) return undefined;
  const values = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (subject));
  const wire = fields.map((name) => [name === "untilMs" ? "until_ms" : name, values[name]]);
  const sorted = Object.fromEntries(
    [["kind", subject.kind], ...wire].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  );
  return JSON.stringify({ expires_ms: expiresMs, proposal, proposed_by: proposedBy, subject: sorted });
}

/** SHA-256 of a text's UTF-8, in hexadecimal. @param {string} text */
export function textSha256(text) {
  return sha256(new TextEncoder().encode(text));
}

/**
 * Whether the digest that the server names is that of what it shows.
 * @param {Proposal} proposal
 */
export async function isTrueDigest(proposal) {
  const content = contentOf(proposal);
  return content !== undefined && (await textSha256(content)) === proposal.digest;
}
