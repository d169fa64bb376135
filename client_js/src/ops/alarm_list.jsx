/** The alarms of this moment, above everything else; screen readers are told of new ones at once. */

import { hasText, t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { formatSpan } from "./format_figures.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('./alarms.js').Alarm} Alarm */

/** @param {{ live: Live, alarms: readonly Alarm[] }} props */
export function AlarmList({ live, alarms }) {
  return (
    <section class="alarms" aria-label={t("ops_alarms")}>
      {alarms.length === 0 ? (
        <p class="all-well" role="status">
          <Icon name="check" /> {t("ops_no_alarm")}
        </p>
      ) : (
        <ul role="alert">
          {alarms.map((alarm) => (
            <li key={alarmText(live, alarm)} data-severity={alarm.severity}>
              <Icon name="warning" />
              <span>{alarmText(live, alarm)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** @param {Live} live @param {Alarm} alarm */
export function alarmText(live, { name, side = "", across = "", values = {} }) {
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
