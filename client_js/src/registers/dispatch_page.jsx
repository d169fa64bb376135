/** One dispatch: what it says, what may be done about it now and by whom, and its whole history, on the screen and on paper. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { AttachedFiles } from "../shared/attached.jsx";
import { errorText } from "../shared/error_text.js";
import { locale, t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { named, sideText } from "../shared/plain_words.js";
import { SideLabel } from "../shared/side_label.jsx";
import { now } from "../shared/ticking.js";
import { textSha256 } from "./digest.js";
import { DispatchActions } from "./dispatch_actions.jsx";
import { Precedence } from "./dispatch_list.jsx";
import { Stamp, stampText } from "./stamp.jsx";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/registers.js').WholeDispatch} WholeDispatch */
/** @typedef {WholeDispatch['history'][number]} Step */

/** @param {{ registers: RegisterDesk, name: string }} props */
export function DispatchPage({ registers, name }) {
  const { whole, failure } = useDispatch(registers, name);
  return (
    <>
      <div class="register-tools">
        <button type="button" class="button quiet" onClick={() => registers.open("")}>
          <Icon name="back" />
          {t("to_register")}
        </button>
        <span class="spacer" />
        {whole && (
          <button type="button" class="button" onClick={() => print()}>
            {t("print")}
          </button>
        )}
      </div>
      {failure && (
        <p class="alert" role="alert">
          {errorText(failure)}
        </p>
      )}
      {whole && <Whole registers={registers} whole={whole} />}
    </>
  );
}

/** @param {RegisterDesk} registers @param {string} name */
function useDispatch(registers, name) {
  /** @type {import('@preact/signals').Signal<WholeDispatch | undefined>} */
  const whole = useSignal(undefined);
  /** @type {import('@preact/signals').Signal<{ name: string, ref?: string } | undefined>} */
  const failure = useSignal(undefined);
  const version = registers.version.value;
  useEffect(() => {
    let isOver = false;
    registers.registers.dispatch(name).then(
      (found) => {
        if (isOver) return;
        whole.value = found;
        failure.value = undefined;
      },
      (error) => {
        if (isOver) return;
        failure.value = error;
        if (error.name === "no_such_dispatch") whole.value = undefined;
      },
    );
    return () => {
      isOver = true;
    };
  }, [name, version]);
  return { whole: whole.value, failure: failure.value };
}

/** @param {{ registers: RegisterDesk, whole: WholeDispatch }} props */
function Whole({ registers, whole }) {
  const { live } = registers;
  const { dispatch, content, history } = whole;
  return (
    <article class="dispatch">
      <header>
        <p class="dispatch-marks">
          <span class="dispatch-number">{dispatch.number || t("no_number")}</span>
          <SideLabel side={live.side(dispatch.side)} />
          <Precedence precedence={dispatch.precedence} />
          <span class="state">{named("state_of_", dispatch.state)}</span>
        </p>
        <h2 dir="auto">{dispatch.subject}</h2>
      </header>
      <Standing registers={registers} dispatch={dispatch} />
      <dl class="facts">
        <Fact label={t("letter_signatory")}>
          <bdi>{dispatch.signatory}</bdi>, <bdi>{dispatch.rank}</bdi>
        </Fact>
        <Fact label={t("letter_addressee")}>
          <bdi>{dispatch.addressee}</bdi>
        </Fact>
        {dispatch.reference !== "" && (
          <Fact label={t("letter_reference")}>
            <NumberLink registers={registers} number={dispatch.reference} />
          </Fact>
        )}
        <Fact label={t("begun")}>
          <Stamp live={live} timeMs={dispatch.begunMs} />
        </Fact>
      </dl>
      {content ? <Content content={content} /> : <p class="no-text">{t("no_text_yet")}</p>}
      <DispatchActions registers={registers} whole={whole} />
      <section class="history">
        <h3>{t("history")}</h3>
        <ol>
          {history.map((step) => (
            <HistoryStep
              key={`${step.channel} ${step.seq}`}
              registers={registers}
              step={step}
              items={content?.items ?? []}
            />
          ))}
        </ol>
      </section>
      <p class="print-note">{t("printed_at", { time: stampText(live, now.value), name: registers.me?.name ?? "" })}</p>
    </article>
  );
}

