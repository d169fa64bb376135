/** The recent changes of presence: what answers "why did she show offline at 14:03?". */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { formatSecond } from "../shared/clocks.js";
import { locale, t } from "../shared/i18n.js";
import { PresenceDot } from "../shared/presence_dot.jsx";
import { SideLabel } from "../shared/side_label.jsx";
import { causeText } from "./cause_text.js";
import { withDiff } from "./presence_changes.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('./presence_changes.js').Change} Change */

/** @param {{ live: Live }} props */
export function PresenceLog({ live }) {
  /** @type {import('@preact/signals').Signal<readonly Change[]>} */
  const changes = useSignal([]);
  useEffect(
    () =>
      live.client.on("presence_change", ({ before, diff }) => {
        changes.value = withDiff(changes.peek(), before.users, diff, live.client.serverNowMs());
      }),
    [live, changes],
  );
  return (
    <section class="box" aria-labelledby="changes-title">
      <header class="box-head">
        <h2 id="changes-title">{t("ops_changes")}</h2>
      </header>
      {changes.value.length === 0 && <p class="empty">{t("ops_changes_none")}</p>}
      <ol class="changes">
        {changes.value.map((change) => (
          <li key={change.id}>
            <time>{formatSecond(change.timeMs, locale.value, live.timeZone)}</time>
            <PresenceDot state={change.connectivity} labelled />
            <span>{t(`ops_change_${change.connectivity}`, { name: live.nameOf(change.user) })}</span>
            <SideLabel side={live.side(change.delegation)} />
            {change.cause && <span class="detail">{causeText(change.cause)}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}
