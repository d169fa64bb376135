/**
 * The outbox in IndexedDB. A transaction's `complete` event is what counts as stored. (`storage.js` has the contract)
 */

/** @typedef {import("./outbox.js").Item} Item */
/** @typedef {import("./storage.js").Storage} Storage */

const DATABASE = "liaison";
const VERSION = 1;
const ITEMS = "outbox";
const VALUES = "values";

/** @implements {Storage} */
export class IndexedDbStorage {
  /** @type {IDBDatabase} */
  #database;

  /** Use `open`. @param {IDBDatabase} database */
  constructor(database) {
    this.#database = database;
    // Another tab wants to upgrade the schema, or somebody clears the site's data: don't stand in the way.
    database.onversionchange = () => database.close();
  }

  /**
   * @param {IDBFactory} factory `indexedDB`
   * @returns {Promise<IndexedDbStorage>} rejects where the device stores nothing; use a MemoryStorage then
   */
  static async open(factory) {
    const request = factory.open(DATABASE, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(ITEMS, { keyPath: "key" });
      request.result.createObjectStore(VALUES);
    };
    return new IndexedDbStorage(await resultOf(request));
  }

  close() {
    this.#database.close();
  }

  /** @returns {Promise<readonly Item[]>} */
  async items() {
    return await resultOf(this.#database.transaction(ITEMS).objectStore(ITEMS).getAll());
  }

  /** @param {Readonly<Item>} item */
  async put(item) {
    await this.#write(ITEMS, (store) => store.put(item));
  }

  /** @param {string} key */
  async remove(key) {
    await this.#write(ITEMS, (store) => store.delete(key));
  }

  /** @param {string} name @returns {Promise<unknown>} */
  async recall(name) {
    return await resultOf(this.#database.transaction(VALUES).objectStore(VALUES).get(name));
  }

  /** @param {string} name @param {unknown} value */
  async remember(name, value) {
    await this.#write(VALUES, (store) => (value === undefined ? store.delete(name) : store.put(value, name)));
  }

  /**
   * @param {string} name
   * @param {(store: IDBObjectStore) => IDBRequest} act
   * @returns {Promise<void>}
   */
  #write(name, act) {
    // "strict": resolve when it is on the disk, not when it is in the operating system's memory.
    const transaction = this.#database.transaction(name, "readwrite", { durability: "strict" });
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      act(transaction.objectStore(name));
    });
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
