/** A delegation as it is shown everywhere: its colour, and its name, because a colour alone tells nobody anything. */

import { titled } from "./i18n.js";

/** Configuration is written by people; anything but a plain colour is ignored. @param {string} colour */
function safeColour(colour) {
  return /^#[0-9a-f]{3,8}$/i.test(colour) ? colour : "#6b7684";
}

/**
 * The custom property from which the style sheet derives a side's shades for both themes.
 * @param {{ colour: string } | undefined} side
 */
export function sideStyle(side) {
  return { "--side": safeColour(side?.colour ?? "") };
}

/** @param {{ side: { title: import('./i18n.js').Title, colour: string } | undefined }} props */
export function SideLabel({ side }) {
  if (side === undefined) return null;
  return (
    <span class="side-label" style={sideStyle(side)}>
      {titled(side.title)}
    </span>
  );
}
