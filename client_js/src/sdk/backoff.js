/**
 * How long to wait before the next attempt: exponential with full jitter, so that clients which were dropped together
 * don't come back together.
 */

const BASE_MS = 500;
const CAP_MS = 30_000;

/**
 * @param {number} attempt 0 for the first wait
 * @param {() => number} random gives 0 ≤ x < 1
 * @returns {number} milliseconds
 */
export function fullJitterMs(attempt, random) {
  return Math.floor(random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt));
}
