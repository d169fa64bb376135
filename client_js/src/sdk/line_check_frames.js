/**
 * What the replies of the register of line checks carry, checked; apart from `frames.js`, so that only the pages that
 * show them load it. (PROTOCOL.md §13.2)
 */
import { flag, listOf, natural, record, text, withDefault } from "./frames.js";

const heartbeat = record({ delegation: text, lineUp: flag, staffed: flag });

// States, outcomes and reasons are kept as they come: a page that doesn't know one shows its name.
const check = record({
  check: text,
  dueMs: natural,
  caller: text,
  answerer: text,
  state: text,
  outcome: withDefault(text, ""),
  side: withDefault(text, ""),
  reason: withDefault(text, ""),
  requested: withDefault(flag, false),
  text: withDefault(text, ""),
  openedMs: withDefault(natural, 0),
  deadlineMs: withDefault(natural, 0),
  calledMs: withDefault(natural, 0),
  calledBy: withDefault(text, ""),
  answeredMs: withDefault(natural, 0),
  answeredBy: withDefault(text, ""),
  endedMs: withDefault(natural, 0),
  heartbeat: withDefault(listOf(heartbeat), []),
});

const day = record({ date: text, caller: text, checks: listOf(check) });

const desk = record({
  delegation: text,
  lineUp: flag,
  staffed: flag,
  hasRoster: flag,
  unstaffedSinceMs: withDefault(natural, 0),
  outsideHours: withDefault(flag, false),
});

export const lineCheckReplies = {
  step: record({ check, duplicate: flag }),
  lineChecks: record({
    timeMs: natural,
    timeZone: text,
    times: listOf(text),
    answerWithinMs: natural,
    days: listOf(day),
    open: listOf(check),
    heartbeat: listOf(heartbeat),
    next: withDefault(check, undefined),
  }),
  // For ops: the strip without texts and names, beside both desks. (PROTOCOL.md §13.5)
  desks: record({ timeMs: natural, desks: listOf(desk), days: listOf(day), isStale: withDefault(flag, false) }),
};

/** @typedef {ReturnType<typeof check>} LineCheck */
/** @typedef {ReturnType<typeof day>} LineCheckDay */
/** @typedef {ReturnType<typeof desk>} WatchedDesk */
/** @typedef {ReturnType<typeof heartbeat>} Heartbeat */
/** @typedef {ReturnType<typeof lineCheckReplies.lineChecks>} LineChecksView */
/** @typedef {ReturnType<typeof lineCheckReplies.desks>} DesksView */
