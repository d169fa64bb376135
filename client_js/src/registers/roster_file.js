/** A roster as files have it: a table or a calendar, in the encodings that spreadsheets write. Pure. */

/** @typedef {import('../sdk/duty.js').RosterFormat} RosterFormat */

/** The text of a file: in UTF-8, or as a spreadsheet on a Korean system saves a table. @param {BufferSource} bytes */
export function decodeRoster(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("euc-kr").decode(bytes);
  }
}

/** What the server is to read, and as what. @param {string} written @returns {{ format: RosterFormat, text: string }} */
export function rosterIn(written) {
  const text = written.replaceAll("\r\n", "\n").trimStart();
  return { format: /^BEGIN:VCALENDAR\b/i.test(text) ? "icalendar" : "csv", text };
}
