/**
 * The bounds of the wire that a client must keep to. (PROTOCOL.md §9)
 */

/** Bytes of UTF-8 in one message. */
export const MAX_TEXT_BYTES = 16 * 1024;
/** Code points. */
export const MAX_REACTION_CHARS = 16;
export const MAX_MENTIONS = 32;
export const MAX_ATTACHMENTS = 8;
export const MAX_PAGE_MESSAGES = 200;
export const MAX_TAIL_MESSAGES = 100;
/** For so long the server shows somebody as writing. */
export const TYPING_TTL_MS = 6_000;

/**
 * The size of a text in UTF-8.
 * @param {string} text
 * @returns {number} bytes
 */
export function utf8Bytes(text) {
  let bytes = 0;
  for (const character of text) {
    const code = /** @type {number} */ (character.codePointAt(0));
    if (code < 0x80) bytes += 1;
    else if (code < 0x800) bytes += 2;
    else bytes += code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
