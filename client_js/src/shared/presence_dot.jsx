/** Presence as a small sign: the shape differs with the state, not only the colour, and the words stand beside or in it. */

import { t } from "./i18n.js";

/** @param {{ state: import('./person.js').PersonState, labelled?: boolean }} props   `labelled`: words are beside it. */
export function PresenceDot({ state, labelled = false }) {
  if (labelled) return <span class="dot" data-state={state} aria-hidden="true" />;
  return (
    <span class="dot" data-state={state} role="img" aria-label={t(`state_${state}`)} title={t(`state_${state}`)} />
  );
}
