/** Figures in few digits, as they are read at a glance. Pure. */

/** A count or a rate: `0`, `0.4`, `12`, `1,250`. @param {number} value */
export function formatCount(value) {
  if (value > 0 && value < 10 && !Number.isInteger(value)) return value.toFixed(1);
  return Math.round(value).toLocaleString("en");
}

/** A time span: `0.6 ms`, `25 ms`, `1.5 s`. @param {number} ms */
export function formatSpan(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms > 0 && ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
