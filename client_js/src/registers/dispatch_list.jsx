/** The register of dispatches: every one that this side may see, by state, side, precedence and year, the overdue marked. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { dayKey } from "../shared/clocks.js";
import { errorText } from "../shared/error_text.js";
import { t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { named, sideText } from "../shared/plain_words.js";
import { SideLabel } from "../shared/side_label.jsx";
import { LetterDialog } from "./letter_dialog.jsx";
import { Stamp } from "./stamp.jsx";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/registers.js').Dispatch} Dispatch */
/** @typedef {{ state: string, side: string, precedence: string, waitsOn: string, year: string,
 *   overdue: boolean }} Filter */

/** In the order in which a dispatch passes through them. */
const STATES = [
  "draft",
  "cleared",
  "tendered",
  "deferred",
  "declined",
  "delivered",
  "awaiting_read_back",
  "read_back",
  "confirmed",
  "delivered_otherwise",
  "acknowledged",
  "answered",
  "closed",
  "void",
];
export const PRECEDENCES = /** @type {const} */ (["", "priority", "flash", "life_safety"]);
const PAGE = 50;
/** Overdue marks are as of the last answer, and time goes on. */
const LOOK_AGAIN_MS = 30_000;

/** @param {{ registers: RegisterDesk, channel: import('./register_desk.js').Channel }} props */
export function DispatchList({ registers, channel }) {
  /** A side's own register is that of its drafts. @type {import('@preact/signals').Signal<Filter>} */
  const filter = useSignal({
    state: channel.kind === "side" ? "draft" : "",
    side: "",
    precedence: "",
    waitsOn: "",
    year: "",
    overdue: false,
  });
  const { lines, more, failure, loadMore } = useLines(registers, filter.value);
  // Nobody writes in a register by hand, so its `canWrite` says nothing here; who sees their side's may draft.
  const mayDraft = registers.desk.channels.value.has(`${registers.own}/dispatches`);
  const change = (/** @type {Partial<Filter>} */ part) => {
    filter.value = { ...filter.value, ...part };
  };
  return (
    <>
      <div class="register-tools">
        <Filters registers={registers} filter={filter.value} change={change} />
        <span class="spacer" />
        {mayDraft && (
          <button
            type="button"
            class="button primary"
            onClick={() => registers.ask(<LetterDialog registers={registers} />)}
          >
            <Icon name="pen" />
            {t("dispatch_new")}
          </button>
        )}
      </div>
      {failure && (
        <p class="alert" role="alert">
          {errorText(failure)}
        </p>
      )}
      {lines && lines.length === 0 && <p class="register-empty">{t("dispatches_none")}</p>}
      {lines && lines.length > 0 && (
        <ul class="dispatches">
          {lines.map((line) => (
            <Line key={line.dispatch} registers={registers} line={line} />
          ))}
        </ul>
      )}
      {more && (
        <button type="button" class="button" onClick={loadMore}>
          {t("show_more")}
        </button>
      )}
    </>
  );
}

/**
 * Those that are wanted, asked for anew when one changes.
 * @param {RegisterDesk} registers
 * @param {Filter} filter
 */
