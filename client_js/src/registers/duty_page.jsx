/** Who is at the duty desks now, one's own roster, and handing over what is open. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { errorText } from "../shared/error_text.js";
import { t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { named } from "../shared/plain_words.js";
import { sideStyle } from "../shared/side_label.jsx";
import { FormDialog, TextField, textIn } from "./form_dialog.jsx";
import { Digest } from "./proposal_dialogs.jsx";
import { decodeRoster, rosterIn } from "./roster_file.js";
import { Stamp } from "./stamp.jsx";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/duty_frames.js').DutySide} DutySide */
/** @typedef {import('../sdk/duty_frames.js').Handover} Handover */
/** @typedef {import('../sdk/duty_frames.js').OpenItem} OpenItem */
/** @typedef {Awaited<ReturnType<RegisterDesk['duty']['duty']>>} Desks */
/** @typedef {Awaited<ReturnType<RegisterDesk['duty']['roster']>>} Roster */
/** @typedef {Awaited<ReturnType<RegisterDesk['duty']['handovers']>>} Handovers */

/** The first line of a roster as a table. (PROTOCOL.md §13.5) */
const HEADING = "user,duty,first,begins,ends,days,every_weeks,last\n";
const LOOK_AGAIN_MS = 30_000;
const SHOWN_HANDOVERS = 10;

