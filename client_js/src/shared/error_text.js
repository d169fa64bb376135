/** What an error of the wire says to a person. */

import { hasText, t } from "./i18n.js";

/**
 * Errors that differ for developers and not for the person at the screen, by the text that stands for them. What only a
 * bug of this page can bring about has no text of its own: `error_unknown` names it.
 * @type {ReadonlyMap<string, string>}
 */
const ALIKE = new Map([
  ["not_connected", "unauthenticated"],
  ["authentication_timeout", "timeout"],
  ["busy", "rate_limited"],
  ["flooding", "rate_limited"],
  ["draining", "unavailable"],
  ["unknown_outcome", "unavailable"],
  ["not_author", "forbidden"],
  ["no_such_channel", "gone"],
  ["no_such_message", "gone"],
  ["no_such_user", "gone"],
  ["no_such_session", "gone"],
  ["reference_lost", "gone"],
]);

/** The catalogue's key of an error. @param {string} name */
export function errorKey(name) {
  return `error_${ALIKE.get(name) ?? name}`;
}

/** @param {{ name: string, ref?: string | undefined }} error */
export function errorText({ name, ref }) {
  const key = errorKey(name);
  const text = hasText(key) ? t(key) : t("error_unknown", { name });
  return ref ? `${text} ${t("error_reference", { ref })}` : text;
}
