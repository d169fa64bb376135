/**
 * What the frames that only ops get carry, checked; apart from `frames.js`, so that no other page loads it.
 * (PROTOCOL.md §6.5 and §6.6)
 */
import { flag, listOf, natural, numbers, oneOf, record, text, withDefault } from "./frames.js";

const sessionInfo = record({
  session: text,
  user: text,
  delegation: text,
  role: text,
  client: text,
  device: text,
  node: text,
  transport: text,
  addressClass: text,
  sinceMs: natural,
  subscriptions: natural,
  bufferedBytes: withDefault(natural, 0),
  lagMessages: withDefault(natural, 0),
});

const nodeSessions = record({
  node: text,
  total: natural,
  state: oneOf("current", "asked", "silent"),
  silentSinceMs: withDefault(natural, 0),
});

const sideStatistics = record({
  delegation: text,
  sessions: natural,
  published: withDefault(natural, 0),
  ackP50Us: withDefault(natural, undefined),
  ackP99Us: withDefault(natural, undefined),
});

const directionStatistics = record({
  sender: text,
  receiver: text,
  deliveries: withDefault(natural, 0),
  seenP50Us: withDefault(natural, undefined),
  seenP99Us: withDefault(natural, undefined),
});

/** @type {ReadonlyMap<string, number>} */
const NO_NUMBERS = new Map();

const statisticsStep = record({
  number: natural,
  timeMs: natural,
  spanMs: natural,
  sides: listOf(sideStatistics),
  directions: listOf(directionStatistics),
  sessions: natural,
  caughtUp: withDefault(natural, 0),
  slowConsumers: withDefault(natural, 0),
  hintsMissed: withDefault(natural, 0),
  loopLagMs: withDefault(natural, 0),
  bufferedBytes: withDefault(natural, undefined),
  refusals: withDefault(numbers, NO_NUMBERS),
  appends: withDefault(numbers, NO_NUMBERS),
  reasons: withDefault(listOf(text), []),
});

const presenceEvent = record({
  number: natural,
  timeMs: natural,
  user: text,
  delegation: text,
  connectivity: oneOf("online", "unconfirmed", "offline"),
  cause: text,
});

const nodeStatistics = record({ node: text, steps: listOf(statisticsStep) });

export const operationsReplies = {
  sessions: record({
    version: natural,
    sessions: listOf(sessionInfo),
    nodes: withDefault(listOf(nodeSessions), []),
  }),
  statistics: record({
    node: text,
    stepMs: natural,
    steps: listOf(statisticsStep),
    others: withDefault(listOf(nodeStatistics), []),
  }),
  presenceLog: record({ node: text, sinceMs: natural, events: listOf(presenceEvent), more: withDefault(flag, false) }),
  revoke: record({ ended: natural }),
};

export const operationsPushes = {
  sessions_diff: record({
    fromVersion: natural,
    version: natural,
    opened: withDefault(listOf(sessionInfo), []),
    closed: withDefault(listOf(text), []),
    nodes: withDefault(listOf(nodeSessions), []),
  }),
  statistics: record({ node: text, step: statisticsStep }),
};

/** @typedef {ReturnType<typeof sessionInfo>} SessionInfo */
/** @typedef {ReturnType<typeof nodeSessions>} NodeSessions */
/** @typedef {ReturnType<typeof operationsReplies.sessions>} SessionsSnapshot */
/** @typedef {ReturnType<typeof operationsPushes.sessions_diff>} SessionsDiff */
/** @typedef {ReturnType<typeof statisticsStep>} StatisticsStep */
/** @typedef {ReturnType<typeof operationsReplies.statistics>} StatisticsSnapshot */
/** @typedef {ReturnType<typeof operationsPushes.statistics>} StatisticsPush */
/** @typedef {ReturnType<typeof presenceEvent>} PresenceEvent */
/** @typedef {ReturnType<typeof operationsReplies.presenceLog>} PresenceLogPage */
