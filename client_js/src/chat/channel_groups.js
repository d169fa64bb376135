/** The channel list: who shares each channel with whom, as three kinds of groups. Pure. */

/**
 * @typedef {{ channel: string, kind: 'joint' | 'side' | 'direct', title: { ko: string, en: string },
 *   members: readonly string[], unread: number, isRegister?: boolean }} ChannelLike
 */

/**
 * @template {ChannelLike} C
 * @typedef {{ kind: 'joint' | 'side' | 'direct' | 'register', delegation: string, channels: C[] }} Group
 */

/** The delegation that a side channel belongs to; channels are `<delegation>/NAME`. @param {string} channel */
export function delegationOf(channel) {
  return channel.slice(0, channel.indexOf("/"));
}

/**
 * Joint channels first, then those of one's own side, direct ones, and the registers, which nobody writes in by hand; in
 * each group the general one first, the others by title. News moves nothing: a place in the list is found by the hand.
 * Empty groups are left out.
 * @template {ChannelLike} C
 * @param {Iterable<C>} channels
 * @param {(channel: C) => string} titleOf
 * @returns {Group<C>[]}
 */
export function groupChannels(channels, titleOf) {
  /** @type {Map<string, Group<C>>} */
  const groups = new Map();
  for (const channel of channels) {
    const kind = channel.isRegister ? "register" : channel.kind;
    const delegation = kind === "side" ? delegationOf(channel.channel) : "";
    const name = `${kind} ${delegation}`;
    const group = groups.get(name) ?? { kind, delegation, channels: [] };
    group.channels.push(channel);
    groups.set(name, group);
  }
  const order = ["joint", "side", "direct", "register"];
  const sorted = [...groups.values()].sort(
    (a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.delegation.localeCompare(b.delegation),
  );
  for (const group of sorted) {
    group.channels.sort(
      (a, b) => Number(isGeneral(b)) - Number(isGeneral(a)) || titleOf(a).localeCompare(titleOf(b), "ko"),
    );
  }
  return sorted;
}

/** The channel that every office begins with, whatever it is called on the screen. @param {ChannelLike} channel */
function isGeneral({ channel }) {
  return channel.endsWith("/general");
}

/**
 * Whether somebody of the other side reads this channel: every joint one, and a direct one with a person from there.
 * @param {ChannelLike} channel
 * @param {string} ownDelegation
 * @param {ReadonlyMap<string, { delegation: string }>} people
 */
export function isReadAcross(channel, ownDelegation, people) {
  if (channel.kind !== "direct") return channel.kind === "joint";
  return membersOf(channel).some((user) => people.get(user)?.delegation !== ownDelegation);
}

/** The people a direct channel names: `dm/A+B`. @param {ChannelLike} channel */
export function membersOf(channel) {
  if (channel.members.length > 0) return channel.members;
  return channel.channel.slice(channel.channel.indexOf("/") + 1).split("+");
}
