/** A line that one side has suspended: what everybody in the channel sees of it, and what the heads can do about it. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { SideLabel } from "../shared/side_label.jsx";
import { FormDialog, LineField, textIn } from "./form_dialog.jsx";
import { ApproveDialog } from "./proposal_dialogs.jsx";
import { RecordDialog } from "./record_dialog.jsx";
import { registerDeskOf } from "./register_desk.js";
import { Stamp, stampText } from "./stamp.jsx";

/** @typedef {import('../chat/desk.js').Desk} Desk */
/** @typedef {import('../chat/desk.js').Item} Item */
/** @typedef {import('./register_desk.js').Channel} Channel */
/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/registers.js').Suspension} Suspension */
/** @typedef {import('../sdk/registers.js').Held} Held */

/** What both heads have to agree on has a day: the other one may not be at the desk. */
const RESUMPTION_LIFE_MS = 24 * 3600 * 1000;

/** Above the messages of a suspended channel. @param {{ desk: Desk, channel: Channel }} props */
export function SuspensionBanner({ desk, channel }) {
  const registers = registerDeskOf(desk);
  const suspension = registers.suspensionOf(channel.channel);
  return (
    <section class="suspension" aria-label={t("suspended")}>
      <p class="suspension-head">
        <Icon name="pause" />
        <strong>{t("suspended")}</strong>
        {suspension && (
          <>
            <bdi>{desk.live.nameOf(suspension.user)}</bdi>
            <SideLabel side={desk.live.side(suspension.delegation)} />
            <Stamp live={desk.live} timeMs={suspension.timeMs} />
          </>
        )}
      </p>
      {suspension && (
        <dl class="facts">
          <div>
            <dt>{t("suspension_authority")}</dt>
            <dd dir="auto">{suspension.authority}</dd>
          </div>
          <div>
            <dt>{t("suspension_reason")}</dt>
            <dd dir="auto">{suspension.reason}</dd>
          </div>
        </dl>
      )}
      <p class="suspension-rule">{t("suspension_rule")}</p>
      {suspension && <Resumption registers={registers} suspension={suspension} />}
      <HeldMessages registers={registers} channel={channel.channel} />
    </section>
  );
}

/** Whose approval is there and whose is missing, and the button for whom it is. @param {{ registers: RegisterDesk, suspension: Suspension }} props */
function Resumption({ registers, suspension }) {
  const { live } = registers;
  const proposal = registers.resumptionOf(suspension.suspension);
  const isMine = registers.isHead && (!proposal || proposal.waitsOn.includes(registers.own));
  return (
    <div class="resumption">
      <p>
        {!proposal && t("resumption_none")}
        {proposal?.approvals.map(({ delegation, user }) => (
          <span key={delegation} class="key" data-turned="true">
            <Icon name="check" />
            <SideLabel side={live.side(delegation)} /> <bdi>{live.nameOf(user)}</bdi>
          </span>
        ))}
        {proposal?.waitsOn.map((delegation) => (
          <span key={delegation} class="key" data-turned="false">
            <Icon name="clock" />
            <SideLabel side={live.side(delegation)} /> {t("approval_missing")}
          </span>
        ))}
      </p>
      {isMine && (
        <button
          type="button"
          class="button small"
          onClick={() =>
            registers.ask(
              proposal ? (
                <ApproveDialog registers={registers} proposal={proposal} />
              ) : (
                <ResumeDialog registers={registers} suspension={suspension} />
              ),
            )
          }
        >
          {t(proposal ? "resumption_approve" : "resumption_propose")}
        </button>
      )}
    </div>
  );
}

/** To propose is not to approve: this does both for one's own side. @param {{ registers: RegisterDesk, suspension: Suspension }} props */
function ResumeDialog({ registers, suspension: { channel, suspension } }) {
  return (
    <FormDialog
      registers={registers}
      title={t("resumption_title", { channel: registers.titleOf(channel) })}
      effect={t("resumption_effect")}
      submit={t("resumption_propose")}
      send={async (_, key) => {
        const expiresMs = registers.live.client.serverNowMs() + RESUMPTION_LIFE_MS;
        const subject = { kind: /** @type {const} */ ("resume"), channel, suspension };
        const proposal = await registers.registers.propose(subject, Math.floor(expiresMs), `${key.slice(0, 60)} p`);
        await registers.registers.approve(proposal, `${key.slice(0, 60)} a`);
      }}
    />
  );
}

