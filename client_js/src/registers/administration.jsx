/** What needs both sides' keys: proposals, what is in force, and the log that both sides read. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { errorText } from "../shared/error_text.js";
import { t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { named } from "../shared/plain_words.js";
import { SideLabel } from "../shared/side_label.jsx";
import { now } from "../shared/ticking.js";
import { AdministrationLog } from "./administration_log.jsx";
import { subjectText } from "./plain_words.js";
import { ApproveDialog, Digest, ProposeDialog, RejectDialog, WithdrawDialog } from "./proposal_dialogs.jsx";
import { Stamp } from "./stamp.jsx";
import { isUndecided } from "./waiting.js";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/registers.js').Proposal} Proposal */
/** @typedef {'open' | 'all' | 'log'} View */

const VIEWS = /** @type {const} */ (["open", "all", "log"]);

/** @param {{ registers: RegisterDesk }} props */
export function AdministrationPage({ registers }) {
  const view = useSignal(/** @type {View} */ ("open"));
  return (
    <>
      <div class="register-tools">
        <fieldset class="segments">
          <legend class="visually-hidden">{t("administration_view")}</legend>
          {VIEWS.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={view.value === name}
              onClick={() => {
                view.value = name;
              }}
            >
              {t(`administration_${name}`)}
            </button>
          ))}
        </fieldset>
        <span class="spacer" />
        {registers.isHead && (
          <button
            type="button"
            class="button primary"
            onClick={() => registers.ask(<ProposeDialog registers={registers} />)}
          >
            {t("propose")}
          </button>
        )}
      </div>
      {view.value === "log" ? (
        <AdministrationLog registers={registers} />
      ) : (
        <Proposals registers={registers} isOpenOnly={view.value === "open"} />
      )}
    </>
  );
}

/** @param {{ registers: RegisterDesk, isOpenOnly: boolean }} props */
function Proposals({ registers, isOpenOnly }) {
  const administration = registers.administration.value;
  /** A page that was opened without a line has nothing yet. @type {import('@preact/signals').Signal<{ name: string } | undefined>} */
  const failure = useSignal(undefined);
  useEffect(() => {
    if (registers.administration.peek()) return;
    registers.registers.administration().then(
      (answer) => {
        registers.administration.value = answer;
      },
      (error) => {
        failure.value = error;
      },
    );
  }, []);
  if (!administration) return failure.value ? <p class="alert">{errorText(failure.value)}</p> : null;
  const shown = administration.proposals.filter(({ state }) => !isOpenOnly || isUndecided(state));
  return (
    <>
      {!registers.isHead && isOpenOnly && <p class="why-not">{t("only_heads")}</p>}
      {shown.length === 0 && <p class="register-empty">{t("proposals_none")}</p>}
      <ul class="proposals">
        {shown.map((proposal) => (
          <ProposalCard key={proposal.proposal} registers={registers} proposal={proposal} />
        ))}
      </ul>
      {isOpenOnly && <InForce registers={registers} />}
    </>
  );
}

/** @param {{ registers: RegisterDesk, proposal: Proposal }} props */
function ProposalCard({ registers, proposal }) {
  const { live } = registers;
  const isOpen = isUndecided(proposal.state);
  return (
    <li class="proposal" data-open={isOpen}>
      <h3>{subjectText(registers, proposal.subject)}</h3>
      <p class="dispatch-marks">
        <span class="state">{named("proposal_", proposal.state)}</span>
        <span>{t("proposed_by")}</span>
        <bdi>{live.nameOf(proposal.proposedBy)}</bdi>
        <SideLabel side={live.side(proposal.delegation)} />
        <Stamp live={live} timeMs={proposal.proposedMs} />
      </p>
      <Keys registers={registers} proposal={proposal} />
      {proposal.note !== "" && (
        <p class="step-note">
          <bdi>{live.nameOf(proposal.endedBy)}</bdi>: <span dir="auto">{proposal.note}</span>
        </p>
      )}
      {isOpen && <Expiry live={live} expiresMs={proposal.expiresMs} />}
      <Digest digest={proposal.digest} />
      {isOpen && registers.isHead && <ProposalActions registers={registers} proposal={proposal} />}
    </li>
  );
}

