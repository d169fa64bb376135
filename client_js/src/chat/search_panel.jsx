/** Search in all of one's channels; a result opens its channel at that message. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { formatStamp } from "../shared/clocks.js";
import { locale, t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { SideLabel, sideStyle } from "../shared/side_label.jsx";
import { markFound, wordsOf } from "./korean.js";
import { PanelHead } from "./panel_head.jsx";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {Awaited<ReturnType<Desk['client']['search']>>['messages'][number]} Found */

/** Code points. (PROTOCOL.md §9) */
const MAX_QUERY_CHARS = 128;

/** @param {{ desk: Desk }} props */
export function SearchPanel({ desk }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => field.current?.focus(), []);
  /** @type {import('@preact/signals').Signal<{ query: string, messages: readonly Found[] } | undefined>} */
  const found = useSignal(undefined);

  /** @param {SubmitEvent} event */
  function submit(event) {
    event.preventDefault();
    const query = field.current?.value.trim() ?? "";
    const find = async () => {
      const { messages } = await desk.client.search(query);
      found.value = { query, messages };
    };
    if (query !== "") desk.live.attempt(find());
  }

  return (
    <aside class="panel search" aria-label={t("search")}>
      <PanelHead desk={desk} title={t("search")} />
      <search>
        <form class="search-form" onSubmit={submit}>
          <input ref={field} type="search" aria-label={t("search_label")} maxLength={MAX_QUERY_CHARS} dir="auto" />
          <button type="submit" class="button primary" aria-label={t("search")}>
            <Icon name="search" />
          </button>
        </form>
      </search>
      {found.value && <Results desk={desk} found={found.value} />}
    </aside>
  );
}

/** @param {{ desk: Desk, found: { query: string, messages: readonly Found[] } }} props */
function Results({ desk, found: { query, messages } }) {
  const words = wordsOf(query);
  return (
    <>
      <p class="search-count" role="status">
        {messages.length === 0 ? t("search_none", { query }) : t("search_results", { count: messages.length })}
      </p>
      <ul class="results">
        {messages.map((message) => (
          <Result key={`${message.channel} ${message.seq}`} desk={desk} message={message} words={words} />
        ))}
      </ul>
    </>
  );
}

/** @param {{ desk: Desk, message: Found, words: readonly string[] }} props */
function Result({ desk, message, words }) {
  const { live } = desk;
  const channel = desk.channels.value.get(message.channel);
  const side = live.side(message.delegation);
  return (
    <li>
      <button
        type="button"
        class="result"
        style={sideStyle(side)}
        onClick={() => desk.jump(message.channel, message.ref && message.kind !== "text" ? message.ref : message.seq)}
      >
        <span class="result-head">
          <bdi class="author">{live.nameOf(message.sender)}</bdi>
          <SideLabel side={side} />
          <time>{formatStamp(message.timeMs, locale.value, live.timeZone)}</time>
        </span>
        <bdi class="result-text">
          {markFound(message.text, words).map(({ text, isFound }, index) =>
            // The pieces of one text stay in their order.
            isFound ? <mark key={index}>{text}</mark> : text,
          )}
        </bdi>
        <bdi class="result-channel">{channel ? desk.titleOf(channel) : message.channel}</bdi>
      </button>
    </li>
  );
}
