/**
 * What is attached, as links to save it by. A picture is a link like all others: what somebody else sent is not drawn in
 * this page.
 */

import { useSignal } from "@preact/signals";

import { attachmentPath, attachmentsIn, endingOf } from "../sdk/attachments.js";
import "./attachment_messages.js";
import { errorText } from "./error_text.js";
import { fileSize } from "./file_size.js";
import { t } from "./i18n.js";
import { sha256 } from "./sha256.js";

/** @typedef {import("../sdk/attachments.js").Attachment} Attachment */

/** Of a message, from its `data`. @param {{ channel: string, data: string }} props */
export function Attached({ channel, data }) {
  return <AttachedFiles channel={channel} files={attachmentsIn(data)} />;
}

/**
 * @param {{ channel: string, files: readonly Attachment[], isFormal?: boolean }} props   `channel` is where they are fetched
 *   from; what is formal has its hash beside it.
 */
export function AttachedFiles({ channel, files, isFormal = false }) {
  if (files.length === 0) return null;
  return (
    <ul class="attached">
      {files.map((file) => (
        <li key={file.sha256}>
          <a
            class="file"
            href={attachmentPath(channel, file)}
            download={file.name}
            aria-label={`${t("attach_get", { name: file.name })}, ${fileSize(file.sizeBytes)}`}
          >
            <FileFacts name={file.name} bytes={file.sizeBytes} />
          </a>
          {isFormal && <FileHash key={file.sha256} channel={channel} file={file} />}
        </li>
      ))}
    </ul>
  );
}

/** The hash on the record, and whether what the server hands out has it. @param {{ channel: string, file: Attachment }} props */
function FileHash({ channel, file }) {
  /** @type {import("@preact/signals").Signal<boolean | undefined>} */
  const isTrue = useSignal(undefined);
  /** @type {import("@preact/signals").Signal<{ name: string } | undefined>} */
  const failure = useSignal(undefined);
  const check = async () => {
    try {
      const answer = await fetch(attachmentPath(channel, file));
      if (!answer.ok) throw await answer.json();
      isTrue.value = (await sha256(await answer.arrayBuffer())) === file.sha256;
      failure.value = undefined;
    } catch (error) {
      const { name } = /** @type {{ name: string }} */ (error);
      failure.value = { name: name === "TypeError" ? "network" : name };
    }
  };
  return (
    <p class="digest" data-true={isTrue.value}>
      <span role="status">
        {isTrue.value === undefined ? t("attach_hash") : t(isTrue.value ? "attach_hash_true" : "attach_hash_false")}
      </span>
      <code>{file.sha256}</code>
      <button
        type="button"
        class="button quiet small"
        aria-label={t("attach_check_name", { name: file.name })}
        onClick={check}
      >
        {t("attach_check")}
      </button>
      {failure.value && (
        <span class="file-failure" role="alert">
          {errorText(failure.value)}
        </span>
      )}
    </p>
  );
}

/** Type, name and size of a file. @param {{ name: string, bytes: number }} props */
export function FileFacts({ name, bytes }) {
  return (
    <>
      <span class="file-type">{endingOf(name)}</span>
      <bdi class="file-name">{name}</bdi>
      <span class="file-size">{fileSize(bytes)}</span>
    </>
  );
}
