/** The signed record of a channel: up to where both sides have signed it, whether it contradicts what was seen, and signing. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { errorText } from "../shared/error_text.js";
import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { SideLabel } from "../shared/side_label.jsx";
import { keepHead, verify } from "./known_heads.js";
import { makeOwnKey, ownKey } from "./own_key.js";
import { Stamp } from "./stamp.jsx";

/** @typedef {import('./register_desk.js').RegisterDesk} RegisterDesk */
/** @typedef {import('./known_heads.js').Verified} Verified */
/** @typedef {import('../sdk/signed_record.js').SignedHeads} SignedHeads */
/** @typedef {import('../sdk/signed_record.js').OwnKey} OwnKey */
/** @typedef {{ heads: SignedHeads, verified: Verified, own: OwnKey | undefined, state: string, office: string }} Known */

/** @param {{ registers: RegisterDesk, channel: string }} props */
export function RecordDialog({ registers, channel }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  /** @type {import('@preact/signals').Signal<Known | undefined>} */
  const known = useSignal(undefined);
  const isUnderWay = useSignal(true);
  /** @type {import('@preact/signals').Signal<{ name: string, ref?: string } | undefined>} */
  const failure = useSignal(undefined);

  /** Do something, and look again. @param {() => Promise<unknown>} work */
  const attempt = async (work) => {
    isUnderWay.value = true;
    try {
      await work();
      known.value = await look(registers, channel);
      failure.value = undefined;
    } catch (error) {
      failure.value = /** @type {{ name: string }} */ (error);
    }
    isUnderWay.value = false;
  };

  useEffect(() => {
    dialog.current?.showModal();
    attempt(async () => {});
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
      <div class="record" aria-busy={isUnderWay.value}>
        <h2>{t("record_of", { channel: registers.titleOf(channel) })}</h2>
        {known.value ? (
          <Standing registers={registers} channel={channel} known={known.value} attempt={attempt} />
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

/** @param {RegisterDesk} registers @param {string} channel @returns {Promise<Known>} */
async function look(registers, channel) {
  const { record } = registers;
  const [heads, verified, keys, own] = await Promise.all([
    record.heads(channel, { limit: 1 }),
    verify(record, channel),
    record.keys(),
    // A browser that keeps nothing has no key, and can read all the same.
    ownKey(registers.me?.user ?? "").catch(() => undefined),
  ]);
  if (verified.fork === 0) keepHead(channel, verified.head);
  const registered = keys.keys.find(({ fingerprint }) => fingerprint === own?.fingerprint);
  return { heads, verified, own, state: registered?.state ?? "", office: keys.office };
}

/** @param {{ registers: RegisterDesk, channel: string, known: Known, attempt: (work: () => Promise<unknown>) => Promise<void> }} props */
function Standing({ registers, channel, known, attempt }) {
  const { live, record } = registers;
  const { heads, verified, own, state, office } = known;
  const isSigned = heads.completeSeq > 0;
  const signedAt = Math.min(...heads.sides.map(({ timeMs }) => timeMs));
  return (
    <>
      {verified.fork > 0 ? (
        <div class="alert" role="alert">
          <p>
            <Icon name="warning" /> {t("record_fork", { seq: verified.fork })}
          </p>
          <button
            type="button"
            class="button small"
            onClick={() => attempt(() => Promise.resolve(keepHead(channel, verified.head)))}
          >
            {t("record_fork_own")}
          </button>
        </div>
      ) : (
        <p class="record-whole">
          <Icon name="check" /> {t("record_whole", { seq: verified.head.seq })}
        </p>
      )}
      <p>
        {isSigned ? (
          <>
            {t("record_complete", { seq: heads.completeSeq })} <Stamp live={live} timeMs={signedAt} />
          </>
        ) : (
          t("record_unsigned")
        )}
      </p>
      <ul>
        {heads.sides.map(({ delegation, seq, timeMs }) => (
          <li key={delegation} class="key" data-turned={seq > 0}>
            <Icon name={seq > 0 ? "check" : "clock"} />
            <SideLabel side={live.side(delegation)} />
            {seq > 0 ? t("record_signed_to", { seq }) : t("record_not_signed")}
            {seq > 0 && <Stamp live={live} timeMs={timeMs} />}
          </li>
        ))}
      </ul>
      {own && (
        <p class="digest">
          <span>{t("record_key")}</span>
          <code>{own.fingerprint.match(/.{1,8}/g)?.join(" ")}</code>
        </p>
      )}
      {own && state === "valid" && verified.fork === 0 && (
        <button
          type="button"
          class="button primary"
          onClick={() =>
            attempt(() => {
              const { seq, link } = verified.head;
              const timeMs = Math.floor(live.client.serverNowMs());
              const fields = { office, channel, epoch: verified.epoch, seq, link, timeMs, delegation: registers.own };
              return record.sign(own, fields);
            })
          }
        >
          {t("record_sign")}
        </button>
      )}
      {state !== "valid" && registers.isHead && (
        <>
          <p class="effect">{t("record_key_effect")}</p>
          <button
            type="button"
            class="button"
            onClick={() =>
              attempt(async () => {
                const user = registers.me?.user ?? "";
                const key = own && state === "" ? own : await makeOwnKey(user);
                await record.register(key, { office, delegation: registers.own, label: `${user} web` });
              })
            }
          >
            {t("record_key_make")}
          </button>
        </>
      )}
      {state !== "valid" && !registers.isHead && <p class="why-not">{t("record_key_none")}</p>}
    </>
  );
}
