/** The page for a screen on the wall: read from three metres, touched by nobody. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { formatSecond, usableZone } from "../shared/clocks.js";
import { isClosed } from "../shared/desk_standing.js";
import { locale, t, titled } from "../shared/i18n.js";
import { sideStyle } from "../shared/side_label.jsx";
import { theme } from "../shared/theme.js";
import { now } from "../shared/ticking.js";
import { AlarmList } from "./alarm_list.jsx";
import { directionName, SeenCharts, SessionChart } from "./charts.jsx";
import { keepFitting } from "./fit_to_screen.js";
import { formatCount, formatSpan } from "./format_figures.js";
import * as series from "./series.js";
import { show } from "./view.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('../sdk/statistics.js').Statistics} Statistics */
/** @typedef {import('../sdk/operations.js').DesksView['desks'][number]} Desk */

/** @param {{ live: Live, statistics: Readonly<Statistics>, desks: readonly Desk[] | undefined }} props */
export function Wall({ live, statistics, desks }) {
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => (main.current === null ? undefined : keepFitting(main.current)), []);
  useEffect(() => {
    // The wall goes with the room: whatever this browser's owner likes, the system knows day from night.
    document.documentElement.dataset.theme = "auto";
    /** @param {KeyboardEvent} event */
    const onKey = ({ key }) => key === "Escape" && show({ wall: false });
    addEventListener("keydown", onKey);
    return () => {
      document.documentElement.dataset.theme = theme.peek();
      removeEventListener("keydown", onKey);
    };
  }, []);
  return (
    <div class="ops wall">
      <h1 class="visually-hidden">{t("ops_title")}</h1>
      {/* Out of sight until the keyboard comes to it. */}
      <button type="button" class="button skip" onClick={() => show({ wall: false })}>
        {t("ops_wall_leave")}
      </button>
      <main ref={main}>
        <AlarmList live={live} statistics={statistics} desks={desks} />
        <div class="wall-sides">
          {live.sides.map((side) => (
            <WallSide key={side.id} live={live} side={side} desk={desks?.find((one) => one.delegation === side.id)} />
          ))}
        </div>
        <WallFigures live={live} statistics={statistics} />
        <div class="charts">
          <SessionChart live={live} statistics={statistics} />
          <SeenCharts live={live} statistics={statistics} />
        </div>
      </main>
    </div>
  );
}

/** @param {{ live: Live, side: Live['sides'][number], desk: Desk | undefined }} props */
function WallSide({ live, side, desk }) {
  const { current, sides, users } = live.presence.value;
  const staffed = sides.get(side.id)?.staffed === true;
  const people = [...users.values()].filter(({ delegation }) => delegation === side.id).length;
  const closed = desk !== undefined && isClosed(desk);
  const state = !current ? "state_unknown" : staffed ? "ops_staffed" : closed ? "ops_closed" : "ops_unstaffed";
  return (
    <section
      class="wall-side"
      style={sideStyle(side)}
      data-state={current ? (staffed ? "staffed" : closed ? "closed" : "unstaffed") : "unknown"}
    >
      <h2>{titled(side.title)}</h2>
      <p class="wall-state">{t(state)}</p>
      <p>{current ? t("people_online", { count: sides.get(side.id)?.online ?? people }) : "–"}</p>
      <time class="wall-clock">{formatSecond(now.value, locale.value, usableZone(side.timeZone))}</time>
    </section>
  );
}

/** @param {{ live: Live, statistics: Readonly<Statistics> }} props */
function WallFigures({ live, statistics: { steps, current } }) {
  const newest = current ? steps.at(-1) : undefined;
  const last = newest === undefined ? [] : [newest];
  const sum = (/** @type {(number | null)[]} */ values) =>
    newest === undefined
      ? "–"
      : formatCount(values.reduce((/** @type {number} */ total, value) => total + (value ?? 0), 0));
  const span = (/** @type {series.Column} */ column) => {
    const value = current ? series.latest(column) : undefined;
    return value === undefined ? "–" : formatSpan(value);
  };
  const rates = live.sides.map(({ id }) => series.messageRate(last, id)[0] ?? null);
  const acks = live.sides.map(({ id }) => series.latest(series.ackLatency(steps.slice(-12), id, "ackP99Us")) ?? null);
  const directions = live.sides.flatMap((sender) =>
    live.sides.filter((receiver) => receiver !== sender).map((receiver) => ({ sender, receiver })),
  );
  return (
    <dl class="tiles">
      <Figure label={t("ops_sessions")} value={newest === undefined ? "–" : formatCount(newest.sessions)} />
      <Figure label={t("ops_messages_per_s")} value={sum(rates)} />
      <Figure
        label={t("ops_ack_p99")}
        value={acks.every((ms) => ms === null) ? "–" : span([Math.max(...acks.map(Number))])}
      />
      {directions.map(({ sender, receiver }) => (
        <Figure
          key={sender.id}
          label={`${directionName(sender, receiver)} p99`}
          value={span(series.seenLatency(steps.slice(-12), sender.id, receiver.id, "seenP99Us"))}
        />
      ))}
    </dl>
  );
}

/** @param {{ label: string, value: string }} props */
function Figure({ label, value }) {
  return (
    <div class="tile">
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}
