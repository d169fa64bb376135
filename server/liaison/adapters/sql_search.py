"""The search index: SQLite's FTS5 over pairs of characters, some messages behind the log.

Adding a message by itself costs FTS5 106 µs and three pages of its own, among 128 it costs 4 µs. So the newest entries
wait for each other, and a mark says up to which one the index goes. A search looks at those after the mark themselves:
it never misses one.

Measured at 100,000 messages of 45 syllables, against a table of postings: 24 µs against 560 µs to add a message, 15 MB
against 60 MB, and under 1 ms a query for both. FTS5's own trigrams find no word of two syllables. The index only
narrows down; what it finds is compared with the text itself, so it needn't know places (`detail='none'`), and nothing
is ever taken out of it: what was corrected or withdrawn later is left out by a look at the log.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from liaison.adapters.sql_rows import MESSAGE_COLUMNS, MOMENTS_PER_MS, entry_of
from liaison.adapters.sql_runs import by_rows
from liaison.core.entries import Entry, EntryKind
from liaison.core.identifiers import ChannelId, Millis
from liaison.core.korean import fold, holds, index_text, query_pairs, words

# What a query may look at before it gives what it has: the index finds nearly only what matches, except for words whose
# pairs all occur, but apart from each other. Some 40 ms of work.
MAX_CANDIDATES: Final = 2_000
# How many entries wait to be indexed together: twice as many are hardly cheaper, and a search looks at each.
MOST_LATE: Final = 128
# How many of them are in memory at once, where a channel's resumption has made many.
_LATE_PAGE: Final = 512
# Each word costs one list of the index per pair; the rest of a longer query is still compared with the text.
MAX_PAIRS: Final = 32

_KINDS_WITH_TEXT: Final = (EntryKind.TEXT.value, EntryKind.CORRECTION.value)

# Private-use characters are part of no word, so no query can name a channel.
_CHANNEL_MARK: Final = "\ue000"

# What was corrected or withdrawn later isn't found by what it said.
_STILL_SAID: Final = """
    AND NOT EXISTS (
        SELECT 1 FROM message AS later
        WHERE later.channel_number = message.channel_number AND later.kind IN ('correction', 'withdrawal')
        AND later.ref = CASE message.kind WHEN 'correction' THEN message.ref ELSE message.seq END
        AND (later.kind = 'withdrawal' OR later.seq > message.seq)
    )
    ORDER BY message.moment DESC
"""
_FIND: Final = f"""
    SELECT channel_head.channel, {MESSAGE_COLUMNS}
    FROM search_index
    JOIN message ON message.moment = search_index.rowid
    JOIN channel_head ON channel_head.number = message.channel_number
    WHERE search_index MATCH ? AND search_index.rowid < ?
    {_STILL_SAID.replace("message.moment DESC", "search_index.rowid DESC")}
    LIMIT {MAX_CANDIDATES}
"""  # noqa: S608 # nothing but our own column names
# The sign before the number keeps SQLite from going through all of the channel in the place of the few that are late.
_FIND_LATE: Final = f"""
    SELECT channel_head.channel, {MESSAGE_COLUMNS}
    FROM message
    JOIN channel_head ON channel_head.number = +message.channel_number
    WHERE message.moment > (SELECT moment FROM search_mark) AND message.moment < ?
    AND message.kind IN ('text', 'correction') AND channel_head.number IN (SELECT value FROM json_each(?))
    {_STILL_SAID}
"""  # noqa: S608 # nothing but our own column names
_LATE: Final = """
    SELECT moment, channel_number, kind, text FROM message
    WHERE moment > (SELECT moment FROM search_mark) ORDER BY moment LIMIT ?
"""
_INDEX: Final = "INSERT INTO search_index (rowid, tokens) VALUES %s"
_MOVE_MARK: Final = "UPDATE search_mark SET moment = ?"
_END_OF_TIME: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for, where, and how much of it is wanted."""

    text: str
    channels: Sequence[ChannelId]
    before_ms: Millis | None
    limit: int


def index_late(driver: sqlite3.Connection) -> None:
    """Bring the index level with the log, within a transaction that the caller commits."""
    page = driver.execute(_LATE, (_LATE_PAGE,)).fetchall()
    while page:
        index(driver, page)
        driver.execute(_MOVE_MARK, (page[-1][0],))
        page = driver.execute(_LATE, (_LATE_PAGE,)).fetchall() if len(page) == _LATE_PAGE else []


def index(driver: sqlite3.Connection, rows: Iterable[tuple[int, int, str, str]]) -> None:
    """Index entries, each given as its moment, its channel's number, its kind and its text."""
    found = [
        (moment, f"{_CHANNEL_MARK}{channel_number} {index_text(fold(text))}")
        for moment, channel_number, kind, text in rows
        if kind in _KINDS_WITH_TEXT
    ]
    for run, values in by_rows(_INDEX, found):
        driver.execute(run, values)


def find(driver: sqlite3.Connection, query: Query) -> tuple[list[Entry], bool]:
    """Give what matches, newest first, and whether there is more before the last one's millisecond.

    A page never ends within a millisecond, because the next one starts before that: then it is longer than asked for.
    """
    query_words = words(fold(query.text))
    numbers = _channel_numbers(driver, query.channels)
    if not query_words or not numbers or query.limit < 1:
        return [], False
    before = _END_OF_TIME if query.before_ms is None else query.before_ms * MOMENTS_PER_MS
    late = driver.execute(_FIND_LATE, (before, json.dumps(numbers)))
    indexed = driver.execute(_FIND, (_match(query_words, numbers), before))
    return page_of(islice(chain(late, indexed), MAX_CANDIDATES), query_words, query.limit)


def _channel_numbers(driver: sqlite3.Connection, channels: Sequence[ChannelId]) -> list[int]:
    marks = ",".join("?" * len(channels))
    found = driver.execute(f"SELECT number FROM channel_head WHERE channel IN ({marks})", channels)  # noqa: S608
    return [number for (number,) in found]


def _match(query_words: Sequence[str], numbers: Sequence[int]) -> str:
    """Say it in FTS5's words. Nothing needs escaping: folded words hold only letters and digits."""
    tokens = list(dict.fromkeys(pair for word in query_words for pair in query_pairs(word)))[:MAX_PAIRS]
    # A single character is looked up by what begins with it, which costs more; a longer word narrows down better.
    terms = [f'"{token}"' for token in tokens] or [f'"{word}"*' for word in dict.fromkeys(query_words)]
    channels = " OR ".join(f'"{_CHANNEL_MARK}{number}"' for number in numbers)
    return f"{' AND '.join(terms)} AND ({channels})"


def page_of(
    rows: Iterable[tuple[ChannelId, *tuple[object, ...]]], query_words: Sequence[str], limit: int
) -> tuple[list[Entry], bool]:
    page: list[Entry] = []
    looked_at = 0
    for channel, *row in rows:
        looked_at += 1
        entry = entry_of(channel, row)
        if not holds(fold(entry.draft.text), query_words):
            continue
        if len(page) >= limit and entry.time_ms != page[-1].time_ms:
            return page, True
        page.append(entry)
    return page, looked_at == MAX_CANDIDATES and bool(page)
