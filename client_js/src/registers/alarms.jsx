/**
 * FLASH and life safety at the desk: above everything, in the title, and as notifications, repeated until answered. Nobody's
 * do-not-disturb silences these two.
 */

import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { LINE_CHECKS } from "../sdk/line_checks.js";
import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { now } from "../shared/ticking.js";
import { Precedence } from "./dispatch_list.jsx";
import { OpenCheck } from "./line_check_page.jsx";
import { RecordDialog } from "./record_dialog.jsx";
import { registerDeskOf } from "./register_desk.js";
import { Stamp } from "./stamp.jsx";
import { byUrgency, dispatchAlarms, messageAlarms } from "./urgent.js";

/** @typedef {import('../chat/desk.js').Desk} Desk */
/** @typedef {import('./urgent.js').Alarm} Alarm */
/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */

/** As often as somebody at another screen in the room looks up. */
const REPEAT_MS = 60_000;
/** More would push the page away; the number of all stands there. */
const MOST_SHOWN = 3;

/** What lies above and over the page on behalf of the registers. @param {{ desk: Desk }} props */
export function RegisterNotices({ desk }) {
  const registers = registerDeskOf(desk);
  return (
    <>
      <Alarms registers={registers} />
      <DueCheck registers={registers} />
      {registers.forks.value.map((channel) => (
        <p key={channel} class="notice" data-severity="alarm" role="alert">
          {t("record_forked", { channel: registers.titleOf(channel) })}
          <button
            type="button"
            class="button small"
            onClick={() => registers.ask(<RecordDialog registers={registers} channel={channel} />)}
          >
            {t("record")}
          </button>
        </p>
      ))}
      {registers.dialog.value}
    </>
  );
}

/** @param {{ registers: RegisterDesk }} props */
function Alarms({ registers }) {
  const { desk } = registers;
  const alarms = useComputed(() => alarmsOf(registers)).value;
  // Each minute anew: whoever uses a screen reader hears it again, and the notification comes again.
  const round = useComputed(() => (alarmsOf(registers).length === 0 ? 0 : Math.floor(now.value / REPEAT_MS))).value;
  const first = alarms[0];
  const title = first ? `(!) ${t(`precedence_${first.precedence}`)} ${first.text}` : "";
  useEffect(() => {
    document.title = title === "" ? t("chat_title") : `${title} · ${t("chat_title")}`;
  }, [title]);
  useEffect(() => {
    if (first) notify(lockScreenText(registers, first), first.id, () => open(registers, first));
  }, [first?.id, round]);
  if (!first) return null;
  return (
    <section class="alarms" aria-label={t("alarms")}>
      {/* Apart from the buttons: what is read out anew each time must take the focus from nobody. */}
      <p key={round} class="visually-hidden" role="alert">
        {alarms.map(({ precedence, text }) => `${t(`precedence_${precedence}`)}: ${text}`).join(". ")}
      </p>
      <ul>
        {alarms.slice(0, MOST_SHOWN).map((alarm) => (
          <li key={alarm.id} class="alarm">
            <Icon name="warning" />
            <Precedence precedence={alarm.precedence} />
            <bdi class="alarm-text">{alarm.text}</bdi>
            <Stamp live={desk.live} timeMs={alarm.timeMs} />
            <button type="button" class="button small" onClick={() => open(registers, alarm)}>
              {t(alarm.isDispatch ? "alarm_dispatch" : "alarm_message")}
            </button>
          </li>
        ))}
      </ul>
      {alarms.length > MOST_SHOWN && <p>{t("alarms_more", { count: alarms.length - MOST_SHOWN })}</p>}
    </section>
  );
}

/** A line check that waits for this desk, wherever one is on the page. @param {{ registers: RegisterDesk }} props */
function DueCheck({ registers }) {
  const check = registers.ownCheck;
  return (
    <div role="status">
      {check && registers.desk.selected.value !== LINE_CHECKS && <OpenCheck registers={registers} check={check} />}
    </div>
  );
}

/** @param {RegisterDesk} registers @returns {Alarm[]} */
function alarmsOf(registers) {
  const { desk } = registers;
  const me = desk.live.me.value?.user ?? "";
  const messages = [...desk.channels.value.values()].flatMap(({ channel, unread, readSeq, isRegister }) =>
    unread === 0 || isRegister ? [] : messageAlarms(channel, desk.client.timeline(channel).items, { readSeq, me }),
  );
  return [...dispatchAlarms(registers.urgent.value), ...messages].sort(byUrgency);
}

/** @param {RegisterDesk} registers @param {Alarm} alarm */
function open(registers, alarm) {
  if (alarm.isDispatch) registers.open(alarm.id);
  else registers.desk.jump(alarm.channel, alarm.seq);
}

/** A locked screen shows no text of a channel that isn't shared by both sides. @param {RegisterDesk} registers @param {Alarm} alarm */
function lockScreenText(registers, { precedence, text, channel, isDispatch }) {
  const isShared = isDispatch || registers.desk.channels.value.get(channel)?.kind === "joint";
  return `${t(`precedence_${precedence}`)}: ${isShared ? text : registers.titleOf(channel)}`;
}

/** @param {string} title @param {string} tag @param {() => void} onClick */
function notify(title, tag, onClick) {
  if (globalThis.Notification?.permission !== "granted") return;
  try {
    // Not in the words of TypeScript yet: with `renotify` the same tag alerts again.
    const options = /** @type {NotificationOptions} */ ({ tag, renotify: true, requireInteraction: true });
    const notification = new Notification(title, options);
    notification.onclick = () => {
      window.focus();
      notification.close();
      onClick();
    };
  } catch {
    // Some phones have the name and not the thing.
  }
}
