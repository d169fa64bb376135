/** What may be silenced by nobody until somebody has answered it: urgent dispatches, and urgent messages not yet read. Pure. */

/** @typedef {{ id: string, precedence: string, text: string, timeMs: number, isDispatch: boolean, channel: string, seq: number }} Alarm */
/** @typedef {{ seq: number, sender: string, precedence: string, text: string, timeMs: number, withdrawn: unknown, kind: string }} MessageLike */

const URGENT = new Set(["flash", "life_safety"]);

/**
 * @param {readonly { dispatch: string, precedence: string, subject: string, sinceMs: number }[]} dispatches   Those that wait for the own side.
 * @returns {Alarm[]}
 */
export function dispatchAlarms(dispatches) {
  return dispatches.map(({ dispatch, precedence, subject, sinceMs }) => ({
    id: dispatch,
    precedence,
    text: subject,
    timeMs: sinceMs,
    isDispatch: true,
    channel: "",
    seq: 0,
  }));
}

/**
 * Urgent messages of one channel that this person has not read yet.
 * @param {string} channel
 * @param {readonly MessageLike[]} items   In order.
 * @param {{ readSeq: number, me: string }} reader
 * @returns {Alarm[]}
 */
export function messageAlarms(channel, items, { readSeq, me }) {
  /** @type {Alarm[]} */
  const alarms = [];
  for (let index = items.length - 1; index >= 0; index -= 1) {
    const item = /** @type {MessageLike} */ (items[index]);
    if (item.seq > 0 && item.seq <= readSeq) break;
    if (item.seq === 0 || item.sender === me || item.withdrawn || !URGENT.has(item.precedence)) continue;
    const { precedence, text, timeMs, seq } = item;
    alarms.push({ id: `${channel} ${seq}`, precedence, text, timeMs, isDispatch: false, channel, seq });
  }
  return alarms;
}

/** Life safety before all, then the oldest first. @param {Alarm} a @param {Alarm} b */
export function byUrgency(a, b) {
  return Number(b.precedence === "life_safety") - Number(a.precedence === "life_safety") || a.timeMs - b.timeMs;
}
