/** What an operations account sees instead of the chat. */

import { t } from "../shared/i18n.js";

/** @param {{ name: string, signOut: () => void }} props */
export function NoChannels({ name, signOut }) {
  return (
    <main class="login">
      <div class="card">
        <h1>{t("chat_forbidden_heading")}</h1>
        <p>{t("chat_forbidden", { name })}</p>
        <a class="button primary" href="/ops">
          {t("chat_to_ops")}
        </a>
        <button type="button" class="button" onClick={signOut}>
          {t("logout")}
        </button>
      </div>
    </main>
  );
}
