/** The live table of sessions with its filter. */

import { useSignal } from "@preact/signals";

import { formatStamp } from "../shared/clocks.js";
import { hasText, locale, t, titled } from "../shared/i18n.js";
import { SideLabel } from "../shared/side_label.jsx";
import { formatBytes } from "./format_bytes.js";
import { filterSessions } from "./session_filter.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('./session_filter.js').Session} Session */

/** @param {{ live: Live, sessions: Live['client']['sessions'] }} props */
export function SessionTable({ live, sessions }) {
  const filter = useSignal("");
  const shown = filterSessions(sessions.sessions.values(), filter.value, (session) => wordsOf(live, session));
  const total = sessions.sessions.size;
  return (
    <section class="box" id="sessions" tabIndex={-1} aria-labelledby="sessions-title">
      <header class="box-head">
        <h2 id="sessions-title">{t("ops_sessions")}</h2>
        <span class="count" role="status">
          {sessions.current ? t("ops_shown", { shown: shown.length, total }) : t("state_unknown")}
        </span>
        <span class="spacer" />
        <input
          type="search"
          aria-label={t("ops_filter")}
          placeholder={t("ops_filter_hint")}
          value={filter.value}
          onInput={({ currentTarget }) => {
            filter.value = currentTarget.value;
          }}
        />
      </header>
      <div class="table-frame" data-stale={!sessions.current}>
        <table>
          <thead>
            <tr>
              {COLUMNS.map(({ key, numeric }) => (
                <th key={key} scope="col" class={numeric ? "numeric" : ""}>
                  {t(key)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((session) => (
              <Row key={session.session} live={live} session={session} />
            ))}
          </tbody>
        </table>
        {sessions.current && shown.length === 0 && <p class="empty">{t("ops_none")}</p>}
      </div>
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

/** @param {{ live: Live, session: Session }} props */
function Row({ live, session }) {
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
        <bdi>{session.role}</bdi>
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
      <td class="numeric" data-high={session.bufferedBytes > HIGH_BYTES}>
        {formatBytes(session.bufferedBytes)}
      </td>
    </tr>
  );
}

/** More than this waits only for a client that takes too little. */
const HIGH_BYTES = 64 * 1024;
