/** One message: who, when, what, and what became of it. */

import { useSignal } from "@preact/signals";

import { formatStamp, formatTime, usableZone } from "../shared/clocks.js";
import { errorText } from "../shared/error_text.js";
import { locale, t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { SideLabel, sideStyle } from "../shared/side_label.jsx";
import { initials } from "./initials.js";
import { MessageActions } from "./message_actions.jsx";
import { Reactions } from "./reactions.jsx";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {import('./desk.js').Item} Item */
/** @typedef {{ desk: Desk, channel: string, item: Item }} ItemProps */

/** @param {ItemProps & { continues: boolean }} props */
export function MessageRow({ desk, channel, item, continues }) {
  // The actions are made only for the message that has the pointer or the focus: a hundred rows of buttons would weigh
  // on the page and stand in the way of the Tab key.
  const active = useSignal(false);
  const isOwn = item.sender === desk.live.me.value?.user;
  return (
    <li
      class="message"
      data-seq={item.seq}
      data-state={item.state}
      data-continues={continues}
      tabIndex={-1}
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
      {continues ? <Time desk={desk} item={item} class="gutter" /> : <Avatar desk={desk} item={item} />}
      <article class="message-main">
        {!continues && <Heading desk={desk} item={item} isOwn={isOwn} />}
        {item.replyTo > 0 && <Quote desk={desk} channel={channel} item={item} />}
        <Body item={item} />
        <Reactions desk={desk} channel={channel} item={item} />
        {isOwn && <Delivery desk={desk} item={item} />}
      </article>
      {active.value && item.seq > 0 && !item.withdrawn && (
        <MessageActions desk={desk} channel={channel} item={item} isOwn={isOwn} />
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

/** @param {{ desk: Desk, item: Item, isOwn: boolean }} props */
function Heading({ desk, item, isOwn }) {
  const { live } = desk;
  return (
    <header class="message-head">
      <bdi class="author">{live.nameOf(item.sender)}</bdi>
      {isOwn && <span class="tag">{t("you")}</span>}
      {live.people.value.get(item.sender)?.role === "bot" && <span class="tag">{t("bot")}</span>}
      <SideLabel side={live.side(item.delegation)} />
      <Time desk={desk} item={item} class="at" />
    </header>
  );
}

/** The time here; what both sides' clocks showed is in the hint. @param {{ desk: Desk, item: Item, class: string }} props */
function Time({ desk, item, class: name }) {
  const { live } = desk;
  const everywhere = live.sides.map(
    ({ title, timeZone }) => `${titled(title)} ${formatStamp(item.timeMs, locale.value, usableZone(timeZone))}`,
  );
  return (
    <time class={name} dateTime={new Date(item.timeMs).toISOString()} title={everywhere.join("\n")}>
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

/** @param {{ item: Item }} props */
function Body({ item }) {
  const earlier = item.versions.slice(0, -1);
  if (item.withdrawn) return <p class="tombstone">{t("withdrawn")}</p>;
  return (
    <>
      <p class="text" dir="auto">
        {item.text}
      </p>
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

/** @type {Record<Item['state'], string>} */
const DELIVERY_ICONS = { queued: "clock", sent: "clock", delivered: "check", failed: "warning" };

/** How far an own message has come. @param {{ desk: Desk, item: Item }} props */
function Delivery({ desk, item }) {
  const pending = item.pending.find(({ state }) => state !== "failed");
  const failed = item.state === "failed" ? item : item.pending.find(({ state }) => state === "failed");
  if (failed) return <FailedDelivery desk={desk} failed={failed} />;
  const state = pending ? /** @type {Item['state']} */ (pending.state) : item.state;
  return (
    <span class="delivery" data-state={state} title={t(`delivery_${state}`)}>
      <Icon name={DELIVERY_ICONS[state]} />
      <span class={state === "delivered" ? "visually-hidden" : ""}>{t(`delivery_${state}`)}</span>
    </span>
  );
}

/** @param {{ desk: Desk, failed: { key: string, error?: any } }} props */
function FailedDelivery({ desk, failed }) {
  return (
    <span class="delivery" data-state="failed" role="alert">
      <Icon name="warning" />
      <span>
        {t("delivery_failed")}
        {failed.error && ` · ${errorText(failed.error)}`}
      </span>
      <button type="button" class="button small" onClick={() => desk.client.retry(failed.key)}>
        {t("delivery_retry")}
      </button>
      <button type="button" class="button small quiet" onClick={() => desk.client.discard(failed.key)}>
        {t("delivery_discard")}
      </button>
    </span>
  );
}
