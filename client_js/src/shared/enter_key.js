/**
 * Decides what an Enter key means in a field where people also compose Korean: a pure state machine over DOM events.
 *
 * The usual guard on `isComposing` makes Korean writers press Enter twice; no guard at all sends a stray last syllable.
 * So an Enter that meets a Hangul syllable in the making is remembered as a wish, the composition is left to end, and
 * only then is the field read and sent. In any other composition (Japanese, Chinese, Hanja, accents) Enter commits and
 * nothing more.
 *
 * Orders of events that were met, each of which must send exactly once:
 *   keydown 13 or 229 while composing, then compositionend   Chromium on Linux, Windows, macOS
 *   compositionend, then keydown 229                         Safari
 *   … and after either of them a second, clean keydown 13     some versions on macOS
 */

/**
 * @typedef {object} EnterState
 * @property {boolean} composing       A composition is open.
 * @property {string} composed         Its text so far; after it ended, the text that it left.
 * @property {boolean} wish            Enter was pressed in it: send when it ends.
 * @property {boolean} justEnded       A composition ended and nothing was typed since (Safari's Enter comes now).
 * @property {boolean} swallow         This press of Enter has had its effect; whatever repeats it is noise.
 */

/**
 * @typedef {{ type: 'compositionstart' }
 *   | { type: 'compositionupdate', data: string }
 *   | { type: 'compositionend', data: string }
 *   | { type: 'keydown', code: string, keyCode: number, shiftKey: boolean, repeat: boolean }
 *   | { type: 'keyup', code: string }
 *   | { type: 'linebreak' }
 *   | { type: 'overdue' }} EnterEvent
 */

/**
 * What the field's owner does about an event.
 *  - `pass`: nothing, the browser goes on.
 *  - `prevent`: cancel the event, nothing else.
 *  - `await_end`: let the composition end; report `overdue` if it hasn't after `COMPOSITION_END_MS`.
 *  - `end_composition`: the input method doesn't end it by itself, so end it (by taking the focus away and back).
 *  - `send`: cancel the event if it can be cancelled, read the field and send.
 * @typedef {'pass' | 'prevent' | 'await_end' | 'end_composition' | 'send'} EnterAction
 */

/** @typedef {{ state: EnterState, action: EnterAction }} EnterStep */

/** Input methods end a composition within a frame or two of the key that commits it. */
export const COMPOSITION_END_MS = 60;

/** `keyCode` of a key that an input method has taken. Deprecated, and the only sign of it that Safari gives. */
const TAKEN_BY_INPUT_METHOD = 229;

/** @type {Readonly<EnterState>} */
export const RESTING = Object.freeze({
  composing: false,
  composed: "",
  wish: false,
  justEnded: false,
  swallow: false,
});

/**
 * Whether the last character is Hangul: a syllable, or the jamo that one begins with.
 * @param {string} text
 */
export function endsInHangul(text) {
  return /\p{Script=Hangul}$/u.test(text);
}

/** @param {string} code */
function isEnter(code) {
  return code === "Enter" || code === "NumpadEnter";
}

/**
 * @param {Readonly<EnterState>} state
 * @param {EnterEvent} event
 * @returns {EnterStep}
 */
export function step(state, event) {
  switch (event.type) {
    case "compositionstart":
      return { state: { ...RESTING, composing: true }, action: "pass" };
    case "compositionupdate":
      return { state: { ...state, composed: event.data }, action: "pass" };
    case "compositionend":
      return onCompositionEnd(state, event.data);
    case "keydown":
      return isEnter(event.code) && !event.shiftKey ? onEnter(state, event) : onOtherKey(state, event.code);
    case "keyup":
      return { state: isEnter(event.code) ? { ...state, swallow: false } : state, action: "pass" };
    case "linebreak":
      // The Enter that was remembered or has already sent must not leave its line break in the field.
      return { state, action: state.wish || state.swallow ? "prevent" : "pass" };
    case "overdue":
      return { state, action: state.composing && state.wish ? "end_composition" : "pass" };
  }
}

/**
 * @param {Readonly<EnterState>} state
 * @param {string} data
 * @returns {EnterStep}
 */
function onCompositionEnd(state, data) {
  const ended = { ...state, composing: false, composed: data, wish: false, justEnded: true };
  // A syllable that ended as something else was converted to Hanja: that Enter chose the candidate.
  const sends = state.wish && (data === "" || endsInHangul(data));
  return { state: ended, action: sends ? "send" : "pass" };
}

/**
 * @param {Readonly<EnterState>} state
 * @param {{ keyCode: number, repeat: boolean }} event
 * @returns {EnterStep}
 */
function onEnter(state, { keyCode, repeat }) {
  if (state.composing) {
    if (!endsInHangul(state.composed)) return { state: { ...state, swallow: true }, action: "pass" };
    return { state: { ...state, wish: true, swallow: true }, action: "await_end" };
  }
  if (state.swallow || repeat) return { state, action: "prevent" };
  if (keyCode !== TAKEN_BY_INPUT_METHOD) return { state: RESTING, action: "send" };
  const sends = state.justEnded && endsInHangul(state.composed);
  return { state: { ...RESTING, swallow: true }, action: sends ? "send" : "pass" };
}

/**
 * @param {Readonly<EnterState>} state
 * @param {string} code
 * @returns {EnterStep}
 */
function onOtherKey(state, code) {
  if (state.composing || isEnter(code)) return { state, action: "pass" };
  return { state: { ...state, justEnded: false, swallow: false }, action: "pass" };
}
