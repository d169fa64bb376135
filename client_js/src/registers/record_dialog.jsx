/** The signed record of a channel: up to where both sides have signed it, whether it contradicts what was seen, and signing. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { errorText } from "../shared/error_text.js";
import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { SideLabel } from "../shared/side_label.jsx";
import { Stamp } from "./stamp.jsx";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('../sdk/signed_record.js').SignedRecord} SignedRecord */
/** @typedef {import('../sdk/signed_record.js').Standing} Standing */
/** @typedef {{ record: SignedRecord, standing: Standing, fingerprint: string, state: string }} Known */

/** @param {{ registers: RegisterDesk, channel: string }} props */
export function RecordDialog({ registers, channel }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  /** @type {import('@preact/signals').Signal<Known | undefined>} */
  const known = useSignal(undefined);
  /** @type {import('@preact/signals').Signal<{ name: string, ref?: string } | undefined>} */
  const failure = useSignal(undefined);

  /** Do something, and look again. @param {(record: SignedRecord) => unknown} work */
  const attempt = async (work) => {
    try {
      const record = await registers.record;
      await work(record);
      known.value = await look(record, channel);
      failure.value = undefined;
    } catch (error) {
      failure.value = /** @type {{ name: string }} */ (error);
    }
  };

  useEffect(() => {
    dialog.current?.showModal();
    attempt(() => {});
  }, []);
  return (
    <dialog
      ref={dialog}
      class="register-dialog"
      aria-label={t("record")}
      onClose={() => {
        registers.dialog.value = undefined;
      }}
    >
      <div class="record">
        <h2>{t("record_of", { channel: registers.titleOf(channel) })}</h2>
        {known.value ? (
          <RecordStanding registers={registers} channel={channel} known={known.value} attempt={attempt} />
        ) : (
          !failure.value && <p>{t("record_checking")}</p>
        )}
        {failure.value && (
          <p class="alert" role="alert">
            {errorText(failure.value)}
          </p>
        )}
        <div class="buttons">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            {t("close")}
          </button>
        </div>
      </div>
    </dialog>
  );
}

/** @param {SignedRecord} record @param {string} channel @returns {Promise<Known>} */
async function look(record, channel) {
  await record.signedHeads(channel, { limit: 1 });
  await record.settled();
  const [{ keys }, own] = await Promise.all([record.keys(), record.ownKey()]);
  const state = keys.find(({ fingerprint }) => fingerprint === own?.fingerprint)?.state ?? "";
  return { record, standing: record.standing(channel), fingerprint: own?.fingerprint ?? "", state };
}

/** @param {{ registers: RegisterDesk, channel: string, known: Known, attempt: (work: (record: SignedRecord) => unknown) => void }} props */
function RecordStanding({ registers, channel, known: { standing, fingerprint, state }, attempt }) {
  const { live } = registers;
  const { fork, bySide, completeSeq, completeMs } = standing;
  return (
    <>
      {fork ? (
        <div class="alert" role="alert">
          <p>{t("record_fork", { seq: fork.seen.seq })}</p>
          <button type="button" class="button small" onClick={() => attempt((record) => record.acceptFork(channel))}>
            {t("record_fork_own")}
          </button>
        </div>
      ) : (
        <p class="record-whole">
          <Icon name="check" /> {t("record_whole")}
        </p>
      )}
      <p>
        {completeSeq === 0 ? t("record_unsigned") : t("record_complete", { seq: completeSeq })}{" "}
        {completeSeq > 0 && <Stamp live={live} timeMs={completeMs} />}
      </p>
      <ul>
        {[...bySide].map(([delegation, { seq, timeMs }]) => (
          <li key={delegation} class="key" data-turned={seq > 0}>
            <Icon name={seq > 0 ? "check" : "clock"} />
            <SideLabel side={live.side(delegation)} />
            {seq > 0 ? t("record_signed_to", { seq }) : t("record_not_signed")}
            {seq > 0 && <Stamp live={live} timeMs={timeMs} />}
          </li>
        ))}
      </ul>
      {fingerprint !== "" && (
        <p class="digest">
          <span>{t("record_key")}</span>
          <code>{fingerprint.match(/.{1,8}/g)?.join(" ")}</code>
        </p>
      )}
      {state === "valid" && !fork && (
        <button type="button" class="button primary" onClick={() => attempt((record) => record.sign(channel))}>
          {t("record_sign")}
        </button>
      )}
      {state !== "valid" && registers.isHead && (
        <>
          <p class="effect">{t("record_key_effect")}</p>
          <button
            type="button"
            class="button"
            onClick={() => attempt((record) => record.createKey(`${registers.me?.user ?? ""} web`))}
          >
            {t("record_key_make")}
          </button>
        </>
      )}
      {state !== "valid" && !registers.isHead && <p class="why-not">{t("record_key_none")}</p>}
    </>
  );
}
