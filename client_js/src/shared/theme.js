/** Light, dark, or as the system says; the style sheet does the rest by `color-scheme`. */

import { effect, signal } from "@preact/signals";

import { recall, remember } from "./preferences.js";

/** @typedef {'auto' | 'light' | 'dark'} Theme */

/** @type {readonly Theme[]} */
export const THEMES = ["auto", "light", "dark"];

/** @type {import('@preact/signals').Signal<Theme>} */
export const theme = signal(THEMES.find((known) => known === recall("theme")) ?? "auto");

/** @param {Theme} next */
export function setTheme(next) {
  theme.value = next;
  remember("theme", next === "auto" ? "" : next);
}

/** Keep the document's `data-theme` at the choice. */
export function applyTheme() {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
}
