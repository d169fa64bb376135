"""How texts are made comparable for search, so that South and North spellings of Korean meet. (PROTOCOL.md §5.6)

The South drops or softens ㄹ and ㄴ where a word begins (두음법칙), the North writes them: 노동/로동, 이/리, 여자/녀자,
연락/련락. Inside compounds both occur (육체노동/육체로동, 비율/비률), and no rule without a dictionary can tell where a
part begins, so every syllable is folded. The price is a find too many now and then (다리 and 다이), which a reader
skips; a find too few would hide a record.
"""

import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable
from operator import add
from typing import Final

# Precomposed syllables: U+AC00 + (initial × 21 + vowel) × 28 + final. (The Unicode Standard, §3.12)
_FIRST_SYLLABLE: Final = 0xAC00
_VOWELS: Final = 21
_FINALS: Final = 28
_PER_INITIAL: Final = _VOWELS * _FINALS

_INITIAL_N: Final = 2  # ㄴ
_INITIAL_R: Final = 5  # ㄹ
_INITIAL_NONE: Final = 11  # ㅇ
# ㅑ ㅒ ㅕ ㅖ ㅛ ㅠ ㅣ: before these the South drops both consonants, before others it writes ㄴ for ㄹ.
_SOFT_VOWELS: Final = frozenset({2, 3, 6, 7, 12, 17, 20})

# str.__add__ for two, which costs less to call.
_pair: Final[Callable[[str, str], str]] = add

# Four bytes a character; also in the array of such, whatever the machine takes them for.
_CODE_POINTS: Final = "utf-32-le"
_BLANK: Final = array("I", " ".encode(_CODE_POINTS))

_WORD: Final = re.compile(r"[^\W_]+")


def _spelling(code_point: int) -> int:
    initial, rest = divmod(code_point - _FIRST_SYLLABLE, _PER_INITIAL)
    if initial not in (_INITIAL_N, _INITIAL_R):
        return code_point
    target = _INITIAL_NONE if rest // _FINALS in _SOFT_VOWELS else _INITIAL_N
    return _FIRST_SYLLABLE + target * _PER_INITIAL + rest


# By code point up to the last syllable. `str.translate` takes 40 ns a character from a sequence, and twice that from a
# dictionary of only what changes, where each miss is an exception.
_SPELLINGS: Final = tuple(map(_spelling, range(0xD7A4)))


def fold(text: str) -> str:
    """Bring a text into the form in which search compares: one width, one case, one spelling; idempotent."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    if not unicodedata.is_normalized("NFKC", folded):
        # Folding the case may take a character apart, and putting it together may bring another to fold.
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())
    return folded.translate(_SPELLINGS)


def words(folded: str) -> list[str]:
    """Give the runs of letters and digits of a folded text, in their order."""
    return _WORD.findall(folded)


def index_text(folded: str) -> str:
    """Give what an index keeps of a folded text: every two neighbours as one token, blank-separated, with repeats.

    Pairs with a blank in them come apart, so that first and last characters of a word are tokens of their own. A single
    character is then found as the beginning of a token.
    """
    if not folded:
        return ""
    # Every message pays for this, and laying the characters out by threes costs less than half of joining pairs. Lone
    # surrogates pass, so that any text has an index.
    places = array("I", folded.encode(_CODE_POINTS, "surrogatepass"))
    text = _BLANK * (3 * len(places))
    text[0::3] = places
    text[1::3] = places[1:] + _BLANK
    return text.tobytes().decode(_CODE_POINTS, "surrogatepass")[:-1]


def query_pairs(word: str) -> list[str]:
    """Give the pairs that every text with `word` in it has, without repeats; none for a single character."""
    return list(dict.fromkeys(map(_pair, word, word[1:])))


def holds(folded: str, query_words: Iterable[str]) -> bool:
    """Say whether a folded text has every folded word in it, also as a part of a longer one."""
    return all(word in folded for word in query_words)
