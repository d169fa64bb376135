/**
 * Texts made comparable as the server's search makes them, so that South and North spellings of Korean meet. Pure.
 * (PROTOCOL.md §5.6)
 */

// Precomposed syllables: U+AC00 + (initial × 21 + vowel) × 28 + final. (The Unicode Standard, §3.12)
const FIRST_SYLLABLE = 0xac00;
const LAST_SYLLABLE = 0xd7a3;
const FINALS = 28;
const PER_INITIAL = 21 * FINALS;
const INITIAL_N = 2;
const INITIAL_R = 5;
const INITIAL_NONE = 11;
/** ㅑ ㅒ ㅕ ㅖ ㅛ ㅠ ㅣ: before these the South drops both consonants, before others it writes ㄴ for ㄹ. */
const SOFT_VOWELS = new Set([2, 3, 6, 7, 12, 17, 20]);

/** @param {string} character */
function spelled(character) {
  const code = character.charCodeAt(0);
  if (code < FIRST_SYLLABLE || code > LAST_SYLLABLE) return character;
  const initial = Math.floor((code - FIRST_SYLLABLE) / PER_INITIAL);
  if (initial !== INITIAL_N && initial !== INITIAL_R) return character;
  const rest = (code - FIRST_SYLLABLE) % PER_INITIAL;
  const target = SOFT_VOWELS.has(Math.floor(rest / FINALS)) ? INITIAL_NONE : INITIAL_N;
  return String.fromCharCode(FIRST_SYLLABLE + target * PER_INITIAL + rest);
}

/** One width, one case, one spelling. @param {string} text */
export function fold(text) {
  return [...text.normalize("NFKC").toLowerCase().replaceAll("ß", "ss")].map(spelled).join("");
}

/** Runs of letters and digits of a query, folded. @param {string} query */
export function wordsOf(query) {
  return fold(query).match(/[\p{L}\p{N}]+/gu) ?? [];
}

/**
 * A text in pieces, of which those that a search found are marked.
 * @param {string} text
 * @param {readonly string[]} words folded
 * @returns {{ text: string, isFound: boolean }[]}
 */
export function markFound(text, words) {
  // Folding may change how many characters there are, so each one's place in the folded text is kept.
  const characters = [...text];
  let folded = "";
  /** Where each character begins in the folded text. @type {number[]} */
  const starts = [];
  for (const character of characters) {
    starts.push(folded.length);
    folded += fold(character);
  }
  const found = matches(folded, words);
  /** @type {{ text: string, isFound: boolean }[]} */
  const pieces = [];
  for (const [index, character] of characters.entries()) {
    const end = starts[index + 1] ?? folded.length;
    const isFound = found.some((match) => Number(starts[index]) < match.end && end > match.start);
    const last = pieces.at(-1);
    if (last?.isFound === isFound) last.text += character;
    else pieces.push({ text: character, isFound });
  }
  return pieces;
}

/** @param {string} folded @param {readonly string[]} words @returns {{ start: number, end: number }[]} */
function matches(folded, words) {
  return words.flatMap((word) => {
    /** @type {{ start: number, end: number }[]} */
    const found = [];
    for (let start = folded.indexOf(word); start >= 0; start = folded.indexOf(word, start + 1))
      found.push({ start, end: start + word.length });
    return found;
  });
}
