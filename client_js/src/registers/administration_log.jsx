/** The administration log entry by entry, as both sides read it: who did what, when, and the chain that joins them. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { brokenLinks } from "../sdk/chain.js";
import { errorText } from "../shared/error_text.js";
import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { named } from "../shared/plain_words.js";
import { SideLabel } from "../shared/side_label.jsx";
import { subjectText } from "./plain_words.js";
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

  const broken = useBrokenLinks(entries.value);
  const last = entries.value.at(-1)?.seq ?? 1;
  return (
    <>
      <p class="register-note">{t("log_note")}</p>
      {failure.value && <p class="alert">{errorText(failure.value)}</p>}
      <ChainVerdict entries={entries.value} broken={broken} />
      <ol class="administration-log">
        {entries.value.map((entry) => (
          <LogEntry key={entry.seq} registers={registers} entry={entry} isBroken={broken?.has(entry.seq) ?? false} />
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

/**
 * Recompute the links here, of what is shown. Undefined until that is done.
 * @param {readonly Entry[]} entries   Newest first.
 */
function useBrokenLinks(entries) {
  /** @type {import('@preact/signals').Signal<ReadonlySet<number> | undefined>} */
  const broken = useSignal(undefined);
  useEffect(() => {
    let isOver = false;
    const messages = entries.map((entry) => ({ ...entry, time_ms: entry.timeMs })).reverse();
    brokenLinks(crypto.subtle, messages).then((found) => {
      if (!isOver) broken.value = found;
    });
    return () => {
      isOver = true;
    };
  }, [entries]);
  return broken.value;
}

/** @param {{ entries: readonly Entry[], broken: ReadonlySet<number> | undefined }} props */
function ChainVerdict({ entries, broken }) {
  const first = entries.at(-1);
  if (!first || !broken) return <p role="status">{first && t("record_checking")}</p>;
  if (broken.size > 0) {
    return (
      <p class="alert" role="alert">
        <Icon name="warning" /> {t("log_broken", { seqs: [...broken].join(", ") })}
      </p>
    );
  }
  return (
    <p class="record-whole" role="status">
      <Icon name="check" /> {t("log_whole", { first: first.seq, last: entries[0]?.seq ?? first.seq })}
    </p>
  );
}

/** @param {{ registers: RegisterDesk, entry: Entry, isBroken: boolean }} props */
function LogEntry({ registers, entry, isBroken }) {
  const { live } = registers;
  const data = readData(entry.data);
  const link = [...entry.link].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return (
    <li class="step-line" data-broken={isBroken}>
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
