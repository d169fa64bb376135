/** What of each register waits for one's own side. Pure. */

/** @param {string} state   Of a proposal. */
export function isUndecided(state) {
  return state === "open" || state === "approved_by_one";
}

/**
 * Which side has to do something about a line check that is under way, and what.
 * @param {import('../sdk/line_checks.js').LineCheck} check
 * @returns {{ side: string, step: 'call' | 'answer' }}
 */
export function dueStep({ state, caller, answerer }) {
  return state === "called" ? { side: answerer, step: "answer" } : { side: caller, step: "call" };
}

/**
 * Dispatches that wait for the own side: those that have a number stand in the register of both sides, the others are
 * its drafts.
 * @param {readonly { number: string }[]} dispatches
 */
export function waitingDispatches(dispatches) {
  const numbered = dispatches.filter(({ number }) => number !== "").length;
  return { numbered, drafts: dispatches.length - numbered };
}

/** @param {readonly { state: string, waitsOn: readonly string[] }[]} proposals @param {string} own */
export function waitingProposals(proposals, own) {
  return proposals.filter(({ state, waitsOn }) => isUndecided(state) && waitsOn.includes(own)).length;
}

/** @param {readonly import('../sdk/line_checks.js').LineCheck[]} open @param {string} own */
export function waitingLineChecks(open, own) {
  return open.filter((check) => dueStep(check).side === own).length;
}

/** Offered, and taken over by nobody yet. @param {readonly { state: string }[]} handovers */
export function waitingHandovers(handovers) {
  return handovers.filter(({ state }) => state === "offered").length;
}
