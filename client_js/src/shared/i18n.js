/** The language of the interface: a signal, so that switching it redraws what shows text and nothing is reloaded. */

import { signal } from "@preact/signals";

import { en } from "./messages_en.js";
import { ko } from "./messages_ko.js";
import { recall, remember } from "./preferences.js";

/** @typedef {import('./clocks.js').Locale} Locale */
/** @typedef {{ ko: string, en: string }} Title   A name in both languages, as the server sends it. */

/** @type {Record<Locale, Record<string, string>>} */
export const CATALOGUES = { ko: { ...ko }, en: { ...en } };

/**
 * Add the texts that only one page needs, before it is drawn.
 * @param {Record<Locale, Readonly<Record<string, string>>>} texts
 */
export function addTexts(texts) {
  Object.assign(CATALOGUES.ko, texts.ko);
  Object.assign(CATALOGUES.en, texts.en);
}

/** @param {string | null} remembered @param {string} browsers @returns {Locale} */
export function chooseLocale(remembered, browsers) {
  if (remembered === "ko" || remembered === "en") return remembered;
  return browsers.toLowerCase().startsWith("ko") ? "ko" : "en";
}

/** @type {import('@preact/signals').Signal<Locale>} */
export const locale = signal(chooseLocale(recall("locale"), globalThis.navigator?.language ?? "en"));

/** @param {Locale} next */
export function setLocale(next) {
  locale.value = next;
  remember("locale", next);
}

/**
 * Put values into a text. A value is taken as it is, also where it has braces.
 * @param {string} text
 * @param {Readonly<Record<string, string | number>>} values
 */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

/**
 * A text of the interface in the language in force.
 * @param {string} key
 * @param {Readonly<Record<string, string | number>>} [values]
 */
export function t(key, values = {}) {
  return fill(CATALOGUES[locale.value][key] ?? key, values);
}

/**
 * Whether the catalogue has this text: for keys that are made from what the server says.
 * @param {string} key
 */
export function hasText(key) {
  return Object.hasOwn(CATALOGUES[locale.value], key);
}

/** A name that the server gives in both languages. @param {Title} title */
export function titled(title) {
  return title[locale.value];
}
