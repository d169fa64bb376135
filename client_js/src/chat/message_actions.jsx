/** What can be done with a message: react, answer, and with one's own, correct or withdraw. */

import { useRef } from "preact/hooks";

import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { REACTIONS, toggleReaction } from "./reactions.jsx";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {import('./desk.js').Item} Item */

/** @param {{ desk: Desk, channel: string, item: Item, isOwn: boolean }} props */
export function MessageActions({ desk, channel, item, isOwn }) {
  const question = useRef(/** @type {HTMLDialogElement | null} */ (null));
  if (desk.channel.value?.canWrite === false) return null;
  return (
    <div class="actions" role="toolbar" aria-label={t("message_actions")}>
      {REACTIONS.map((reaction) => (
        <button
          key={reaction}
          type="button"
          aria-label={t("act_react", { reaction })}
          onClick={() => toggleReaction(desk, channel, item, reaction)}
        >
          {reaction}
        </button>
      ))}
      <Action icon="reply" label={t("act_reply")} onClick={() => desk.reply(item)} />
      {isOwn && <Action icon="pen" label={t("act_correct")} onClick={() => desk.correct(item)} />}
      {isOwn && <Action icon="withdraw" label={t("act_withdraw")} onClick={() => question.current?.showModal()} />}
      {isOwn && (
        <dialog ref={question} aria-label={t("act_withdraw")}>
          <form method="dialog">
            <p>{t("withdraw_question")}</p>
            <div class="buttons">
              <button type="submit" class="button">
                {t("cancel")}
              </button>
              <button type="submit" class="button danger" onClick={() => desk.client.withdraw(channel, item.seq)}>
                {t("withdraw_confirm")}
              </button>
            </div>
          </form>
        </dialog>
      )}
    </div>
  );
}

/** @param {{ icon: string, label: string, onClick: () => void }} props */
function Action({ icon, label, onClick }) {
  return (
    <button type="button" aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}
