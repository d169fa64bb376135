/**
 * Dates and times as people read them, in one of the office's time zones. Times are milliseconds since 1970, UTC.
 *
 * Formatters are kept, because making one costs some hundred times as much as using it.
 */

/** @typedef {'ko' | 'en'} Locale */

/** British English writes the day before the month and uses 24 hours, as the office does. */
const TAGS = { ko: "ko-KR", en: "en-GB" };

/** @type {Map<string, Intl.DateTimeFormat>} */
const formatters = new Map();

/**
 * @param {Locale} locale
 * @param {string} timeZone
 * @param {'time' | 'second' | 'day' | 'stamp' | 'key'} shape
 */
function formatter(locale, timeZone, shape) {
  const name = `${locale} ${timeZone} ${shape}`;
  let found = formatters.get(name);
  if (found === undefined) {
    found = new Intl.DateTimeFormat(shape === "key" ? "sv-SE" : TAGS[locale], { ...SHAPES[shape], timeZone });
    formatters.set(name, found);
  }
  return found;
}

/** @type {Record<string, Intl.DateTimeFormatOptions>} */
const SHAPES = {
  time: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  second: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  day: { year: "numeric", month: "long", day: "numeric", weekday: "long" },
  stamp: { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  key: { year: "numeric", month: "2-digit", day: "2-digit" },
};

/**
 * The zone if this browser knows it, else UTC: a zone that is configured and unknown here must not break the page.
 * @param {string} timeZone
 */
export function usableZone(timeZone) {
  try {
    formatter("en", timeZone, "key");
    return timeZone;
  } catch {
    return "UTC";
  }
}

/** The zone of this browser, for people who belong to neither side. */
export function ownZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `2026-11-24`, the same for all moments of one day there. @param {number} timeMs @param {string} timeZone */
export function dayKey(timeMs, timeZone) {
  return formatter("en", timeZone, "key").format(timeMs);
}

/** `14:05`. @param {number} timeMs @param {Locale} locale @param {string} timeZone */
export function formatTime(timeMs, locale, timeZone) {
  return formatter(locale, timeZone, "time").format(timeMs);
}

/** `14:05:09`. @param {number} timeMs @param {Locale} locale @param {string} timeZone */
export function formatSecond(timeMs, locale, timeZone) {
  return formatter(locale, timeZone, "second").format(timeMs);
}

/** `2026년 11월 24일 화요일`. @param {number} timeMs @param {Locale} locale @param {string} timeZone */
export function formatDay(timeMs, locale, timeZone) {
  return formatter(locale, timeZone, "day").format(timeMs);
}

/** Day and time in short. @param {number} timeMs @param {Locale} locale @param {string} timeZone */
export function formatStamp(timeMs, locale, timeZone) {
  return formatter(locale, timeZone, "stamp").format(timeMs);
}

/**
 * Whether clocks in these zones show different times at that moment.
 * @param {readonly string[]} timeZones
 * @param {number} timeMs
 */
export function clocksDiffer(timeZones, timeMs) {
  return new Set(timeZones.map((zone) => formatStamp(timeMs, "en", usableZone(zone)))).size > 1;
}
