/** Who is connected from where, who is present, and why that changed last. No message text ever comes to this page. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { ConnectionStatus } from "../shared/connection_status.jsx";
import { DisplaySettings } from "../shared/display_settings.jsx";
import { t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { Notices } from "../shared/notices.jsx";
import { Waiting } from "../shared/waiting.jsx";
import { PresenceBoard } from "./presence_board.jsx";
import { PresenceLog } from "./presence_log.jsx";
import { SessionTable } from "./session_table.jsx";
import { Tiles } from "./tiles.jsx";

/** @typedef {import('../shared/live.js').Live} Live */

/** @param {{ live: Live, signOut: () => void }} props */
export function Operations({ live, signOut }) {
  const me = live.me.value;
  if (me === undefined || live.office.value === undefined) return <Waiting live={live} />;
  if (me.role !== "ops") return <Forbidden name={me.name} signOut={signOut} />;
  return <Dashboard live={live} signOut={signOut} />;
}

/** @param {{ live: Live, signOut: () => void }} props */
function Dashboard({ live, signOut }) {
  const sessions = useSignal(live.client.sessions);
  useEffect(() => {
    const end = live.client.on("sessions", (table) => {
      sessions.value = table;
    });
    live.client.watchSessions();
    live.client.watchPresence();
    return end;
  }, [live, sessions]);
  return (
    <div class="ops">
      <a class="skip" href="#sessions">
        {t("skip_to_table")}
      </a>
      <Bar live={live} signOut={signOut} />
      <Notices live={live} />
      <main>
        <Tiles live={live} sessions={sessions.value} />
        <SessionTable live={live} sessions={sessions.value} />
        <div class="columns">
          <PresenceBoard live={live} />
          <PresenceLog live={live} />
        </div>
      </main>
    </div>
  );
}

/** @param {{ live: Live, signOut: () => void }} props */
function Bar({ live, signOut }) {
  const office = live.office.value;
  return (
    <header class="top-bar">
      <h1 class="office">
        {t("ops_title")}
        {office && (
          <small>
            {" "}
            <bdi>{titled(office.title)}</bdi>
          </small>
        )}
      </h1>
      <ConnectionStatus live={live} />
      <span class="spacer" />
      <button type="button" class="button quiet" popovertarget="own-menu">
        <bdi>{live.me.value?.name}</bdi>
        <Icon name="chevron" />
      </button>
      <div id="own-menu" class="menu" popover="auto">
        <DisplaySettings />
        <button type="button" class="button" onClick={signOut}>
          {t("logout")}
        </button>
      </div>
    </header>
  );
}

/** @param {{ name: string, signOut: () => void }} props */
function Forbidden({ name, signOut }) {
  return (
    <main class="login">
      <div class="card">
        <h1>{t("ops_forbidden_heading")}</h1>
        <p>{t("ops_forbidden", { name })}</p>
        <a class="button primary" href="/">
          {t("ops_to_chat")}
        </a>
        <button type="button" class="button" onClick={signOut}>
          {t("logout")}
        </button>
      </div>
    </main>
  );
}
