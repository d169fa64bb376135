/** How the line to the server is, in words. */

import { t } from "./i18n.js";
import { now } from "./ticking.js";

/** @typedef {import('./live.js').Live} Live */

/** Names of closes with which a server says that it goes and another, or itself, comes. */
const MOVES = new Set(["going_away", "service_restart"]);

/** @param {Live['link']['value']} state */
function wording(state) {
  switch (state.name) {
    case "connected":
      return t("link_online");
    case "waiting": {
      const seconds = Math.max(1, Math.ceil((state.retryAtMs - now.value) / 1000));
      return t(MOVES.has(state.reason.name) ? "link_moving" : "link_waiting", { seconds });
    }
    case "connecting":
      return t("link_connecting");
    default:
      return t("link_offline");
  }
}

/** @param {{ live: Live }} props */
export function ConnectionStatus({ live }) {
  const state = live.link.value;
  return (
    <div class="link" data-state={state.name}>
      {/* The count-down would be read out every second, so screen readers hear of the state and not of the seconds. */}
      <span class="visually-hidden" role="status">
        {state.name === "connected" ? t("link_online") : t("link_offline")}
      </span>
      <span class="link-dot" aria-hidden="true" />
      <span class="link-text" aria-hidden="true">
        {wording(state)}
      </span>
      {state.name === "waiting" && (
        <button type="button" class="button small" onClick={() => live.client.retryNow()}>
          {t("link_retry")}
        </button>
      )}
    </div>
  );
}
