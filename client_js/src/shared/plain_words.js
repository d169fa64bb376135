/** What the server names, in words. */

import { hasText, t, titled } from "./i18n.js";

/** A name that the server gives, in words; itself where this page doesn't know it. @param {string} start @param {string} name */
export function named(start, name) {
  return hasText(start + name) ? t(start + name) : name;
}

/** @param {import('./live.js').Live} live @param {string} delegation */
export function sideText(live, delegation) {
  const side = live.side(delegation);
  return side ? titled(side.title) : delegation;
}
