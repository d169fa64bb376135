/** The live table of sessions with its filters, and what ops can do about one. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { formatStamp } from "../shared/clocks.js";
import { hasText, locale, t, titled } from "../shared/i18n.js";
import { named } from "../shared/plain_words.js";
import { SideLabel } from "../shared/side_label.jsx";
import { Confirmation } from "./confirmation.jsx";
import { formatBytes } from "./format_bytes.js";
import { formatCount } from "./format_figures.js";
import { tellsFigures } from "./nodes.js";
import { filterSessions, HIGH_BYTES, sessionsOf } from "./session_filter.js";
import { show, view } from "./view.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('./session_filter.js').Session} Session */

/**
 * @param {object} props
 * @param {Live} props.live
 * @param {import('../sdk/sessions.js').Sessions} props.sessions
 * @param {Readonly<import('../sdk/statistics.js').Statistics>} props.statistics
 * @param {import('../sdk/operations.js').Operations} props.operations
 */
export function SessionTable({ live, sessions, statistics, operations }) {
  /** @type {import('@preact/signals').Signal<import('./confirmation.jsx').Question | undefined>} */
  const question = useSignal(undefined);
  /** What was done last, for those who can't see that a row is gone. */
  const done = useSignal("");
  const all = [...sessions.sessions.values()];
  const shown = filterSessions(sessionsOf(all, view.value), view.value.text, (session) => wordsOf(live, session));
  const total = Math.max(
    all.length,
    sessions.nodes.reduce((sum, node) => sum + node.total, 0),
  );
  const silent = sessions.nodes.filter(({ state }) => state === "silent");
  const { user } = view.value;
  const isCut = total > all.length;
  useEffect(() => {
    if (user === "" || !sessions.current || !isCut) return;
    operations.lookFor(user).catch((error) => console.warn("liaison: watch_sessions", error));
  }, [operations, user, sessions.current, isCut]);
  /** @param {'disconnect' | 'revoke'} kind @param {Session} session */
  const ask = (kind, session) => {
    question.value = { kind, session, name: live.nameOf(session.user) };
  };
  return (
    <section class="box" id="sessions" tabIndex={-1} aria-labelledby="sessions-title">
      <header class="box-head">
        <h2 id="sessions-title">{t("ops_sessions")}</h2>
        <span class="count" role="status">
          {sessions.current ? t("ops_shown", { shown: shown.length, total }) : t("state_unknown")}
        </span>
        <span class="spacer" />
        <Filters live={live} sessions={all} isCut={isCut} />
      </header>
      {silent.map(({ node, total: known, silentSinceMs }) =>
        tellsFigures(statistics, node, silentSinceMs) ? (
          <p key={node} class="stale" role="status">
            {t("ops_node_older", { node, sessions: formatCount(known) })}
          </p>
        ) : (
          <p key={node} class="alert" role="alert">
            {t("ops_node_silent", {
              node,
              sessions: formatCount(known),
              time: formatStamp(silentSinceMs, locale.value, live.timeZone),
            })}
          </p>
        ),
      )}
      <p class="done" role="status">
        {done.value}
      </p>
      <div class="table-frame" data-stale={!sessions.current}>
        <table>
          <thead>
            <tr>
              {COLUMNS.map(({ key, numeric }) => (
                <th key={key} scope="col" class={numeric ? "numeric" : ""}>
                  {t(key)}
                </th>
              ))}
              <th scope="col">
                <span class="visually-hidden">{t("ops_actions")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((session) => (
              <Row key={session.session} live={live} session={session} ask={ask} />
            ))}
          </tbody>
        </table>
        {sessions.current && shown.length === 0 && <p class="empty">{t("ops_none")}</p>}
      </div>
      {question.value && (
        <Confirmation
          question={question.value}
          carryOut={(reason) => carryOut(operations, question.value, reason)}
          close={(isDone) => {
            const asked = question.value;
            if (isDone && asked) done.value = t(`ops_${asked.kind}_done`, { name: asked.name });
            question.value = undefined;
          }}
        />
      )}
    </section>
  );
}

const COLUMNS = [
  { key: "ops_user", numeric: false },
  { key: "ops_side", numeric: false },
  { key: "ops_role", numeric: false },
  { key: "ops_device", numeric: false },
  { key: "ops_node", numeric: false },
  { key: "ops_transport", numeric: false },
  { key: "ops_address", numeric: false },
  { key: "ops_since", numeric: true },
  { key: "ops_subscriptions", numeric: true },
  { key: "ops_lag", numeric: true },
  { key: "ops_bytes", numeric: true },
];

