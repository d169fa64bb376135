/** What a proposal would change, and what an entry of the administration log says, in plain words. */

import { t } from "../shared/i18n.js";
import { stampText } from "./stamp.jsx";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/registers.js').Proposal['subject']} Subject */

/** @param {RegisterDesk} registers @param {Subject} subject */
export function subjectText(registers, subject) {
  const { live } = registers;
  const channel = registers.titleOf(subject.channel);
  const name = live.nameOf(subject.user);
  switch (subject.kind) {
    case "resume":
      return t("subject_resume", { channel });
    case "membership":
    case "bot_access":
      return t(`subject_access_${subject.access}`, { name, channel });
    case "retention":
      return subject.days === 0 ? t("subject_keep", { channel }) : t("subject_days", { channel, days: subject.days });
    case "export":
      return t("subject_export", { channel, time: stampText(live, subject.untilMs) });
    case "granularity":
      return t(`subject_granularity_${subject.granularity}`);
    default:
      return subject.kind;
  }
}
