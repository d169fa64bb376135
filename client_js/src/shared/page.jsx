/** What both pages do alike: find out whether somebody is signed in, show the form or the page, follow language and theme. */

import { effect, signal } from "@preact/signals";
import { render } from "preact";

import { isSignedIn, logout } from "./account.js";
import { loadTexts, locale, t } from "./i18n.js";
import { Live, openClient } from "./live.js";
import { forgetAll } from "./preferences.js";
import { applyTheme } from "./theme.js";

/** @typedef {import('./account.js').Failure} Failure */

/**
 * @typedef {{ name: 'loading' }
 *   | { name: 'signed_out', reason: Failure | undefined }
 *   | { name: 'signed_in', live: Live }} Stage
 */

/** @typedef {{ LoginForm: typeof import('./login_form.jsx').LoginForm }} LoginModule */

/** Reasons for a final close that say nothing a person didn't know. */
const EXPECTED_ENDS = new Set(["unauthenticated", "not_connected"]);

/**
 * @param {string} titleKey
 * @param {(props: { live: Live, signOut: () => void }) => import('preact').ComponentChild} Page
 * @param {() => Promise<LoginModule>} loadLogin   Whoever is signed in never needs the form.
 */
export async function startPage(titleKey, Page, loadLogin) {
  /** @type {import('@preact/signals').Signal<Stage>} */
  const stage = signal({ name: "loading" });
  /** @type {import('@preact/signals').Signal<LoginModule | undefined>} */
  const login = signal(undefined);

  effect(() => {
    if (stage.value.name !== "signed_out" || login.value) return;
    loadLogin().then(
      (loaded) => {
        login.value = loaded;
      },
      // Nobody can sign in without the server either; a reload asks for both.
      () => {},
    );
  });

  async function signIn() {
    const client = await openClient();
    const live = new Live(client);
    client.on("state", (state) => {
      if (state.name !== "stopped" || live.isRenewing) return;
      const { reason } = state;
      stage.value = { name: "signed_out", reason: EXPECTED_ENDS.has(reason.name) ? undefined : reason };
    });
    client.start();
    stage.value = { name: "signed_in", live };
  }

  /** @param {Live} live */
  async function signOut(live) {
    stage.value = { name: "signed_out", reason: undefined };
    // The next person at this computer needn't know what the last one wrote, was in, or said of themselves.
    for (const start of ["draft.", "channel", "availability"]) forgetAll(start);
    history.replaceState(null, "", location.pathname);
    await live.client.forget();
    await logout();
  }

  function App() {
    const current = stage.value;
    switch (current.name) {
      case "loading":
        return <p class="loading">{t("loading")}</p>;
      case "signed_out":
        if (!login.value) return <p class="loading">{t("loading")}</p>;
        return <login.value.LoginForm title={t(titleKey)} reason={current.reason} onSignedIn={signIn} />;
      case "signed_in":
        return <Page live={current.live} signOut={() => signOut(current.live)} />;
    }
  }

  applyTheme();
  const signedIn = isSignedIn();
  await loadTexts(locale.value);
  effect(() => {
    document.documentElement.lang = locale.value;
    document.title = t(titleKey);
  });
  render(<App />, /** @type {HTMLElement} */ (document.getElementById("page")));
  // Without the server one still opens what this device knows; the client goes on trying.
  if ((await signedIn) === "no") stage.value = { name: "signed_out", reason: undefined };
  else await signIn();
}
