/** One's own account: notifications at this screen, where one is signed in, signing out everywhere, the password. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { formatStamp } from "../shared/clocks.js";
import { errorText } from "../shared/error_text.js";
import { locale, t } from "../shared/i18n.js";
import { mayNotify, NOTIFY_CHOICES, notifyChoice, setNotify, setShowsText, showsText } from "./notifications.js";
import { changePassword, logoutEverywhere, signIns } from "./own_account.js";
import { Sheet } from "./sheet.jsx";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {import('../shared/account.js').Failure} Failure */

/** @param {{ desk: Desk, signOut: () => void }} props */
export function AccountSheet({ desk, signOut }) {
  return (
    <Sheet desk={desk} title={t("account")} name="account">
      <Notifications />
      <SignIns desk={desk} signOut={signOut} />
      <Password desk={desk} />
    </Sheet>
  );
}

function Notifications() {
  const choice = notifyChoice.value;
  return (
    <section>
      <h3>{t("notify")}</h3>
      <fieldset class="segments">
        <legend class="visually-hidden">{t("notify")}</legend>
        {NOTIFY_CHOICES.map((name) => (
          <button key={name} type="button" aria-pressed={choice === name} onClick={() => setNotify(name)}>
            {t(`notify_${name}`)}
          </button>
        ))}
      </fieldset>
      {choice !== "off" && (
        <label class="check">
          <input
            type="checkbox"
            checked={showsText.value}
            onChange={({ currentTarget }) => setShowsText(currentTarget.checked)}
          />
          {t("notify_text")}
        </label>
      )}
      {choice !== "off" && !mayNotify.value && <p class="alert">{t("notify_denied")}</p>}
      <p class="sheet-note">{t("notify_rules")}</p>
    </section>
  );
}

/** @param {{ desk: Desk, signOut: () => void }} props */
function SignIns({ desk, signOut }) {
  /** @type {import('@preact/signals').Signal<readonly import('./own_account.js').SignIn[] | Failure | undefined>} */
  const found = useSignal(undefined);
  useEffect(() => {
    signIns().then((answer) => {
      found.value = answer;
    });
  }, []);
  const everywhere = async () => {
    const failure = await logoutEverywhere();
    if (failure) found.value = failure;
    else signOut();
  };
  const list = found.value;
  return (
    <section>
      <h3>{t("sign_ins")}</h3>
      {list === undefined && <p class="sheet-note">{t("loading")}</p>}
      {list && "name" in list && (
        <p class="alert" role="alert">
          {errorText(list)}
        </p>
      )}
      {list && !("name" in list) && (
        <ul class="sign-ins">
          {list.map((one) => (
            <li key={`${one.createdMs} ${one.label}`}>
              <span>{t(one.kind === "browser" ? "sign_in_browser" : "sign_in_token")}</span>
              {one.isCurrent && <span class="tag">{t("sign_in_here")}</span>}
              <small>
                {t("sign_in_since", { time: formatStamp(one.createdMs, locale.value, desk.live.timeZone) })}
              </small>
            </li>
          ))}
        </ul>
      )}
      <button type="button" class="button danger" onClick={everywhere}>
        {t("logout_everywhere")}
      </button>
    </section>
  );
}

/** @param {{ desk: Desk }} props */
function Password({ desk }) {
  /** @type {import('@preact/signals').Signal<'' | 'busy' | 'done' | Failure>} */
  const state = useSignal("");
  const { live, client } = desk;

  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const fields = new FormData(form);
    state.value = "busy";
    // The server ends the line that was opened with the old cookie, perhaps before its answer is here.
    live.isRenewing = true;
    state.value = (await changePassword(String(fields.get("current")), String(fields.get("new")))) ?? "done";
    live.isRenewing = false;
    if (state.value === "done") {
      form.reset();
      client.stop();
    }
    // Begins nothing where a line still is.
    client.start();
  };

  const failure = typeof state.value === "object" ? state.value : undefined;
  return (
    <section>
      <h3>{t("password")}</h3>
      <form class="password-form" onSubmit={submit}>
        <label>
          {t("password_current")}
          <input name="current" type="password" autocomplete="current-password" required />
        </label>
        <label>
          {t("password_new")}
          <input name="new" type="password" autocomplete="new-password" required minLength={10} />
        </label>
        <button type="submit" class="button" disabled={state.value === "busy"}>
          {t("password_change")}
        </button>
      </form>
      <p role="status">{state.value === "done" ? t("password_done") : ""}</p>
      {failure && (
        <p class="alert" role="alert">
          {failure.name === "invalid" ? t("password_refused") : errorText(failure)}
        </p>
      )}
    </section>
  );
}
