/** Signing in: the same form for the chat and for operations. */

import { useSignal } from "@preact/signals";

import { login } from "./account.js";
import { DisplaySettings } from "./display_settings.jsx";
import { errorText } from "./error_text.js";
import { t } from "./i18n.js";

/** @typedef {import('./account.js').Failure} Failure */

/**
 * @param {object} props
 * @param {string} props.title       Of the page.
 * @param {Failure | undefined} props.reason   Why one is asked to sign in again.
 * @param {() => void} props.onSignedIn
 */
export function LoginForm({ title, reason, onSignedIn }) {
  const busy = useSignal(false);
  /** @type {import('@preact/signals').Signal<Failure | undefined>} */
  const failure = useSignal(reason);

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const fields = new FormData(form);
    const field = (/** @type {string} */ name) => String(fields.get(name) ?? "");
    busy.value = true;
    failure.value = await login(field("user").trim().toLowerCase(), field("password"), field("code").trim());
    busy.value = false;
    if (failure.value === undefined) onSignedIn();
    /** @type {HTMLElement | null} */ else form.querySelector("input")?.focus();
  }

  return (
    <main class="login">
      <form class="card" onSubmit={submit}>
        <p class="brand">{title}</p>
        <h1>{t("login_heading")}</h1>
        {failure.value && (
          <p class="alert" role="alert">
            {errorText(failure.value)}
          </p>
        )}
        <label>
          {t("login_user")}
          <input name="user" autocomplete="username" autocapitalize="none" spellcheck={false} required maxLength={32} />
        </label>
        <label>
          {t("login_password")}
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        <label>
          <span>
            {t("login_code")} <small>{t("login_code_hint")}</small>
          </span>
          <input name="code" autocomplete="one-time-code" inputMode="numeric" maxLength={8} />
        </label>
        <button type="submit" class="button primary" disabled={busy.value}>
          {busy.value ? t("login_busy") : t("login_submit")}
        </button>
      </form>
      <DisplaySettings />
    </main>
  );
}
