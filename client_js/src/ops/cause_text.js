/** Why somebody's presence changed, in words; a cause that this page doesn't know is shown as the server named it. */

import { hasText, t } from "../shared/i18n.js";

/** @param {string} cause */
export function causeText(cause) {
  const key = `cause_${cause.replaceAll(/\W/g, "_")}`;
  return hasText(key) ? t(key) : cause;
}
