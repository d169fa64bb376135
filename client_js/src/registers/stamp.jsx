/** A moment as both sides' clocks show it: one time while they agree, each side's own while they differ. */

import { clocksDiffer, formatStamp, usableZone } from "../shared/clocks.js";
import { locale, titled } from "../shared/i18n.js";

/** @typedef {import('../shared/live.js').Live} Live */

/** The same in words alone. @param {Live} live @param {number} timeMs */
export function stampText(live, timeMs) {
  const { sides } = live;
  const zones = sides.map(({ timeZone }) => timeZone);
  if (!clocksDiffer(zones, timeMs)) return formatStamp(timeMs, locale.value, live.timeZone);
  return sides
    .map(({ title, timeZone }) => `${titled(title)} ${formatStamp(timeMs, locale.value, usableZone(timeZone))}`)
    .join(" · ");
}

/** @param {{ live: Live, timeMs: number }} props */
export function Stamp({ live, timeMs }) {
  return (
    <time class="stamp" dateTime={new Date(timeMs).toISOString()}>
      {stampText(live, timeMs)}
    </time>
  );
}
