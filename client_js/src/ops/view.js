/** The page's view as a signal that the address follows. */

import { effect, signal } from "@preact/signals";

import { readView, writeView } from "./permalink.js";

/** @type {import('@preact/signals').Signal<Readonly<import('./permalink.js').View>>} */
export const view = signal(readView(location.search));

/** @param {Partial<import('./permalink.js').View>} changes */
export function show(changes) {
  view.value = { ...view.peek(), ...changes };
}

/** Keep the address at the view, from now on. @returns {() => void} */
export function followView() {
  return effect(() => history.replaceState(null, "", location.pathname + writeView(view.value)));
}
