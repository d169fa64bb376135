/** What there is to say of a duty desk. Pure. */

/**
 * Whoever isn't told a desk's roster, alarm and hours leaves them out.
 * @typedef {{ delegation: string, lineUp: boolean, staffed: boolean, hasRoster?: boolean, unstaffedSinceMs?: number,
 *   outsideHours?: boolean }} Desk
 */

/** @param {Desk} desk @returns {"line_is_down" | "desk_staffed" | "desk_closed" | "desk_empty"} */
export function standingOf(desk) {
  if (!desk.lineUp) return "line_is_down";
  if (desk.staffed) return "desk_staffed";
  return isClosed(desk) ? "desk_closed" : "desk_empty";
}

/** An empty desk is as it should be: nobody has to be there by its roster, and none by the hours. @param {Omit<Desk, "delegation" | "lineUp">} desk */
export function isClosed({ staffed, hasRoster, unstaffedSinceMs, outsideHours }) {
  return !staffed && hasRoster === true && unstaffedSinceMs === 0 && outsideHours === true;
}