/** One's own messages that wait, also those from other devices, in the order in which they will follow. @param {{ registers: RegisterDesk, channel: string }} props */
function HeldMessages({ registers, channel }) {
  /** @type {import('@preact/signals').Signal<Held | undefined>} */
  const held = useSignal(undefined);
  // What this device sends is held one by one: each changes the outbox, and with it the timeline.
  const waiting = registers.desk.timeline(channel).value.items.filter(({ state }) => state === "held").length;
  useEffect(() => {
    let isOver = false;
    registers.registers.heldMessages(channel).then(
      (answer) => {
        if (!isOver) held.value = answer;
      },
      () => {
        // Without a line; drawn again with the next.
      },
    );
    return () => {
      isOver = true;
    };
  }, [channel, waiting]);
  const { messages, ofSide } = held.value ?? { messages: [], ofSide: 0 };
  if (ofSide === 0) return null;
  const texts = messages.filter(({ kind }) => kind === "text");
  return (
    <details class="held">
      <summary>{t("held_count", { own: messages.length, side: ofSide })}</summary>
      <ol>
        {texts.map(({ key, timeMs, text }) => (
          <li key={key}>
            <Stamp live={registers.live} timeMs={timeMs} />
            <span dir="auto">{text}</span>
          </li>
        ))}
      </ol>
    </details>
  );
}

/** The record of a channel, and what heads can do about one that isn't suspended. @param {{ desk: Desk, channel: Channel }} props */
export function LineActions({ desk, channel }) {
  const registers = registerDeskOf(desk);
  const maySuspend = registers.isHead && channel.kind === "joint" && !channel.suspended && !channel.isRegister;
  return (
    <>
      {maySuspend && (
        <button
          type="button"
          class="button quiet"
          aria-label={t("suspend")}
          title={t("suspend")}
          onClick={() => registers.ask(<SuspendDialog registers={registers} channel={channel.channel} />)}
        >
          <Icon name="pause" />
        </button>
      )}
      <button
        type="button"
        class="button quiet"
        aria-label={t("record")}
        title={t("record")}
        onClick={() => registers.ask(<RecordDialog registers={registers} channel={channel.channel} />)}
      >
        <Icon name="checks" />
      </button>
    </>
  );
}

/** @param {{ registers: RegisterDesk, channel: string }} props */
function SuspendDialog({ registers, channel }) {
  return (
    <FormDialog
      registers={registers}
      title={t("suspend_title", { channel: registers.titleOf(channel) })}
      effect={t("suspend_effect")}
      submit={t("suspend")}
      isGrave
      send={(fields, key) =>
        registers.registers.suspend(
          channel,
          { authority: textIn(fields, "authority"), reason: textIn(fields, "reason") },
          key,
        )
      }
    >
      <LineField name="authority" label={t("suspension_authority")} hint={t("suspension_authority_hint")} />
      <LineField name="reason" label={t("suspension_reason")} hint={t("suspension_reason_hint")} />
    </FormDialog>
  );
}

/** Where in the channel the line was suspended, or resumed. @param {{ desk: Desk, item: Item }} props */
export function LineMark({ desk, item }) {
  const { live } = desk;
  const data = readData(item.data);
  const time = stampText(live, item.timeMs);
  if (item.kind === "resumption") {
    const names = Object.values(data.approved ?? {}).map((user) => live.nameOf(String(user)));
    return <span dir="auto">{t("mark_resumed", { time, names: names.join(", ") })}</span>;
  }
  const side = live.side(String(data.side ?? ""));
  const values = {
    time,
    side: side ? titled(side.title) : "",
    name: live.nameOf(String(data.by ?? "")),
    reason: String(data.reason ?? ""),
    authority: String(data.authority ?? ""),
  };
  return <span dir="auto">{t("mark_suspended", values)}</span>;
}

/** What an entry says in its `data`; nothing where that can't be read. @param {string} data @returns {Record<string, any>} */
export function readData(data) {
  try {
    const value = JSON.parse(data);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
