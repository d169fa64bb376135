/** Goes to a channel or a person by a few letters of the name. */

import { useSignal } from "@preact/signals";

import { t, titled } from "../shared/i18n.js";
import { fold } from "./korean.js";
import { Sheet } from "./sheet.jsx";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {{ id: string, title: string, detail: string, unread: number, go: () => void }} Choice */

const MOST_CHOICES = 8;

/** @param {{ desk: Desk }} props */
export function QuickSwitcher({ desk }) {
  const query = useSignal("");
  const index = useSignal(0);
  const found = choicesFor(desk, query.value);
  const chosen = found[Math.min(index.value, found.length - 1)];

  /** @param {Choice | undefined} choice */
  const go = (choice) => {
    if (!choice) return;
    desk.sheet.value = "";
    choice.go();
  };

  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    const step = event.code === "ArrowDown" ? 1 : event.code === "ArrowUp" ? -1 : 0;
    if (step !== 0 && found.length > 0) {
      event.preventDefault();
      index.value = (Math.min(index.value, found.length - 1) + step + found.length) % found.length;
    } else if (event.code === "Enter" && !event.isComposing) {
      event.preventDefault();
      go(chosen);
    }
  };

  return (
    <Sheet desk={desk} title={t("switcher")} name="switcher">
      <input
        // Whoever opens this dialog wants to type; the browser gives it the focus.
        autofocus
        type="text"
        role="combobox"
        aria-label={t("switcher_label")}
        aria-expanded="true"
        aria-autocomplete="list"
        aria-controls="switcher-list"
        aria-activedescendant={chosen ? `switch ${chosen.id}` : undefined}
        placeholder={t("switcher_label")}
        onInput={({ currentTarget }) => {
          query.value = currentTarget.value;
          index.value = 0;
        }}
        onKeyDown={onKeyDown}
      />
      <div id="switcher-list" role="listbox" aria-label={t("switcher")} class="choices">
        {found.map((choice) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field.
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the field, which names the chosen option.
          <div
            key={choice.id}
            id={`switch ${choice.id}`}
            role="option"
            aria-selected={choice === chosen}
            onClick={() => go(choice)}
          >
            <bdi>{choice.title}</bdi>
            <small>{choice.detail}</small>
            {choice.unread > 0 && <span class="badge">{choice.unread > 99 ? "99+" : choice.unread}</span>}
          </div>
        ))}
      </div>
      {found.length === 0 && <p class="sheet-note">{t("switcher_none")}</p>}
    </Sheet>
  );
}

/** @param {Desk} desk @param {string} query @returns {Choice[]} */
function choicesFor(desk, query) {
  const wanted = fold(query.trim());
  const all = [...channelChoices(desk), ...peopleChoices(desk)];
  const matching = all.filter(({ title, id }) => fold(title).includes(wanted) || id.includes(wanted));
  // What waits for one is what one mostly wants to see; after that the order is that of the lists.
  return matching.sort((a, b) => Number(b.unread > 0) - Number(a.unread > 0)).slice(0, MOST_CHOICES);
}

/** @param {Desk} desk @returns {Choice[]} */
function channelChoices(desk) {
  return [...desk.channels.value.values()].map((channel) => ({
    id: channel.channel,
    title: desk.titleOf(channel),
    detail: channel.kind === "joint" ? t("channels_joint") : channel.kind === "direct" ? t("channels_direct") : "",
    unread: desk.newsIn(channel),
    go: () => desk.open(channel.channel),
  }));
}

/** @param {Desk} desk @returns {Choice[]} */
function peopleChoices(desk) {
  const { live } = desk;
  const others = [...live.people.value.values()].filter(
    ({ user, role }) => user !== live.me.value?.user && role !== "bot" && role !== "ops",
  );
  return others.map(({ user, name, delegation }) => {
    const side = live.side(delegation);
    return { id: user, title: name, detail: side ? titled(side.title) : "", unread: 0, go: () => desk.write(user) };
  });
}
