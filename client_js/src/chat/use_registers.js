/** Has the pages of the registers loaded, behind everything else: who writes a message needs none of them. */

import { signal } from "@preact/signals";

import { addStyle } from "./use_extras.js";

/** Without a line nothing comes; it may be back by then. */
const TRY_AGAIN_MS = 10_000;

/** When the key of line checks was pressed, by `performance.now()`: perhaps before they are here, who act on it. */
export const lineCheckKeyMs = signal(Number.NEGATIVE_INFINITY);

/** Undefined until they are here. @type {import('@preact/signals').Signal<typeof import('../registers/registers.jsx') | undefined>} */
export const registers = signal(undefined);

/** Load them; again and again if they can't be had. */
export async function loadRegisters() {
  try {
    const [loaded] = await Promise.all([import("../registers/registers.jsx"), addStyle("last-style")]);
    registers.value = loaded;
  } catch {
    setTimeout(loadRegisters, TRY_AGAIN_MS);
  }
}
