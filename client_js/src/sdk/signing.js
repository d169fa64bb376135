/**
 * What a side signs, and keys that sign it, on WebCrypto's Ed25519. A private key never leaves the device that made it.
 * (PROTOCOL.md §13.4)
 */

/** @typedef {import("./chain.js").Subtle} Subtle */
/** @typedef {{office: string, channel: string, epoch: number, seq: number, link: string, timeMs: number, delegation: string, fingerprint: string}} HeadStatement */
/** @typedef {{office: string, delegation: string, fingerprint: string, label: string, replaces: string}} KeyStatement */
/** @typedef {{privateKey: any, publicKey: string, fingerprint: string, label: string}} SigningKey */

const ED25519 = "Ed25519";
const encoder = new TextEncoder();

/** @param {HeadStatement} head with the link in hexadecimal */
export function headBytes({ office, channel, epoch, seq, link, timeMs, delegation, fingerprint }) {
  return lines("liaison signed head v1", office, channel, epoch, seq, link, timeMs, delegation, fingerprint);
}

/** @param {KeyStatement} key */
export function keyBytes({ office, delegation, fingerprint, label, replaces }) {
  return lines("liaison side key v1", office, delegation, fingerprint, label, replaces);
}

/** @param {Subtle} subtle @param {string} label @returns {Promise<SigningKey>} */
export async function makeKey(subtle, label) {
  const { privateKey, publicKey } = await subtle.generateKey(ED25519, false, ["sign", "verify"]);
  const raw = new Uint8Array(await subtle.exportKey("raw", publicKey));
  const fingerprint = toHex(new Uint8Array(await subtle.digest("SHA-256", raw)));
  return { privateKey, publicKey: toBase64(raw), fingerprint, label: label.normalize("NFC") };
}

/** @param {Subtle} subtle @param {SigningKey} key @param {Uint8Array<ArrayBuffer>} statement @returns {Promise<string>} base64 */
export async function sign(subtle, key, statement) {
  return toBase64(new Uint8Array(await subtle.sign(ED25519, key.privateKey, statement)));
}

/**
 * Whether a signature is that key's; false for what is no key or no signature.
 * @param {Subtle} subtle @param {string} publicKey @param {string} signature @param {Uint8Array<ArrayBuffer>} statement
 */
export async function isSigned(subtle, publicKey, signature, statement) {
  try {
    const key = await subtle.importKey("raw", fromBase64(publicKey), ED25519, true, ["verify"]);
    return await subtle.verify(ED25519, key, fromBase64(signature), statement);
  } catch {
    return false;
  }
}

/** In groups, to be read out and compared. @param {string} fingerprint */
export function readableFingerprint(fingerprint) {
  return fingerprint.replace(/.{8}(?=.)/g, "$& ");
}

/** @param {Uint8Array} bytes */
export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

/** @param {string} text */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** @param {...(string | number)} fields none of which can hold a line feed */
function lines(...fields) {
  return encoder.encode(fields.map((field) => `${field}\n`).join(""));
}
