/** Whether somebody sits at this screen: nothing counts as read, and nobody as active, at an unattended one. */

import { signal } from "@preact/signals";

/** Without a key, a click or a touch for this long a person counts as idle. Moving text on a screen is no input. */
const IDLE_AFTER_MS = 5 * 60 * 1000;

function looksAttended() {
  return document.visibilityState === "visible" && document.hasFocus();
}

/** The page is visible and has the focus. */
export const attended = signal(looksAttended());

/** No input for a while. */
export const idle = signal(false);

/** Follow the window until the returned function is called. */
export function watchAttention() {
  const ending = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const look = () => {
    attended.value = looksAttended();
  };
  const input = () => {
    idle.value = false;
    clearTimeout(timer);
    timer = setTimeout(() => {
      idle.value = true;
    }, IDLE_AFTER_MS);
  };
  const options = { signal: ending.signal, passive: true, capture: true };
  for (const event of ["focus", "blur"]) window.addEventListener(event, look, options);
  document.addEventListener("visibilitychange", look, options);
  for (const event of ["keydown", "pointerdown", "wheel", "touchstart"])
    document.addEventListener(event, input, options);
  look();
  input();
  return () => {
    ending.abort();
    clearTimeout(timer);
  };
}
