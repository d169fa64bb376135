/** Who is present, by side, with the cause of the last change. */

import { formatTime } from "../shared/clocks.js";
import { locale, t, titled } from "../shared/i18n.js";
import { personState } from "../shared/person.js";
import { PresenceDot } from "../shared/presence_dot.jsx";
import { sideStyle } from "../shared/side_label.jsx";
import { causeText } from "./cause_text.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('../sdk/presence.js').PresenceUser} PresenceUser */

/** @param {{ live: Live }} props */
export function PresenceBoard({ live }) {
  const { current, staleSinceMs } = live.presence.value;
  const time = staleSinceMs ? formatTime(staleSinceMs, locale.value, live.timeZone) : "";
  return (
    <section class="box" aria-labelledby="presence-title">
      <header class="box-head">
        <h2 id="presence-title">{t("ops_presence")}</h2>
      </header>
      {!current && <p class="stale">{time ? t("people_stale", { time }) : t("people_unknown")}</p>}
      {live.sides.map((side) => (
        <SideBoard key={side.id} live={live} side={side} />
      ))}
    </section>
  );
}

/** @param {{ live: Live, side: Live['sides'][number] }} props */
function SideBoard({ live, side }) {
  const { current, users } = live.presence.value;
  const present = [...users.values()]
    .filter(({ delegation }) => delegation === side.id)
    .sort((a, b) => live.nameOf(a.user).localeCompare(live.nameOf(b.user), "ko"));
  return (
    <section class="side-board" style={sideStyle(side)}>
      <h3>
        {titled(side.title)}{" "}
        <small>{current ? t("people_online", { count: present.length }) : t("state_unknown")}</small>
      </h3>
      {current && present.length === 0 && <p class="empty">{t("ops_nobody")}</p>}
      <ul>
        {present.map((user) => (
          <Present key={user.user} live={live} user={user} current={current} />
        ))}
      </ul>
    </section>
  );
}

/** @param {{ live: Live, user: PresenceUser, current: boolean }} props */
function Present({ live, user, current }) {
  const state = personState(current ? user.connectivity : "unknown", user.availability);
  return (
    <li>
      <PresenceDot state={state} labelled />
      <bdi>{live.nameOf(user.user)}</bdi>
      <span class="detail">{t(`state_${state}`)}</span>
      <span class="detail">
        {t("ops_devices")} {user.devices}
      </span>
      {user.cause && (
        <span class="detail">
          {t("ops_cause")}: {causeText(user.cause)}
        </span>
      )}
      {user.sinceMs > 0 && <time>{formatTime(user.sinceMs, locale.value, live.timeZone)}</time>}
    </li>
  );
}
