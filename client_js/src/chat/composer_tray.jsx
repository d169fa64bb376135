/**
 * The files that go with the message in the composer. Each channel has a tray of its own, as it has a draft of its own:
 * who looks elsewhere meanwhile finds both again, and a message that waits for its files goes all the same.
 */

import { effect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { AttachmentTray } from "../shared/attachment_tray.jsx";
import { t } from "../shared/i18n.js";
import { Tray } from "../shared/tray.js";
import { draftFilesOf, keepDraftFiles } from "./draft_files.js";
import { keepDraft } from "./drafts.js";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {Parameters<Desk['client']['publish']>[1]} Message */

/**
 * Sends a message once its files are up, if it has any, and empties the composer then: at once, later, or not at all, and
 * says so.
 * @typedef {{ send(message: Message): void }} Control
 */

/** @type {WeakMap<Desk, Map<string, Tray>>} */
const traysOf = new WeakMap();

/** @param {Desk} desk @param {string} channel */
function trayOf(desk, channel) {
  const trays = traysOf.get(desk) ?? beginTrays(desk);
  let tray = trays.get(channel);
  if (!tray) {
    const user = desk.live.me.peek()?.user ?? "";
    const maxBytes = desk.live.office.value?.limits?.get("attachment_bytes");
    const made = new Tray(channel, { maxBytes, present: draftFilesOf(user, channel) });
    desk.endings.push(effect(() => keepDraftFiles(user, channel, made.named)));
    trays.set(channel, made);
    tray = made;
  }
  return tray;
}

/** @param {Desk} desk */
function beginTrays(desk) {
  /** @type {Map<string, Tray>} */
  const trays = new Map();
  traysOf.set(desk, trays);
  // What is up is there again after a reload. What is on its way is not: the browser asks first.
  const ask = (/** @type {Event} */ event) => {
    if ([...trays.values()].some(({ isBusy }) => isBusy)) event.preventDefault();
  };
  addEventListener("beforeunload", ask);
  desk.endings.push(() => {
    removeEventListener("beforeunload", ask);
    for (const tray of trays.values()) tray.close();
  });
  return trays;
}

/**
 * Give it a `key`, so that no file ever goes to another channel than the one it was chosen for.
 * @param {{
 *   desk: Desk,
 *   channel: string,
 *   field: { current: HTMLTextAreaElement | null },
 *   control: { current: Control | undefined },
 *   fill: (text: string) => void,
 * }} props   `fill` writes in the field: a file's name where nothing was written.
 */
export function ComposerTray({ desk, channel, field, control, fill }) {
  const tray = trayOf(desk, channel);
  const isHeld = tray.held.value !== undefined;
  const focus = () => field.current?.focus();

  useEffect(() => {
    control.current = {
      send(message) {
        const isHere = () => desk.selected.peek() === channel && !desk.correcting.peek();
        /** @param {readonly import('../sdk/attachments.js').Named[]} files */
        const go = (files) => {
          desk.client.publish(channel, files.length > 0 ? { ...message, attachments: files } : message);
          tray.clear();
          // Who has gone on with something else meanwhile keeps that.
          if (!isHere()) return keepDraft(desk.live.me.peek()?.user ?? "", channel, "");
          desk.reply(undefined);
          desk.precedence.value = "";
          fill("");
        };
        tray.whenUp(go, () => {
          if (!isHere()) desk.live.failure.value = { name: "attachment_held_back" };
        });
      },
    };
    return () => {
      control.current = undefined;
    };
  }, []);

  const names = tray.usable.map(({ name }) => name);
  const filled = useRef("");
  // A message has a text; who writes none has said what the file is called, as long as it goes along.
  useLayoutEffect(() => {
    const written = field.current?.value ?? "";
    const [first = ""] = names;
    if (written.trim() === "" && first !== "") {
      filled.current = first;
      fill(first);
    } else if (written !== "" && written === filled.current && !names.includes(written)) fill("");
  }, [names.length]);

  // What waits is as it was when it was sent off: it is called off first, and changed then.
  useLayoutEffect(() => {
    const element = field.current;
    /** @param {boolean} held */
    const hold = (held) => {
      if (!element) return;
      element.readOnly = held;
      // The button is the composer's to draw, which knows nothing of files: it looks and reads as what can't be pressed.
      element.form?.querySelector(".send")?.setAttribute("aria-disabled", String(held));
    };
    hold(isHeld);
    return () => hold(false);
  }, [isHeld]);

  return (
    <AttachmentTray tray={tray} afterRemoval={focus}>
      {isHeld && (
        <p class="tray-word" role="status">
          {t("attach_held")}{" "}
          <button
            type="button"
            class="button small"
            onClick={() => {
              tray.callOff();
              focus();
            }}
          >
            {t("attach_call_off")}
          </button>
        </p>
      )}
      {tray.isHeldBack.value && (
        <p class="tray-word" role="alert">
          {t("attach_held_back")}
        </p>
      )}
    </AttachmentTray>
  );
}
