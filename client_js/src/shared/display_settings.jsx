/** Language and appearance: on every screen, also before signing in. */

import { locale, setLocale, t } from "./i18n.js";
import { setTheme, THEMES, theme } from "./theme.js";

/** @typedef {import('./i18n.js').Locale} Locale */

/** Each language in its own words. @type {readonly [Locale, string][]} */
const LANGUAGES = [
  ["ko", "한국어"],
  ["en", "English"],
];

/** Without a connection the other language may not be to be had; the button then has no effect. */
const stay = () => {};

export function DisplaySettings() {
  return (
    <div class="display-settings">
      <fieldset class="segments">
        <legend class="visually-hidden">{t("language_switch")}</legend>
        {LANGUAGES.map(([name, language]) => (
          <button
            key={name}
            type="button"
            lang={name}
            aria-pressed={locale.value === name}
            onClick={() => setLocale(name).catch(stay)}
          >
            {language}
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
