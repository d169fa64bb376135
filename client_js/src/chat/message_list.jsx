/**
 * The messages of one channel. Opens at the first unread; then stays where the reader is: at the bottom only if the
 * reader is within 100 px of it, and on the same message when older ones are put above.
 */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { formatDay } from "../shared/clocks.js";
import { locale, t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { MessageRow } from "./message_row.jsx";
import { rowsOf } from "./rows.js";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {NonNullable<Desk['channel']['value']>} Channel */
/** @typedef {import('./desk.js').Timeline} Timeline */

/** Closer to the bottom than this, the list follows what comes. */
const STICKY_PX = 100;
/** Closer to the top than this, earlier messages are loaded: before the reader arrives there. */
const LOAD_AHEAD_PX = 600;
const PAGE_MESSAGES = 50;

/** @param {{ desk: Desk, channel: Channel }} props */
export function MessageList({ desk, channel }) {
  const name = channel.channel;
  const timeline = desk.timeline(name).value;
  const unreadAfter = useRef(channel.unread > 0 ? channel.readSeq : undefined);
  const rows = rowsOf(timeline.items, {
    timeZone: desk.live.timeZone,
    me: desk.live.me.value?.user ?? "",
    unreadAfter: unreadAfter.current,
  });
  const scroller = useScroller(desk, name, timeline);
  return (
    <div class="log-frame">
      {/* A list can't be the log itself: the role would take its items' list away from them. */}
      <div
        class="log"
        role="log"
        aria-label={t("log_label", { channel: desk.titleOf(channel) })}
        aria-busy={scroller.loading.value}
        ref={scroller.element}
        onScroll={scroller.onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
        tabIndex={0}
        onKeyDown={moveBetweenMessages}
      >
        <Top timeline={timeline} loading={scroller.loading.value} />
        <ol>
          {rows.map((row) => {
            if (row.type === "day") return <Day key={row.id} timeMs={row.timeMs} timeZone={desk.live.timeZone} />;
            if (row.type === "unread") return <Unread key={row.id} />;
            return <MessageRow key={row.id} desk={desk} channel={name} item={row.item} continues={row.continues} />;
          })}
        </ol>
      </div>
      {!scroller.atBottom.value && (
        <button type="button" class="button latest" onClick={scroller.toBottom}>
          <Icon name="down" />
          {t(scroller.missed.value ? "log_latest_new" : "log_latest")}
        </button>
      )}
    </div>
  );
}

/** @param {{ timeline: Timeline, loading: boolean }} props */
function Top({ timeline, loading }) {
  if (loading) return <p class="log-top">{t("log_loading")}</p>;
  if (timeline.hasOlder) return <p class="log-top"> </p>;
  if (timeline.items.length === 0) return <p class="log-top">{t("log_empty")}</p>;
  return <p class="log-top">{t("log_start")}</p>;
}

/** @param {{ timeMs: number, timeZone: string }} props */
function Day({ timeMs, timeZone }) {
  return (
    <li class="divider day">
      <span>{formatDay(timeMs, locale.value, timeZone)}</span>
    </li>
  );
}

function Unread() {
  return (
    <li class="divider unread" id="first-unread">
      <span>{t("first_unread")}</span>
    </li>
  );
}

/** Up and down go from message to message, once the focus is in the list. @param {KeyboardEvent} event */
function moveBetweenMessages(event) {
  if (event.code !== "ArrowUp" && event.code !== "ArrowDown") return;
  const list = /** @type {HTMLElement} */ (event.currentTarget);
  const current = document.activeElement?.closest(".message") ?? null;
  const all = [...list.querySelectorAll(".message")];
  const index = current ? all.indexOf(current) + (event.code === "ArrowUp" ? -1 : 1) : all.length - 1;
  const next = all[index];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
}

/**
 * @param {Desk} desk
 * @param {string} channel
 * @param {Timeline} timeline
 */
function useScroller(desk, channel, timeline) {
  const element = useRef(/** @type {HTMLDivElement | null} */ (null));
  const loading = useSignal(false);
  const atBottom = useSignal(true);
  const missed = useSignal(false);
  const opened = useRef(false);
  /** The first message of the last drawing and where it stood. @type {{ current: [Element, number] | undefined }} */
  const anchor = useRef(undefined);

  const toBottom = () => {
    const log = element.current;
    if (log) log.scrollTop = log.scrollHeight;
  };

  const loadOlder = async () => {
    if (loading.peek() || !desk.client.timeline(channel).hasOlder) return;
    loading.value = true;
    try {
      await desk.client.loadOlder(channel, PAGE_MESSAGES);
    } catch {
      // Without a connection now; the next scroll tries again.
    }
    loading.value = false;
  };

  const onScroll = () => {
    const log = element.current;
    if (!log) return;
    atBottom.value = log.scrollHeight - log.scrollTop - log.clientHeight < STICKY_PX;
    if (atBottom.value) {
      missed.value = false;
      desk.markRead(desk.client.timeline(channel));
    }
    if (opened.current && log.scrollTop < LOAD_AHEAD_PX) loadOlder();
  };

  useLayoutEffect(() => {
    const log = element.current;
    if (!log || timeline.items.length === 0) return;
    const moved = anchor.current?.[0].isConnected ? offsetOf(anchor.current[0]) - anchor.current[1] : 0;
    if (!opened.current) {
      // Messages come one by one: where the first unread stands is known only once they are all here.
      opened.current = timeline.complete;
      toBottom();
      log.querySelector("#first-unread")?.scrollIntoView({ block: "center" });
    } else if (atBottom.peek()) toBottom();
    else if (moved !== 0) log.scrollTop += moved;
    else missed.value = true;
    const first = log.querySelector(".message");
    anchor.current = first ? [first, offsetOf(first)] : undefined;
    onScroll();
  }, [timeline]);

  const target = desk.target.value;
  // The target may be drawn only with a later timeline than the one that stands now.
  useEffect(() => {
    const found = target > 0 ? element.current?.querySelector(`[data-seq="${target}"]`) : null;
    if (!(found instanceof HTMLElement)) return;
    found.scrollIntoView({ block: "center" });
    found.focus({ preventScroll: true });
    desk.target.value = 0;
  }, [target, timeline]);

  // Somebody came back to the screen, or the window changed its height.
  useEffect(() => {
    const log = element.current;
    if (!log) return undefined;
    const observer = new ResizeObserver(() => {
      if (atBottom.peek()) toBottom();
    });
    observer.observe(log);
    const seen = () => {
      if (atBottom.peek()) desk.markRead(desk.client.timeline(channel));
    };
    window.addEventListener("focus", seen);
    document.addEventListener("visibilitychange", seen);
    return () => {
      observer.disconnect();
      window.removeEventListener("focus", seen);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [channel]);

  return { element, loading, atBottom, missed, toBottom, onScroll };
}

/** @param {Element} element */
function offsetOf(element) {
  return /** @type {HTMLElement} */ (element).offsetTop;
}
