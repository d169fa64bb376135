/** Signing in and out: the only part of the pages that goes over HTTP; it sets and clears the session cookie. */

/** Longer than the server takes to check a password while others sign in, shorter than patience. */
const TIMEOUT_MS = 20_000;

/** @typedef {{ user: string, name: string, delegation: string, role: string }} Account */
/** @typedef {{ name: string, ref: string }} Failure   `name` is a row of PROTOCOL.md §7, or `network`. */

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<{ status: number, body: any }>}   Status 0 where the server could not be reached.
 */
export async function request(path, init = {}) {
  try {
    const response = await fetch(`/api/v1/${path}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const isJson = response.headers.get("Content-Type")?.includes("json") ?? false;
    return { status: response.status, body: isJson ? await response.json() : {} };
  } catch {
    return { status: 0, body: {} };
  }
}

/**
 * @param {{ status: number, body: any }} answer
 * @returns {Failure}
 */
export function failureOf({ status, body }) {
  if (status === 0) return { name: "network", ref: "" };
  const error = body?.error ?? body;
  return { name: String(error?.name ?? status), ref: String(error?.ref ?? "") };
}

/**
 * @param {string} user
 * @param {string} password
 * @param {string} code   The one-time code, empty where none is used.
 * @returns {Promise<Failure | undefined>}   Undefined once signed in.
 */
export async function login(user, password, code) {
  return await post("login", code === "" ? { user, password } : { user, password, code });
}

export async function logout() {
  await post("logout", {});
}

/**
 * Whether the cookie of this browser still counts: `yes`, `no`, or `unknown` while the server can't be reached.
 * @returns {Promise<'yes' | 'no' | 'unknown'>}
 */
export async function isSignedIn() {
  const { status } = await request("me");
  if (status === 401) return "no";
  return status === 200 ? "yes" : "unknown";
}

/** @param {string} path @param {object} fields @returns {Promise<Failure | undefined>} */
export async function post(path, fields) {
  const headers = { "Content-Type": "application/json" };
  const answer = await request(path, { method: "POST", headers, body: JSON.stringify(fields) });
  return answer.status >= 200 && answer.status < 300 ? undefined : failureOf(answer);
}
