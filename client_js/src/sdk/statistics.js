/**
 * The figures of one node that ops watch: the last quarter of an hour in steps. Pure. (PROTOCOL.md §6.5)
 */

/** @typedef {import("./operations_frames.js").StatisticsStep} StatisticsStep */
/** @typedef {import("./operations_frames.js").StatisticsSnapshot} StatisticsSnapshot */
/** @typedef {import("./operations_frames.js").StatisticsPush} StatisticsPush */

/**
 * @typedef {object} Statistics
 * @property {boolean} current whether steps come in as they end
 * @property {boolean} needsSnapshot
 * @property {string} node whose figures these are
 * @property {number} stepMs how long a step is meant to be
 * @property {readonly StatisticsStep[]} steps oldest first, numbers rising by one
 * @property {readonly StatisticsPush[]} waiting steps that came before their snapshot
 */

/** As many as the server keeps: 15 minutes of 5 seconds. */
export const KEPT_STEPS = 180;
const MAX_WAITING = 16;

/** Nothing is known. @type {Readonly<Statistics>} */
export const UNKNOWN_STATISTICS = {
  current: false,
  needsSnapshot: true,
  node: "",
  stepMs: 5_000,
  steps: [],
  waiting: [],
};

/**
 * @param {Readonly<Statistics>} value
 * @param {StatisticsSnapshot} snapshot
 * @returns {Readonly<Statistics>}
 */
export function applyStatistics({ waiting }, { node, stepMs, steps }) {
  /** @type {Readonly<Statistics>} */
  const fresh = { current: true, needsSnapshot: false, node, stepMs, steps: steps.slice(-KEPT_STEPS), waiting: [] };
  return waiting.reduce(applyStatisticsStep, fresh);
}

/**
 * @param {Readonly<Statistics>} value
 * @param {StatisticsPush} push
 * @returns {Readonly<Statistics>} with `needsSnapshot` when steps are missing before this one
 */
export function applyStatisticsStep(value, push) {
  const last = value.steps.at(-1)?.number;
  const isOther = value.node !== push.node;
  const isMissing = last === undefined ? push.step.number > 1 : push.step.number > last + 1;
  if (value.needsSnapshot || isOther || isMissing) {
    return { ...value, needsSnapshot: true, waiting: [...value.waiting, push].slice(-MAX_WAITING) };
  }
  if (last !== undefined && push.step.number <= last) return value;
  return { ...value, steps: [...value.steps, push.step].slice(-KEPT_STEPS) };
}