/** @param {Live} live @param {Session} session */
function wordsOf(live, session) {
  const side = live.side(session.delegation);
  return [live.nameOf(session.user), addressOf(session), side ? titled(side.title) : ""];
}

/** @param {Session} session */
function addressOf({ addressClass }) {
  const key = `address_${addressClass}`;
  return hasText(key) ? t(key) : addressClass;
}

/**
 * @param {import('../sdk/operations.js').Operations} operations
 * @param {import('./confirmation.jsx').Question | undefined} question
 * @param {string} reason
 */
async function carryOut(operations, question, reason) {
  if (question?.kind === "disconnect") await operations.disconnect(question.session.session);
  if (question?.kind === "revoke") await operations.revoke(question.session.user, reason);
}

/** @param {{ live: Live, sessions: readonly Session[], isCut: boolean }} props   `isCut`: there are more than these. */
function Filters({ live, sessions, isCut }) {
  const { text, side, node, user } = view.value;
  // What is filtered by stays in its list when the last session of it is gone.
  const nodes = [...new Set([...sessions.map((session) => session.node), node])].filter(Boolean).sort();
  const others = isCut ? live.people.value.keys() : [];
  const users = [...new Set([...sessions.map((session) => session.user), user, ...others])].filter(Boolean);
  return (
    <search class="filters">
      <Choice
        label={t("ops_side")}
        all={t("ops_all_sides")}
        value={side}
        options={live.sides.map(({ id, title }) => [id, titled(title)])}
        choose={(chosen) => show({ side: chosen })}
      />
      <Choice
        label={t("ops_user")}
        all={t("ops_all_users")}
        value={user}
        options={byName(live, users)}
        choose={(chosen) => show({ user: chosen })}
      />
      <Choice
        label={t("ops_node")}
        all={t("ops_all_nodes")}
        value={node}
        options={nodes.map((name) => [name, name])}
        choose={(chosen) => show({ node: chosen })}
      />
      <input
        type="search"
        aria-label={t("ops_filter")}
        placeholder={t("ops_filter_hint")}
        value={text}
        onInput={({ currentTarget }) => show({ text: currentTarget.value })}
      />
    </search>
  );
}

/** Users as options, by what people call them. @param {Live} live @param {readonly string[]} users @returns {[string, string][]} */
export function byName(live, users) {
  return users
    .map((user) => /** @type {[string, string]} */ ([user, live.nameOf(user)]))
    .sort(([, a], [, b]) => a.localeCompare(b, "ko"));
}

/**
 * @param {{ label: string, all: string, value: string, options: [string, string][], choose: (value: string) => void }} props
 */
export function Choice({ label, all, value, options, choose }) {
  return (
    <select aria-label={label} value={value} onChange={({ currentTarget }) => choose(currentTarget.value)}>
      <option value="">{all}</option>
      {options.map(([option, text]) => (
        <option key={option} value={option}>
          {text}
        </option>
      ))}
    </select>
  );
}

/**
 * @param {{ live: Live, session: Session, ask: (kind: 'disconnect' | 'revoke', session: Session) => void }} props
 */
function Row({ live, session, ask }) {
  const name = live.nameOf(session.user);
  return (
    <tr>
      <th scope="row">
        <bdi>{name}</bdi>
        {name !== session.user && <bdi class="id">{session.user}</bdi>}
      </th>
      <td>
        <SideLabel side={live.side(session.delegation)} />
      </td>
      <td>
        <bdi>{named("role_", session.role)}</bdi>
      </td>
      <td>
        <bdi>{session.device}</bdi> <bdi class="id">{session.client}</bdi>
      </td>
      <td>
        <bdi>{session.node}</bdi>
      </td>
      <td>
        <bdi>{session.transport}</bdi>
      </td>
      <td>{addressOf(session)}</td>
      <td class="numeric">{formatStamp(session.sinceMs, locale.value, live.timeZone)}</td>
      <td class="numeric">{session.subscriptions}</td>
      <td class="numeric" data-high={session.lagMessages > 0}>
        {formatCount(session.lagMessages)}
      </td>
      <td class="numeric" data-high={session.bufferedBytes > HIGH_BYTES}>
        {formatBytes(session.bufferedBytes)}
      </td>
      <td class="actions">
        <button
          type="button"
          class="button small"
          aria-label={t("ops_disconnect_name", { name })}
          onClick={() => ask("disconnect", session)}
        >
          {t("ops_disconnect")}
        </button>
        <button
          type="button"
          class="button small danger"
          aria-label={t("ops_revoke_name", { name })}
          onClick={() => ask("revoke", session)}
        >
          {t("ops_revoke")}
        </button>
      </td>
    </tr>
  );
}
