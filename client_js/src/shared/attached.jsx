/**
 * What is attached, as links to save it by. A picture is a link like all others: what somebody else sent is not drawn in
 * this page.
 */

import { attachmentPath, attachmentsIn, endingOf } from "../sdk/attachments.js";
import "./attachment_messages.js";
import { fileSize } from "./file_size.js";
import { t } from "./i18n.js";

/** @typedef {import("../sdk/attachments.js").Attachment} Attachment */

/** Of a message, from its `data`. @param {{ channel: string, data: string }} props */
export function Attached({ channel, data }) {
  return <AttachedFiles channel={channel} files={attachmentsIn(data)} />;
}

/** @param {{ channel: string, files: readonly Attachment[] }} props   `channel` is where they are fetched from. */
export function AttachedFiles({ channel, files }) {
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
        </li>
      ))}
    </ul>
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
