/** What ops must not overlook, by rules over what the page knows. Pure. */

/** @typedef {import('../sdk/operations_frames.js').StatisticsStep} Step */

/**
 * @typedef {object} Alarm
 * @property {string} name        The text is `alarm_${name}`.
 * @property {'alarm' | 'warning'} severity
 * @property {string} [side]      Whose it is about, or from whom the messages come.
 * @property {string} [across]    To whom they go.
 * @property {Readonly<Record<string, string | number>>} [values]   For the text.
 */

/**
 * @typedef {object} Known
 * @property {number} nowMs                 By the server's clock.
 * @property {boolean} isConnected
 * @property {boolean} presenceIsCurrent
 * @property {boolean} statisticsAreCurrent
 * @property {readonly Step[]} steps        Oldest first.
 * @property {number} stepMs
 * @property {readonly { delegation: string, staffed: boolean }[]} sides   As presence has them.
 * @property {readonly Desk[] | undefined} desks   Undefined until they were asked for.
 */

/** @typedef {{ delegation: string, hasRoster: boolean, unstaffedSinceMs: number }} Desk */

/** The targets are 25 ms for an acknowledgement and 50 ms between nodes: ten times that is felt by people. */
export const SLOW_ACK_MS = 250;
export const SLOW_SEEN_MS = 500;
/** So late a loop makes everybody wait. */
export const LATE_LOOP_MS = 250;
/** A page in the background of a laptop falls behind now and then; so many within a minute are a fault of a line. */
export const MANY_SLOW_CONSUMERS = 10;
/** One side waits so many times as long as the other, and long enough to be felt at all. */
export const UNEQUAL_RATIO = 3;
const UNEQUAL_MS = 100;
/** After so many steps without a new one the figures are of the past. */
const MISSED_STEPS = 3;
/** One slow step may be a checkpoint or a backup; of the last three two must be slow. */
const LOOKED_AT = 3;
const MUST_BE_SLOW = 2;
const A_MINUTE_MS = 60_000;

/**
 * The alarms of this moment: what is worst first, and the same order whichever side it is about.
 * @param {Known} known
 * @returns {Alarm[]}
 */
export function alarmsOf(known) {
  // Without a line nothing else that is known holds any more.
  if (!known.isConnected) return [{ name: "no_line", severity: "alarm" }];
  const found = [...feeds(known), ...node(known), ...staff(known), ...latencies(known), ...troubles(known)];
  return [...found.filter(isAlarm), ...found.filter((alarm) => !isAlarm(alarm))];
}

/** @param {Alarm} alarm */
function isAlarm({ severity }) {
  return severity === "alarm";
}

/** @param {Known} known @returns {Alarm[]} */
function feeds({ presenceIsCurrent, statisticsAreCurrent, steps, stepMs, nowMs }) {
  /** @type {Alarm[]} */
  const found = [];
  if (!presenceIsCurrent) found.push({ name: "presence_stale", severity: "alarm" });
  const lastMs = steps.at(-1)?.timeMs;
  const isLate = lastMs !== undefined && nowMs - lastMs > MISSED_STEPS * stepMs;
  if (!statisticsAreCurrent || isLate) found.push({ name: "figures_stale", severity: "warning" });
  return found;
}

/** Reasons of the server, by how they begin. @type {readonly [string, Alarm][]} */
const REASONS = [
  ["deaf to the bus", { name: "deaf", severity: "alarm" }],
  ["the log can't commit", { name: "log", severity: "alarm" }],
  ["the log does not answer", { name: "log", severity: "alarm" }],
  ["accounts are stale", { name: "accounts_stale", severity: "warning" }],
  ["draining", { name: "draining", severity: "warning" }],
];

/** @param {Known} known @returns {Alarm[]} */
function node({ steps }) {
  return (steps.at(-1)?.reasons ?? []).map(
    (reason) =>
      REASONS.find(([start]) => reason.startsWith(start))?.[1] ?? {
        name: "reason",
        severity: "alarm",
        values: { reason },
      },
  );
}

