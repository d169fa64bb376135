/** One channel: its heading, its messages, who is writing, and the field to write in. */

import { t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { sideStyle } from "../shared/side_label.jsx";
import { delegationOf } from "./channel_groups.js";
import { Composer } from "./composer.jsx";
import { MessageList } from "./message_list.jsx";
import { extras } from "./use_extras.js";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {NonNullable<Desk['channel']['value']>} Channel */

/** @param {{ desk: Desk, channel: Channel }} props */
export function Conversation({ desk, channel }) {
  const registers = extras.value?.registers.value;
  return (
    <main
      class="conversation"
      data-kind={channel.kind}
      style={sideStyle(desk.live.side(delegationOf(channel.channel)))}
    >
      <header class="conversation-head">
        <button type="button" class="button quiet narrow-only" onClick={() => desk.open("")}>
          <Icon name="back" />
          <span class="visually-hidden">{t("back_to_channels")}</span>
        </button>
        <h1>
          <bdi>{desk.titleOf(channel)}</bdi>
        </h1>
        <Audience desk={desk} channel={channel} />
        <span class="spacer" />
        {registers && <registers.LineActions desk={desk} channel={channel} />}
        <button
          type="button"
          class="button quiet"
          aria-label={t("date")}
          title={t("date")}
          onClick={() => desk.openSheet("date")}
        >
          <Icon name="calendar" />
        </button>
      </header>
      {registers && channel.suspended && <registers.SuspensionBanner desk={desk} channel={channel} />}
      <MessageList desk={desk} channel={channel} />
      <Typists desk={desk} channel={channel.channel} />
      <Composer desk={desk} channel={channel} />
    </main>
  );
}

/** Who reads what is written here, beside the heading. @param {{ desk: Desk, channel: Channel }} props */
function Audience({ desk, channel }) {
  const { sides } = desk.live;
  if (channel.kind === "joint") return <span class="audience">{t("channels_joint")}</span>;
  if (channel.kind === "direct") return <span class="audience">{t("channels_direct")}</span>;
  const side = sides.find(({ id }) => id === delegationOf(channel.channel));
  return <span class="audience">{side ? titled(side.title) : null}</span>;
}

/** @param {{ desk: Desk, channel: string }} props */
function Typists({ desk, channel }) {
  const names = desk.typistsOf(channel).value.map((user) => desk.live.nameOf(user));
  const values = { name: names[0] ?? "", names: names.join(", ") };
  return (
    <p class="typists" dir="auto">
      {names.length > 0 && t(names.length === 1 ? "typing_one" : "typing_many", values)}
    </p>
  );
}