/** Whose turn it is, since when, and until when. @param {{ registers: RegisterDesk, dispatch: WholeDispatch['dispatch'] }} props */
function Standing({ registers, dispatch }) {
  const { live } = registers;
  if (dispatch.waitsOn === "") return null;
  const side = sideText(live, dispatch.waitsOn);
  return (
    <p class="standing" data-overdue={dispatch.overdue}>
      <Icon name={dispatch.overdue ? "warning" : "clock"} />
      <span>
        {dispatch.waitsOn === registers.own ? t("waits_on_us") : t("waits_on", { side })}{" "}
        {t("since", { time: stampText(live, dispatch.sinceMs) })}
        {dispatch.dueMs > 0 &&
          ` · ${t(dispatch.overdue ? "was_due" : "is_due", { time: stampText(live, dispatch.dueMs) })}`}
      </span>
    </p>
  );
}

/** @param {{ label: string, children: import('preact').ComponentChildren }} props */
function Fact({ label, children }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** @param {{ registers: RegisterDesk, number: string }} props */
export function NumberLink({ registers, number }) {
  return (
    <a
      href={`#joint/dispatches?${encodeURIComponent(number)}`}
      onClick={(event) => {
        event.preventDefault();
        registers.open(number);
      }}
    >
      <bdi>{number}</bdi>
    </a>
  );
}

/** @param {{ content: NonNullable<WholeDispatch['content']> }} props */
function Content({ content }) {
  /** Whether the text that is shown has the hash that was recorded. @type {import('@preact/signals').Signal<boolean | undefined>} */
  const isTrue = useSignal(undefined);
  const { body, items } = content;
  useEffect(() => {
    isTrue.value = undefined;
    textSha256(body).then(
      (hash) => {
        isTrue.value = hash === content.sha256;
      },
      () => {
        // Without a secure context there is nothing to compute it by.
      },
    );
  }, [body, content.sha256]);
  return (
    <>
      <p class="dispatch-body" dir="auto">
        {body}
      </p>
      {items.length > 0 && (
        <table class="items-table">
          <caption class="visually-hidden">{t("letter_items")}</caption>
          <tbody>
            {items.map(({ kind, label, value }, index) => (
              <tr key={index}>
                <td>{t(`item_${kind}`)}</td>
                <th scope="row" dir="auto">
                  {label}
                </th>
                <td dir="auto">{value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p class="digest" data-true={isTrue.value}>
        <span>{isTrue.value === undefined ? t("hash") : t(isTrue.value ? "hash_true" : "hash_false")}</span>
        <code>{content.sha256}</code>
      </p>
      <AttachedFiles channel={content.channel} files={content.attachments} isFormal />
    </>
  );
}

/** @param {{ registers: RegisterDesk, step: Step, items: NonNullable<WholeDispatch['content']>['items'] }} props */
function HistoryStep({ registers, step, items }) {
  const { live } = registers;
  void locale.value;
  return (
    <li class="step-line" data-event={step.event}>
      <span class="step-what">{named("event_", step.event)}</span>
      <span class="step-who">
        {step.user === "_office" ? t("office") : <bdi>{step.name || live.nameOf(step.user)}</bdi>}{" "}
        <SideLabel side={live.side(step.delegation)} />
      </span>
      <Stamp live={live} timeMs={step.timeMs} />
      {(step.untilMs > 0 || step.place !== "" || step.answer !== "" || step.note !== "") && (
        <p class="step-note">
          {step.untilMs > 0 && <span>{t("until", { time: stampText(live, step.untilMs) })}</span>}
          {step.place !== "" && (
            <span>
              <bdi>{step.place}</bdi>, <Stamp live={live} timeMs={step.atMs} />
            </span>
          )}
          {step.answer !== "" && <NumberLink registers={registers} number={step.answer} />}
          {step.note !== "" && <span dir="auto">{step.note}</span>}
        </p>
      )}
      {(step.values.length > 0 || step.confirmed.length > 0) && (
        <ul class="step-values">
          {(step.values.length > 0 ? step.values : step.confirmed).map((_, index) => (
            <StepValue key={index} step={step} index={index} label={items[index]?.label ?? ""} />
          ))}
        </ul>
      )}
    </li>
  );
}

/** One item that was read back, or confirmed. @param {{ step: Step, index: number, label: string }} props */
function StepValue({ step, index, label }) {
  const isRight = (step.values.length > 0 ? step.matching : step.confirmed)[index] ?? false;
  const words = step.values.length > 0 ? ["value_matches", "value_differs"] : ["value_confirmed", "value_refused"];
  return (
    <li data-right={isRight}>
      <Icon name={isRight ? "check" : "warning"} />
      <bdi>{label}</bdi>
      {step.values.length > 0 && <bdi class="value">{step.values[index]}</bdi>}
      <span>{t(String(words[isRight ? 0 : 1]))}</span>
    </li>
  );
}
