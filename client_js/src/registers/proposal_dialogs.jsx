/** Turning a key, refusing to, taking a proposal back, and making one. */

import { useSignal } from "@preact/signals";

import { t, titled } from "../shared/i18n.js";
import { isTrueDigest } from "./digest.js";
import { ChoiceField, FormDialog, LineField, MomentField, textIn } from "./form_dialog.jsx";
import { subjectText } from "./plain_words.js";
import { fromWall, toWall } from "./wall_time.js";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/registers.js').Proposal} Proposal */
/** @typedef {import('../sdk/registers.js').Subject} Subject */

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;

/** @param {{ registers: RegisterDesk, proposal: Proposal }} props */
export function ApproveDialog({ registers, proposal }) {
  return (
    <FormDialog
      registers={registers}
      title={t("approve_title")}
      effect={t("approve_effect")}
      submit={t("approve")}
      isGrave
      send={async (_, key) => {
        // Of what stands here, not of what the server says that it is.
        if (!(await isTrueDigest(proposal))) throw { name: "proposal_digest" };
        await registers.registers.approve(proposal, key);
      }}
    >
      <p class="subject">{subjectText(registers, proposal.subject)}</p>
      <Digest digest={proposal.digest} />
    </FormDialog>
  );
}

/** In groups, so that two people can compare it by voice. @param {{ digest: string }} props */
export function Digest({ digest }) {
  return (
    <p class="digest">
      <span>{t("digest")}</span>
      <code>{digest.match(/.{1,8}/g)?.join(" ")}</code>
    </p>
  );
}

/** @param {{ registers: RegisterDesk, proposal: Proposal }} props */
export function RejectDialog({ registers, proposal }) {
  return (
    <FormDialog
      registers={registers}
      title={t("reject_title")}
      effect={t("reject_effect")}
      submit={t("reject")}
      isGrave
      send={(fields, key) => registers.registers.reject(proposal.proposal, textIn(fields, "reason"), key)}
    >
      <p class="subject">{subjectText(registers, proposal.subject)}</p>
      <LineField name="reason" label={t("reason")} />
    </FormDialog>
  );
}

/** @param {{ registers: RegisterDesk, proposal: Proposal }} props */
export function WithdrawDialog({ registers, proposal }) {
  return (
    <FormDialog
      registers={registers}
      title={t("take_back_title")}
      submit={t("take_back")}
      isGrave
      send={(_, key) => registers.registers.withdrawProposal(proposal.proposal, key)}
    >
      <p class="subject">{subjectText(registers, proposal.subject)}</p>
    </FormDialog>
  );
}

/** What can be proposed here; resuming a line is proposed where it is suspended. */
const KINDS = /** @type {const} */ (["membership", "bot_access", "retention", "export", "granularity"]);

/** @param {{ registers: RegisterDesk }} props */
export function ProposeDialog({ registers }) {
  const kind = useSignal(/** @type {typeof KINDS[number]} */ ("membership"));
  const { live } = registers;
  const zone = live.timeZone;
  const soonMs = live.client.serverNowMs() + DAY_MS;
  const channels = [...registers.desk.channels.value.values()].filter((channel) => channel.kind === "joint");
  const people = [...live.people.value.values()].filter(
    ({ role }) => (role === "bot") === (kind.value === "bot_access") && role !== "ops",
  );
  const side = live.side(registers.own);
  const clock = t("clock_of", { side: side ? titled(side.title) : "" });
  return (
    <FormDialog
      registers={registers}
      title={t("propose_title")}
      effect={t("propose_effect")}
      submit={t("propose")}
      send={(fields, key) => {
        const lifeMs = Number(fields.get("life")) * HOUR_MS;
        const expiresMs = Math.floor(live.client.serverNowMs() + lifeMs);
        return registers.registers.propose(subjectIn(fields, zone), expiresMs, key);
      }}
    >
      <ChoiceField
        name="kind"
        label={t("proposal_kind")}
        value={kind.value}
        choices={KINDS.map((name) => [name, t(`kind_${name}`)])}
        onChange={(chosen) => {
          kind.value = KINDS.find((name) => name === chosen) ?? "membership";
        }}
      />
      {kind.value !== "granularity" && (
        <ChoiceField
          name="channel"
          label={t("channel")}
          choices={channels.map((channel) => [channel.channel, registers.desk.titleOf(channel)])}
        />
      )}
      {(kind.value === "membership" || kind.value === "bot_access") && (
        <>
          <ChoiceField name="user" label={t("person")} choices={people.map(({ user, name }) => [user, name])} />
          <ChoiceField
            name="access"
            label={t("access")}
            value="write"
            choices={["none", "read", "write"].map((name) => [name, t(`access_${name}`)])}
          />
        </>
      )}
      {kind.value === "retention" && (
        <label>
          <span>{t("retention_days")}</span>
          <input type="number" name="days" min={0} max={36500} required defaultValue="0" />
        </label>
      )}
      {kind.value === "export" && (
        <MomentField name="until" label={t("export_until")} value={toWall(soonMs, zone)} clock={clock} />
      )}
      {kind.value === "granularity" && (
        <ChoiceField
          name="granularity"
          label={t("granularity")}
          choices={["named", "count", "staffed"].map((name) => [name, t(`granularity_${name}`)])}
        />
      )}
      <ChoiceField
        name="life"
        label={t("proposal_life")}
        value="24"
        choices={[1, 24, 168, 720].map((hours) => [String(hours), t(`life_${hours}`)])}
      />
    </FormDialog>
  );
}

/** @param {FormData} fields @param {string} zone @returns {Subject} */
function subjectIn(fields, zone) {
  const text = (/** @type {string} */ name) => textIn(fields, name);
  const channel = text("channel");
  switch (text("kind")) {
    case "retention":
      return { kind: "retention", channel, days: Number(text("days")) };
    case "export":
      return { kind: "export", channel, until_ms: fromWall(text("until"), zone) };
    case "granularity":
      return { kind: "granularity", granularity: /** @type {"named"} */ (text("granularity")) };
    default: {
      const kind = text("kind") === "bot_access" ? "bot_access" : "membership";
      return { kind, channel, user: text("user"), access: /** @type {"read"} */ (text("access")) };
    }
  }
}
