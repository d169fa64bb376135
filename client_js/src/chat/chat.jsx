/** The chat as a whole: who sees which column when. */

import { useEffect, useMemo } from "preact/hooks";

import { t } from "../shared/i18n.js";
import { Notices } from "../shared/notices.jsx";
import { Waiting } from "../shared/waiting.jsx";
import { ChannelList } from "./channel_list.jsx";
import { Conversation } from "./conversation.jsx";
import { Desk } from "./desk.js";
import { PeoplePanel } from "./people_panel.jsx";
import { SearchPanel } from "./search_panel.jsx";
import { TopBar } from "./top_bar.jsx";

/** @param {{ live: import('../shared/live.js').Live, signOut: () => void }} props */
export function Chat({ live, signOut }) {
  const desk = useMemo(() => new Desk(live), [live]);
  useEffect(() => () => desk.close(), [desk]);
  const me = live.me.value;
  if (me === undefined || live.office.value === undefined) return <Waiting live={live} />;
  if (me.role === "ops") return <NoChannels name={me.name} signOut={signOut} />;
  const channel = desk.channel.value;
  const panel = desk.panel.value;
  return (
    <div class="chat" data-column={channel ? "conversation" : "channels"} data-panel={panel}>
      <button type="button" class="skip" onClick={focusComposer}>
        {t("skip_to_composer")}
      </button>
      <TopBar desk={desk} signOut={signOut} />
      <Notices live={live} />
      <ChannelList desk={desk} />
      {channel ? (
        <Conversation key={channel.channel} desk={desk} channel={channel} />
      ) : (
        <main class="conversation nothing">
          <p>{t(desk.channels.value.size > 0 ? "choose_channel" : "channels_empty")}</p>
        </main>
      )}
      {panel === "search" ? <SearchPanel desk={desk} /> : <PeoplePanel desk={desk} />}
    </div>
  );
}

function focusComposer() {
  document.getElementById("composer")?.focus();
}

/** @param {{ name: string, signOut: () => void }} props */
function NoChannels({ name, signOut }) {
  return (
    <main class="login">
      <div class="card">
        <h1>{t("chat_forbidden_heading")}</h1>
        <p>{t("chat_forbidden", { name })}</p>
        <a class="button primary" href="/ops">
          {t("chat_to_ops")}
        </a>
        <button type="button" class="button" onClick={signOut}>
          {t("logout")}
        </button>
      </div>
    </main>
  );
}
