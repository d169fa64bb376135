/** Time as a signal, for what counts down or shows a clock. It ticks only while something on the screen reads it. */

import { signal } from "@preact/signals";

const TICK_MS = 1000;

/** @type {ReturnType<typeof setInterval> | undefined} */
let timer;

/** Milliseconds since 1970, fresh to the second. */
export const now = signal(Date.now(), {
  watched() {
    now.value = Date.now();
    timer = setInterval(() => {
      now.value = Date.now();
    }, TICK_MS);
  },
  unwatched() {
    clearInterval(timer);
  },
});
