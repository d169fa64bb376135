/**
 * What the replies of suspension and two keys carry, checked; apart from `frames.js`, so that only the pages that show
 * them load it. (PROTOCOL.md §13.3)
 */
import { FrameError, flag, listOf, natural, readMessage, record, text, withDefault } from "./frames.js";

const held = record({
  key: text,
  timeMs: natural,
  kind: text,
  text: withDefault(text, ""),
  ref: withDefault(natural, 0),
  reaction: withDefault(text, ""),
  removed: withDefault(flag, false),
  mentions: withDefault(listOf(text), []),
  precedence: withDefault(text, ""),
  data: withDefault(text, ""),
});

// One shape for every kind: a page that doesn't know a kind shows its name.
const subject = record({
  kind: text,
  channel: withDefault(text, ""),
  suspension: withDefault(text, ""),
  user: withDefault(text, ""),
  access: withDefault(text, ""),
  days: withDefault(natural, 0),
  untilMs: withDefault(natural, 0),
  granularity: withDefault(text, ""),
});

const approval = record({ delegation: text, user: text, timeMs: natural });

// States are kept as they come: a page that doesn't know one shows its name.
const proposal = record({
  proposal: text,
  digest: text,
  subject,
  proposedBy: text,
  delegation: text,
  proposedMs: natural,
  expiresMs: natural,
  state: text,
  approvals: withDefault(listOf(approval), []),
  waitsOn: withDefault(listOf(text), /** @type {readonly string[]} */ ([])),
  endedBy: withDefault(text, ""),
  endedMs: withDefault(natural, 0),
  note: withDefault(text, ""),
});

const suspension = record({
  channel: text,
  suspension: text,
  delegation: text,
  user: text,
  authority: text,
  reason: text,
  timeMs: natural,
});

/** 32 bytes: as they are in MessagePack, base64 in JSON. @type {import("./frames.js").Reader<Uint8Array>} */
function bytes(value, where) {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "string") throw new FrameError(`${where} is no byte string`);
  return Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0));
}

/** An entry with everything that its link covers. (PROTOCOL.md §5.4) */
const chained = record({
  channel: text,
  seq: natural,
  timeMs: natural,
  sender: text,
  delegation: text,
  key: text,
  kind: text,
  link: bytes,
  text: withDefault(text, ""),
  ref: withDefault(natural, 0),
  reaction: withDefault(text, ""),
  removed: withDefault(flag, false),
  mentions: withDefault(listOf(text), []),
  precedence: withDefault(text, ""),
  data: withDefault(text, ""),
});

export const administrationReplies = {
  suspension: record({ suspension: text, timeMs: natural, duplicate: flag }),
  held: record({ channel: text, suspended: flag, messages: listOf(held), ofSide: natural }),
  proposal: record({ proposal, duplicate: flag }),
  administration: record({
    suspensions: listOf(suspension),
    granularity: text,
    retention: listOf(record({ channel: text, days: natural })),
    exports: listOf(record({ channel: text, untilMs: natural })),
    proposals: listOf(proposal),
    more: flag,
  }),
  exported: record({ channel: text, epoch: natural, head: natural, untilMs: natural, messages: listOf(readMessage) }),
  log: record({ channel: text, epoch: natural, head: natural, messages: listOf(chained) }),
};
