/** One message: who, when, what, and what became of it. */

import { useSignal } from "@preact/signals";

import { formatStamp, formatTime, usableZone } from "../shared/clocks.js";
import { locale, t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { SideLabel, sideStyle } from "../shared/side_label.jsx";
import { initials } from "./initials.js";
import { piecesOf } from "./mentions.js";
import { Reactions } from "./reactions.jsx";
import { extras } from "./use_extras.js";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {import('./desk.js').Item} Item */
/** @typedef {{ desk: Desk, channel: string, item: Item }} ItemProps */

/** @param {ItemProps & { continues: boolean, position: import('./message_list.jsx').Position }} props */
export function MessageRow({ desk, channel, item, continues, position }) {
  // The actions are made only for the message that has the pointer or the focus: a hundred rows of buttons would weigh
  // on the page and stand in the way of the Tab key.
  const active = useSignal(false);
  const isOwn = item.sender === desk.live.me.value?.user;
  const Actions = active.value ? extras.value?.MessageActions : undefined;
  return (
    <li
      class="message"
      data-seq={item.seq}
      data-state={item.state}
      data-continues={continues}
      tabIndex={-1}
      {...position}
      style={sideStyle(desk.live.side(item.delegation))}
      onPointerEnter={() => {
        active.value = true;
      }}
      onPointerLeave={() => {
        active.value = false;
      }}
      onFocusIn={() => {
        active.value = true;
      }}
      onFocusOut={(event) => {
        const next = event.relatedTarget;
        active.value = next instanceof Node && /** @type {Node} */ (event.currentTarget).contains(next);
      }}
    >
      {continues ? (
        <Time desk={desk} item={item} class="gutter" isActive={active.value} />
      ) : (
        <Avatar desk={desk} item={item} />
      )}
      <article class="message-main">
        {!continues && <Heading desk={desk} item={item} isOwn={isOwn} isActive={active.value} />}
        {item.replyTo > 0 && <Quote desk={desk} channel={channel} item={item} />}
        <Body desk={desk} channel={channel} item={item} />
        <Reactions desk={desk} channel={channel} item={item} />
        {isOwn && <Delivery desk={desk} channel={channel} item={item} />}
      </article>
      {Actions && item.seq > 0 && !item.withdrawn && (
        <Actions desk={desk} channel={channel} item={item} isOwn={isOwn} />
      )}
    </li>
  );
}

/** @param {{ desk: Desk, item: Item }} props */
function Avatar({ desk, item }) {
  const short = initials(desk.live.nameOf(item.sender));
  return (
    <span class="avatar" aria-hidden="true">
      {short}
    </span>
  );
}

/** @param {{ desk: Desk, item: Item, isOwn: boolean, isActive: boolean }} props */
function Heading({ desk, item, isOwn, isActive }) {
  const { live } = desk;
  return (
    <header class="message-head">
      <bdi class="author">{live.nameOf(item.sender)}</bdi>
      {isOwn && <span class="tag">{t("you")}</span>}
      {live.people.value.get(item.sender)?.role === "bot" && <span class="tag">{t("bot")}</span>}
      <SideLabel side={live.side(item.delegation)} />
      <Time desk={desk} item={item} class="at" isActive={isActive} />
    </header>
  );
}

/**
 * The time here; what both sides' clocks showed is in the hint, which is made only where it can be seen.
 * @param {{ desk: Desk, item: Item, class: string, isActive: boolean }} props
 */
function Time({ desk, item, class: name, isActive }) {
  const { live } = desk;
  const everywhere = live.sides.map(
    ({ title, timeZone }) =>
      isActive && `${titled(title)} ${formatStamp(item.timeMs, locale.value, usableZone(timeZone))}`,
  );
  return (
    <time
      class={name}
      dateTime={new Date(item.timeMs).toISOString()}
      title={isActive ? everywhere.join("\n") : undefined}
    >
      {formatTime(item.timeMs, locale.value, live.timeZone)}
    </time>
  );
}

/** What a message answers, in one line. @param {ItemProps} props */
function Quote({ desk, channel, item }) {
  const answered = desk.timeline(channel).value.items.find(({ seq }) => seq === item.replyTo);
  return (
    <button type="button" class="quote" onClick={() => desk.jump(channel, item.replyTo)}>
      <Icon name="reply" />
      {answered ? (
        <>
          <span>{t("reply_to", { name: desk.live.nameOf(answered.sender) })}</span>
          <bdi class="quote-text">{answered.text}</bdi>
        </>
      ) : (
        <span>{t("reply_to_unknown")}</span>
      )}
    </button>
  );
}

/** @param {ItemProps} props */
function Body({ desk, channel, item }) {
  const Attached = item.data && extras.value?.Attached;
  const earlier = item.versions.slice(0, -1);
  if (item.withdrawn) return <p class="tombstone">{t("withdrawn")}</p>;
  return (
    <>
      {item.precedence !== "" && (
        <span class="precedence" data-precedence={item.precedence}>
          {t(`precedence_${item.precedence}`)}
        </span>
      )}
      <p class="text" dir="auto">
        {item.mentions.length === 0 ? item.text : <Mentioning desk={desk} item={item} />}
      </p>
      {Attached && <Attached channel={channel} data={item.data} />}
      {earlier.length > 0 && (
        <details class="versions">
          <summary title={t("corrected_show")}>{t("corrected")}</summary>
          <ol aria-label={t("corrected_show")}>
            {earlier.map(({ seq, text }) => (
              <li key={seq} dir="auto">
                <del>{text}</del>
              </li>
            ))}
          </ol>
        </details>
      )}
    </>
  );
}

/** A text in which people are mentioned. @param {{ desk: Desk, item: Item }} props */
function Mentioning({ desk, item }) {
  const me = desk.live.me.value?.user;
  const people = item.mentions.map((user) => ({ user, name: desk.live.nameOf(user) }));
  return (
    <>
      {piecesOf(item.text, people).map(({ text, user }, index) =>
        user === "" ? (
          text
        ) : (
          <bdi key={index} class="mentioned" data-me={user === me}>
            {text}
          </bdi>
        ),
      )}
    </>
  );
}

/** @type {Record<Item['state'], string>} */
const DELIVERY_ICONS = { queued: "clock", sent: "clock", held: "clock", delivered: "check", failed: "warning" };

/** How far an own message has come. @param {ItemProps} props */
function Delivery({ desk, channel, item }) {
  const pending = item.pending.find(({ state }) => state !== "failed");
  const failed = item.state === "failed" ? item : item.pending.find(({ state }) => state === "failed");
  const Failed = extras.value?.FailedDelivery;
  if (failed && Failed) return <Failed desk={desk} failed={failed} />;
  const state = pending ? /** @type {Item['state']} */ (pending.state) : item.state;
  if (state === "delivered") return <Delivered desk={desk} channel={channel} item={item} />;
  return (
    <span class="delivery" data-state={state} title={t(`delivery_${state}`)}>
      <Icon name={DELIVERY_ICONS[state]} />
      <span>{t(`delivery_${state}`)}</span>
    </span>
  );
}

/** Who has it on their screen: each by name of the own side, the other side as a whole. @param {ItemProps} props */
function Delivered({ desk, channel, item }) {
  // Read positions change apart from the messages that they are about.
  void desk.readVersion.value;
  const { me, people } = desk.live;
  const own = me.value?.delegation ?? "";
  const { bySide, byUser } = desk.client.reads(channel);
  const isShown = [...bySide].some(([side, seq]) => side !== own && seq >= item.seq);
  const readers = [...byUser].filter(([user, seq]) => seq >= item.seq && user !== item.sender).map(([user]) => user);
  const names = readers.filter((user) => people.value.has(user)).map((user) => desk.live.nameOf(user));
  const words = [t("delivery_delivered")];
  if (isShown) words.push(t("delivery_shown"));
  if (names.length > 0) words.push(t("delivery_read", { names: names.join(", ") }));
  return (
    <span class="delivery" data-state="delivered" data-shown={isShown} title={words.join("\n")}>
      <Icon name={isShown ? "checks" : "check"} />
      <span class="visually-hidden">{words.join(". ")}</span>
    </span>
  );
}
