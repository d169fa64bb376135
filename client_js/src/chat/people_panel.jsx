/** The people of the office and whether they are here, as far as their side shows it. */

import { useComputed } from "@preact/signals";
import { useRef } from "preact/hooks";

import { connectivityOf } from "../sdk/presence.js";
import { UNKNOWN_PRESENCE } from "../sdk/unknown_presence.js";
import { formatTime } from "../shared/clocks.js";
import { locale, t, titled } from "../shared/i18n.js";
import { byReach, personState } from "../shared/person.js";
import { PresenceDot } from "../shared/presence_dot.jsx";
import { sideStyle } from "../shared/side_label.jsx";
import { CHOICES } from "./desk.js";
import { PanelHead } from "./panel_head.jsx";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {Desk['live']['sides'][number]} Side */

/** @param {{ desk: Desk }} props */
export function PeoplePanel({ desk }) {
  const { link, presence, sides } = desk.live;
  // The first word of who is here comes at once after this panel: people whose order it changes would jump.
  const isTold = useRef(false);
  isTold.current ||= presence.value !== UNKNOWN_PRESENCE || link.value.name !== "connected";
  return (
    <aside class="panel people" aria-label={t("people")} aria-busy={!isTold.current}>
      <PanelHead desk={desk} title={t("people")} />
      <AvailabilityChoice desk={desk} />
      <Staleness desk={desk} />
      {isTold.current && sides.map((side) => <SidePeople key={side.id} desk={desk} side={side} />)}
    </aside>
  );
}

/** @param {{ desk: Desk }} props */
function AvailabilityChoice({ desk }) {
  return (
    <label class="availability">
      <span>{t("availability")}</span>
      <select
        value={desk.choice.value}
        onChange={({ currentTarget }) => {
          const choice = CHOICES.find((known) => known === currentTarget.value);
          if (choice) desk.choose(choice);
        }}
      >
        {CHOICES.map((choice) => (
          <option key={choice} value={choice}>
            {t(`state_${choice}`)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Says why nobody's state is known. @param {{ desk: Desk }} props */
function Staleness({ desk }) {
  const { live } = desk;
  const { current, staleSinceMs } = live.presence.value;
  // On a new line it is a moment until the server tells.
  if (current || (staleSinceMs === 0 && live.link.value.name === "connected")) return null;
  const time = staleSinceMs ? formatTime(staleSinceMs, locale.value, live.timeZone) : "";
  return <p class="stale">{time ? t("people_stale", { time }) : t("people_unknown")}</p>;
}

/** @param {{ desk: Desk, side: Side }} props */
function SidePeople({ desk, side }) {
  const { live } = desk;
  const rows = useComputed(() => peopleOf(live, side.id)).value;
  const named = live.presence.value.sides.get(side.id)?.granularity;
  return (
    <section class="side" style={sideStyle(side)}>
      <h3>
        <span>{titled(side.title)}</span>
        <small>{summary(live, side.id)}</small>
      </h3>
      <ul>
        {rows.map(({ user, name, role, state }) => (
          <Person
            key={user}
            desk={desk}
            user={user}
            name={name}
            isBot={role === "bot"}
            state={named === "count" || named === "staffed" ? undefined : state}
          />
        ))}
      </ul>
    </section>
  );
}

/** @param {Desk['live']} live @param {string} delegation */
function peopleOf(live, delegation) {
  const view = live.presence.value;
  return [...live.people.value.values()]
    .filter((person) => person.delegation === delegation)
    .map(({ user, name, role }) => ({
      user,
      name,
      role,
      state: personState(connectivityOf(view, user), view.users.get(user)?.availability),
    }))
    .sort(byReach);
}

/** A side in one line, at the granularity it is shown with. @param {Desk['live']} live @param {string} delegation */
function summary(live, delegation) {
  const view = live.presence.value;
  const side = view.sides.get(delegation);
  if (!view.current || !side) return t("state_unknown");
  if (side.online !== undefined) return t("people_online", { count: side.online });
  return t(side.staffed ? "people_staffed" : "people_unstaffed");
}

/**
 * @param {object} props
 * @param {Desk} props.desk
 * @param {string} props.user
 * @param {string} props.name
 * @param {boolean} props.isBot
 * @param {import('../shared/person.js').PersonState | undefined} props.state   Undefined where it isn't told.
 */
function Person({ desk, user, name, isBot, state }) {
  const isMe = user === desk.live.me.value?.user;
  const line = (
    <>
      {state && <PresenceDot state={state} labelled />}
      <bdi class="person-name">{name}</bdi>
      {isMe && <span class="tag">{t("you")}</span>}
      {isBot && <span class="tag">{t("bot")}</span>}
      {state && <span class="person-state">{t(`state_${state}`)}</span>}
    </>
  );
  if (isMe || isBot) return <li class="person">{line}</li>;
  return (
    <li>
      <button type="button" class="person" title={t("write_to", { name })} onClick={() => desk.write(user)}>
        {line}
      </button>
    </li>
  );
}
