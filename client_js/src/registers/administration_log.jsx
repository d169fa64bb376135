/** The administration log entry by entry, as both sides read it: who did what, when, and the chain that joins them. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { errorText } from "../shared/error_text.js";
import { t } from "../shared/i18n.js";
import { SideLabel } from "../shared/side_label.jsx";
import { named, subjectText } from "./plain_words.js";
import { ADMINISTRATION } from "./register_desk.js";
import { Stamp } from "./stamp.jsx";
import { readData } from "./suspension.jsx";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {Awaited<ReturnType<RegisterDesk['registers']['administrationLog']>>['messages'][number]} Entry */

const PAGE = 50;

/** @param {{ registers: RegisterDesk }} props */
export function AdministrationLog({ registers }) {
  /** Newest first. @type {import('@preact/signals').Signal<readonly Entry[]>} */
  const entries = useSignal([]);
  /** @type {import('@preact/signals').Signal<{ name: string } | undefined>} */
  const failure = useSignal(undefined);
  const { head } = registers.desk.timeline(ADMINISTRATION).value;

  /** @param {number} before */
  const load = async (before) => {
    try {
      const { messages } = await registers.registers.administrationLog({ before, limit: PAGE });
      failure.value = undefined;
      const kept = entries.value.filter(({ seq }) => seq < (messages[0]?.seq ?? 0));
      return [...[...messages].reverse(), ...kept];
    } catch (error) {
      failure.value = /** @type {{ name: string }} */ (error);
      return entries.value;
    }
  };

  useEffect(() => {
    load(head + 1).then((loaded) => {
      entries.value = loaded;
    });
  }, [head]);

  const last = entries.value.at(-1)?.seq ?? 1;
  return (
    <>
      <p class="register-note">{t("log_note")}</p>
      {failure.value && <p class="alert">{errorText(failure.value)}</p>}
      <ol class="administration-log">
        {entries.value.map((entry) => (
          <LogEntry key={entry.seq} registers={registers} entry={entry} />
        ))}
      </ol>
      {last > 1 && (
        <button
          type="button"
          class="button"
          onClick={async () => {
            const newer = entries.value;
            const older = await load(last);
            if (older !== newer) entries.value = [...newer, ...older];
          }}
        >
          {t("show_more")}
        </button>
      )}
    </>
  );
}

/** @param {{ registers: RegisterDesk, entry: Entry }} props */
function LogEntry({ registers, entry }) {
  const { live } = registers;
  const data = readData(entry.data);
  const link = [...entry.link].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return (
    <li class="step-line">
      <span class="seq">{entry.seq}</span>
      <span class="step-what">{named("log_", String(data.event ?? entry.kind))}</span>
      <span class="step-who">
        {entry.sender === "_office" ? t("office") : <bdi>{live.nameOf(entry.sender)}</bdi>}{" "}
        <SideLabel side={live.side(entry.delegation)} />
      </span>
      <Stamp live={live} timeMs={entry.timeMs} />
      <p class="step-note" dir="auto">
        {detailsOf(registers, data)}
      </p>
      <code class="link" title={link}>
        {link.slice(0, 16)}
      </code>
    </li>
  );
}

/** What an entry is about. @param {RegisterDesk} registers @param {Record<string, any>} data */
function detailsOf(registers, data) {
  const parts = [];
  if (data.subject) {
    const {
      until_ms: untilMs = 0,
      days = 0,
      channel = "",
      user = "",
      suspension = "",
      access = "",
      granularity = "",
      kind = "",
    } = data.subject;
    parts.push(subjectText(registers, { kind, channel, user, suspension, access, granularity, untilMs, days }));
  } else if (data.channel) parts.push(registers.titleOf(String(data.channel)));
  if (data.user) parts.push(registers.live.nameOf(String(data.user)));
  for (const name of ["operator", "access", "authority", "reason"]) if (data[name]) parts.push(String(data[name]));
  if (data.proposal && !data.subject) parts.push(String(data.proposal));
  return parts.join(" · ");
}
