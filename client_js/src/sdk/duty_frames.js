/**
 * What the replies of the register of duty carry, checked; apart from `frames.js`, so that only the pages that show it
 * load it. (PROTOCOL.md §13.5)
 */
import { flag, listOf, natural, record, text, withDefault } from "./frames.js";

const side = record({
  delegation: text,
  granularity: text,
  staffed: flag,
  present: withDefault(natural, undefined),
  officer: withDefault(text, ""),
  onDuty: withDefault(listOf(text), []),
  here: withDefault(listOf(text), []),
  untilMs: withDefault(natural, 0),
  holder: withDefault(text, ""),
  unstaffedSinceMs: withDefault(natural, 0),
  outsideHours: withDefault(flag, false),
});

const shift = record({ user: text, duty: text, startMs: natural, endMs: natural });

// Kinds and states are kept as they come: a page that doesn't know one shows its name.
const item = record({ kind: text, name: text, text });

const handover = record({
  handover: text,
  state: text,
  offeredBy: text,
  offeredMs: natural,
  items: listOf(item),
  digest: text,
  endedBy: withDefault(text, ""),
  endedMs: withDefault(natural, 0),
});

export const dutyReplies = {
  duty: record({ timeMs: natural, sides: listOf(side), isStale: withDefault(flag, false) }),
  roster: record({
    revision: natural,
    timeZone: text,
    fromMs: natural,
    untilMs: natural,
    shifts: listOf(shift),
  }),
  imported: record({ revision: natural, shifts: natural, duplicate: flag }),
  exported: record({ revision: natural, format: text, text }),
  handovers: record({ items: listOf(item), handovers: listOf(handover), more: flag }),
  step: record({ handover, duplicate: flag }),
};

/** @typedef {ReturnType<typeof side>} DutySide */
/** @typedef {ReturnType<typeof shift>} ShiftInfo */
/** @typedef {ReturnType<typeof item>} OpenItem */
/** @typedef {ReturnType<typeof handover>} Handover */
