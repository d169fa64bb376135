/** The chat as a whole: who sees which column when. */

import { useEffect, useMemo } from "preact/hooks";

import { t } from "../shared/i18n.js";
import { Waiting } from "../shared/waiting.jsx";
import { ChannelList } from "./channel_list.jsx";
import { Conversation } from "./conversation.jsx";
import { Desk } from "./desk.js";
import { TopBar } from "./top_bar.jsx";
import { extras } from "./use_extras.js";

/** @param {{ live: import('../shared/live.js').Live, signOut: () => void }} props */
export function Chat({ live, signOut }) {
  const desk = useMemo(() => new Desk(live), [live]);
  useEffect(() => () => desk.close(), [desk]);
  const me = live.me.value;
  if (me === undefined || live.office.value === undefined) return <Waiting live={live} />;
  if (me.role === "ops") {
    const loaded = extras.value;
    return loaded ? <loaded.NoChannels name={me.name} signOut={signOut} /> : <Waiting live={live} />;
  }
  const channel = desk.channel.value;
  const panel = desk.panel.value;
  return (
    <div class="chat" data-column={channel ? "conversation" : "channels"} data-panel={panel}>
      <button type="button" class="skip" onClick={focusComposer}>
        {t("skip_to_composer")}
      </button>
      <TopBar desk={desk} signOut={signOut} />
      <ChannelList desk={desk} />
      {channel?.isRegister ? (
        <Register desk={desk} channel={channel} />
      ) : channel ? (
        <Conversation key={channel.channel} desk={desk} channel={channel} />
      ) : (
        <main class="conversation nothing">
          <p>{t(desk.channels.value.size > 0 ? "choose_channel" : "channels_empty")}</p>
        </main>
      )}
      <Extras desk={desk} signOut={signOut} />
    </div>
  );
}

/** Loaded behind everything else. @param {{ desk: Desk, channel: NonNullable<Desk['channel']['value']> }} props */
function Register({ desk, channel }) {
  const loaded = extras.value?.registers.value;
  return loaded ? (
    <loaded.RegisterPage desk={desk} channel={channel} />
  ) : (
    <main class="conversation" aria-busy="true" />
  );
}

/** What is loaded later; until then the place of the panel is kept. @param {{ desk: Desk, signOut: () => void }} props */
function Extras({ desk, signOut }) {
  const loaded = extras.value;
  const panel = desk.panel.value;
  const sheet = desk.sheet.value;
  const last = loaded?.registers.value;
  if (!loaded) return <aside class="panel" aria-label={t("people_show")} aria-busy="true" />;
  return (
    <>
      <div class="notices">
        <loaded.Notices live={desk.live} />
        {last && <last.RegisterNotices desk={desk} />}
      </div>
      {panel === "search" ? <loaded.SearchPanel desk={desk} /> : <loaded.PeoplePanel desk={desk} />}
      {sheet === "switcher" && <loaded.QuickSwitcher desk={desk} />}
      {sheet === "help" && <loaded.HelpSheet desk={desk} />}
      {sheet === "date" && <loaded.DateSheet desk={desk} />}
      {sheet === "account" && <loaded.AccountSheet desk={desk} signOut={signOut} />}
    </>
  );
}

function focusComposer() {
  document.getElementById("composer")?.focus();
}
