/** The figures of several nodes: each by itself, and all as one. Pure. */

/** @typedef {import('../sdk/operations_frames.js').StatisticsStep} Step */
/** @typedef {import('../sdk/statistics.js').Statistics} Statistics */

/** A node that has told nothing for so many steps holds the sum of the others up no longer. */
const AWAITED_STEPS = 3;
/** The step under way when a node was lost may still have come, and its clock may be a little ahead. */
const TOLD_STEPS = 2;

/** The nodes by name, each with its steps, oldest first. @param {Readonly<Statistics>} statistics @returns {[string, readonly Step[]][]} */
export function nodesOf({ node, steps, others }) {
  const all = /** @type {[string, readonly Step[]][]} */ ([[node, steps], ...others]);
  return all.filter(([name]) => name !== "").sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * The figures of one node, or of all as if they were one: counts are summed, of times and lags the longest counts, since
 * that is what somebody waits.
 * @param {Readonly<Statistics>} statistics
 * @param {string} node   One that isn't known stands for all, as the empty one does.
 * @returns {Readonly<Statistics>}
 */
export function figuresOf(statistics, node) {
  const nodes = nodesOf(statistics);
  const chosen = nodes.find(([name]) => name === node);
  if (chosen) return { ...statistics, node, steps: chosen[1] };
  if (nodes.length < 2) return statistics;
  return {
    ...statistics,
    node: "",
    steps: together(
      nodes.map(([, steps]) => steps),
      statistics.stepMs,
    ),
  };
}

/**
 * Whether a node that tells no sessions has told figures since, as one does in a rolling upgrade whose version doesn't know
 * the question; one that is gone tells neither.
 * @param {Readonly<Statistics>} statistics
 * @param {string} node
 * @param {number} sinceMs   When it last told its sessions.
 */
export function tellsFigures({ others, stepMs }, node, sinceMs) {
  const lastMs = others.get(node)?.at(-1)?.timeMs ?? 0;
  return lastMs - sinceMs > TOLD_STEPS * stepMs;
}

/** @param {readonly (readonly Step[])[]} lists @param {number} stepMs @returns {Step[]} */
function together(lists, stepMs) {
  const bucketOf = (/** @type {Step} */ step) => Math.floor(step.timeMs / stepMs);
  const byBucket = lists.map((steps) => new Map(steps.map((step) => [bucketOf(step), step])));
  const ends = lists.map((steps) => steps.at(-1)).flatMap((step) => (step ? [bucketOf(step)] : []));
  const newest = Math.max(...ends);
  // Nodes don't end their steps in one moment: a sum without one of them would look like a fall.
  const last = Math.min(...ends.filter((end) => end > newest - AWAITED_STEPS));
  const first = Math.min(...lists.flatMap((steps) => (steps[0] ? [bucketOf(steps[0])] : [])));
  /** @type {Step[]} */
  const sums = [];
  for (let bucket = first; bucket <= last; bucket += 1) {
    // A step is a few milliseconds longer than it should be, so that now and then a bucket gets none.
    const parts = byBucket.flatMap((steps) => steps.get(bucket) ?? steps.get(bucket - 1) ?? []);
    if (parts.length > 0) sums.push(sumOf(bucket, parts));
  }
  return sums;
}

/** @param {number} number @param {readonly Step[]} parts @returns {Step} */
function sumOf(number, parts) {
  const sum = (/** @type {(step: Step) => number} */ of) => parts.reduce((total, step) => total + of(step), 0);
  const most = (/** @type {(step: Step) => number} */ of) => Math.max(...parts.map(of));
  const buffered = parts.flatMap(({ bufferedBytes }) => bufferedBytes ?? []);
  return {
    number,
    timeMs: most(({ timeMs }) => timeMs),
    spanMs: most(({ spanMs }) => spanMs),
    sides: groups(
      parts.flatMap(({ sides }) => sides),
      ({ delegation }) => delegation,
    ).map((sides) => ({
      delegation: sides[0].delegation,
      sessions: total(sides, "sessions"),
      published: total(sides, "published"),
      ackP50Us: longest(sides, "ackP50Us"),
      ackP99Us: longest(sides, "ackP99Us"),
    })),
    directions: groups(
      parts.flatMap(({ directions }) => directions),
      ({ sender, receiver }) => `${sender} ${receiver}`,
    ).map((directions) => ({
      sender: directions[0].sender,
      receiver: directions[0].receiver,
      deliveries: total(directions, "deliveries"),
      seenP50Us: longest(directions, "seenP50Us"),
      seenP99Us: longest(directions, "seenP99Us"),
    })),
    sessions: sum(({ sessions }) => sessions),
    caughtUp: sum(({ caughtUp }) => caughtUp),
    slowConsumers: sum(({ slowConsumers }) => slowConsumers),
    hintsMissed: sum(({ hintsMissed }) => hintsMissed),
    loopLagMs: most(({ loopLagMs }) => loopLagMs),
    bufferedBytes: buffered.length === 0 ? undefined : buffered.reduce((bytes, more) => bytes + more, 0),
    refusals: counts(parts.map(({ refusals }) => refusals)),
    appends: counts(parts.map(({ appends }) => appends)),
    reasons: [...new Set(parts.flatMap(({ reasons }) => reasons))],
  };
}

/**
 * @template T
 * @param {readonly T[]} all
 * @param {(one: T) => string} nameOf
 * @returns {[T, ...T[]][]}
 */
function groups(all, nameOf) {
  /** @type {Map<string, [T, ...T[]]>} */
  const found = new Map();
  for (const one of all) {
    const group = found.get(nameOf(one));
    if (group) group.push(one);
    else found.set(nameOf(one), [one]);
  }
  return [...found.values()];
}

/** @template {string} Name @param {readonly Readonly<Record<Name, number>>[]} rows @param {Name} name */
function total(rows, name) {
  return rows.reduce((sum, row) => sum + row[name], 0);
}

/** @template {string} Name @param {readonly Readonly<Record<Name, number | undefined>>[]} rows @param {Name} name */
function longest(rows, name) {
  const measured = rows.flatMap((row) => row[name] ?? []);
  return measured.length === 0 ? undefined : Math.max(...measured);
}

/** @param {readonly ReadonlyMap<string, number>[]} maps */
function counts(maps) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const map of maps) for (const [name, count] of map) sums.set(name, (sums.get(name) ?? 0) + count);
  return sums;
}
