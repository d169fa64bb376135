/** The channels one may see, by who shares them. */

import { t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { sideStyle } from "../shared/side_label.jsx";
import { addressOf } from "./channel_address.js";
import { groupChannels } from "./channel_groups.js";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {NonNullable<Desk['channel']['value']>} Channel */

/** @param {{ desk: Desk }} props */
export function ChannelList({ desk }) {
  const groups = groupChannels(desk.channels.value.values(), (channel) => desk.titleOf(channel));
  return (
    <nav class="channels" aria-label={t("channels")}>
      {groups.map(({ kind, delegation, channels }) => (
        <section key={`${kind} ${delegation}`} data-kind={kind} style={sideStyle(desk.live.side(delegation))}>
          <h2>{groupTitle(desk, kind, delegation)}</h2>
          <ul>
            {channels.map((channel) => (
              <ChannelLink key={channel.channel} desk={desk} channel={channel} />
            ))}
          </ul>
        </section>
      ))}
    </nav>
  );
}

/** @param {Desk} desk @param {Channel['kind'] | 'register'} kind @param {string} delegation */
function groupTitle(desk, kind, delegation) {
  if (kind === "joint") return t("channels_joint");
  if (kind === "direct") return t("channels_direct");
  if (kind === "register") return t("channels_registers");
  const side = desk.live.side(delegation);
  return side ? titled(side.title) : delegation;
}

/** @param {{ desk: Desk, channel: Channel }} props */
function ChannelLink({ desk, channel }) {
  const isOpen = desk.selected.value === channel.channel;
  const mentions = desk.mentionsIn(channel);
  const news = desk.newsIn(channel);
  return (
    <li>
      <a
        href={addressOf(channel.channel)}
        aria-current={isOpen ? "page" : undefined}
        data-unread={news > 0}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          desk.open(channel.channel);
        }}
      >
        <bdi class="channel-title">{desk.titleOf(channel)}</bdi>
        {channel.suspended && (
          <span class="paused" title={t("suspended")}>
            <span class="visually-hidden">{t("suspended")}</span>
            <Icon name="pause" />
          </span>
        )}
        {mentions > 0 && (
          <span class="badge mention">
            <span class="visually-hidden">{t("mentioned", { count: mentions })}</span>
            <span aria-hidden="true">@{mentions}</span>
          </span>
        )}
        {news > 0 && (
          <span class="badge">
            <span class="visually-hidden">{t(channel.isRegister ? "waiting" : "unread", { count: news })}</span>
            <span aria-hidden="true">{news > 99 ? "99+" : news}</span>
          </span>
        )}
      </a>
    </li>
  );
}
