/**
 * A key of one's side that this browser holds and gives to nobody: it can sign, and can't be read out, not even by this page.
 * What a browser loses with its data is lost; the side then registers another.
 */

const DATABASE = "liaison-keys";
const STORE = "keys";
const ALGORITHM = "Ed25519";

/** @typedef {import('../sdk/signed_record.js').OwnKey} OwnKey */

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(DATABASE, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>}
 */
async function inStore(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const asked = work(database.transaction(STORE, mode).objectStore(STORE));
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  } finally {
    database.close();
  }
}

/** @param {ArrayBuffer | Uint8Array} bytes */
function base64(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}

/** @param {CryptoKeyPair} pair @returns {Promise<OwnKey>} */
async function usable({ publicKey, privateKey }) {
  const raw = await crypto.subtle.exportKey("raw", publicKey);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
  return {
    publicKey: base64(raw),
    fingerprint: [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    sign: async (statement) =>
      base64(await crypto.subtle.sign(ALGORITHM, privateKey, new TextEncoder().encode(statement))),
  };
}

/** The key that this browser holds for somebody, if it has one. @param {string} user @returns {Promise<OwnKey | undefined>} */
export async function ownKey(user) {
  const pair = await inStore("readonly", (store) => store.get(user));
  return pair && usable(pair);
}

/** Make one and keep it. @param {string} user */
export async function makeOwnKey(user) {
  const pair = /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]));
  await inStore("readwrite", (store) => store.put(pair, user));
  return usable(pair);
}
