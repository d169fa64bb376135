/**
 * What this browser remembers between visits: small strings in localStorage.
 *
 * Storage may be forbidden or full; then the page works and forgets.
 */

const PREFIX = "liaison.";

/**
 * @param {string} name
 * @returns {string | null}
 */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/**
 * @param {string} name
 * @param {string} value   The empty string forgets.
 */
export function remember(name, value) {
  try {
    if (value === "") localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // Nothing to do: see above.
  }
}

/**
 * Forget everything whose name starts so.
 * @param {string} start
 */
export function forgetAll(start) {
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(PREFIX + start)) localStorage.removeItem(key);
    }
  } catch {
    // Nothing to do: see above.
  }
}
