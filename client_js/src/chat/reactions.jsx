/** Reactions: a small set to choose from, and whatever others gave, each with the names of who gave it. */

import { t } from "../shared/i18n.js";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {import('./desk.js').Item} Item */

/** Seen, agreed, thanks, a question: what spares a message in an office. */
export const REACTIONS = ["👍", "✅", "👀", "🙏", "❓"];

/**
 * Give a reaction, or take it back if one has given it.
 * @param {Desk} desk @param {string} channel @param {Item} item @param {string} reaction
 */
export function toggleReaction(desk, channel, item, reaction) {
  const me = desk.live.me.value?.user ?? "";
  const removed = item.reactions.get(reaction)?.includes(me) ?? false;
  desk.client.react(channel, item.seq, reaction, { removed });
}

/** @param {{ desk: Desk, channel: string, item: Item }} props */
export function Reactions({ desk, channel, item }) {
  if (item.reactions.size === 0) return null;
  const me = desk.live.me.value?.user ?? "";
  return (
    <ul class="reactions">
      {[...item.reactions].map(([reaction, users]) => {
        const names = users.map((user) => desk.live.nameOf(user)).join(", ");
        const label = t("reaction_by", { reaction, names });
        return (
          <li key={reaction}>
            <button
              type="button"
              aria-pressed={users.includes(me)}
              aria-label={label}
              title={label}
              onClick={() => toggleReaction(desk, channel, item, reaction)}
            >
              <bdi>{reaction}</bdi> {users.length}
            </button>
          </li>
        );
      })}
    </ul>
  );
}
