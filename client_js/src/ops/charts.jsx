/** The figures of one node, or of all, over the last quarter of an hour; one direction beside the other, on the same scale. */

import { useMemo } from "preact/hooks";

import { t, titled } from "../shared/i18n.js";
import { sideStyle } from "../shared/side_label.jsx";
import { Chart } from "./chart.jsx";
import { formatCount, formatSpan } from "./format_figures.js";
import * as series from "./series.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('../sdk/statistics.js').Statistics} Statistics */
/** @typedef {Live['sides'][number]} Side */

/** Sides as lines: the configured colour, moved towards the text so that it stands out on either background. @param {Side} side */
function lineColour(side) {
  return `color-mix(in oklab, ${sideStyle(side)["--side"]} 70%, var(--ink))`;
}

/** @param {{ live: Live, statistics: Readonly<Statistics> }} props */
export function Charts({ live, statistics }) {
  const { steps, node, current } = statistics;
  return (
    <section class="box" aria-labelledby="charts-title" data-stale={!current}>
      <header class="box-head">
        <h2 id="charts-title">{t("ops_charts")}</h2>
        <span class="count">
          {node === "" ? (
            steps.length > 0 && t("ops_all_nodes")
          ) : (
            <>
              {t("ops_of_node")} <bdi>{node}</bdi>
            </>
          )}
        </span>
      </header>
      {steps.length === 0 && <p class="empty">{t(current ? "ops_charts_none" : "state_unknown")}</p>}
      <div class="charts">
        <SessionChart live={live} statistics={statistics} />
        <MessageChart live={live} statistics={statistics} />
        <DeliveryChart live={live} statistics={statistics} />
        <AckChart live={live} statistics={statistics} />
        <SeenCharts live={live} statistics={statistics} />
        <LagChart live={live} statistics={statistics} />
      </div>
    </section>
  );
}

/** @param {{ live: Live, statistics: Readonly<Statistics> }} props */
export function SessionChart({ live, statistics: { steps } }) {
  const lines = live.sides.map((side) => ({
    label: titled(side.title),
    column: series.sessionsOf(steps, side.id),
    colour: lineColour(side),
  }));
  return <SideChart live={live} steps={steps} title={t("ops_sessions")} lines={lines} format={formatWhole} />;
}

/** There is no half session, and so no mark for one on the scale. @param {number} value */
function formatWhole(value) {
  return Number.isInteger(value) ? formatCount(value) : "";
}

/** @param {{ live: Live, statistics: Readonly<Statistics> }} props */
function MessageChart({ live, statistics: { steps } }) {
  const lines = live.sides.map((side) => ({
    label: titled(side.title),
    column: series.messageRate(steps, side.id),
    colour: lineColour(side),
  }));
  return <SideChart live={live} steps={steps} title={t("ops_messages_per_s")} lines={lines} format={formatCount} />;
}

/** @param {{ live: Live, statistics: Readonly<Statistics> }} props */
function DeliveryChart({ live, statistics: { steps } }) {
  const lines = live.sides.flatMap((sender) =>
    live.sides.map((receiver) => ({
      label: directionName(sender, receiver),
      column: series.deliveryRate(steps, sender.id, receiver.id),
      colour: lineColour(sender),
      dashed: sender === receiver,
    })),
  );
  return <SideChart live={live} steps={steps} title={t("ops_deliveries_per_s")} lines={lines} format={formatCount} />;
}

/** @param {{ live: Live, statistics: Readonly<Statistics> }} props */
function AckChart({ live, statistics: { steps } }) {
  const lines = live.sides.flatMap((side) => [
    {
      label: `${titled(side.title)} p99`,
      column: series.ackLatency(steps, side.id, "ackP99Us"),
      colour: lineColour(side),
    },
    {
      label: `${titled(side.title)} p50`,
      column: series.ackLatency(steps, side.id, "ackP50Us"),
      colour: lineColour(side),
      dashed: true,
    },
  ]);
  return <SideChart live={live} steps={steps} title={t("ops_ack")} lines={lines} format={formatSpan} />;
}

/** @param {{ live: Live, statistics: Readonly<Statistics> }} props */
export function SeenCharts({ live, statistics: { steps } }) {
  const directions = live.sides.flatMap((sender) =>
    live.sides
      .filter((receiver) => receiver !== sender)
      .map((receiver) => ({
        sender,
        receiver,
        p99: series.seenLatency(steps, sender.id, receiver.id, "seenP99Us"),
        p50: series.seenLatency(steps, sender.id, receiver.id, "seenP50Us"),
      })),
  );
  const top = series.sharedTop(
    directions.map(({ p99 }) => p99),
    10,
  );
  return (
    <>
      {directions.map(({ sender, receiver, p99, p50 }) => (
        <SideChart
          key={sender.id + receiver.id}
          live={live}
          steps={steps}
          title={t("ops_seen", { direction: directionName(sender, receiver) })}
          lines={[
            { label: "p99", column: p99, colour: lineColour(sender) },
            { label: "p50", column: p50, colour: lineColour(sender), dashed: true },
          ]}
          format={formatSpan}
          top={top}
        />
      ))}
    </>
  );
}

/** @param {{ live: Live, statistics: Readonly<Statistics> }} props */
function LagChart({ live, statistics: { steps } }) {
  const lines = [{ label: t("ops_worst"), column: series.loopLag(steps), colour: "var(--ink-soft)" }];
  return (
    <SideChart
      live={live}
      steps={steps}
      title={t("ops_loop_lag")}
      lines={lines}
      format={formatSpan}
      top={series.sharedTop([series.loopLag(steps)], 10)}
    />
  );
}

/**
 * @param {{ live: Live, steps: Readonly<Statistics>['steps'], title: string, format: (value: number) => string,
 *   lines: import('./chart.jsx').ChartLine[], top?: number }} props
 */
function SideChart({ live, steps, title, format, lines, top }) {
  const times = useMemo(() => series.times(steps), [steps]);
  const shared = top === undefined ? {} : { top };
  return <Chart title={title} times={times} lines={lines} format={format} timeZone={live.timeZone} {...shared} />;
}

/** @param {Side} sender @param {Side} receiver */
export function directionName(sender, receiver) {
  return `${titled(sender.title)} → ${titled(receiver.title)}`;
}
