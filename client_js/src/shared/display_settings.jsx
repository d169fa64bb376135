/** Language and appearance: on every screen, also before signing in. */

import { CATALOGUES, locale, setLocale, t } from "./i18n.js";
import { setTheme, THEMES, theme } from "./theme.js";

/** @typedef {import('./i18n.js').Locale} Locale */

/** @type {readonly Locale[]} */
const LOCALES = ["ko", "en"];

export function DisplaySettings() {
  return (
    <div class="display-settings">
      <fieldset class="segments">
        <legend class="visually-hidden">{t("language_switch")}</legend>
        {LOCALES.map((name) => (
          <button
            key={name}
            type="button"
            lang={name}
            aria-pressed={locale.value === name}
            onClick={() => setLocale(name)}
          >
            {CATALOGUES[name].language}
          </button>
        ))}
      </fieldset>
      <fieldset class="segments">
        <legend class="visually-hidden">{t("theme_switch")}</legend>
        {THEMES.map((name) => (
          <button key={name} type="button" aria-pressed={theme.value === name} onClick={() => setTheme(name)}>
            {t(`theme_${name}`)}
          </button>
        ))}
      </fieldset>
    </div>
  );
}
