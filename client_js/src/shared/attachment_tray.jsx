/** The files that are to go with what is being written: chosen, dropped or pasted, shown with their progress. */

import { useEffect, useRef } from "preact/hooks";

import { MEDIA_TYPES } from "../sdk/attachments.js";
import { MAX_ATTACHMENTS } from "../sdk/limits.js";
import { FileFacts } from "./attached.jsx";
import "./attachment_messages.js";
import { errorText } from "./error_text.js";
import { fileSize } from "./file_size.js";
import { t } from "./i18n.js";
import { isWorthRetrying } from "./upload.js";

/** @typedef {import("./tray.js").Tray} Tray */
/** @typedef {import("./tray.js").Waiting} Waiting */

const ACCEPTED = [...MEDIA_TYPES.keys()].map((ending) => `.${ending}`).join();

/**
 * The form around it takes pasted files, and the dialog or page around that the dropped ones.
 * @param {{ tray: Tray, afterRemoval: () => void, children?: import("preact").ComponentChildren }} props
 *   `afterRemoval` puts the focus somewhere; `children` stand below the files.
 */
export function AttachmentTray({ tray, afterRemoval, children }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    const form = input.current?.closest("form");
    const page = form?.closest("dialog, main");
    const onPaste = (/** @type {Event} */ event) => {
      const { clipboardData } = /** @type {ClipboardEvent} */ (event);
      if (!clipboardData?.files.length) return;
      event.preventDefault();
      tray.add(clipboardData.files);
    };
    const onDrag = (/** @type {Event} */ event) => {
      const { dataTransfer } = /** @type {DragEvent} */ (event);
      if (!dataTransfer?.types.includes("Files")) return;
      // Without this the browser would open the file in the place of the page.
      event.preventDefault();
      if (event.type === "drop") tray.add(dataTransfer.files);
    };
    form?.addEventListener("paste", onPaste);
    page?.addEventListener("dragover", onDrag);
    page?.addEventListener("drop", onDrag);
    return () => {
      form?.removeEventListener("paste", onPaste);
      page?.removeEventListener("dragover", onDrag);
      page?.removeEventListener("drop", onDrag);
    };
  }, []);
  const files = tray.files.value;
  const excess = tray.excess.value;
  return (
    <>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        accept={ACCEPTED}
        onChange={(event) => {
          tray.add([...(event.currentTarget.files ?? [])]);
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
      {(files.length > 0 || excess) && (
        <ul class="tray" aria-label={t("attach_list")}>
          {files.map((one) => (
            <li key={one.id} class="file" data-failed={one.failure !== undefined}>
              <FileFacts name={one.name} bytes={one.bytes} />
              <Stage tray={tray} one={one} />
              <button
                type="button"
                class="button quiet small"
                aria-label={t("attach_remove", { name: one.name })}
                onClick={() => {
                  tray.remove(one);
                  afterRemoval();
                }}
              >
                ×
              </button>
            </li>
          ))}
          {excess && <li role="alert">{t("error_attachment_many", { count: MAX_ATTACHMENTS })}</li>}
        </ul>
      )}
      {children}
    </>
  );
}

/** How far a file is, or why it isn't. @param {{ tray: Tray, one: Waiting }} props */
function Stage({ tray, one }) {
  const { failure } = one;
  if (failure) {
    return (
      <>
        <span class="file-failure" role="alert">
          {errorText(failure)}
          {failure.name === "attachment_too_large" &&
            Number.isFinite(tray.maxBytes) &&
            ` ${t("attach_limit", { size: fileSize(tray.maxBytes) })}`}
        </span>
        {isWorthRetrying(failure) && (
          <button type="button" class="button small" onClick={() => tray.retry(one)}>
            {t("attach_retry")}
          </button>
        )}
      </>
    );
  }
  if (one.done) return null;
  return (
    <>
      <progress value={one.part} aria-label={one.name} />
      <span class="file-size">{t("attach_progress", { percent: Math.floor(one.part * 100) })}</span>
    </>
  );
}
