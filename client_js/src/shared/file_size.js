/** The size of a file, in the language of the page. */

import { locale } from "./i18n.js";

/** @param {number} bytes @returns {string} such as `812 B`, `64 kB`, `1.5 MB`, of 1,000 each as file managers count */
export function fileSize(bytes) {
  const [unit, value] =
    bytes < 1000 ? ["byte", bytes] : bytes < 999_500 ? ["kilobyte", bytes / 1000] : ["megabyte", bytes / 1e6];
  const digits = unit === "megabyte" ? 1 : 0;
  const shown = /** @type {Intl.NumberFormatOptions} */ ({ style: "unit", unit, maximumFractionDigits: digits });
  return new Intl.NumberFormat(locale.value, shown).format(/** @type {number} */ (value));
}