/**
 * A desk with a roster has hours: only while somebody must be there is it an alarm that nobody is. Where no roster says so,
 * or the desks can't be had, somebody of each side should be.
 * @param {Known} known
 * @returns {Alarm[]}
 */
function staff({ presenceIsCurrent, sides, desks }) {
  if (!presenceIsCurrent || desks === undefined) return [];
  return sides
    .filter(({ delegation, staffed }) => {
      const desk = desks.find((one) => one.delegation === delegation);
      return desk?.hasRoster ? desk.unstaffedSinceMs > 0 : !staffed;
    })
    .map(({ delegation }) => ({ name: "unstaffed", severity: "alarm", side: delegation }));
}

/** @param {Known} known @returns {Alarm[]} */
function latencies({ steps }) {
  const recent = steps.slice(-LOOKED_AT);
  const newest = recent.at(-1);
  if (newest === undefined) return [];
  /** @type {Alarm[]} */
  const found = [];
  for (const { delegation } of newest.sides) {
    const slow = recent.map((step) => step.sides.find((side) => side.delegation === delegation)?.ackP99Us);
    const ms = sustained(slow, SLOW_ACK_MS);
    if (ms !== undefined) found.push({ name: "slow_ack", severity: "alarm", side: delegation, values: { ms } });
  }
  for (const { sender, receiver } of newest.directions) {
    const ms = sustained(seen(recent, sender, receiver), SLOW_SEEN_MS);
    if (ms !== undefined) {
      found.push({ name: "slow_seen", severity: "alarm", side: sender, across: receiver, values: { ms } });
    }
    const back = worst(seen(recent, receiver, sender));
    const there = sustained(seen(recent, sender, receiver), UNEQUAL_MS);
    if (sender !== receiver && there !== undefined && back !== undefined && there > UNEQUAL_RATIO * back) {
      found.push({ name: "unequal", severity: "warning", side: sender, across: receiver, values: { ms: there, back } });
    }
  }
  const lags = recent.map(({ loopLagMs }) => loopLagMs * 1000);
  const lag = worst(lags);
  if (lag !== undefined && lag >= LATE_LOOP_MS)
    found.push({ name: "late_loop", severity: "warning", values: { ms: lag } });
  return found;
}

/** @param {Known} known @returns {Alarm[]} */
function troubles({ steps, nowMs }) {
  const minute = steps.filter(({ timeMs }) => timeMs > nowMs - A_MINUTE_MS);
  const sum = (/** @type {(step: Step) => number | undefined} */ of) =>
    minute.reduce((total, step) => total + (of(step) ?? 0), 0);
  /** @type {Alarm[]} */
  const found = [];
  const lost = sum(({ appends }) => appends.get("refused")) + sum(({ appends }) => appends.get("unknown"));
  if (lost > 0) found.push({ name: "appends", severity: "alarm", values: { count: lost } });
  const internal = sum(({ refusals }) => refusals.get("internal"));
  if (internal > 0) found.push({ name: "internal", severity: "alarm", values: { count: internal } });
  const slow = sum(({ slowConsumers }) => slowConsumers);
  if (slow >= MANY_SLOW_CONSUMERS) found.push({ name: "slow_consumers", severity: "warning", values: { count: slow } });
  return found;
}

/** @param {readonly Step[]} steps @param {string} sender @param {string} receiver */
function seen(steps, sender, receiver) {
  return steps.map(
    ({ directions }) =>
      directions.find((direction) => direction.sender === sender && direction.receiver === receiver)?.seenP99Us,
  );
}

/** The worst in milliseconds if enough of them are above the limit. @param {readonly (number | undefined)[]} us @param {number} limitMs */
function sustained(us, limitMs) {
  const isSlow = us.filter((value) => value !== undefined && value > limitMs * 1000).length >= MUST_BE_SLOW;
  return isSlow ? worst(us) : undefined;
}

/** @param {readonly (number | undefined)[]} us */
function worst(us) {
  const measured = us.filter((value) => value !== undefined);
  return measured.length === 0 ? undefined : Math.round(Math.max(...measured) / 1000);
}
