/** The bar above everything: which office this is, how the line is, what time it is on each side, and one's own menu. */

import { clocksDiffer, formatTime, usableZone } from "../shared/clocks.js";
import { ConnectionStatus } from "../shared/connection_status.jsx";
import { locale, t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { SideLabel } from "../shared/side_label.jsx";
import { now } from "../shared/ticking.js";
import { extras } from "./use_extras.js";

/** @typedef {import('./desk.js').Desk} Desk */

/** @param {{ desk: Desk, signOut: () => void }} props */
export function TopBar({ desk, signOut }) {
  const { live } = desk;
  const me = live.me.value;
  const office = live.office.value;
  const loaded = extras.value;
  return (
    <header class="top-bar">
      <strong class="office" dir="auto">
        {office ? titled(office.title) : t("chat_title")}
      </strong>
      <ConnectionStatus live={live} />
      <Clocks live={live} />
      <span class="spacer" />
      <PanelButton desk={desk} panel="search" label={t("search")} />
      <PanelButton desk={desk} panel="people" label={t("people_show")} />
      <button type="button" class="button quiet own" popovertarget="own-menu">
        <bdi>{me?.name}</bdi>
        <SideLabel side={live.side(me?.delegation ?? "")} />
        <Icon name="chevron" />
      </button>
      <div id="own-menu" class="menu" popover="auto">
        {loaded && <loaded.OwnMenu desk={desk} signOut={signOut} />}
      </div>
    </header>
  );
}

/** @param {{ desk: Desk, panel: 'people' | 'search', label: string }} props */
function PanelButton({ desk, panel, label }) {
  const open = desk.panel.value === panel;
  return (
    <button
      type="button"
      class={`button quiet for-${panel}`}
      aria-label={label}
      aria-pressed={open}
      onClick={() => desk.togglePanel(panel)}
    >
      <Icon name={panel} />
      <span class="wide-only">{label}</span>
    </button>
  );
}

/** Both sides' clocks, while they differ; else one would only be in the way. @param {{ live: Desk['live'] }} props */
function Clocks({ live }) {
  const { sides } = live;
  const differ = clocksDiffer(
    sides.map(({ timeZone }) => timeZone),
    now.value,
  );
  if (!differ) return null;
  return (
    <ul class="clocks">
      {sides.map((side) => (
        <li key={side.id}>
          <SideLabel side={side} />
          <time>{formatTime(now.value, locale.value, usableZone(side.timeZone))}</time>
        </li>
      ))}
    </ul>
  );
}
