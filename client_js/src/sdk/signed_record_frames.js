/**
 * What the replies of the signed record carry, checked; apart from `frames.js`, so that only pages that need them load
 * it. (PROTOCOL.md §13.4)
 */
import { flag, listOf, natural, record, text, withDefault } from "./frames.js";

const key = record({
  fingerprint: text,
  publicKey: text,
  delegation: text,
  label: text,
  user: text,
  fromMs: natural,
  // States are kept as they come: a page that doesn't know one shows its name.
  state: text,
  proof: text,
  replaces: withDefault(text, ""),
  endorsement: withDefault(text, ""),
  untilMs: withDefault(natural, 0),
  endedBy: withDefault(text, ""),
  reason: withDefault(text, ""),
});

const head = record({
  entrySeq: natural,
  user: text,
  delegation: text,
  fingerprint: text,
  epoch: natural,
  seq: natural,
  link: text,
  timeMs: natural,
  signature: text,
});

/** The `data` of a `signed_head` entry. */
export const readSignedHeadData = record({
  office: text,
  fingerprint: text,
  epoch: natural,
  seq: natural,
  link: text,
  timeMs: natural,
  signature: text,
});

export const signedRecordReplies = {
  key: record({ sideKey: key, duplicate: flag }),
  keys: record({ office: text, keys: listOf(key) }),
  signed: record({ seq: natural, epoch: natural, timeMs: natural, duplicate: flag }),
  heads: record({
    channel: text,
    office: text,
    epoch: natural,
    head: natural,
    completeSeq: natural,
    sides: listOf(record({ delegation: text, seq: natural, timeMs: natural })),
    heads: listOf(head),
    more: flag,
  }),
};

/** @typedef {ReturnType<typeof key>} SideKey */
/** @typedef {ReturnType<typeof head>} SignedHead */