/** @param {{ registers: RegisterDesk, channel: string }} props */
export function DutyPage({ registers, channel }) {
  /** @type {import('@preact/signals').Signal<{ desks: Desks, roster: Roster, handovers: Handovers } | undefined>} */
  const known = useSignal(undefined);
  /** @type {import('@preact/signals').Signal<{ name: string } | undefined>} */
  const failure = useSignal(undefined);
  const { head } = registers.desk.timeline(channel).value;
  useEffect(() => {
    let isOver = false;
    const look = async () => {
      try {
        const { duty } = registers;
        const [desks, roster, handovers] = await Promise.all([
          duty.duty(),
          duty.roster(),
          duty.handovers({ limit: SHOWN_HANDOVERS }),
        ]);
        if (isOver) return;
        known.value = { desks, roster, handovers };
        failure.value = undefined;
      } catch (error) {
        if (!isOver) failure.value = /** @type {{ name: string }} */ (error);
      }
    };
    look();
    const timer = setInterval(look, LOOK_AGAIN_MS);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [head]);
  if (!known.value) return failure.value ? <p class="alert">{errorText(failure.value)}</p> : null;
  const { desks, roster, handovers } = known.value;
  const open = handovers.handovers.find(({ state }) => state === "offered");
  return (
    <>
      <ul class="desks">
        {desks.sides.map((side) => (
          <DeskNow key={side.delegation} registers={registers} side={side} isStale={desks.isStale} />
        ))}
      </ul>
      <section class="handover">
        <h3>{t(open ? "handover_offered" : "handover_items")}</h3>
        <Items items={open ? open.items : handovers.items} />
        {open ? (
          <OfferedHandover registers={registers} handover={open} />
        ) : (
          <button
            type="button"
            class="button primary"
            onClick={() => registers.ask(<HandOverDialog registers={registers} />)}
          >
            {t("hand_over")}
          </button>
        )}
      </section>
      <PastHandovers registers={registers} handovers={handovers.handovers} />
      <Shifts registers={registers} roster={roster} />
    </>
  );
}

/** @param {{ registers: RegisterDesk, side: DutySide, isStale: boolean }} props */
function DeskNow({ registers, side, isStale }) {
  const { live } = registers;
  const title = live.side(side.delegation)?.title;
  const here = new Set(side.here);
  // Whoever is on duty outside the hours is by a roster, and should be there.
  const isClosed = side.outsideHours && side.onDuty.length === 0;
  return (
    <li class="side" style={sideStyle(live.side(side.delegation))}>
      <h3>
        <span>{title ? titled(title) : side.delegation}</span>
        <small>
          {isStale
            ? t("state_unknown")
            : t(side.staffed ? "people_staffed" : isClosed ? "duty_closed" : "people_unstaffed")}
        </small>
      </h3>
      {!isStale && side.present !== undefined && <p>{t("people_online", { count: side.present })}</p>}
      <ul>
        {side.onDuty.map((user) => (
          <li key={user}>
            <bdi>{live.nameOf(user)}</bdi> {user === side.officer && <span class="tag">{t("duty_officer")}</span>}{" "}
            <small>{isStale ? t("state_unknown") : t(here.has(user) ? "duty_here" : "duty_away")}</small>
          </li>
        ))}
      </ul>
      {side.untilMs > 0 && (
        <p>
          {t("duty_until")} <Stamp live={live} timeMs={side.untilMs} />
        </p>
      )}
      {side.unstaffedSinceMs > 0 && (
        <p class="overdue">
          <Icon name="warning" /> {t("duty_unstaffed")} <Stamp live={live} timeMs={side.unstaffedSinceMs} />
        </p>
      )}
    </li>
  );
}

/** @param {{ items: readonly OpenItem[] }} props */
function Items({ items }) {
  if (items.length === 0) return <p class="register-note">{t("handover_nothing")}</p>;
  return (
    <ul class="open-items">
      {items.map(({ kind, name, text }) => (
        <li key={`${kind} ${name} ${text}`}>
          <span class="tag">{named("open_item_", kind)}</span> <bdi>{itemName(kind, name)}</bdi>{" "}
          {/* Of a line check it is the outcome's name; of anything else, what somebody wrote. */}
          <span dir="auto">{kind === "line_check" ? named("outcome_", text) : text}</span>
        </li>
      ))}
    </ul>
  );
}

/** What people call it. @param {string} kind @param {string} name */
function itemName(kind, name) {
  if (kind === "line_check") return name.replace("T", " ");
  // A dispatch without a number is named by an id, which tells nobody anything; its subject stands beside it.
  return kind === "dispatch" && !name.includes("-") ? t("state_of_draft") : name;
}

/** @param {{ registers: RegisterDesk, handover: Handover }} props */
function OfferedHandover({ registers, handover }) {
  const { live } = registers;
  const isOwn = handover.offeredBy === registers.me?.user;
  return (
    <>
      <p>
        <bdi>{live.nameOf(handover.offeredBy)}</bdi> <Stamp live={live} timeMs={handover.offeredMs} />
      </p>
      <div class="buttons">
        {isOwn ? (
          <button type="button" class="button" onClick={() => live.attempt(registers.duty.withdraw(handover.handover))}>
            {t("take_back")}
          </button>
        ) : (
          <button
            type="button"
            class="button primary"
            onClick={() => registers.ask(<TakeOverDialog registers={registers} handover={handover} />)}
          >
            {t("take_over")}
          </button>
        )}
      </div>
    </>
  );
}

/** @param {{ registers: RegisterDesk }} props */
function HandOverDialog({ registers }) {
  return (
    <FormDialog
      registers={registers}
      title={t("hand_over")}
      effect={t("hand_over_effect")}
      submit={t("hand_over")}
      send={(fields, key) => {
        const notes = textIn(fields, "notes")
          .split("\n")
          .map((note) => note.trim())
          .filter((note) => note !== "");
        return registers.duty.handOver(notes, { key });
      }}
    >
      <TextField name="notes" label={t("handover_notes")} optional max={6400} />
    </FormDialog>
  );
}

/** @param {{ registers: RegisterDesk, handover: Handover }} props */
function TakeOverDialog({ registers, handover }) {
  return (
    <FormDialog
      registers={registers}
      title={t("take_over")}
      effect={t("take_over_effect", { name: registers.me?.name ?? "" })}
      submit={t("take_over")}
      send={(_, key) => registers.duty.acknowledge(handover.handover, handover.digest, { key })}
    >
      <Items items={handover.items} />
      <Digest digest={handover.digest} />
    </FormDialog>
  );
}

/** @param {{ registers: RegisterDesk, handovers: readonly Handover[] }} props */
function PastHandovers({ registers, handovers }) {
  const { live } = registers;
  const ended = handovers.filter(({ state }) => state !== "offered");
  if (ended.length === 0) return null;
  return (
    <section>
      <h3>{t("handovers")}</h3>
      <ol class="line-checks">
        {ended.map((handover) => (
          <li key={handover.handover}>
            <Stamp live={live} timeMs={handover.endedMs} />
            <bdi>{live.nameOf(handover.offeredBy)}</bdi> → <bdi>{live.nameOf(handover.endedBy)}</bdi>
            <span class="state">{named("handover_", handover.state)}</span>
            <small>{t("handover_count", { count: handover.items.length })}</small>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** @param {{ registers: RegisterDesk, roster: Roster }} props */
function Shifts({ registers, roster }) {
  const { live } = registers;
  return (
    <section>
      <div class="register-tools">
        <h3>{t("roster")}</h3>
        <span class="spacer" />
        <button
          type="button"
          class="button small"
          onClick={() => registers.ask(<ImportDialog registers={registers} revision={roster.revision} />)}
        >
          {t("roster_import")}
        </button>
      </div>
      {roster.shifts.length === 0 && <p class="register-note">{t("roster_none")}</p>}
      <ol class="line-checks">
        {roster.shifts.map(({ user, duty, startMs, endMs }) => (
          <li key={`${user} ${startMs}`}>
            <Stamp live={live} timeMs={startMs} /> – <Stamp live={live} timeMs={endMs} />
            <bdi>{live.nameOf(user)}</bdi>
            <span class="tag">{named("duty_", duty)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** What is there is taken as it stands to begin with. @param {{ registers: RegisterDesk, revision: number }} props */
function ImportDialog({ registers, revision }) {
  /** @type {import('@preact/signals').Signal<string | undefined>} */
  const text = useSignal(undefined);
  useEffect(() => {
    registers.duty.exportRoster("csv").then(
      (answer) => {
        text.value = answer.text;
      },
      () => {
        // There is none yet.
        text.value = HEADING;
      },
    );
  }, []);
  return (
    <FormDialog
      registers={registers}
      title={t("roster_import")}
      effect={t("roster_import_effect")}
      submit={t("roster_import")}
      isWide
      send={(fields, key) => {
        const roster = rosterIn(String(fields.get("text") ?? ""));
        return registers.duty.importRoster(roster.format, roster.text, revision, { key });
      }}
    >
      <label>
        <span>{t("roster_file")}</span>
        <input
          type="file"
          accept=".csv,.ics,text/csv,text/calendar"
          onChange={async ({ currentTarget: { files } }) => {
            if (files?.[0]) text.value = decodeRoster(await files[0].arrayBuffer());
          }}
        />
      </label>
      {text.value !== undefined && (
        <TextField key={text.value} name="text" label={t("roster_text")} value={text.value} rows={10} max={20_000} />
      )}
    </FormDialog>
  );
}
