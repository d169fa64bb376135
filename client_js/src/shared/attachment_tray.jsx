/**
 * Files that are to go with what is being written: chosen, dropped or pasted, uploaded at once, shown with their progress.
 * Whoever sends asks `control` for them.
 */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { MEDIA_TYPES } from "../sdk/attachments.js";
import { MAX_ATTACHMENTS } from "../sdk/limits.js";
import { FileFacts } from "./attached.jsx";
import "./attachment_messages.js";
import { errorText } from "./error_text.js";
import { t } from "./i18n.js";
import { refusalOf, upload } from "./upload.js";

/** @typedef {import("../sdk/attachments.js").Named} Named */
/** @typedef {import("./upload.js").Failure} Failure */

/**
 * A file on its way. `done` is what the server answered; `part` how much of it has gone, from 0 to 1.
 * @typedef {{ id: number, file: File, part: number, ends: AbortController, done?: Named, failure?: Failure }} Waiting
 */

/**
 * What a composer asks of the tray. `take` gives what goes with the message, and empties the tray; undefined for nothing.
 * @typedef {{ isBusy(): boolean, take(): readonly Named[] | undefined }} Control
 */

const ACCEPTED = [...MEDIA_TYPES.keys()].map((ending) => `.${ending}`).join();
let lastId = 0;

/**
 * Give it a `key`, so that no file ever goes to another channel than the one it was chosen for.
 * @param {{
 *   channel: string,
 *   field: { current: HTMLTextAreaElement | null },
 *   control: { current: Control | undefined },
 *   fill: (text: string) => void,
 * }} props   `field` takes pasted files, and its `main` dropped ones; `fill` puts a file's name where nothing was written.
 */
export function AttachmentTray({ channel, field, control, fill }) {
  /** @type {import("@preact/signals").Signal<readonly Waiting[]>} */
  const waiting = useSignal([]);
  const excess = useSignal(false);
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));

  /** @param {number} id @param {Partial<Waiting>} changes */
  const change = (id, changes) => {
    waiting.value = waiting.peek().map((one) => (one.id === id ? { ...one, ...changes } : one));
  };

  /** @param {Waiting} one */
  const start = async ({ id, file, ends }) => {
    try {
      const onProgress = (/** @type {number} */ part) => change(id, { part });
      change(id, { part: 1, done: await upload(channel, file, { onProgress, signal: ends.signal }) });
      // A message has a text; who writes none has said what the file is called.
      if (field.current?.value.trim() === "") fill(file.name.normalize("NFC"));
    } catch (error) {
      change(id, { failure: /** @type {Failure} */ (error) });
    }
  };

  /** @param {Iterable<File>} files */
  const add = (files) => {
    for (const file of files) {
      const room = waiting.peek().filter(({ failure }) => !failure).length < MAX_ATTACHMENTS;
      excess.value = !room;
      if (!room) return;
      const failure = refusalOf(file);
      const one = { id: ++lastId, file, part: 0, ends: new AbortController(), ...(failure && { failure }) };
      waiting.value = [...waiting.peek(), one];
      if (!failure) start(one);
    }
  };

  /** @param {Waiting} one */
  const remove = (one) => {
    one.ends.abort();
    waiting.value = waiting.peek().filter(({ id }) => id !== one.id);
    excess.value = false;
    field.current?.focus();
  };

  useEffect(() => {
    control.current = {
      isBusy: () => waiting.peek().some(({ done, failure }) => !done && !failure),
      take() {
        const taken = waiting.peek().flatMap(({ done }) => done ?? []);
        waiting.value = [];
        return taken.length > 0 ? taken : undefined;
      },
    };
    return () => {
      control.current = undefined;
      for (const { ends } of waiting.peek()) ends.abort();
    };
  }, []);

  useEffect(() => {
    const element = field.current;
    const page = element?.closest("main");
    /** @param {ClipboardEvent} event */
    const onPaste = (event) => {
      if (!event.clipboardData?.files.length) return;
      event.preventDefault();
      add(event.clipboardData.files);
    };
    /** @param {DragEvent} event */
    const onDrag = (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      // Without this the browser would open the file in the place of the page.
      event.preventDefault();
      if (event.type === "drop") add(event.dataTransfer.files);
    };
    element?.addEventListener("paste", onPaste);
    page?.addEventListener("dragover", onDrag);
    page?.addEventListener("drop", onDrag);
    return () => {
      element?.removeEventListener("paste", onPaste);
      page?.removeEventListener("dragover", onDrag);
      page?.removeEventListener("drop", onDrag);
    };
  }, []);

  return (
    <>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        accept={ACCEPTED}
        onChange={(event) => {
          add([...(event.currentTarget.files ?? [])]);
          // So that the same file can be chosen again.
          event.currentTarget.value = "";
        }}
      />
      <button
        type="button"
        class="button attach"
        aria-label={t("attach")}
        title={t("attach")}
        onClick={() => input.current?.click()}
      >
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
          <path d="M20 11l-8 8a5 5 0 0 1-7-7l8.5-8.5a3.5 3.5 0 0 1 5 5L10 17a2 2 0 0 1-3-3l7.5-7.5" />
        </svg>
      </button>
      {(waiting.value.length > 0 || excess.value) && (
        <ul class="tray" aria-label={t("attach_list")}>
          {waiting.value.map((one) => (
            <li key={one.id} class="file" data-failed={one.failure !== undefined}>
              <FileFacts name={one.file.name} bytes={one.file.size} />
              <Stage one={one} />
              <button
                type="button"
                class="button quiet small"
                aria-label={t("attach_remove", { name: one.file.name })}
                onClick={() => remove(one)}
              >
                ×
              </button>
            </li>
          ))}
          {excess.value && <li role="alert">{t("error_attachment_many", { count: MAX_ATTACHMENTS })}</li>}
        </ul>
      )}
    </>
  );
}

/** @param {{ one: Waiting }} props */
function Stage({ one }) {
  if (one.failure) {
    return (
      <span class="file-failure" role="alert">
        {errorText(one.failure)}
      </span>
    );
  }
  if (one.done) return null;
  return (
    <>
      <progress value={one.part} aria-label={one.file.name} />
      <span class="file-size">{t("attach_progress", { percent: Math.floor(one.part * 100) })}</span>
    </>
  );
}
