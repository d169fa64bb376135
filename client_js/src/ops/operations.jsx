/** Who is connected from where, who is present, and why that changed last. No message text ever comes to this page. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";

import { Operations } from "../sdk/operations.js";
import { ConnectionStatus } from "../shared/connection_status.jsx";
import { DisplaySettings } from "../shared/display_settings.jsx";
import { followPresence } from "../shared/follow_presence.js";
import { t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { Notices } from "../shared/notices.jsx";
import { Waiting } from "../shared/waiting.jsx";
import { AlarmList } from "./alarm_list.jsx";
import { Charts } from "./charts.jsx";
import { DeskBoard, followDesks } from "./desk_board.jsx";
import { NodeTable } from "./node_table.jsx";
import { figuresOf } from "./nodes.js";
import { PresenceBoard } from "./presence_board.jsx";
import { PresenceLog } from "./presence_log.jsx";
import { Errors, SlowConsumers } from "./problems.jsx";
import { SessionTable } from "./session_table.jsx";
import { Tiles } from "./tiles.jsx";
import { followView, show, view } from "./view.js";
import { Wall } from "./wall.jsx";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('../sdk/operations.js').DesksView} DesksView */

/** @param {{ live: Live, signOut: () => void }} props */
export function OperationsPage({ live, signOut }) {
  const me = live.me.value;
  if (me === undefined || live.office.value === undefined) return <Waiting live={live} />;
  if (me.role !== "ops") return <Forbidden name={me.name} signOut={signOut} />;
  return <Dashboard live={live} signOut={signOut} />;
}

/** @param {{ live: Live, signOut: () => void }} props */
function Dashboard({ live, signOut }) {
  const operations = useMemo(() => new Operations(live.client, pageTimers), [live]);
  const presence = useMemo(() => followPresence(live), [live]);
  const sessions = useSignal(operations.sessions);
  const statistics = useSignal(operations.statistics);
  /** Undefined until they were asked for. @type {import('@preact/signals').Signal<{ view: DesksView | undefined } | undefined>} */
  const desks = useSignal(undefined);
  useEffect(() => {
    const ends = [
      operations.on("sessions", (table) => {
        sessions.value = table;
      }),
      operations.on("statistics", (figures) => {
        // While the line is down the last figures stay, marked as old: a gap would hide what led to it.
        const kept = figures.steps.length > 0 ? figures : { ...statistics.peek(), current: figures.current };
        statistics.value = kept;
      }),
      operations.on("error", ({ where, error }) => console.warn(`liaison: ${where}`, error)),
      followView(),
      followDesks(live, operations, (view) => {
        desks.value = { view };
      }),
    ];
    operations.watchSessions();
    operations.watchStatistics();
    return () => {
      for (const end of ends) end();
    };
  }, [live, operations, sessions, statistics, desks]);
  const whole = useComputed(() => figuresOf(statistics.value, "")).value;
  const figures = useComputed(() => figuresOf(statistics.value, view.value.of)).value;
  const told = desks.value && (desks.value.view?.desks ?? []);
  if (view.value.wall) return <Wall live={live} statistics={whole} desks={told} />;
  return (
    <div class="ops">
      <a class="skip" href="#sessions">
        {t("skip_to_table")}
      </a>
      <Bar live={live} signOut={signOut} />
      <Notices live={live} />
      <main>
        <AlarmList live={live} statistics={whole} desks={told} />
        <Tiles live={live} sessions={sessions.value} statistics={whole} />
        <SessionTable live={live} sessions={sessions.value} statistics={statistics.value} operations={operations} />
        <NodeTable live={live} statistics={statistics.value} />
        <DeskBoard live={live} view={desks.value?.view} />
        <Charts live={live} statistics={figures} />
        <div class="columns">
          <PresenceBoard live={live} />
          <PresenceLog live={live} presence={presence} operations={operations} />
        </div>
        <div class="columns">
          <SlowConsumers live={live} sessions={sessions.value} statistics={figures} />
          <Errors live={live} statistics={figures} />
        </div>
      </main>
    </div>
  );
}

const pageTimers = {
  setTimeout: (/** @type {() => void} */ fn, /** @type {number} */ ms) => setTimeout(fn, ms),
  clearTimeout: (/** @type {number} */ id) => clearTimeout(id),
};

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
      <button type="button" class="button quiet" onClick={() => show({ wall: true })}>
        {t("ops_wall")}
      </button>
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
