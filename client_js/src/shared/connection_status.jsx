/** How the line to the server is, in words. */

import { formatSecond } from "./clocks.js";
import { locale, t } from "./i18n.js";
import { now } from "./ticking.js";

/** @typedef {import('./live.js').Live} Live */

/** Names of closes with which a server says that it goes and another, or itself, comes. */
const MOVES = new Set(["going_away", "service_restart"]);

/** The server speaks another version of the protocol than this page, which only the server's own page can mend. @param {Live['link']['value']} state */
function isOutdated(state) {
  return state.name === "waiting" && state.reason.name === "unsupported_version";
}

/** @param {Live['link']['value']} state */
function wording(state) {
  if (isOutdated(state)) return t("link_outdated");
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

/**
 * Up to when nothing can be missing: without a line, when the server was last heard. @param {Live} live
 */
function completeUpTo(live) {
  const { name } = live.link.value;
  const { lastHeardMs } = live.client;
  if (name === "connected" || lastHeardMs === 0) return "";
  return t("link_complete", { time: formatSecond(lastHeardMs, locale.value, live.timeZone) });
}

/** @param {{ live: Live }} props */
export function ConnectionStatus({ live }) {
  const state = live.link.value;
  return (
    <div class="link" data-state={state.name}>
      {/* The count-down would be read out every second, so screen readers hear of the state and not of the seconds. */}
      <span class="visually-hidden" role="status">
        {state.name === "connected" || isOutdated(state) ? wording(state) : t("link_offline")}
      </span>
      <span class="link-dot" aria-hidden="true" />
      <span class="link-text" aria-hidden="true">
        {wording(state)}
      </span>
      <span class="link-complete">{completeUpTo(live)}</span>
      {state.name === "waiting" && (
        <button
          type="button"
          class="button small"
          onClick={() => (isOutdated(state) ? location.reload() : live.client.retryNow())}
        >
          {t(isOutdated(state) ? "link_reload" : "link_retry")}
        </button>
      )}
    </div>
  );
}
