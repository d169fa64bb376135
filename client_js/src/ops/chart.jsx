/** A chart with its title and its legend in words: the canvas alone says nothing to whoever can't see it. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { formatSecond, formatTime } from "../shared/clocks.js";
import { locale, t } from "../shared/i18n.js";
import { theme } from "../shared/theme.js";
import { latest, sharedTop } from "./series.js";

/** @typedef {import('./series.js').Column} Column */
/** @typedef {import('./plot.js').Plot} Plot */
/** @typedef {{ label: string, column: Column, colour: string, dashed?: boolean }} ChartLine */

/** @type {Promise<typeof import('./plot.js')> | undefined} */
let loading;

/**
 * @param {{ title: string, times: readonly number[], lines: readonly ChartLine[], format: (value: number) => string,
 *   timeZone: string, top?: number }} props   `top`: of a scale that is shared with another chart
 */
export function Chart({ title, times, lines, format, timeZone, top }) {
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  const plot = useRef(/** @type {Plot | undefined} */ (undefined));
  /** @type {import('@preact/signals').Signal<number | undefined>} */
  const at = useSignal(undefined);
  const isDrawn = useSignal(false);
  const look = {
    lines: lines.map(({ colour, dashed = false }) => ({ colour, dashed })),
    format,
    formatTime: (/** @type {number} */ timeMs) => formatTime(timeMs, locale.value, timeZone),
    onPoint: (/** @type {number | undefined} */ index) => {
      at.value = index;
    },
  };
  useEffect(() => {
    let isGone = false;
    loading ??= import("./plot.js");
    loading.then(({ Plot }) => {
      if (isGone || place.current === null) return;
      plot.current = new Plot(place.current, look);
      isDrawn.value = true;
    });
    return () => {
      isGone = true;
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [lines.length]);
  const columns = lines.map(({ column }) => column);
  const scale = top ?? sharedTop(columns, 1);
  useEffect(() => plot.current?.update(look, times, columns, scale), [times, isDrawn.value, scale, locale.value]);
  useRecolouring(plot);

  const moment = at.value === undefined ? undefined : times[at.value];
  const shown = (/** @type {Column} */ column) => (at.value === undefined ? latest(column) : column[at.value]);
  const figures = lines.map(({ label, column }) => {
    const value = shown(column);
    return `${label} ${value === undefined || value === null ? "–" : format(value)}`;
  });
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        {moment !== undefined && <time>{formatSecond(moment * 1000, locale.value, timeZone)}</time>}
      </figcaption>
      <div
        ref={place}
        class="plot"
        role="img"
        aria-label={`${title}. ${t("ops_chart_latest")}: ${figures.join(", ")}`}
        data-points={times.length}
      />
      <ul class="legend">
        {lines.map(({ label, colour, dashed }, index) => (
          <li key={label}>
            <i class="swatch" data-dashed={dashed === true} style={{ "--swatch": colour }} aria-hidden="true" />
            <bdi>{label}</bdi>
            <b>{figures[index]?.slice(label.length + 1)}</b>
          </li>
        ))}
      </ul>
    </figure>
  );
}

/** Draw again in the colours of the other theme. @param {{ current: Plot | undefined }} plot */
function useRecolouring(plot) {
  useEffect(() => {
    // The document's theme is set by another effect of the same signal.
    const later = () => requestAnimationFrame(() => plot.current?.recolour());
    const systems = matchMedia("(prefers-color-scheme: dark)");
    systems.addEventListener("change", later);
    const end = theme.subscribe(later);
    return () => {
      systems.removeEventListener("change", later);
      end();
    };
  }, [plot]);
}
