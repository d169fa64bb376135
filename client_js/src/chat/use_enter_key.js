/** Joins the Enter rule of shared/enter_key.js to a text field. */

import { useEffect, useRef } from "preact/hooks";

import { COMPOSITION_END_MS, RESTING, step } from "../shared/enter_key.js";

/** @typedef {import('../shared/enter_key.js').EnterEvent} EnterEvent */

/**
 * Call `send` exactly once for each Enter that means it, after the field holds the whole text.
 * @param {{ readonly current: HTMLTextAreaElement | null }} field
 * @param {() => void} send
 */
export function useEnterKey(field, send) {
  const newest = useRef(send);
  newest.current = send;
  useEffect(() => {
    const element = field.current;
    if (!element) return undefined;
    const ending = new AbortController();
    follow(element, () => newest.current(), ending.signal);
    return () => ending.abort();
  }, [field]);
}

/**
 * @param {HTMLTextAreaElement} element
 * @param {() => void} send
 * @param {AbortSignal} signal
 */
function follow(element, send, signal) {
  let state = RESTING;

  /** @param {EnterEvent} happened @param {Event} [event] */
  const feed = (happened, event) => {
    const { state: next, action } = step(state, happened);
    state = next;
    switch (action) {
      case "prevent":
        event?.preventDefault();
        break;
      case "send":
        event?.preventDefault();
        // Only in the next task does every browser hold the committed text in the field.
        if (happened.type === "compositionend") setTimeout(send);
        else send();
        break;
      case "await_end":
        setTimeout(() => feed({ type: "overdue" }), COMPOSITION_END_MS);
        break;
      case "end_composition":
        element.blur();
        element.focus();
        break;
    }
  };

  const options = { signal };
  element.addEventListener("compositionstart", () => feed({ type: "compositionstart" }), options);
  element.addEventListener("compositionupdate", ({ data }) => feed({ type: "compositionupdate", data }), options);
  element.addEventListener("compositionend", ({ data }) => feed({ type: "compositionend", data }), options);
  element.addEventListener(
    "keydown",
    (event) => {
      const { code, keyCode, shiftKey, repeat } = event;
      feed({ type: "keydown", code, keyCode, shiftKey, repeat }, event);
    },
    options,
  );
  element.addEventListener("keyup", ({ code }) => feed({ type: "keyup", code }), options);
  element.addEventListener(
    "beforeinput",
    (event) => {
      if (event.inputType === "insertLineBreak" || event.inputType === "insertParagraph")
        feed({ type: "linebreak" }, event);
    },
    options,
  );
}
