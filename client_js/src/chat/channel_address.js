/** The open channel stands in the address, so that reloading, going back and links inside the office work. Pure. */

/** @param {string} channel   Empty: the list. */
export function addressOf(channel) {
  return channel === "" ? "#" : `#${channel.split("/").map(encodeURIComponent).join("/")}`;
}

/**
 * What stands behind `?` is for whoever shows the channel.
 * @param {string} hash   Of the location, with its `#`.
 * @returns {string}   Empty where it names none.
 */
export function channelIn(hash) {
  try {
    return hash.slice(1).replace(/\?.*/, "").split("/").map(decodeURIComponent).join("/");
  } catch {
    // A broken escape names no channel.
    return "";
  }
}