function useLines(registers, filter) {
  /** @type {import('@preact/signals').Signal<readonly Dispatch[] | undefined>} */
  const lines = useSignal(undefined);
  const more = useSignal(false);
  /** @type {import('@preact/signals').Signal<{ name: string } | undefined>} */
  const failure = useSignal(undefined);
  const { state, side, precedence, waitsOn, year, overdue } = filter;
  const version = registers.version.value;

  /** @param {number} limit @param {number} [beforeMs] */
  const load = async (limit, beforeMs) => {
    const wanted = { state, side, precedence, waitsOn, overdue, year: Number(year), limit, beforeMs };
    const page = await registers.registers.dispatches(wanted);
    more.value = page.more;
    return page.dispatches;
  };

  useEffect(() => {
    let isOver = false;
    const look = () =>
      load(Math.min(200, Math.max(PAGE, lines.peek()?.length ?? 0))).then(
        (found) => {
          if (isOver) return;
          lines.value = found;
          failure.value = undefined;
        },
        (error) => {
          if (!isOver) failure.value = error;
        },
      );
    look();
    const timer = setInterval(look, LOOK_AGAIN_MS);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [version, state, side, precedence, waitsOn, year, overdue]);

  const loadMore = async () => {
    try {
      const found = await load(PAGE, lines.value?.at(-1)?.begunMs);
      lines.value = [...(lines.value ?? []), ...found];
    } catch (error) {
      failure.value = /** @type {{ name: string }} */ (error);
    }
  };
  return { lines: lines.value, more: more.value, failure: failure.value, loadMore };
}

/** @param {{ registers: RegisterDesk, filter: Filter, change: (part: Partial<Filter>) => void }} props */
function Filters({ registers, filter, change }) {
  const { live } = registers;
  const thisYear = Number(dayKey(live.client.serverNowMs(), live.timeZone).slice(0, 4));
  const years = [0, 1, 2, 3].map((ago) => String(thisYear - ago));
  return (
    <fieldset class="filters">
      <legend class="visually-hidden">{t("filter")}</legend>
      <Filter
        label={t("filter_state")}
        value={filter.state}
        choices={STATES.map((name) => [name, t(`state_of_${name}`)])}
        onChange={(state) => change({ state })}
      />
      <Filter
        label={t("filter_side")}
        value={filter.side}
        choices={live.sides.map(({ id, title }) => [id, titled(title)])}
        onChange={(side) => change({ side })}
      />
      <Filter
        label={t("precedence")}
        value={filter.precedence}
        choices={PRECEDENCES.map((name) => name || "routine").map((name) => [name, t(`precedence_${name}`)])}
        onChange={(precedence) => change({ precedence })}
      />
      <Filter
        label={t("filter_waits_on")}
        value={filter.waitsOn}
        choices={live.sides.map(({ id, title }) => [id, titled(title)])}
        onChange={(waitsOn) => change({ waitsOn })}
      />
      <Filter
        label={t("filter_year")}
        value={filter.year}
        choices={years.map((year) => [year, year])}
        onChange={(year) => change({ year })}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={filter.overdue}
          onChange={({ currentTarget }) => change({ overdue: currentTarget.checked })}
        />
        {t("overdue")}
      </label>
    </fieldset>
  );
}

/** @param {{ label: string, value: string, choices: readonly (readonly [string, string])[], onChange: (value: string) => void }} props */
function Filter({ label, value, choices, onChange }) {
  return (
    <select aria-label={label} value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
      <option value="">{label}</option>
      {choices.map(([name, text]) => (
        <option key={name} value={name}>
          {text}
        </option>
      ))}
    </select>
  );
}

/** @param {{ registers: RegisterDesk, line: Dispatch }} props */
function Line({ registers, line }) {
  const { live } = registers;
  const isWaiting = line.waitsOn === registers.own;
  return (
    <li>
      <a
        class="dispatch-line"
        href={`#joint/dispatches?${encodeURIComponent(line.dispatch)}`}
        data-overdue={line.overdue}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          registers.open(line.dispatch);
        }}
      >
        <span class="dispatch-number">{line.number || t("no_number")}</span>
        <bdi class="dispatch-subject">{line.subject}</bdi>
        <span class="dispatch-marks">
          <SideLabel side={live.side(line.side)} />
          <Precedence precedence={line.precedence} />
          <span class="state" data-waiting={isWaiting}>
            {named("state_of_", line.state)}
          </span>
          {line.overdue && (
            <span class="overdue">
              <Icon name="warning" />
              {t("overdue")}
            </span>
          )}
        </span>
        <span class="dispatch-time">
          {isWaiting ? t("waits_on_us") : line.waitsOn !== "" && t("waits_on", { side: sideText(live, line.waitsOn) })}{" "}
          <Stamp live={live} timeMs={line.sinceMs} />
        </span>
      </a>
    </li>
  );
}

/** @param {{ precedence: string }} props */
export function Precedence({ precedence }) {
  if (precedence === "") return null;
  return (
    <span class="precedence" data-precedence={precedence}>
      {named("precedence_", precedence)}
    </span>
  );
}
