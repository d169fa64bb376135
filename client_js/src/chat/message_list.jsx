/**
 * The messages of one channel, of which only those in view are in the document. Opens at the first unread; then stays where
 * the reader is: at the bottom only if the reader is within 100 px of it, and on the same message when older ones are put
 * above.
 */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { formatDay } from "../shared/clocks.js";
import { locale, t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { MessageRow } from "./message_row.jsx";
import { MessageWindow } from "./message_window.js";
import { RowComposer } from "./rows.js";
import { extras } from "./use_extras.js";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {NonNullable<Desk['channel']['value']>} Channel */
/** @typedef {import('./desk.js').Timeline} Timeline */
/** @typedef {import('./desk.js').Item} Item */
/** @typedef {import('./rows.js').Row<Item>} Row */

/** Closer to the top than this, earlier messages are loaded: before the reader arrives there. */
const LOAD_AHEAD_PX = 1200;
const PAGE_MESSAGES = 100;
/** Whoever was away for longer than this begins at the end, and goes up by search or by date. */
const MOST_UNREAD = 2000;
/** Where the first unread stands when a channel is opened, and where a message that was searched for. */
const UNREAD_AT = 0.35;
const TARGET_AT = 0.6;

/** @param {{ desk: Desk, channel: Channel }} props */
export function MessageList({ desk, channel }) {
  const timeline = desk.timeline(channel.channel).value;
  const unreadAfter = useRef(channel.unread > 0 ? channel.readSeq : undefined);
  const composer = useMemo(() => /** @type {RowComposer<Item>} */ (new RowComposer()), []);
  const rows = composer.compose(timeline.items, {
    timeZone: desk.live.timeZone,
    me: desk.live.me.value?.user ?? "",
    unreadAfter: unreadAfter.current,
  });
  const list = useMessageWindow(desk, channel.channel, timeline, rows, unreadAfter.current);
  return (
    <div class="log-frame">
      {/* A list can't be the log itself: the role would take its items' list away from them. */}
      <div
        class="log"
        role="log"
        aria-label={t("log_label", { channel: desk.titleOf(channel) })}
        aria-busy={list.loading.value}
        ref={list.scroller}
        onScroll={list.onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
        tabIndex={0}
        onKeyDown={extras.value?.moveBetweenMessages}
      >
        <Top timeline={timeline} loading={list.loading.value} />
        <ol ref={list.list}>{list.elements}</ol>
      </div>
      {!list.atEnd.value && (
        <button type="button" class="button latest" onClick={list.toEnd}>
          <Icon name="down" />
          {t(list.missed.value ? "log_latest_new" : "log_latest")}
        </button>
      )}
    </div>
  );
}

/** Of the same height whatever it says. @param {{ timeline: Timeline, loading: boolean }} props */
function Top({ timeline, loading }) {
  const text = () => {
    if (loading) return t("log_loading");
    if (timeline.hasOlder) return " ";
    if (timeline.items.length > 0) return t("log_start");
    return t("log_empty");
  };
  return <p class="log-top">{text()}</p>;
}

/**
 * What every row tells: where it stands in the whole list, of which the document holds a part. While there are older
 * messages nobody knows how long that is (-1). The length is a signal, so that a message that comes changes one attribute
 * of the rows in view and draws none of them again.
 * @typedef {{ 'aria-posinset': number, 'aria-setsize': import('@preact/signals').ReadonlySignal<number> }} Position
 */

/** @param {{ timeMs: number, timeZone: string, position: Position }} props */
function Day({ timeMs, timeZone, position }) {
  return (
    <li class="divider day" {...position}>
      <span>{formatDay(timeMs, locale.value, timeZone)}</span>
    </li>
  );
}

/** @param {{ position: Position }} props */
function Unread({ position }) {
  return (
    <li class="divider unread" id="first-unread" {...position}>
      <span>{t("first_unread")}</span>
    </li>
  );
}

/** The line was suspended or resumed here. @param {{ desk: Desk, item: Item, position: Position }} props */
function Mark({ desk, item, position }) {
  const registers = extras.value?.registers.value;
  return (
    <li class="divider" {...position}>
      {registers && <registers.LineMark desk={desk} item={item} />}
    </li>
  );
}

/**
 * An element for each row in the window. One whose row hasn't changed is the very same as last time, so that it isn't
 * drawn again.
 * @param {Desk} desk
 * @param {string} channel
 * @param {import('@preact/signals').ReadonlySignal<number>} size   How long the whole list is.
 */
function useElements(desk, channel, size) {
  /** @type {{ current: Map<string, { row: Row, position: number, element: import('preact').VNode }> }} */
  const known = useRef(new Map());
  /** @param {readonly Row[]} rows @param {{ first: number, end: number }} range */
  return (rows, { first, end }) => {
    const next = new Map();
    for (let index = first; index < end; index += 1) {
      const row = /** @type {Row} */ (rows[index]);
      const before = known.current.get(row.id);
      const isSame = before?.row === row && before.position === index;
      const element = isSame ? before.element : draw(desk, channel, row, index, size);
      next.set(row.id, { row, position: index, element });
    }
    known.current = next;
    return [...next.values()].map(({ element }) => element);
  };
}

/**
 * @param {Desk} desk
 * @param {string} channel
 * @param {Row} row
 * @param {number} index
 * @param {import('@preact/signals').ReadonlySignal<number>} size
 */
function draw(desk, channel, row, index, size) {
  const position = { "aria-posinset": index + 1, "aria-setsize": size };
  switch (row.type) {
    case "day":
      return <Day key={row.id} timeMs={row.timeMs} timeZone={desk.live.timeZone} position={position} />;
    case "unread":
      return <Unread key={row.id} position={position} />;
    case "message":
      if (row.item.kind !== "text") return <Mark key={row.id} desk={desk} item={row.item} position={position} />;
      return (
        <MessageRow
          key={row.id}
          desk={desk}
          channel={channel}
          item={row.item}
          continues={row.continues}
          position={position}
        />
      );
  }
}

/**
 * @param {Desk} desk
 * @param {string} channel
 * @param {Timeline} timeline
 * @param {readonly Row[]} rows
 * @param {number | undefined} unreadAfter
 */
function useMessageWindow(desk, channel, timeline, rows, unreadAfter) {
  const scroller = useRef(/** @type {HTMLDivElement | null} */ (null));
  const list = useRef(/** @type {HTMLOListElement | null} */ (null));
  const loading = useSignal(false);
  const atEnd = useSignal(true);
  const missed = useSignal(false);
  const drawing = useSignal(0);
  const isOpen = useRef(false);
  const focused = useRef(/** @type {Element | null} */ (null));
  const view = useMemo(
    () =>
      new MessageWindow(() => {
        drawing.value += 1;
      }),
    [],
  );
  const size = useSignal(-1);
  const elementsOf = useElements(desk, channel, size);
  // What asks for another drawing has to be read by it.
  void drawing.value;
  const elements = elementsOf(rows, view.layOut(rows));

  const settle = () => {
    atEnd.value = view.isAtEnd;
    if (view.isAtEnd) {
      missed.value = false;
      if (isOpen.current) desk.markRead(desk.client.timeline(channel));
    }
    if (isOpen.current && view.abovePx < LOAD_AHEAD_PX) loadOlder();
  };

  const loadOlder = async () => {
    if (loading.peek() || !desk.client.timeline(channel).hasOlder || !desk.isConnected) return;
    loading.value = true;
    try {
      await desk.client.loadOlder(channel, PAGE_MESSAGES);
    } catch {
      // The line went; the next scroll tries again.
    }
    loading.value = false;
  };

  /** To the first unread, once it and all behind it are here. */
  const openAtUnread = async () => {
    if (isOpen.current || !timeline.complete) return;
    isOpen.current = true;
    if (unreadAfter === undefined || timeline.head - unreadAfter > MOST_UNREAD) return;
    if (timeline.first > unreadAfter + 1) {
      loading.value = true;
      await desk.live.attempt(desk.client.loadUntil(channel, unreadAfter + 1));
      await desk.drawn();
      loading.value = false;
    }
    view.aimAt("unread", UNREAD_AT);
  };

  useLayoutEffect(() => {
    size.value = timeline.hasOlder ? -1 : rows.length;
    view.attach(scroller.current, list.current);
    view.drawn();
    keepFocus(scroller.current, focused);
    settle();
  });

  const last = timeline.items.at(-1)?.id;
  useLayoutEffect(() => {
    if (isOpen.current && !view.isAtEnd) missed.value = true;
    openAtUnread();
  }, [last, timeline.complete]);

  const target = desk.target.value;
  // The target may be drawn only with a later timeline than the one that stands now.
  useEffect(() => {
    const row = target > 0 ? rows.find((one) => one.type === "message" && one.item.seq === target) : undefined;
    if (!row) return;
    isOpen.current = true;
    view.aimAt(row.id, TARGET_AT);
    requestAnimationFrame(() => {
      const found = list.current?.querySelector(`[data-seq="${target}"]`);
      if (found instanceof HTMLElement) found.focus({ preventScroll: true });
      desk.target.value = 0;
    });
  }, [target, timeline]);

  // A row grew, the window changed its height, or somebody came back to the screen.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      view.drawn();
      settle();
    });
    if (scroller.current) observer.observe(scroller.current);
    if (list.current) observer.observe(list.current);
    window.addEventListener("focus", settle);
    document.addEventListener("visibilitychange", settle);
    return () => {
      observer.disconnect();
      window.removeEventListener("focus", settle);
      document.removeEventListener("visibilitychange", settle);
    };
  }, [channel]);

  const onScroll = () => {
    if (view.scrolled()) settle();
  };
  return { scroller, list, elements, loading, atEnd, missed, toEnd: () => view.toEnd(), onScroll };
}

/**
 * The message that had the focus may have been scrolled out of the document: the arrow keys go on from the list.
 * @param {HTMLElement | null} log
 * @param {{ current: Element | null }} focused
 */
function keepFocus(log, focused) {
  const active = document.activeElement;
  if (focused.current && !focused.current.isConnected && active === document.body) log?.focus({ preventScroll: true });
  focused.current = log?.contains(active) ? active : null;
}
