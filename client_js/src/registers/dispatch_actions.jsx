/**
 * What this person may do about a dispatch now, as the server says it, and why not what one might look for. Each step is
 * taken in a dialog that says what it means.
 */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { errorText } from "../shared/error_text.js";
import { t, titled } from "../shared/i18n.js";
import { sideText } from "../shared/plain_words.js";
import { ChoiceField, FormDialog, LineField, MomentField, TextField, textIn } from "./form_dialog.jsx";
import { LetterDialog } from "./letter_dialog.jsx";
import { fromWall, toWall } from "./wall_time.js";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/registers.js').WholeDispatch} WholeDispatch */
/** @typedef {{ registers: RegisterDesk, whole: WholeDispatch }} WholeProps */

/** Refusals that say more than that it is not the time, or the side, for a step. */
const TELLING = new Set(["dispatch_own_clearance", "dispatch_not_cleared", "dispatch_not_read_back", "forbidden"]);
const HOUR_MS = 3600 * 1000;

/** @param {WholeProps} props */
export function DispatchActions({ registers, whole }) {
  const mine = whole.choices.filter(({ refusal }) => refusal === "");
  const decisions = mine.filter(({ command }) => command !== "dispatch_record_other_means");
  const reasons = new Set(whole.choices.map(({ refusal }) => refusal).filter((name) => TELLING.has(name)));
  // Who may decide nothing at all is told so once; to others it says nothing.
  if (decisions.length > 0) reasons.delete("forbidden");
  return (
    <section class="actions-of" aria-label={t("dispatch_actions")}>
      {mine.length > 0 && (
        <div class="buttons">
          {mine.map(({ command }) => (
            <button
              key={command}
              type="button"
              class={`button${command === decisions[0]?.command ? " primary" : ""}`}
              onClick={() => registers.ask(dialogFor(command, registers, whole))}
            >
              {t(`dispatch_${stepOf(command, whole)}`)}
            </button>
          ))}
        </div>
      )}
      {[...reasons].map((name) => (
        <p key={name} class="why-not">
          {errorText({ name })}
        </p>
      ))}
    </section>
  );
}

/** What a command comes to with this dispatch, as the texts call it. @param {string} command @param {WholeDispatch} whole */
function stepOf(command, { dispatch }) {
  if (command === "dispatch_tender" && dispatch.precedence === "life_safety") return "send_at_once";
  if (command === "dispatch_close" && dispatch.number === "") return "discard";
  return command.slice("dispatch_".length);
}

/** @param {string} command @param {RegisterDesk} registers @param {WholeDispatch} whole */
function dialogFor(command, registers, whole) {
  const Known = DIALOGS.get(command);
  return Known ? (
    <Known registers={registers} whole={whole} />
  ) : (
    <StepDialog registers={registers} whole={whole} command={command} />
  );
}

/**
 * @param {WholeProps & { command: string, isGrave?: boolean, fieldsIn?: (fields: FormData) => Record<string, unknown>,
 *   children?: import('preact').ComponentChildren }} props
 */
function StepDialog({ registers, whole, command, isGrave = false, fieldsIn = () => ({}), children }) {
  const { dispatch } = whole;
  const step = stepOf(command, whole);
  const side = sideText(registers.live, registers.own);
  const values = { number: dispatch.number || dispatch.subject, name: registers.me?.name ?? "", side };
  return (
    <FormDialog
      registers={registers}
      title={t(`dispatch_${step}`)}
      effect={t(`effect_${step}`, values)}
      submit={t(`dispatch_${step}`)}
      isGrave={isGrave}
      send={async (fields, key) => {
        try {
          await registers.registers.stepDispatch(command, dispatch, fieldsIn(fields), key);
        } finally {
          // What is open is asked for again in any case: a refusal most often means that it has changed.
          registers.version.value += 1;
        }
      }}
    >
      {children}
    </FormDialog>
  );
}

/** @param {WholeProps} props */
function DeferDialog({ registers, whole }) {
  const { live } = registers;
  const zone = live.timeZone;
  const nowMs = live.client.serverNowMs();
  return (
    <StepDialog
      registers={registers}
      whole={whole}
      command="dispatch_defer"
      fieldsIn={(fields) => ({ untilMs: fromWall(textIn(fields, "until"), zone), note: textIn(fields, "note") })}
    >
      <MomentField
        name="until"
        label={t("defer_until")}
        value={toWall(nowMs + HOUR_MS, zone)}
        min={toWall(nowMs, zone)}
        clock={ownClock(registers)}
      />
      <TextField name="note" label={t("note")} optional />
    </StepDialog>
  );
}

/** @param {WholeProps} props */
function DeclineDialog({ registers, whole }) {
  return (
    <StepDialog
      registers={registers}
      whole={whole}
      command="dispatch_decline"
      isGrave
      fieldsIn={(fields) => ({ note: textIn(fields, "note") })}
    >
      <TextField name="note" label={t("reason")} />
    </StepDialog>
  );
}

