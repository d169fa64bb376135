/** Randomness that a failing test can be repeated with: every property runs over the same seeds. */

/**
 * mulberry32: small, fast, and good enough to shuffle with.
 * @param {number} seed
 * @returns {() => number} 0 ≤ x < 1
 */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param {() => number} random @param {number} below */
export function integer(random, below) {
  return Math.floor(random() * below);
}

/**
 * @template T
 * @param {() => number} random
 * @param {readonly T[]} values
 * @returns {T}
 */
export function pick(random, values) {
  return /** @type {T} */ (values[integer(random, values.length)]);
}

/**
 * @template T
 * @param {() => number} random
 * @param {readonly T[]} values
 * @returns {T[]}
 */
export function shuffled(random, values) {
  const keyed = values.map((value) => ({ value, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ value }) => value);
}

/** @param {number} count @param {(random: () => number, seed: number) => void} property */
export function forSeeds(count, property) {
  for (let seed = 1; seed <= count; seed += 1) {
    try {
      property(seeded(seed), seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
}
