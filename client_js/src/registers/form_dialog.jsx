/**
 * A dialog in which something formal is done: what it means, its fields, why it was refused. Each opening makes one key, so
 * that pressing twice, or again after a line broke, does it once. The browser keeps the focus inside and gives it back.
 */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { errorText } from "../shared/error_text.js";
import { t } from "../shared/i18n.js";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */

/**
 * @param {object} props
 * @param {RegisterDesk} props.registers
 * @param {string} props.title
 * @param {string} [props.effect]   What will follow, in a sentence.
 * @param {string} props.submit
 * @param {boolean} [props.isGrave]   It can't be taken back.
 * @param {boolean} [props.isWide]
 * @param {(fields: FormData, key: string) => Promise<unknown>} props.send
 * @param {import('preact').ComponentChildren} [props.children]
 */
export function FormDialog({ registers, title, effect, submit, isGrave = false, isWide = false, send, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const key = useMemo(() => registers.registers.newKey(), []);
  const isUnderWay = useSignal(false);
  /** @type {import('@preact/signals').Signal<{ name: string, ref?: string, message?: string } | undefined>} */
  const failure = useSignal(undefined);
  useEffect(() => dialog.current?.showModal(), []);

  /** @param {SubmitEvent} event */
  async function onSubmit(event) {
    event.preventDefault();
    if (isUnderWay.value) return;
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    isUnderWay.value = true;
    failure.value = undefined;
    try {
      await send(fields, key);
      // Closed before it is taken away, or the browser forgets where the focus was.
      dialog.current?.close();
    } catch (error) {
      failure.value = /** @type {{ name: string, ref?: string }} */ (error);
      isUnderWay.value = false;
    }
  }

  return (
    <dialog
      ref={dialog}
      class={`register-dialog${isWide ? " wide" : ""}`}
      aria-label={title}
      onClose={() => {
        registers.dialog.value = undefined;
      }}
    >
      <form method="dialog" onSubmit={onSubmit}>
        <h2>{title}</h2>
        {effect && <p class="effect">{effect}</p>}
        {children}
        {failure.value && (
          <p class="alert" role="alert">
            {errorText(failure.value)}
            {/* Which line of a roster it is, only the server's own words say. */}
            {failure.value.name.startsWith("roster_") && ` ${failure.value.message ?? ""}`}
          </p>
        )}
        <div class="buttons">
          {/* What changes nothing comes first, so that a key pressed in haste does no harm. */}
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            {t("cancel")}
          </button>
          <button type="submit" class={`button ${isGrave ? "danger" : "primary"}`} disabled={isUnderWay.value}>
            {submit}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** One line. @param {{ name: string, label: string, hint?: string, value?: string, optional?: boolean, max?: number }} props */
export function LineField({ name, label, hint, value = "", optional = false, max = 200 }) {
  return (
    <label>
      <span>{label}</span>
      <input
        name={name}
        dir="auto"
        defaultValue={value}
        required={!optional}
        pattern={optional ? undefined : ".*\\S.*"}
        maxLength={max}
        autocomplete="off"
      />
      {hint && <small>{hint}</small>}
    </label>
  );
}

/** @param {{ name: string, label: string, value?: string, optional?: boolean, max?: number, rows?: number }} props */
export function TextField({ name, label, value = "", optional = false, max = 1000, rows = 3 }) {
  return (
    <label>
      <span>{label}</span>
      <textarea name={name} dir="auto" rows={rows} defaultValue={value} required={!optional} maxLength={max} />
    </label>
  );
}

/** @param {{ name: string, label: string, value?: string, choices: readonly (readonly [string, string])[], onChange?: (value: string) => void }} props */
export function ChoiceField({ name, label, value = "", choices, onChange }) {
  return (
    <label>
      <span>{label}</span>
      <select name={name} onChange={({ currentTarget }) => onChange?.(currentTarget.value)}>
        {choices.map(([choice, text]) => (
          <option key={choice} value={choice} selected={choice === value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A moment by the clock of one's own side. @param {{ name: string, label: string, value: string, min?: string, max?: string, clock: string }} props */
export function MomentField({ name, label, value, min, max, clock }) {
  return (
    <label>
      <span>{label}</span>
      <input type="datetime-local" name={name} required defaultValue={value} min={min} max={max} />
      <small>{clock}</small>
    </label>
  );
}

/** A field's text as the server wants it. @param {FormData} fields @param {string} name */
export function textIn(fields, name) {
  return String(fields.get(name) ?? "").trim();
}
