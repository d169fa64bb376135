/** A register in the place of a conversation: its heading, and the view that goes with it. */

import { useEffect } from "preact/hooks";

import { attended } from "../chat/attention.js";
import { LINE_CHECKS } from "../sdk/line_checks.js";
import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { AdministrationPage } from "./administration.jsx";
import { DispatchList } from "./dispatch_list.jsx";
import { DispatchPage } from "./dispatch_page.jsx";
import { DutyPage } from "./duty_page.jsx";
import { LineCheckPage } from "./line_check_page.jsx";
import { ADMINISTRATION, registerDeskOf } from "./register_desk.js";
import { LineActions } from "./suspension.jsx";

/** @typedef {import('../chat/desk.js').Desk} Desk */
/** @typedef {import('./register_desk.js').Channel} Channel */

/** @param {{ desk: Desk, channel: Channel }} props */
export function RegisterPage({ desk, channel }) {
  const registers = registerDeskOf(desk);
  const name = channel.channel;
  const timeline = desk.timeline(name).value;
  // What stands here has been seen, as the messages of a conversation are.
  useEffect(() => desk.markRead(timeline), [timeline, attended.value]);
  return (
    <main class="conversation register" data-kind={channel.kind}>
      <header class="conversation-head">
        <button type="button" class="button quiet narrow-only" onClick={() => desk.open("")}>
          <Icon name="back" />
          <span class="visually-hidden">{t("back_to_channels")}</span>
        </button>
        <h1>
          <bdi>{desk.titleOf(channel)}</bdi>
        </h1>
        <span class="spacer" />
        <LineActions desk={desk} channel={channel} />
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <section class="register-body" tabIndex={0} aria-label={desk.titleOf(channel)}>
        <View registers={registers} channel={channel} />
      </section>
    </main>
  );
}

/** @param {{ registers: import('./register_desk.js').RegisterDesk, channel: Channel }} props */
function View({ registers, channel }) {
  const opened = registers.opened.value;
  if (channel.channel === ADMINISTRATION) return <AdministrationPage registers={registers} />;
  if (channel.channel.endsWith("/duty")) return <DutyPage registers={registers} channel={channel.channel} />;
  if (channel.channel === LINE_CHECKS) return <LineCheckPage registers={registers} />;
  if (channel.channel.endsWith("/dispatches"))
    return opened === "" ? (
      <DispatchList key={channel.channel} registers={registers} channel={channel} />
    ) : (
      <DispatchPage key={opened} registers={registers} name={opened} />
    );
  return <p class="register-empty">{t("register_unknown")}</p>;
}
