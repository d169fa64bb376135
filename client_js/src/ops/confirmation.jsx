/** Asks before somebody loses a session or their access. The browser keeps the focus inside, and gives it back. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { errorText } from "../shared/error_text.js";
import { t } from "../shared/i18n.js";

/** @typedef {import('./session_filter.js').Session} Session */
/** @typedef {{ kind: 'disconnect' | 'revoke', session: Session, name: string }} Question */

/** As many as the server takes. */
const MAX_REASON_CHARS = 200;

/**
 * @param {{ question: Question, carryOut: (reason: string) => Promise<unknown>, close: (isDone: boolean) => void }} props
 */
export function Confirmation({ question: { kind, session, name }, carryOut, close }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const wasDone = useRef(false);
  const reason = useSignal("");
  const isUnderWay = useSignal(false);
  /** @type {import('@preact/signals').Signal<{ name: string, ref?: string } | undefined>} */
  const failure = useSignal(undefined);
  useEffect(() => dialog.current?.showModal(), []);

  /** @param {Event} event */
  async function onSubmit(event) {
    event.preventDefault();
    if (isUnderWay.value) return;
    isUnderWay.value = true;
    try {
      await carryOut(reason.value.trim());
      finish(true);
    } catch (error) {
      failure.value = /** @type {{ name: string, ref?: string }} */ (error);
      isUnderWay.value = false;
    }
  }

  /** Closed before it is taken away, or the browser forgets where the focus was. @param {boolean} isDone */
  function finish(isDone) {
    wasDone.current = isDone;
    dialog.current?.close();
  }

  return (
    <dialog ref={dialog} class="confirmation" aria-labelledby="question" onClose={() => close(wasDone.current)}>
      <form method="dialog" onSubmit={onSubmit}>
        <h2 id="question">{t(`ops_${kind}_question`, { name })}</h2>
        <p>{t(`ops_${kind}_effect`)}</p>
        {kind === "disconnect" && (
          <p class="detail">
            <bdi>{session.device}</bdi> · <bdi>{session.client}</bdi> · <bdi>{session.session}</bdi>
          </p>
        )}
        {kind === "revoke" && (
          <label>
            {t("ops_reason")}
            <input
              required
              maxLength={MAX_REASON_CHARS}
              pattern=".*\S.*"
              autocomplete="off"
              value={reason.value}
              onInput={({ currentTarget }) => {
                reason.value = currentTarget.value;
              }}
            />
          </label>
        )}
        <p class="detail">{t("ops_audited")}</p>
        {failure.value && (
          <p class="alert" role="alert">
            {errorText(failure.value)}
          </p>
        )}
        <div class="choices">
          {/* What changes nothing comes first, so that a key pressed in haste does no harm. */}
          <button type="button" class="button" onClick={() => finish(false)}>
            {t("cancel")}
          </button>
          <button type="submit" class="button danger" disabled={isUnderWay.value}>
            {t(`ops_${kind}`)}
          </button>
        </div>
      </form>
    </dialog>
  );
}
