/** Both duty desks, and what came of the line checks of the last days. Nothing of what the desks wrote is here. */

import { formatTime } from "../shared/clocks.js";
import { locale, t } from "../shared/i18n.js";
import { Desks, inOrder, LineCheckStrip } from "../shared/line_check_strip.jsx";
import { sideText } from "../shared/plain_words.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('../sdk/operations.js').Operations} Operations */
/** @typedef {import('../sdk/operations.js').DesksView} DesksView */
/** @typedef {DesksView['desks'][number]} Desk */

/** A desk tells of itself by a notice; a line that went down, or a check that ended, is seen when it is asked for. */
const ASK_EVERY_MS = 60_000;
/** A node that has just begun to follow presence knows it a moment later. */
const ASK_AGAIN_MS = 3_000;
const NOTICES = new Set(["desk_unstaffed", "desk_staffed"]);

/** @param {{ live: Live, view: DesksView | undefined }} props */
export function DeskBoard({ live, view }) {
  const isCurrent = view !== undefined && !view.isStale && live.link.value.name === "connected";
  return (
    <section class="box" aria-labelledby="desks-title">
      <header class="box-head">
        <h2 id="desks-title">{t("ops_desks")}</h2>
      </header>
      {isCurrent ? (
        <div class="desks">
          <Desks live={live} desks={view.desks} />
          {inOrder(live, view.desks).map((desk) => (
            <DeskNote key={desk.delegation} live={live} desk={desk} />
          ))}
        </div>
      ) : (
        <p class="stale">{t("ops_desks_unknown")}</p>
      )}
      {view && <LineCheckStrip live={live} days={view.days} />}
    </section>
  );
}

/** What a desk's state means for its alarm. @param {{ live: Live, desk: Desk }} props */
function DeskNote({ live, desk }) {
  const side = sideText(live, desk.delegation);
  if (!desk.hasRoster) return <p>{t("ops_desk_no_roster", { side })}</p>;
  if (desk.unstaffedSinceMs === 0) return null;
  const time = formatTime(desk.unstaffedSinceMs, locale.value, live.timeZone);
  return <p class="desk-alarm">{t("ops_desk_since", { side, time })}</p>;
}

/**
 * Ask now, after each reconnect, when a desk says that it changed, and once a minute; soon again where the node doesn't
 * know yet who is here.
 * @param {Live} live
 * @param {Operations} operations
 * @param {(view: DesksView | undefined) => void} take   Undefined where they can't be had.
 * @returns {() => void} stops asking
 */
export function followDesks({ client }, operations, take) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  const ask = () => {
    clearTimeout(again);
    if (client.state.name !== "connected") return;
    operations.desks().then(
      (view) => {
        take(view);
        if (view.isStale) again = setTimeout(ask, ASK_AGAIN_MS);
      },
      (error) => {
        console.warn("liaison: desks", error);
        take(undefined);
      },
    );
  };
  ask();
  const timer = setInterval(ask, ASK_EVERY_MS);
  const endings = [
    client.on("connected", ask),
    client.on("notice", ({ name }) => {
      if (NOTICES.has(name)) ask();
    }),
    () => clearInterval(timer),
    () => clearTimeout(again),
  ];
  return () => {
    for (const end of endings) end();
  };
}
