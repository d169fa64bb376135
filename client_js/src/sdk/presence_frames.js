/**
 * What the frames about presence carry, checked; apart from `frames.js`, so that a page loads it when it shows people.
 * (PROTOCOL.md §6)
 */
import { flag, listOf, natural, oneOf, record, text, withDefault } from "./frames.js";

const presenceUser = record({
  user: text,
  delegation: text,
  connectivity: oneOf("online", "unconfirmed"),
  availability: withDefault(text, ""),
  devices: withDefault(natural, 0),
  sinceMs: withDefault(natural, 0),
  cause: withDefault(text, ""),
});

const presenceLeave = record({
  user: text,
  delegation: text,
  cause: withDefault(text, ""),
  timeMs: withDefault(natural, 0),
});

const sidePresence = record({
  delegation: text,
  granularity: oneOf("named", "count", "staffed"),
  staffed: flag,
  online: withDefault(natural, undefined),
});

const presenceSnapshot = record({
  epoch: text,
  version: natural,
  users: listOf(presenceUser),
  sides: listOf(sidePresence),
  staleSinceMs: withDefault(natural, 0),
});

export const presenceReplies = {
  presence: presenceSnapshot,
  presenceStats: record({ sides: listOf(sidePresence), staleSinceMs: withDefault(natural, 0) }),
};

export const presencePushes = {
  presence_snapshot: presenceSnapshot,
  presence_diff: record({
    epoch: text,
    fromVersion: natural,
    version: natural,
    joins: withDefault(listOf(presenceUser), []),
    leaves: withDefault(listOf(presenceLeave), []),
    sides: withDefault(listOf(sidePresence), []),
  }),
};

/** @typedef {ReturnType<typeof presenceUser>} PresenceUser */
/** @typedef {ReturnType<typeof sidePresence>} SidePresence */
/** @typedef {ReturnType<typeof presenceSnapshot>} PresenceSnapshot */
/** @typedef {ReturnType<typeof presencePushes.presence_diff>} PresenceDiff */
