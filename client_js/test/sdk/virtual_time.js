/**
 * Time that passes only when a test says so.
 *
 * Between two timers everything that was promised is carried out, so that a test sees the same order on every machine.
 */
export class VirtualTime {
  nowMs = 1_000_000;
  #nextId = 1;
  /** @type {Map<number, {atMs: number, fn: () => void}>} */
  #timers = new Map();

  timers = {
    /** @param {() => void} fn @param {number} ms */
    setTimeout: (fn, ms) => {
      const id = this.#nextId++;
      this.#timers.set(id, { atMs: this.nowMs + ms, fn });
      return id;
    },
    /** @param {number} id */
    clearTimeout: (id) => {
      this.#timers.delete(id);
    },
  };

  now = () => this.nowMs;

  /** How many timers are set: none may be left behind by something that stopped. */
  get pending() {
    return this.#timers.size;
  }

  /** Carry out what was promised, without any time passing. */
  async settle() {
    // A macrotask runs after all microtasks, those that they make included.
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** @param {number} ms */
  async advance(ms) {
    const untilMs = this.nowMs + ms;
    await this.settle();
    for (let due = this.#due(untilMs); due !== undefined; due = this.#due(untilMs)) {
      const [id, { atMs, fn }] = due;
      this.#timers.delete(id);
      this.nowMs = Math.max(this.nowMs, atMs);
      fn();
      await this.settle();
    }
    this.nowMs = untilMs;
  }

  /** @param {number} untilMs */
  #due(untilMs) {
    const due = [...this.#timers].filter(([, { atMs }]) => atMs <= untilMs);
    return due.sort(([a, x], [b, y]) => x.atMs - y.atMs || a - b)[0];
  }
}
