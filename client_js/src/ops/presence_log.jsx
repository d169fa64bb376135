/** The changes of presence with their causes: those that come in, and "why did she show offline at 14:03?". */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { formatSecond, formatStamp } from "../shared/clocks.js";
import { errorText } from "../shared/error_text.js";
import { locale, t } from "../shared/i18n.js";
import { PresenceDot } from "../shared/presence_dot.jsx";
import { SideLabel } from "../shared/side_label.jsx";
import { causeText } from "./cause_text.js";
import { endOfMinute, standingAt } from "./presence_answer.js";
import { withDiff, withEarlier } from "./presence_changes.js";
import { byName, Choice } from "./session_table.jsx";
import { show, view } from "./view.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('../sdk/operations.js').Operations} Operations */
/** @typedef {import('../sdk/presence_feed.js').PresenceFeed} PresenceFeed */
/** @typedef {import('./presence_changes.js').Change} Change */
/** @typedef {import('../sdk/operations_frames.js').PresenceLogPage} Page */
/** @typedef {import('../sdk/codes.js').CommandError} CommandError */

/** As many as fill the box, and then some. */
const SEEDED = 50;

/** @param {{ live: Live, presence: PresenceFeed, operations: Operations }} props */
export function PresenceLog({ live, presence, operations }) {
  const changes = useChanges(live, presence, operations);
  const { side, who, at } = view.value;
  const shown = changes.filter(({ delegation, user }) => (!side || delegation === side) && (!who || user === who));
  return (
    <section class="box" aria-labelledby="changes-title">
      <header class="box-head">
        <h2 id="changes-title">{t("ops_changes")}</h2>
        <span class="spacer" />
        <Question live={live} />
      </header>
      {at === "" ? (
        <ChangeList live={live} changes={shown} none={t("ops_changes_none")} />
      ) : (
        <Answer live={live} operations={operations} who={who} at={at} />
      )}
    </section>
  );
}

/**
 * What the server remembers, and what comes in.
 * @param {Live} live @param {PresenceFeed} presence @param {Operations} operations
 */
function useChanges(live, presence, operations) {
  /** @type {import('@preact/signals').Signal<readonly Change[]>} */
  const changes = useSignal([]);
  const isConnected = live.link.value.name === "connected";
  useEffect(
    () =>
      presence.on("change", ({ before, diff }) => {
        changes.value = withDiff(changes.peek(), before.users, diff, live.client.serverNowMs());
      }),
    [live, presence, changes],
  );
  useEffect(() => {
    if (!isConnected) return;
    // Also after the line was lost: what came about meanwhile is in no difference.
    operations.presenceLog({ limit: SEEDED }).then(
      ({ events }) => {
        changes.value = withEarlier(changes.peek(), events);
      },
      (error) => console.warn("liaison: presence_log", error),
    );
  }, [operations, changes, isConnected]);
  return changes.value;
}

/** @param {{ live: Live }} props */
function Question({ live }) {
  const { who, at } = view.value;
  const users = [...live.people.value.values()].filter(({ role }) => role !== "ops").map(({ user }) => user);
  return (
    <search class="filters">
      <Choice
        label={t("ops_who")}
        all={t("ops_all_users")}
        value={who}
        options={byName(live, users)}
        choose={(chosen) => show({ who: chosen })}
      />
      <input
        type="datetime-local"
        aria-label={t("ops_when")}
        title={t("ops_when")}
        value={at}
        onInput={({ currentTarget }) => show({ at: currentTarget.value })}
      />
      {at !== "" && (
        <button type="button" class="button small" onClick={() => show({ at: "" })}>
          {t("ops_to_now")}
        </button>
      )}
    </search>
  );
}

/** @param {{ live: Live, operations: Operations, who: string, at: string }} props */
function Answer({ live, operations, who, at }) {
  /** @type {import('@preact/signals').Signal<{ page?: Page, error?: CommandError }>} */
  const answer = useSignal({});
  const isConnected = live.link.value.name === "connected";
  const untilMs = endOfMinute(at);
  useEffect(() => {
    let isOutdated = false;
    answer.value = {};
    if (!isConnected) return undefined;
    operations.presenceLog({ user: who, beforeMs: untilMs + 1, limit: SEEDED }).then(
      (page) => {
        if (!isOutdated) answer.value = { page };
      },
      (error) => {
        if (!isOutdated) answer.value = { error };
      },
    );
    return () => {
      isOutdated = true;
    };
  }, [operations, answer, isConnected, who, untilMs]);

  const { page, error } = answer.value;
  if (error) {
    return (
      <p class="alert" role="alert">
        {errorText(error)}
      </p>
    );
  }
  if (page === undefined) return <p class="empty">{t("loading")}</p>;
  return (
    <>
      {who !== "" && (
        <p class="answer" role="status">
          {sentence(live, page, who, untilMs)}
        </p>
      )}
      <ChangeList
        live={live}
        changes={page.events.map(({ number, ...event }) => ({ ...event, id: number }))}
        none={t("ops_log_none")}
      />
      <p class="empty">
        {t("ops_log_since", { node: page.node, time: formatStamp(page.sinceMs, locale.value, live.timeZone) })}
      </p>
    </>
  );
}

/** @param {Live} live @param {Page} page @param {string} who @param {number} untilMs */
function sentence(live, page, who, untilMs) {
  const name = live.nameOf(who);
  const event = standingAt(page.events, untilMs);
  if (event === undefined) return t("ops_answer_unknown", { name });
  const time = formatSecond(event.timeMs, locale.value, live.timeZone);
  return t("ops_answer", { name, state: t(`state_${event.connectivity}`), time, cause: causeText(event.cause) });
}

/** @param {{ live: Live, changes: readonly Change[], none: string }} props */
function ChangeList({ live, changes, none }) {
  if (changes.length === 0) return <p class="empty">{none}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: What scrolls must be reached by the keyboard.
    <ol class="changes" tabIndex={0} aria-labelledby="changes-title">
      {changes.map((change) => (
        <li key={change.id}>
          <time>{formatSecond(change.timeMs, locale.value, live.timeZone)}</time>
          <PresenceDot state={change.connectivity} labelled />
          <span>{t(`ops_change_${change.connectivity}`, { name: live.nameOf(change.user) })}</span>
          <SideLabel side={live.side(change.delegation)} />
          {change.cause && <span class="detail">{causeText(change.cause)}</span>}
        </li>
      ))}
    </ol>
  );
}
