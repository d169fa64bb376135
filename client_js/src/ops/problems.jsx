/** Who takes too little, and what was refused: two small tables. */

import { formatSecond } from "../shared/clocks.js";
import { hasText, locale, t } from "../shared/i18n.js";
import { SideLabel } from "../shared/side_label.jsx";
import { formatBytes } from "./format_bytes.js";
import { formatCount } from "./format_figures.js";
import { totals } from "./series.js";
import { slowSessions } from "./session_filter.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('../sdk/statistics.js').Statistics} Statistics */
/** @typedef {import('../sdk/sessions.js').Sessions} Sessions */

/** @param {{ live: Live, sessions: Sessions, statistics: Readonly<Statistics> }} props */
export function SlowConsumers({ live, sessions, statistics }) {
  const slow = slowSessions(sessions.sessions.values());
  const times = statistics.steps.reduce((sum, { slowConsumers }) => sum + slowConsumers, 0);
  const caughtUp = statistics.steps.reduce((sum, step) => sum + step.caughtUp, 0);
  return (
    <section class="box" aria-labelledby="slow-title">
      <header class="box-head">
        <h2 id="slow-title">{t("ops_slow")}</h2>
        <span class="count">{t("ops_slow_sum", { times: formatCount(times), messages: formatCount(caughtUp) })}</span>
      </header>
      {slow.length === 0 ? (
        <p class="empty">{t(sessions.current ? "ops_slow_none" : "state_unknown")}</p>
      ) : (
        <table class="slow">
          <thead>
            <tr>
              <th scope="col">{t("ops_user")}</th>
              <th scope="col">{t("ops_side")}</th>
              <th scope="col">{t("ops_device")}</th>
              <th scope="col" class="numeric">
                {t("ops_lag")}
              </th>
              <th scope="col" class="numeric">
                {t("ops_bytes")}
              </th>
            </tr>
          </thead>
          <tbody>
            {slow.map((session) => (
              <tr key={session.session}>
                <th scope="row">
                  <bdi>{live.nameOf(session.user)}</bdi>
                </th>
                <td>
                  <SideLabel side={live.side(session.delegation)} />
                </td>
                <td>
                  <bdi>{session.device}</bdi>
                </td>
                <td class="numeric">{formatCount(session.lagMessages)}</td>
                <td class="numeric">{formatBytes(session.bufferedBytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** @param {{ live: Live, statistics: Readonly<Statistics> }} props */
export function Errors({ live, statistics: { steps, current } }) {
  const refusals = totals(steps, (step) => step.refusals);
  const appends = totals(steps, (step) => step.appends);
  const rows = [
    ...appends.filter(({ name }) => name !== "committed").map((row) => ({ ...row, kind: "append" })),
    ...refusals.map((row) => ({ ...row, kind: "refusal" })),
  ];
  const committed = appends.find(({ name }) => name === "committed")?.count ?? 0;
  return (
    <section class="box" aria-labelledby="errors-title">
      <header class="box-head">
        <h2 id="errors-title">{t("ops_errors")}</h2>
        <span class="count">{t("ops_appends", { count: formatCount(committed) })}</span>
      </header>
      {rows.length === 0 ? (
        <p class="empty">{t(current ? "ops_errors_none" : "state_unknown")}</p>
      ) : (
        <table class="errors">
          <thead>
            <tr>
              <th scope="col">{t("ops_error")}</th>
              <th scope="col" class="numeric">
                {t("ops_count")}
              </th>
              <th scope="col" class="numeric">
                {t("ops_last")}
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ kind, name, count, lastMs }) => (
              <tr key={kind + name} data-high={kind === "append" || name === "internal"}>
                <th scope="row">{kind === "append" ? appendText(name) : <code>{name}</code>}</th>
                <td class="numeric">{formatCount(count)}</td>
                <td class="numeric">{formatSecond(lastMs, locale.value, live.timeZone)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** @param {string} result */
function appendText(result) {
  const key = `append_${result}`;
  return hasText(key) ? t(key) : result;
}