/** Whose key is turned and whose isn't. @param {{ registers: RegisterDesk, proposal: Proposal }} props */
function Keys({ registers, proposal }) {
  const { live } = registers;
  return (
    <ul class="keys">
      {proposal.approvals.map(({ delegation, user, timeMs }) => (
        <li key={delegation} class="key" data-turned="true">
          <Icon name="check" />
          <SideLabel side={live.side(delegation)} /> <bdi>{live.nameOf(user)}</bdi>{" "}
          <Stamp live={live} timeMs={timeMs} />
        </li>
      ))}
      {proposal.waitsOn.map((delegation) => (
        <li key={delegation} class="key" data-turned="false">
          <Icon name="clock" />
          <SideLabel side={live.side(delegation)} /> {t("approval_missing")}
        </li>
      ))}
    </ul>
  );
}

/** How long there is yet; the seconds are not read out. @param {{ live: RegisterDesk['live'], expiresMs: number }} props */
function Expiry({ live, expiresMs }) {
  const aheadMs = live.client.serverNowMs() - Date.now();
  const leftMs = Math.max(0, expiresMs - now.value - aheadMs);
  const minutes = Math.floor(leftMs / 60_000);
  const left =
    minutes >= 1440
      ? t("left_days", { days: Math.floor(minutes / 1440), hours: Math.floor((minutes % 1440) / 60) })
      : t("left_time", {
          time: [Math.floor(minutes / 60), minutes % 60, Math.floor((leftMs % 60_000) / 1000)]
            .map((part) => String(part).padStart(2, "0"))
            .join(":"),
        });
  return (
    <p class="expiry">
      {left} · <Stamp live={live} timeMs={expiresMs} />
    </p>
  );
}

/** @param {{ registers: RegisterDesk, proposal: Proposal }} props */
function ProposalActions({ registers, proposal }) {
  const isWaiting = proposal.waitsOn.includes(registers.own);
  const isOwn = proposal.delegation === registers.own;
  return (
    <div class="buttons">
      {isWaiting ? (
        <button
          type="button"
          class="button primary"
          onClick={() => registers.ask(<ApproveDialog registers={registers} proposal={proposal} />)}
        >
          {t("approve")}
        </button>
      ) : (
        <span class="why-not">{errorText({ name: "side_has_approved" })}</span>
      )}
      {isOwn ? (
        <button
          type="button"
          class="button"
          onClick={() => registers.ask(<WithdrawDialog registers={registers} proposal={proposal} />)}
        >
          {t("take_back")}
        </button>
      ) : (
        <button
          type="button"
          class="button"
          onClick={() => registers.ask(<RejectDialog registers={registers} proposal={proposal} />)}
        >
          {t("reject")}
        </button>
      )}
    </div>
  );
}

/** What both sides have agreed on so far. @param {{ registers: RegisterDesk }} props */
function InForce({ registers }) {
  const administration = registers.administration.value;
  if (!administration) return null;
  const { live } = registers;
  const { suspensions, granularity, retention, exports } = administration;
  return (
    <section class="in-force">
      <h3>{t("in_force")}</h3>
      <ul>
        <li>{t(`subject_granularity_${granularity}`)}</li>
        {suspensions.map(({ channel, delegation, timeMs }) => (
          <li key={channel}>
            {t("in_force_suspended", {
              channel: registers.titleOf(channel),
              side: titled(live.side(delegation)?.title ?? { ko: delegation, en: delegation }),
            })}{" "}
            <Stamp live={live} timeMs={timeMs} />
          </li>
        ))}
        {retention.map(({ channel, days }) => (
          <li key={channel}>
            {days === 0
              ? t("subject_keep", { channel: registers.titleOf(channel) })
              : t("subject_days", { channel: registers.titleOf(channel), days })}
          </li>
        ))}
        {exports.map(({ channel, untilMs }) => (
          <li key={channel}>
            {t("in_force_export", { channel: registers.titleOf(channel) })} <Stamp live={live} timeMs={untilMs} />
          </li>
        ))}
      </ul>
    </section>
  );
}
