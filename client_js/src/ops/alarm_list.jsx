/** The alarms of this moment, above everything else; screen readers are told of new ones at once. */

import { hasText, t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { now } from "../shared/ticking.js";
import { alarmsOf } from "./alarms.js";
import { formatSpan } from "./format_figures.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('../sdk/statistics.js').Statistics} Statistics */
/** @typedef {import('./alarms.js').Alarm} Alarm */

/** @param {{ live: Live, statistics: Readonly<Statistics>, desks: readonly import('./alarms.js').Desk[] | undefined }} props */
export function AlarmList({ live, statistics, desks }) {
  const { current, sides } = live.presence.value;
  // The clock is read so that silence is noticed, too: without it nothing would draw this again.
  const nowMs = now.value - Date.now() + live.client.serverNowMs();
  const alarms = alarmsOf({
    nowMs,
    isConnected: live.link.value.name === "connected",
    presenceIsCurrent: current,
    statisticsAreCurrent: statistics.current,
    steps: statistics.steps,
    stepMs: statistics.stepMs,
    sides: [...sides.values()],
    desks,
  });
  return (
    <section class="alarms" aria-label={t("ops_alarms")}>
      {alarms.length === 0 ? (
        <p class="all-well" role="status">
          <Icon name="check" /> {t("ops_no_alarm")}
        </p>
      ) : (
        <div role="alert">
          <ul>
            {alarms.map((alarm) => (
              <li key={alarmText(live, alarm)} data-severity={alarm.severity}>
                <Icon name="warning" />
                <span>{alarmText(live, alarm)}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}

/** @param {Live} live @param {Alarm} alarm */
function alarmText(live, { name, side = "", across = "", values = {} }) {
  const of = (/** @type {string} */ delegation) => {
    const known = live.side(delegation);
    return known === undefined ? delegation : titled(known.title);
  };
  const spans = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, SPANS.has(key) ? formatSpan(Number(value)) : value]),
  );
  const key = `alarm_${name}`;
  return hasText(key) ? t(key, { side: of(side), across: of(across), ...spans }) : name;
}

/** Values that are milliseconds. */
const SPANS = new Set(["ms", "back"]);
