/** Writing a dispatch: who writes to whom about what, the text, and what must arrive to the letter. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { named } from "../sdk/attachments.js";
import { MAX_ATTACHMENTS, MAX_TEXT_BYTES } from "../sdk/limits.js";
import { AttachmentTray } from "../shared/attachment_tray.jsx";
import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { Tray } from "../shared/tray.js";
import { PRECEDENCES } from "./dispatch_list.jsx";
import { ChoiceField, FormDialog, LineField, TextField, textIn } from "./form_dialog.jsx";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/registers.js').WholeDispatch} WholeDispatch */
/** @typedef {import('../sdk/registers.js').Letter} Letter */

const KINDS = /** @type {const} */ (["figure", "name", "time"]);
const MOST_ITEMS = 32;

/** @param {{ registers: RegisterDesk, whole?: WholeDispatch, answers?: string }} props   `whole`: the draft to write anew; `answers`: the number of the one to answer. */
export function LetterDialog({ registers, whole, answers = "" }) {
  const before = whole?.dispatch;
  const content = whole?.content;
  // Rows are told apart by a number of their own: what was typed stays with its row when another one is taken out.
  const rows = useSignal((content?.items ?? []).map((item, id) => ({ id, ...item })));
  const nextId = useSignal(rows.value.length);
  const tray = useMemo(() => trayOf(registers, content), []);
  const files = useRef(/** @type {HTMLFieldSetElement | null} */ (null));
  useEffect(() => () => tray.close(), []);
  return (
    <FormDialog
      registers={registers}
      title={t(before ? "dispatch_revise" : "dispatch_new")}
      effect={t("letter_effect")}
      submit={t("save_draft")}
      isWide
      send={async (fields, key) => {
        const attachments = await whenUp(tray);
        // What was written while the files went up is saved with them.
        const form = files.current?.form;
        const letter = { ...letterIn(form ? new FormData(form) : fields), attachments };
        const saved = before
          ? await registers.registers.stepDispatch("dispatch_revise", before, { ...letter }, key)
          : await registers.registers.draftDispatch(letter, key);
        registers.open(saved.dispatch);
      }}
    >
      <LineField name="subject" label={t("letter_subject")} value={before?.subject ?? ""} />
      <div class="pair">
        <LineField
          name="signatory"
          label={t("letter_signatory")}
          value={before?.signatory ?? registers.me?.name ?? ""}
        />
        <LineField name="rank" label={t("letter_rank")} value={before?.rank ?? ""} />
      </div>
      <div class="pair">
        <LineField name="addressee" label={t("letter_addressee")} value={before?.addressee ?? ""} />
        <LineField
          name="reference"
          label={t("letter_reference")}
          value={before?.reference ?? answers}
          optional
          max={64}
        />
      </div>
      <ChoiceField
        name="precedence"
        label={t("precedence")}
        value={before?.precedence ?? ""}
        choices={PRECEDENCES.map((name) => [name, t(`precedence_${name || "routine"}`)])}
      />
      <TextField name="body" label={t("letter_body")} value={content?.body ?? ""} rows={5} max={MAX_TEXT_BYTES} />
      <fieldset class="items">
        <legend>{t("letter_items")}</legend>
        <small>{t("letter_items_hint")}</small>
        {rows.value.map(({ id, kind, label, value }) => (
          <div key={id} class="item">
            <select name="kind" aria-label={t("item_kind")}>
              {KINDS.map((name) => (
                <option key={name} value={name} selected={name === kind}>
                  {t(`item_${name}`)}
                </option>
              ))}
            </select>
            <input
              name="label"
              aria-label={t("item_label")}
              placeholder={t("item_label")}
              defaultValue={label}
              required
              maxLength={200}
              dir="auto"
            />
            <input
              name="value"
              aria-label={t("item_value")}
              placeholder={t("item_value")}
              defaultValue={value}
              required
              maxLength={200}
              dir="auto"
            />
            <button
              type="button"
              class="button quiet"
              aria-label={t("item_remove")}
              onClick={() => {
                rows.value = rows.value.filter((row) => row.id !== id);
              }}
            >
              <Icon name="close" />
            </button>
          </div>
        ))}
        {rows.value.length < MOST_ITEMS && (
          <button
            type="button"
            class="button small"
            onClick={() => {
              rows.value = [...rows.value, { id: nextId.value, kind: "figure", label: "", value: "" }];
              nextId.value += 1;
            }}
          >
            {t("item_add")}
          </button>
        )}
      </fieldset>
      <fieldset class="files" ref={files}>
        <legend>{t("attach_formal")}</legend>
        <small>{t("attach_formal_hint", { count: MAX_ATTACHMENTS })}</small>
        <AttachmentTray
          tray={tray}
          afterRemoval={() => /** @type {HTMLElement | null} */ (files.current?.querySelector(".attach"))?.focus()}
        >
          {tray.held.value && (
            <p class="tray-word" role="status">
              {t("attach_held_draft")}
            </p>
          )}
        </AttachmentTray>
      </fieldset>
    </FormDialog>
  );
}

/** A dispatch's files go to the register of one's own drafts. @param {RegisterDesk} registers @param {WholeDispatch['content']} content */
function trayOf(registers, content) {
  return new Tray(`${registers.own}/dispatches`, {
    maxBytes: registers.live.office.value?.limits?.get("attachment_bytes"),
    present: (content?.attachments ?? []).map(named),
  });
}

/** @param {Tray} tray @returns {Promise<NonNullable<Letter['attachments']>>} */
function whenUp(tray) {
  return new Promise((resolve, reject) => tray.whenUp(resolve, () => reject({ name: "attachment_unsaved" })));
}

/** What is written; the files are apart. @param {FormData} fields @returns {Letter} */
function letterIn(fields) {
  const [kinds, labels, values] = ["kind", "label", "value"].map((name) => fields.getAll(name).map(String));
  return {
    subject: textIn(fields, "subject"),
    signatory: textIn(fields, "signatory"),
    rank: textIn(fields, "rank"),
    addressee: textIn(fields, "addressee"),
    reference: textIn(fields, "reference"),
    precedence: /** @type {"flash"} */ (textIn(fields, "precedence")),
    body: textIn(fields, "body").replaceAll("\r\n", "\n").normalize("NFC"),
    items: (kinds ?? []).map((kind, index) => ({
      kind: /** @type {"figure"} */ (kind),
      label: (labels?.[index] ?? "").trim(),
      value: (values?.[index] ?? "").trim(),
    })),
  };
}
