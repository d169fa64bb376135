/** Line checks: what waits for one's desk, and the strip of the last days, in which every silence has its reason. */

import { useSignal } from "@preact/signals";

import { errorText } from "../shared/error_text.js";
import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { Desks, LineCheckStrip, outcomeText } from "../shared/line_check_strip.jsx";
import { sideText } from "../shared/plain_words.js";
import { SideLabel } from "../shared/side_label.jsx";
import { Stamp } from "./stamp.jsx";
import { dueStep } from "./waiting.js";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/line_checks.js').LineCheck} LineCheck */

/** @param {{ registers: RegisterDesk }} props */
export function LineCheckPage({ registers }) {
  const view = registers.lineChecks.value;
  const { live } = registers;
  if (!view) return null;
  const checks = view.days.flatMap((day) => day.checks);
  const told = checks.filter(({ state }) => state === "ended" || state === "missed").reverse();
  return (
    <>
      <div class="register-tools">
        <Desks live={live} desks={view.heartbeat} />
        <span class="spacer" />
        {view.open.length === 0 && <RequestButton registers={registers} />}
      </div>
      {view.open.map((check) => (
        <OpenCheck key={check.check} registers={registers} check={check} />
      ))}
      {view.next && (
        <p class="register-note">
          {t("line_check_next", { caller: sideText(live, view.next.caller) })}{" "}
          <Stamp live={live} timeMs={view.next.dueMs} />
        </p>
      )}
      <LineCheckStrip live={live} days={view.days} />
      <ol class="line-checks">
        {told.map((check) => (
          <CheckLine key={check.check} registers={registers} check={check} />
        ))}
      </ol>
    </>
  );
}

/** @param {{ registers: RegisterDesk, check: LineCheck }} props */
function CheckLine({ registers, check }) {
  const { live } = registers;
  const people = [check.calledBy, check.answeredBy].filter((user) => user !== "").map((user) => live.nameOf(user));
  return (
    <li>
      <Stamp live={live} timeMs={check.dueMs} />
      <span>
        <SideLabel side={live.side(check.caller)} /> → <SideLabel side={live.side(check.answerer)} />
      </span>
      <span class="outcome" data-outcome={check.outcome}>
        {outcomeText(live, check)}
      </span>
      <bdi>{people.join(" → ")}</bdi>
      {check.text !== "" && <small dir="auto">{check.text}</small>}
    </li>
  );
}

/** A check that waits for a desk; one's own has one key to press. @param {{ registers: RegisterDesk, check: LineCheck }} props */
export function OpenCheck({ registers, check }) {
  const { live } = registers;
  const { side, step } = dueStep(check);
  const isOwn = side === registers.own;
  return (
    <div class="open-check" data-own={isOwn}>
      <Icon name="clock" />
      <strong>{t("line_check")}</strong>
      <SideLabel side={live.side(check.caller)} /> → <SideLabel side={live.side(check.answerer)} />
      <Stamp live={live} timeMs={check.dueMs} />
      {check.text !== "" && <bdi>{check.text}</bdi>}
      <span class="spacer" />
      {isOwn ? (
        <button type="button" class="button primary small" onClick={() => registers.stepLineCheck(check)}>
          {t(`line_check_${step}`)} <kbd>F9</kbd>
        </button>
      ) : (
        <span>{t("waits_on", { side: sideText(live, side) })}</span>
      )}
    </div>
  );
}

/** @param {{ registers: RegisterDesk }} props */
function RequestButton({ registers }) {
  /** @type {import('@preact/signals').Signal<{ name: string, ref?: string } | undefined>} */
  const failure = useSignal(undefined);
  return (
    <>
      {failure.value && (
        <span class="alert" role="alert">
          {errorText(failure.value)}
        </span>
      )}
      <button
        type="button"
        class="button"
        onClick={async () => {
          try {
            await registers.lines.request();
            failure.value = undefined;
          } catch (error) {
            failure.value = /** @type {{ name: string }} */ (error);
          }
        }}
      >
        {t("line_check_request")}
      </button>
    </>
  );
}
