/**
 * What this browser has seen last of each channel's record. If the server's history contradicts it, the record has forked:
 * after a restore that is true and harmless, but somebody has to say so.
 */

import { firstBreak, GENESIS, toHex } from "../sdk/chain.js";
import { recall, remember } from "../shared/preferences.js";

/** @typedef {import('../sdk/signed_record.js').SignedRecord} SignedRecord */
/** @typedef {{ seq: number, link: string }} Known */
/** @typedef {{ epoch: number, head: Known, fork: number }} Verified   `fork`: the first seq that contradicts what was seen, 0 for none. */

const PAGE = 200;

/** @param {Uint8Array<ArrayBuffer>} bytes */
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** @param {string} channel @returns {Known} */
export function knownHead(channel) {
  const [seq = "0", link = ""] = (recall(`head.${channel}`) ?? "").split(" ");
  return { seq: Number(seq), link };
}

/** From now on this is what was seen: of a record that is whole, or whose fork somebody has owned. @param {string} channel @param {Known} head */
export function keepHead(channel, { seq, link }) {
  remember(`head.${channel}`, `${seq} ${link}`);
}

/**
 * Recompute the chain from what was seen last to its end, and say where it contradicts that.
 * @param {SignedRecord} record
 * @param {string} channel
 * @returns {Promise<Verified>}
 */
export async function verify(record, channel) {
  const known = knownHead(channel);
  const from = await record.entries(channel, { after: Math.max(0, known.seq - 1), limit: 1 });
  const { epoch } = from;
  const anchor = from.messages[0];
  const isThere = known.seq === 0 || (anchor?.seq === known.seq && toHex(anchor.link) === known.link);
  if (!isThere) return { epoch, head: await lastHead(record, channel, from.head), fork: known.seq };
  let last =
    known.seq === 0 ? { seq: 0, link: GENESIS } : { seq: known.seq, link: /** @type {Uint8Array} */ (anchor?.link) };
  for (;;) {
    const { messages } = await record.entries(channel, { after: last.seq, limit: PAGE });
    const broken = await firstBreak(last.link, messages, sha256);
    const end = messages.at(-1);
    if (broken) return { epoch, head: await lastHead(record, channel, from.head), fork: broken.seq };
    if (end === undefined) return { epoch, head: { seq: last.seq, link: toHex(last.link) }, fork: 0 };
    last = end;
  }
}

/** @param {SignedRecord} record @param {string} channel @param {number} head @returns {Promise<Known>} */
async function lastHead(record, channel, head) {
  const { messages } = await record.entries(channel, { after: Math.max(0, head - 1), limit: 1 });
  const [last] = messages;
  return last ? { seq: last.seq, link: toHex(last.link) } : { seq: 0, link: "" };
}
