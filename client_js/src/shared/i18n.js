/** The language of the interface: a signal, so that switching it redraws what shows text and nothing is reloaded. */

import { signal } from "@preact/signals";

import { recall, remember } from "./preferences.js";

/** @typedef {import('./clocks.js').Locale} Locale */
/** @typedef {{ ko: string, en: string }} Title   A name in both languages, as the server sends it. */

/** @type {readonly Locale[]} */
export const LOCALES = ["ko", "en"];

/** The texts that have been loaded. @type {Record<Locale, Record<string, string>>} */
export const CATALOGUES = { ko: {}, en: {} };

/** Loads some texts of each language. @typedef {{ [L in Locale]: () => Promise<{ [M in L]: Readonly<Record<string, string>> }> }} Texts */

/** Each language is a file of its own: hardly anybody needs both. @type {Texts[]} */
const PARTS = [{ ko: () => import("./messages_ko.js"), en: () => import("./messages_en.js") }];

/** Have a language's texts at hand. @param {Locale} name */
export async function loadTexts(name) {
  const loaded = await Promise.all(PARTS.map((part) => part[name]()));
  for (const texts of loaded)
    Object.assign(CATALOGUES[name], /** @type {Record<Locale, Record<string, string>>} */ (texts)[name]);
}

/** Have more texts, of the language in force and of one that is switched to. @param {Texts} part */
export function loadMoreTexts(part) {
  PARTS.push(part);
  return loadTexts(locale.peek());
}

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

/** Switch, without a reload; rejects where the texts can't be had now, and then nothing changes. @param {Locale} next */
export async function setLocale(next) {
  await loadTexts(next);
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
