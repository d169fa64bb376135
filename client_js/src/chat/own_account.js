/** What one does with one's own account, over HTTP. (PROTOCOL.md §10) */

import { failureOf, post, request } from "../shared/account.js";

/** @typedef {import('../shared/account.js').Failure} Failure */
/** @typedef {{ label: string, kind: string, createdMs: number, isCurrent: boolean }} SignIn */

/** Where one is signed in, the oldest first. @returns {Promise<readonly SignIn[] | Failure>} */
export async function signIns() {
  const answer = await request("sign-ins");
  if (answer.status !== 200 || !Array.isArray(answer.body.sign_ins)) return failureOf(answer);
  return answer.body.sign_ins.map((/** @type {any} */ one) => ({
    label: String(one.label),
    kind: String(one.kind),
    createdMs: Number(one.created_ms),
    isCurrent: one.current === true,
  }));
}

/** @returns {Promise<Failure | undefined>} */
export async function logoutEverywhere() {
  return await post("logout_everywhere", {});
}

/** @param {string} current @param {string} next @returns {Promise<Failure | undefined>} */
export async function changePassword(current, next) {
  return await post("password", { current, new: next });
}
