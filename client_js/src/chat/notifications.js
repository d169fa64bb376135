/**
 * Desktop notifications by the office's rules. Whoever sits at the screen needs none; do-not-disturb silences all but what
 * is urgent for the office; and a locked screen shows no text of a channel that isn't shared by both sides, unless the
 * person asks for it.
 */

import { signal } from "@preact/signals";

import { t } from "../shared/i18n.js";
import { recall, remember } from "../shared/preferences.js";
import { attended } from "./attention.js";

/** @typedef {'off' | 'mentions' | 'all'} NotifyChoice */
/**
 * @typedef {object} Circumstances
 * @property {NotifyChoice} choice
 * @property {boolean} isAttended   Somebody sits at this screen.
 * @property {boolean} isDisturbable   Do-not-disturb is not on.
 * @property {string} me
 */

/** @type {readonly NotifyChoice[]} */
export const NOTIFY_CHOICES = ["off", "mentions", "all"];

/** Neither is silenced at a desk. (PROTOCOL.md §5.5) */
const URGENT = new Set(["flash", "life_safety"]);

const MOST_TEXT_CHARS = 140;

/** @type {import('@preact/signals').Signal<NotifyChoice>} */
export const notifyChoice = signal(NOTIFY_CHOICES.find((choice) => choice === recall("notify")) ?? "off");
export const showsText = signal(recall("notify_text") === "yes");

function isGranted() {
  return globalThis.Notification?.permission === "granted";
}

/** Whether the browser lets us. */
export const mayNotify = signal(isGranted());

/** Called by a click only: browsers ask the person then, and only then. @param {NotifyChoice} choice */
export async function setNotify(choice) {
  notifyChoice.value = choice;
  remember("notify", choice === "off" ? "" : choice);
  if (choice !== "off" && globalThis.Notification?.permission === "default") await Notification.requestPermission();
  mayNotify.value = isGranted();
}

/** @param {boolean} shows */
export function setShowsText(shows) {
  showsText.value = shows;
  remember("notify_text", shows ? "yes" : "");
}

/**
 * Whether a message is worth disturbing somebody for. Pure.
 * @param {{ sender: string, mentions: readonly string[], precedence: string, withdrawn: unknown }} item
 * @param {{ kind: string }} channel
 * @param {Circumstances} circumstances
 */
export function isWorthANotification(item, channel, { choice, isAttended, isDisturbable, me }) {
  if (choice === "off" || isAttended || item.sender === me || item.withdrawn) return false;
  if (URGENT.has(item.precedence)) return true;
  if (!isDisturbable) return false;
  return choice === "all" || channel.kind === "direct" || item.mentions.includes(me);
}

/** Notify of what comes from now on, until the returned function is called. @param {import('./desk.js').Desk} desk */
export function followNews(desk) {
  const { client } = desk;
  /** The seq up to which somebody may have been notified, by channel. @type {Map<string, number>} */
  const told = new Map();
  const begin = () => {
    for (const { channel, head } of client.channels.values()) if (!told.has(channel)) told.set(channel, head);
  };
  begin();
  const endings = [
    client.on("connected", begin),
    client.on("channel", begin),
    client.on("timeline", (channel) => {
      const before = told.get(channel);
      const { last } = client.timeline(channel);
      if (before === undefined || last <= before) return;
      told.set(channel, last);
      notifyOfNews(desk, channel, before);
    }),
  ];
  return () => {
    for (const end of endings) end();
  };
}

/**
 * Notify of what is new in a channel since it was last looked at. @param {import('./desk.js').Desk} desk
 * @param {string} channel @param {number} told   The seq up to which somebody may have been notified.
 */
function notifyOfNews(desk, channel, told) {
  const info = desk.client.channels.get(channel);
  if (!info) return;
  const circumstances = {
    choice: notifyChoice.value,
    isAttended: attended.value,
    isDisturbable: desk.choice.value !== "dnd",
    me: desk.live.me.value?.user ?? "",
  };
  const { items } = desk.client.timeline(channel);
  // One a channel is enough: the newest takes the place of those before.
  const item = items.findLast(
    (one) => one.seq > told && one.kind === "text" && isWorthANotification(one, info, circumstances),
  );
  if (!item) return;
  notify(item, info, {
    author: desk.live.nameOf(item.sender),
    title: desk.titleOf(info),
    onClick: () => desk.jump(channel, item.seq),
  });
}

/**
 * @param {{ id: string, text: string }} item
 * @param {{ channel: string, kind: string }} channel
 * @param {{ author: string, title: string, onClick: () => void }} words
 */
function notify(item, channel, { author, title, onClick }) {
  if (!isGranted()) return;
  const isShown = channel.kind === "joint" || showsText.value;
  const body = isShown ? `${author}: ${item.text.slice(0, MOST_TEXT_CHARS)}` : t("notify_body", { name: author });
  try {
    const notification = new Notification(title, { body, tag: channel.channel });
    notification.onclick = () => {
      window.focus();
      notification.close();
      onClick();
    };
  } catch {
    // Some phones have the name and not the thing.
  }
}
