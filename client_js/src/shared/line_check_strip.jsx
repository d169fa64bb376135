/** The two desks as they are now, and the strip of the last days, in which every silence has its reason. */

import { standingOf } from "./desk_standing.js";
import { t } from "./i18n.js";
import { Icon } from "./icons.jsx";
import "./line_check_messages.js";
import { named, sideText } from "./plain_words.js";
import { SideLabel } from "./side_label.jsx";

/** @typedef {import('./live.js').Live} Live */
/** @typedef {import('../sdk/line_check_frames.js').LineCheck} LineCheck */
/** @typedef {import('../sdk/line_check_frames.js').LineCheckDay} LineCheckDay */
/** @typedef {import('./desk_standing.js').Desk} Desk */

/** What stands in a cell besides its colour, so that the colour isn't all that tells. @type {Record<string, string>} */
const SIGNS = { answered: "✓", desk_unstaffed: "–", not_answered: "?", line_down: "×" };

const ICONS = new Map([
  ["desk_staffed", "check"],
  ["desk_closed", "clock"],
]);

/** @param {{ live: Live, desks: readonly Desk[] }} props */
export function Desks({ live, desks }) {
  return inOrder(live, desks).map((desk) => {
    const standing = standingOf(desk);
    return (
      <span key={desk.delegation} class="key" data-turned={standing === "desk_staffed"}>
        <Icon name={ICONS.get(standing) ?? "warning"} />
        <SideLabel side={live.side(desk.delegation)} />
        {t(standing)}
      </span>
    );
  });
}

/** Sides stand in one order on the whole page. @template {{ delegation: string }} T @param {Live} live @param {readonly T[]} desks */
export function inOrder(live, desks) {
  return live.sides.flatMap(({ id }) => desks.filter(({ delegation }) => delegation === id));
}

/** @param {{ live: Live, days: readonly LineCheckDay[] }} props */
export function LineCheckStrip({ live, days }) {
  return (
    <section class="strip" aria-label={t("strip")}>
      <ol>
        {days.map(({ date, checks }) => (
          <li key={date} class="strip-column">
            {checks.map((check) => (
              <Cell key={check.check} live={live} check={check} />
            ))}
            <span class="strip-day" aria-hidden="true">
              {date.slice(8)}
            </span>
          </li>
        ))}
      </ol>
      <ul class="legend">
        {Object.entries(SIGNS).map(([outcome, sign]) => (
          <li key={outcome}>
            <span class="cell" data-outcome={outcome} aria-hidden="true">
              {sign}
            </span>
            {t(`outcome_${outcome}`)}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** @param {Live} live @param {LineCheck} check */
export function outcomeText(live, { state, outcome, side, reason }) {
  if (outcome === "") return named("check_", state);
  const what = named("outcome_", outcome);
  const where = side === "" ? "" : ` (${sideText(live, side)})`;
  return reason === "" ? what + where : `${what}${where}: ${named("reason_", reason)}`;
}

/** @param {{ live: Live, check: LineCheck }} props */
function Cell({ live, check }) {
  const text = `${check.check.replace("T", " ")}: ${outcomeText(live, check)}`;
  const outcome = check.outcome || check.state;
  return (
    <span class="cell" data-outcome={outcome} role="img" aria-label={text} title={text}>
      {SIGNS[outcome] ?? "·"}
    </span>
  );
}
