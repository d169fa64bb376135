/** The nodes side by side, where there are several; the one that is chosen is what the charts show. */

import { t } from "../shared/i18n.js";
import { directionName } from "./charts.jsx";
import { formatCount, formatSpan } from "./format_figures.js";
import { figuresOf, nodesOf } from "./nodes.js";
import * as series from "./series.js";
import { show, view } from "./view.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('../sdk/statistics.js').Statistics} Statistics */
/** @typedef {import('../sdk/operations_frames.js').StatisticsStep} Step */

/** As far back as the latest latency may lie: a minute. */
const LOOKED_AT = 12;

/** @param {{ live: Live, statistics: Readonly<Statistics> }} props */
export function NodeTable({ live, statistics }) {
  const nodes = nodesOf(statistics);
  if (nodes.length < 2) return null;
  const directions = live.sides.flatMap((sender) =>
    live.sides.filter((receiver) => receiver !== sender).map((receiver) => ({ sender, receiver })),
  );
  const all = figuresOf(statistics, "");
  return (
    <section class="box" aria-labelledby="nodes-title" data-stale={!statistics.current}>
      <header class="box-head">
        <h2 id="nodes-title">{t("ops_nodes")}</h2>
        <span class="count">{t("ops_nodes_hint")}</span>
      </header>
      <div class="table-frame">
        <table class="nodes">
          <thead>
            <tr>
              <th scope="col">{t("ops_node")}</th>
              <Column text={t("ops_sessions")} />
              <Column text={t("ops_messages_per_s")} />
              <Column text={t("ops_ack_p99")} />
              {directions.map(({ sender, receiver }) => (
                <Column key={sender.id} text={`${directionName(sender, receiver)} p99`} />
              ))}
              <Column text={t("ops_loop_lag")} />
              <th scope="col">{t("ops_node_state")}</th>
            </tr>
          </thead>
          <tbody>
            {[/** @type {[string, readonly Step[]]} */ (["", all.steps]), ...nodes].map(([node, steps]) => (
              <Row key={node} live={live} node={node} steps={steps} directions={directions} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** @param {{ text: string }} props */
function Column({ text }) {
  return (
    <th scope="col" class="numeric">
      {text}
    </th>
  );
}

/** @typedef {Live['sides'][number]} Side */

/** @param {{ live: Live, node: string, steps: readonly Step[], directions: readonly { sender: Side, receiver: Side }[] }} props */
function Row({ live, node, steps, directions }) {
  const newest = steps.at(-1);
  const recent = steps.slice(-LOOKED_AT);
  const rate = live.sides.reduce((sum, { id }) => sum + (series.messageRate(recent, id).at(-1) ?? 0), 0);
  const acks = live.sides.map(({ id }) => series.latest(series.ackLatency(recent, id, "ackP99Us")));
  const known = view.value.of === node;
  return (
    <tr data-chosen={known}>
      <th scope="row">
        <button type="button" class="button quiet small" aria-pressed={known} onClick={() => show({ of: node })}>
          {node === "" ? t("ops_all_nodes") : <bdi>{node}</bdi>}
        </button>
      </th>
      <td class="numeric">{newest ? formatCount(newest.sessions) : "–"}</td>
      <td class="numeric">{newest ? formatCount(rate) : "–"}</td>
      <td class="numeric">{span(Math.max(...acks.map((ms) => ms ?? -1)))}</td>
      {directions.map(({ sender, receiver }) => (
        <td key={sender.id} class="numeric">
          {span(series.latest(series.seenLatency(recent, sender.id, receiver.id, "seenP99Us")))}
        </td>
      ))}
      <td class="numeric">{span(series.latest(series.loopLag(recent)))}</td>
      <td>{newest?.reasons.length ? newest.reasons.join("; ") : t(newest ? "ops_node_ready" : "state_unknown")}</td>
    </tr>
  );
}

/** @param {number | undefined} ms */
function span(ms) {
  return ms === undefined || ms < 0 ? "–" : formatSpan(ms);
}
