/**
 * The figures of the nodes that ops watch: the last quarter of an hour in steps. Pure. (PROTOCOL.md §6.5)
 */

/** @typedef {import("./operations_frames.js").StatisticsStep} StatisticsStep */
/** @typedef {import("./operations_frames.js").StatisticsSnapshot} StatisticsSnapshot */
/** @typedef {import("./operations_frames.js").StatisticsPush} StatisticsPush */

/**
 * @typedef {object} Statistics
 * @property {boolean} current whether steps come in as they end
 * @property {boolean} needsSnapshot
 * @property {string} node that one is connected to
 * @property {number} stepMs how long a step is meant to be
 * @property {readonly StatisticsStep[]} steps of that node, oldest first, numbers rising by one
 * @property {ReadonlyMap<string, readonly StatisticsStep[]>} others of the other nodes, as far as they were heard of
 * @property {readonly StatisticsPush[]} waiting steps that came before their snapshot
 */

/** As many as the server keeps: 15 minutes of 5 seconds. */
export const KEPT_STEPS = 180;
const MAX_WAITING = 64;
// As at the server: a node that was silent for longer is gone.
const SILENT_STEPS = 12;

/** Nothing is known. @type {Readonly<Statistics>} */
export const UNKNOWN_STATISTICS = {
  current: false,
  needsSnapshot: true,
  node: "",
  stepMs: 5_000,
  steps: [],
  others: new Map(),
  waiting: [],
};

/**
 * @param {Readonly<Statistics>} value
 * @param {StatisticsSnapshot} snapshot
 * @returns {Readonly<Statistics>}
 */
export function applyStatistics({ waiting }, { node, stepMs, steps, others }) {
  /** @type {Readonly<Statistics>} */
  const fresh = {
    current: true,
    needsSnapshot: false,
    node,
    stepMs,
    steps: steps.slice(-KEPT_STEPS),
    others: new Map(others.map((other) => [other.node, other.steps])),
    waiting: [],
  };
  return waiting.reduce(applyStatisticsStep, fresh);
}

/**
 * @param {Readonly<Statistics>} value
 * @param {StatisticsPush} push
 * @returns {Readonly<Statistics>} with `needsSnapshot` when steps are missing before this one
 */
export function applyStatisticsStep(value, push) {
  if (!value.needsSnapshot && value.node !== push.node) return withOther(value, push);
  const last = value.steps.at(-1)?.number;
  const isMissing = last === undefined ? push.step.number > 1 : push.step.number > last + 1;
  if (value.needsSnapshot || isMissing) {
    return { ...value, needsSnapshot: true, waiting: [...value.waiting, push].slice(-MAX_WAITING) };
  }
  if (last !== undefined && push.step.number <= last) return value;
  return {
    ...value,
    steps: [...value.steps, push.step].slice(-KEPT_STEPS),
    others: heardOf(value, push.step.timeMs),
  };
}

/**
 * A step of another node. Some may be missing, and one that was started anew counts from one again.
 * @param {Readonly<Statistics>} value
 * @param {StatisticsPush} push
 * @returns {Readonly<Statistics>}
 */
function withOther(value, { node, step }) {
  const known = value.others.get(node) ?? [];
  const last = known.at(-1);
  const isAnew = last !== undefined && step.number <= last.number;
  if (isAnew && step.timeMs <= last.timeMs) return value;
  const others = new Map(value.others).set(node, [...(isAnew ? [] : known), step].slice(-KEPT_STEPS));
  return { ...value, others };
}

/**
 * @param {Readonly<Statistics>} value
 * @param {number} nowMs
 */
function heardOf({ others, stepMs }, nowMs) {
  const since = nowMs - SILENT_STEPS * stepMs;
  const alive = [...others].filter(([, steps]) => (steps.at(-1)?.timeMs ?? 0) >= since);
  return alive.length === others.size ? others : new Map(alive);
}
