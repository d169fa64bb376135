/**
 * Where the outbox survives a reload: the interface, and an implementation that survives nothing.
 *
 * Several tabs share one store. They never invent a second key for an item, so the worst they can do to each other is to
 * send an item twice with the same key, which is harmless.
 */

/** @typedef {import("./outbox.js").Item} Item */

/**
 * Promises reject when the device does not store (no room, private browsing); a put that resolved survives a reload.
 * @typedef {object} Storage
 * @property {() => Promise<readonly Item[]>} items all of them, of all people who used this device; in any order
 * @property {(item: Readonly<Item>) => Promise<void>} put adds it or takes the place of the one with its key
 * @property {(key: string) => Promise<void>} remove a no-op for a key that isn't there
 * @property {(name: string) => Promise<unknown>} recall undefined if nothing was remembered
 * @property {(name: string, value: unknown) => Promise<void>} remember undefined forgets
 */

/** Keeps everything in memory: for tests, scripts, and devices that don't let us store. @implements {Storage} */
export class MemoryStorage {
  /** @type {Map<string, Item>} */
  #items = new Map();
  /** @type {Map<string, unknown>} */
  #values = new Map();

  /** @returns {Promise<readonly Item[]>} */
  items() {
    return Promise.resolve([...this.#items.values()].map((item) => structuredClone(item)));
  }

  /** @param {Readonly<Item>} item @returns {Promise<void>} */
  put(item) {
    this.#items.set(item.key, structuredClone(item));
    return Promise.resolve();
  }

  /** @param {string} key @returns {Promise<void>} */
  remove(key) {
    this.#items.delete(key);
    return Promise.resolve();
  }

  /** @param {string} name @returns {Promise<unknown>} */
  recall(name) {
    return Promise.resolve(this.#values.get(name));
  }

  /** @param {string} name @param {unknown} value @returns {Promise<void>} */
  remember(name, value) {
    if (value === undefined) this.#values.delete(name);
    else this.#values.set(name, structuredClone(value));
    return Promise.resolve();
  }
}
