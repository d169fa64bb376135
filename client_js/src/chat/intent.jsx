/** Above the composer: what its text will be, if not a new message. */

import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";

/** @param {{ desk: import('./desk.js').Desk }} props */
export function Intent({ desk }) {
  const replying = desk.replying.value;
  if (!replying && !desk.correcting.value) return null;
  const name = replying ? desk.live.nameOf(replying.sender) : "";
  return (
    <p class="intent">
      <Icon name={replying ? "reply" : "pen"} />
      <span>{replying ? t("composer_replying", { name }) : t("composer_correcting")}</span>
      {replying && <bdi class="quote-text">{replying.text}</bdi>}
      <button type="button" class="button quiet small" onClick={() => desk.reply(undefined)}>
        {t("cancel")}
      </button>
    </p>
  );
}
