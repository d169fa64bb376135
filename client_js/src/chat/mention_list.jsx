/** Completes a name after an @ in the composer, by keyboard or pointer; the focus stays in the field. */

import { signal } from "@preact/signals";

import { t } from "../shared/i18n.js";
import { candidates, mentionAt } from "./name_completion.js";

/** @typedef {import('./mentions.js').Person} Person */
/** @typedef {{ start: number, end: number, people: readonly Person[], index: number }} Completion */

const MOST = 6;

/** What is offered in one field. */
export class MentionCompletion {
  /** @type {import('@preact/signals').Signal<Completion | undefined>} */
  open = signal(undefined);

  /**
   * @param {HTMLTextAreaElement} field
   * @param {() => void} changed   Called after the text of the field was changed.
   */
  constructor(field, changed) {
    this.field = field;
    this.changed = changed;
  }

  close() {
    this.open.value = undefined;
  }

  /** The text or the caret is another. @param {readonly Person[]} people   Who can be mentioned here. */
  look(people) {
    const { value, selectionEnd: end } = this.field;
    const found = mentionAt(value, end);
    const fitting = found ? candidates(people, found.query, MOST) : [];
    this.open.value = found && fitting.length > 0 ? { start: found.start, end, people: fitting, index: 0 } : undefined;
  }

  /** Put the chosen name into the text; false where none is offered. @param {number} [index] */
  choose(index = this.open.peek()?.index ?? 0) {
    const current = this.open.peek();
    const person = current?.people[index];
    if (!current || !person) return false;
    this.field.setRangeText(`@${person.name} `, current.start, current.end, "end");
    this.close();
    this.changed();
    this.field.focus();
    return true;
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key was for the list */
  onKeyDown(event) {
    const current = this.open.peek();
    if (!current) return false;
    const step = event.code === "ArrowDown" ? 1 : event.code === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      const { length } = current.people;
      this.open.value = { ...current, index: (current.index + step + length) % length };
    } else if (event.code === "Tab") this.choose();
    else if (event.code === "Escape") this.close();
    else return false;
    event.preventDefault();
    return true;
  }
}

/** @param {{ mentions: MentionCompletion }} props */
export function MentionList({ mentions }) {
  const current = mentions.open.value;
  if (!current) return null;
  return (
    <div class="mention-list" id="mention-list" role="listbox" aria-label={t("composer_mentions")}>
      {current.people.map(({ user, name }, index) => (
        // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the field, which names the chosen option.
        <div
          key={user}
          id={`mention-${index}`}
          role="option"
          aria-selected={index === current.index}
          onPointerDown={(event) => {
            event.preventDefault();
            mentions.choose(index);
          }}
        >
          <bdi>{name}</bdi> <small>{user}</small>
        </div>
      ))}
    </div>
  );
}
