/** The field in which messages are written. It says, always and in colour, when the other side will read them. */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { MAX_MENTIONS, MAX_TEXT_BYTES } from "../sdk/limits.js";
import { t, titled } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";
import { delegationOf } from "./channel_groups.js";
import { draftOf, keepDraft } from "./drafts.js";
import { mentionedIn } from "./mentions.js";
import { useEnterKey } from "./use_enter_key.js";
import { extras } from "./use_extras.js";

/** @typedef {import('./desk.js').Desk} Desk */
/** @typedef {NonNullable<Desk['channel']['value']>} Channel */

const encoder = new TextEncoder();

/** @param {{ desk: Desk, channel: Channel }} props */
export function Composer({ desk, channel }) {
  if (!channel.canWrite) return <p class="composer read-only">{t("composer_read_only")}</p>;
  const loaded = extras.value;
  return (
    <section class="composer" data-across={desk.isReadAcross(channel)}>
      <Warning desk={desk} channel={channel} />
      {channel.suspended && loaded && <p class="suspended">{t("composer_suspended")}</p>}
      {loaded && <loaded.Intent desk={desk} />}
      <Field desk={desk} channel={channel} />
    </section>
  );
}

/** Who will read this. @param {{ desk: Desk, channel: Channel }} props */
function Warning({ desk, channel }) {
  const across = desk.isReadAcross(channel);
  return (
    <p class="warning" id="composer-warning" data-across={across}>
      <Icon name={across ? "eye" : "lock"} />
      <span>{warningText(desk, channel, across)}</span>
    </p>
  );
}

/** @param {Desk} desk @param {Channel} channel @param {boolean} across */
function warningText(desk, channel, across) {
  if (across) return t("composer_joint");
  if (channel.kind === "direct") return t("composer_direct");
  const side = desk.live.side(delegationOf(channel.channel));
  return t("composer_private", { side: side ? titled(side.title) : delegationOf(channel.channel) });
}

/** @param {{ desk: Desk, channel: Channel }} props */
function Field({ desk, channel }) {
  const name = channel.channel;
  const user = desk.live.me.value?.user ?? "";
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const excess = useSignal(0);
  const isEmpty = useSignal(true);
  const correcting = desk.correcting.value;
  /** @type {{ current: import('./mention_list.jsx').MentionCompletion | undefined }} */
  const completion = useRef(undefined);
  /** @type {{ current: import('./composer_tray.jsx').Control | undefined }} */
  const attaching = useRef(undefined);
  const mentions = completion.current;
  const offered = mentions?.open.value;

  // The field keeps its own text: were it drawn from a value, each drawing would break an open composition.
  const changed = () => {
    const element = field.current;
    if (!element) return;
    excess.value = encoder.encode(element.value.normalize("NFC")).length - MAX_TEXT_BYTES;
    isEmpty.value = element.value.trim() === "";
    fitHeight(element);
    if (!desk.correcting.peek()) keepDraft(user, name, element.value);
  };

  /** @param {string} text */
  const fill = (text) => {
    if (field.current) field.current.value = text;
    changed();
  };

  /** @param {string} text */
  const messageOf = (text) => ({
    text,
    replyTo: desk.replying.peek()?.seq ?? 0,
    precedence: desk.precedence.peek(),
    mentions: mentionedIn(text, desk.readersOf(channel)).slice(0, MAX_MENTIONS),
  });

  const send = () => {
    if (completion.current?.choose()) return;
    const text = field.current?.value ?? "";
    if (text.trim() === "" || excess.value > 0) return;
    const corrected = desk.correcting.peek();
    if (!corrected) {
      const message = messageOf(text);
      if (attaching.current) return attaching.current.send(message);
      desk.client.publish(name, message);
    } else if (corrected.text !== text) desk.client.correct(name, corrected.seq, text);
    desk.reply(undefined);
    desk.precedence.value = "";
    if (!corrected) fill("");
  };

  useLayoutEffect(() => {
    fill(correcting ? correcting.text : draftOf(user, name));
  }, [name, correcting]);

  const replying = desk.replying.value;
  // A touch screen would open its keyboard over the messages that one came to read.
  useEffect(() => {
    if (correcting || replying || !matchMedia("(pointer: coarse)").matches) field.current?.focus();
  }, [name, correcting, replying]);

  useEnterKey(field, send);

  const loaded = extras.value;
  useEffect(() => {
    if (loaded && field.current) completion.current = new loaded.MentionCompletion(field.current, changed);
  }, [loaded]);

  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.isComposing || completion.current?.onKeyDown(event)) return;
    if (event.code === "ArrowUp" && field.current?.value === "" && !event.shiftKey) {
      event.preventDefault();
      desk.correctLast();
    } else if (event.code === "Escape" && (correcting || desk.replying.value)) {
      event.preventDefault();
      desk.reply(undefined);
    }
  };

  const title = desk.titleOf(channel);
  return (
    <form
      class="field"
      onSubmit={(event) => {
        event.preventDefault();
        completion.current?.close();
        send();
        field.current?.focus();
      }}
    >
      <textarea
        id="composer"
        ref={field}
        rows={1}
        dir="auto"
        aria-label={t("composer_label", { channel: title })}
        aria-describedby="composer-warning composer-hint"
        placeholder={t("composer_placeholder", { channel: title })}
        aria-autocomplete="list"
        aria-controls={offered ? "mention-list" : undefined}
        aria-activedescendant={offered ? `mention-${offered.index}` : undefined}
        onBlur={() => completion.current?.close()}
        onInput={() => {
          changed();
          completion.current?.look(desk.readersOf(channel));
          if (field.current?.value) desk.client.typing(name);
        }}
        onKeyDown={onKeyDown}
      />
      {loaded && mentions && <loaded.MentionList mentions={mentions} />}
      {loaded && !correcting && (
        <loaded.ComposerTray key={name} desk={desk} channel={name} field={field} control={attaching} fill={fill} />
      )}
      <button
        type="submit"
        class="button primary send"
        aria-label={t("composer_send")}
        disabled={isEmpty.value || excess.value > 0}
      >
        <Icon name="send" />
        <span class="wide-only">{t("composer_send")}</span>
      </button>
      <div class="field-foot">
        <p class="hint" id="composer-hint" data-alert={excess.value > 0}>
          {excess.value > 0 ? t("composer_too_long", { bytes: excess.value }) : t("composer_hint")}
        </p>
        {loaded && channel.kind === "joint" && !correcting && <loaded.PrecedenceChoice desk={desk} />}
      </div>
    </form>
  );
}

const FITS_BY_ITSELF = CSS.supports("field-sizing", "content");

/**
 * As high as its text; the style sheet sets the most. To measure it here would lay out the page at each key.
 * @param {HTMLTextAreaElement} element
 */
function fitHeight(element) {
  if (FITS_BY_ITSELF) return;
  element.style.height = "auto";
  element.style.height = `${element.scrollHeight + element.offsetHeight - element.clientHeight}px`;
}