/** The values are not shown: whoever copies them from the screen has read nothing back. @param {WholeProps} props */
function ReadBackDialog({ registers, whole }) {
  return (
    <StepDialog
      registers={registers}
      whole={whole}
      command="dispatch_read_back"
      fieldsIn={(fields) => ({ values: fields.getAll("value").map((value) => String(value).trim()) })}
    >
      {whole.content?.items.map(({ kind, label }, index) => (
        <LineField key={index} name="value" label={`${t(`item_${kind}`)}: ${label}`} />
      ))}
    </StepDialog>
  );
}

/** @param {WholeProps} props */
function ConfirmDialog({ registers, whole }) {
  const items = whole.content?.items ?? [];
  const read = whole.history.findLast(({ event }) => event === "read_back");
  return (
    <StepDialog
      registers={registers}
      whole={whole}
      command="dispatch_confirm_read_back"
      fieldsIn={(fields) => ({ confirmed: items.map((_, index) => fields.get(`right-${index}`) === "yes") })}
    >
      {items.map(({ label, value }, index) => (
        <label key={index} class="check verdict" data-right={read?.matching[index] ?? false}>
          <input type="checkbox" name={`right-${index}`} value="yes" defaultChecked={read?.matching[index] ?? false} />
          <span>
            <bdi>{label}</bdi>: <b dir="auto">{value}</b> · {t("was_read")}{" "}
            <b dir="auto">{read?.values[index] ?? ""}</b>
          </span>
        </label>
      ))}
    </StepDialog>
  );
}

/** @param {WholeProps} props */
function AnswerDialog({ registers, whole }) {
  const { dispatch } = whole;
  /** @type {import('@preact/signals').Signal<readonly import('../sdk/registers.js').Dispatch[] | undefined>} */
  const own = useSignal(undefined);
  useEffect(() => {
    registers.registers.dispatches({ side: registers.own, limit: 200 }).then(
      ({ dispatches }) => {
        own.value = dispatches.filter(
          ({ number, state, reference }) =>
            number !== "" && state !== "void" && (reference === "" || reference === dispatch.number),
        );
      },
      () => {
        own.value = [];
      },
    );
  }, []);
  const choices = own.value ?? [];
  // Those that name this one first: that is what they were written for.
  const sorted = [...choices].sort((a, b) => Number(b.reference !== "") - Number(a.reference !== ""));
  return (
    <StepDialog
      registers={registers}
      whole={whole}
      command="dispatch_answer"
      fieldsIn={(fields) => ({ answer: textIn(fields, "answer") })}
    >
      {own.value && choices.length === 0 && (
        <>
          <p>{t("answer_none")}</p>
          <button
            type="button"
            class="button"
            onClick={() => registers.ask(<LetterDialog registers={registers} answers={dispatch.number} />)}
          >
            {t("answer_write")}
          </button>
        </>
      )}
      {choices.length > 0 && (
        <ChoiceField
          name="answer"
          label={t("answer_number")}
          choices={sorted.map(({ number, subject }) => [number, `${number} ${subject}`])}
        />
      )}
    </StepDialog>
  );
}

/** @param {WholeProps} props */
function OtherMeansDialog({ registers, whole }) {
  const { live } = registers;
  const zone = live.timeZone;
  const wall = toWall(live.client.serverNowMs(), zone);
  return (
    <StepDialog
      registers={registers}
      whole={whole}
      command="dispatch_record_other_means"
      fieldsIn={(fields) => ({
        place: textIn(fields, "place"),
        atMs: fromWall(textIn(fields, "at"), zone),
        note: textIn(fields, "note"),
      })}
    >
      <LineField name="place" label={t("other_means_place")} hint={t("other_means_place_hint")} />
      <MomentField name="at" label={t("other_means_at")} value={wall} max={wall} clock={ownClock(registers)} />
      <TextField name="note" label={t("note")} optional />
    </StepDialog>
  );
}

/** @param {WholeProps} props */
function ReviseDialog({ registers, whole }) {
  return <LetterDialog registers={registers} whole={whole} />;
}

/** @type {ReadonlyMap<string, (props: WholeProps) => import('preact').VNode>} */
const DIALOGS = new Map([
  ["dispatch_revise", ReviseDialog],
  ["dispatch_defer", DeferDialog],
  ["dispatch_decline", DeclineDialog],
  ["dispatch_read_back", ReadBackDialog],
  ["dispatch_confirm_read_back", ConfirmDialog],
  ["dispatch_answer", AnswerDialog],
  ["dispatch_record_other_means", OtherMeansDialog],
]);

/** @param {RegisterDesk} registers */
function ownClock(registers) {
  const side = registers.live.side(registers.own);
  return t("clock_of", { side: side ? titled(side.title) : "" });
}
