"""Search on PostgreSQL: a GIN index over the pairs of characters of each text, kept in its row of the log.

The pairs are sql_search's, and so is what is done with what they find. They go into a `tsvector` as they are, past
PostgreSQL's own parsers and dictionaries, none of which know Korean.
"""

from collections.abc import Sequence
from typing import Final

from liaison.adapters.postgres_lines import Driver
from liaison.adapters.sql_rows import MESSAGE_COLUMNS, MOMENTS_PER_MS
from liaison.adapters.sql_search import MAX_CANDIDATES, MAX_PAIRS, Query, page_of
from liaison.core.entries import Draft, Entry, EntryKind
from liaison.core.korean import fold, index_text, query_pairs, words

# A private-use character is part of no word, so no query can name a channel.
_CHANNEL_MARK: Final = "\ue000"

# `tokens` of a row to be written, from the blank-separated text that `tokens_of` gives.
TOKENS: Final = "array_to_tsvector(string_to_array(rows.tokens, ' '))"

_FIND: Final = f"""
    SELECT channel_head.channel, {MESSAGE_COLUMNS}
    FROM message JOIN channel_head ON channel_head.number = message.channel_number
    WHERE message.tokens @@ %s::tsquery AND message.moment < %s
    AND NOT EXISTS (
        SELECT 1 FROM message AS later
        WHERE later.channel_number = message.channel_number AND later.kind IN ('correction', 'withdrawal')
        AND later.ref = CASE message.kind WHEN 'correction' THEN message.ref ELSE message.seq END
        AND (later.kind = 'withdrawal' OR later.seq > message.seq)
    )
    ORDER BY message.moment DESC
    LIMIT {MAX_CANDIDATES}
"""  # noqa: S608 # nothing but our own column names
_END_OF_TIME: Final = (1 << 63) - 1


def tokens_of(channel_number: int, draft: Draft) -> str | None:
    """Give an entry's tokens, blank-separated; None for one that can't be found by its text."""
    if draft.kind not in (EntryKind.TEXT, EntryKind.CORRECTION):
        return None
    return " ".join({f"{_CHANNEL_MARK}{channel_number}", *index_text(fold(draft.text)).split()})


def find(driver: Driver, query: Query) -> tuple[list[Entry], bool]:
    """Give what matches, newest first, and whether there is more; see sql_search.find."""
    query_words = words(fold(query.text))
    if not query_words or not query.channels or query.limit < 1:
        return [], False
    found = driver.execute("SELECT number FROM channel_head WHERE channel = ANY(%s)", (list(query.channels),))
    numbers = [number for (number,) in found]
    if not numbers:
        return [], False
    before = _END_OF_TIME if query.before_ms is None else query.before_ms * MOMENTS_PER_MS
    rows = driver.execute(_FIND, (_match(query_words, numbers), before))
    return page_of(rows, query_words, query.limit)


def _match(query_words: Sequence[str], numbers: Sequence[object]) -> str:
    """Say it as a tsquery. Nothing needs escaping: folded words hold only letters and digits."""
    tokens = list(dict.fromkeys(pair for word in query_words for pair in query_pairs(word)))[:MAX_PAIRS]
    # A single character is looked up by what begins with it, which costs more; a longer word narrows down better.
    terms = [f"'{token}'" for token in tokens] or [f"'{word}':*" for word in dict.fromkeys(query_words)]
    channels = " | ".join(f"'{_CHANNEL_MARK}{number}'" for number in numbers)
    return f"{' & '.join(terms)} & ({channels})"
