/** The heading of what lies beside the conversation, with the button that closes it where it covers something. */

import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";

/** @param {{ desk: import("./desk.js").Desk, title: string }} props */
export function PanelHead({ desk, title }) {
  return (
    <header class="panel-head">
      <h2>{title}</h2>
      <button
        type="button"
        class="button quiet"
        aria-label={t("close")}
        onClick={() => {
          desk.panel.value = "";
        }}
      >
        <Icon name="close" />
      </button>
    </header>
  );
}
