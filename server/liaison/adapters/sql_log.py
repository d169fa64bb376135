"""The log and the read positions on SQL. Their promises are those of ports.log; this says how they are kept.

An append reads the channel's head, gives seqs from there and moves it, all in one transaction that other appends may
share (sql_writer). Statements go to the driver directly: SQLAlchemy's share of them would be half of an append.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Final, TypeVar

from sqlalchemy import Connection

from liaison.adapters.sql_engine import Database
from liaison.adapters.sql_rows import MESSAGE_COLUMNS, MOMENTS_PER_MS, entry_of, mentions_column
from liaison.adapters.sql_search import Query, find, index_row
from liaison.adapters.sql_writer import (
    StorageFullError,
    StorageUnavailableError,
    StorageUnknownError,
    driver_of,
)
from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Conflicting, Draft, Entry, Outcome, Page, Repeated, Stored
from liaison.core.identifiers import ChannelId, Millis, UserId
from liaison.core.position import Position
from liaison.ports.log import Appended, LogFullError, LogUnavailableError, UnknownOutcomeError

T = TypeVar("T")

_HEAD: Final = "SELECT number, head, link FROM channel_head WHERE channel = ?"
_EPOCH: Final = "SELECT epoch FROM office"
_HEADS: Final = "SELECT channel, head FROM channel_head WHERE channel IN (SELECT value FROM json_each(?))"
_NEW_HEAD: Final = "INSERT INTO channel_head (channel, head, link) VALUES (?, 0, ?)"
_MOVE_HEAD: Final = "UPDATE channel_head SET head = ?, link = ? WHERE number = ?"
_LAST_MOMENT: Final = "SELECT moment FROM message WHERE moment >= ? AND moment < ? ORDER BY moment DESC LIMIT 1"
# CROSS JOIN: the planner would otherwise look through the whole channel for the few that are wanted.
_KEYED: Final = (
    f"WITH wanted (author, its_key) AS (VALUES %s) SELECT {MESSAGE_COLUMNS} FROM wanted CROSS JOIN message"  # noqa: S608
    " ON message.channel_number = ? AND message.sender = wanted.author AND message.key = wanted.its_key"
)
_INSERT: Final = (
    "INSERT INTO message (moment, channel_number, seq, time_ms, epoch, sender, delegation, key, kind, text, ref,"
    " reaction, removed, mentions, link) VALUES %s"
)
_INDEX: Final = "INSERT INTO search_index (rowid, tokens) VALUES %s"
_AFTER: Final = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel_number = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
_BEFORE: Final = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel_number = ? AND seq < ? ORDER BY seq DESC LIMIT ?"  # noqa: S608
_ONE: Final = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel_number = ? AND seq = ?"  # noqa: S608
_WITHDRAWN: Final = (
    "SELECT EXISTS (SELECT 1 FROM message WHERE channel_number = (SELECT number FROM channel_head WHERE channel = ?)"
    " AND ref = ? AND kind IN ('correction', 'withdrawal') AND kind = 'withdrawal')"
)
# 15 columns of 64 rows, well below the 32,766 values that a statement may have.
_MAX_RUN: Final = 64
_READ_SEQ: Final = "SELECT seq FROM read_position WHERE user_id = ? AND channel = ?"
_READ_SEQS: Final = "SELECT channel, seq FROM read_position WHERE user_id = ?"
_MOVE_READ: Final = (
    "INSERT INTO read_position (user_id, channel, seq) VALUES (?, ?, ?)"
    " ON CONFLICT (user_id, channel) DO UPDATE SET seq = excluded.seq"
)


class SqlLog:
    """`ports.log.Log` on a database."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    async def append(self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis) -> Appended:
        """Store drafts; see ports.log.Log.append."""
        with _log_errors():
            return await self._database.write(lambda connection: _append(connection, channel, drafts, now_ms))

    async def heads(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Position]:
        """Give the channels' positions, in one query however many they are."""
        names = json.dumps(list(channels))

        def look_up(connection: Connection) -> dict[ChannelId, Position]:
            driver = driver_of(connection)
            epoch = _epoch(driver)
            found: dict[ChannelId, int] = dict(driver.execute(_HEADS, (names,)))
            return {channel: Position(epoch, found.get(channel, 0)) for channel in channels}

        return await self._read(look_up)

    async def read(self, channel: ChannelId, *, after: int, limit: int, max_bytes: int) -> Page:
        """Give a page upwards; see ports.log.Log.read."""
        return await self._read(lambda connection: _page(connection, channel, (_AFTER, after, limit), max_bytes))

    async def read_before(self, channel: ChannelId, *, before: int, limit: int, max_bytes: int) -> Page:
        """Give a page downwards, in rising order; see ports.log.Log.read_before."""
        page = await self._read(lambda connection: _page(connection, channel, (_BEFORE, before, limit), max_bytes))
        return Page(page.epoch, page.head, page.entries[::-1])

    async def entry(self, channel: ChannelId, seq: int) -> Entry | None:
        """Give one entry."""

        def look_up(connection: Connection) -> Entry | None:
            driver = driver_of(connection)
            row = driver.execute(_ONE, (_head(driver, channel).number, seq)).fetchone()
            return None if row is None else entry_of(channel, row)

        return await self._read(look_up)

    async def withdrawn(self, channel: ChannelId, seq: int) -> bool:
        """Say whether a withdrawal of this entry is on the log."""

        def look_up(connection: Connection) -> bool:
            (found,) = driver_of(connection).execute(_WITHDRAWN, (channel, seq)).fetchone()
            return bool(found)

        return await self._read(look_up)

    async def search(
        self, query: str, channels: Sequence[ChannelId], *, before_ms: Millis | None, limit: int
    ) -> tuple[Sequence[Entry], bool]:
        """Find text entries; see ports.log.Log.search and sql_search."""
        wanted = Query(query, channels, before_ms, limit)
        return await self._read(lambda connection: find(driver_of(connection), wanted))

    async def check(self) -> None:
        """Commit something that changes nothing, all the way to the disk."""

        def touch(connection: Connection) -> None:
            driver_of(connection).execute("UPDATE office SET epoch = epoch")

        try:
            with _log_errors():
                await self._database.write(touch)
        except UnknownOutcomeError as error:
            raise LogUnavailableError(str(error)) from error

    async def _read(self, work: Callable[[Connection], T]) -> T:
        with _log_errors():
            return await self._database.read(work)


class SqlReadPositions:
    """`ports.log.ReadPositions` on a database; moves share the transactions of appends."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    async def move(self, user: UserId, channel: ChannelId, seq: int) -> int:
        """Raise the position; one that would go back writes nothing and costs no commit to disk."""

        def move(connection: Connection) -> int:
            driver = driver_of(connection)
            row = driver.execute(_READ_SEQ, (user, channel)).fetchone()
            if row is not None and row[0] >= seq:
                return int(row[0])
            driver.execute(_MOVE_READ, (user, channel, seq))
            return seq

        try:
            with _log_errors():
                return await self._database.write(move)
        except UnknownOutcomeError as error:
            # Repeating a move does no harm, so that unknown is as good as not stored.
            raise LogUnavailableError(str(error)) from error

    async def of(self, user: UserId) -> Mapping[ChannelId, int]:
        """Give all positions of a user."""

        def look_up(connection: Connection) -> dict[ChannelId, int]:
            return dict(driver_of(connection).execute(_READ_SEQS, (user,)))

        with _log_errors():
            return await self._database.read(look_up)


@contextmanager
def _log_errors() -> Iterator[None]:
    try:
        yield
    except StorageFullError as error:
        raise LogFullError(str(error)) from error
    except StorageUnavailableError as error:
        raise LogUnavailableError(str(error)) from error
    except StorageUnknownError as error:
        raise UnknownOutcomeError(str(error)) from error


@dataclass(slots=True)
class _Head:
    """Where a channel stands; number 0 is a channel that nothing was ever written to."""

    number: int
    seq: int
    link: bytes


def _head(driver: sqlite3.Connection, channel: ChannelId) -> _Head:
    row = driver.execute(_HEAD, (channel,)).fetchone()
    return _Head(0, 0, GENESIS) if row is None else _Head(*row)


def _epoch(driver: sqlite3.Connection) -> int:
    (epoch,) = driver.execute(_EPOCH).fetchone()
    return int(epoch)


def _page(connection: Connection, channel: ChannelId, query: tuple[str, int, int], max_bytes: int) -> Page:
    driver = driver_of(connection)
    statement, bound, limit = query
    head = _head(driver, channel)
    entries: list[Entry] = []
    room = max_bytes
    # A negative LIMIT would mean all.
    for row in driver.execute(statement, (head.number, bound, max(0, limit))):
        entry = entry_of(channel, row)
        room -= entry.draft.size_bytes
        if entries and room < 0:
            break
        entries.append(entry)
    return Page(_epoch(driver), head.seq, tuple(entries))


@dataclass(slots=True)
class _Batch:
    """The rows of one append, before they go to the tables together."""

    channel: ChannelId
    head: _Head
    epoch: int
    time_ms: Millis
    moment: int
    rows: list[tuple[object, ...]] = field(default_factory=list)
    index_rows: list[tuple[int, str]] = field(default_factory=list)

    def add(self, draft: Draft) -> Entry:
        """Give the draft its place and link."""
        head = self.head
        head.seq += 1
        head.link = link_of(head.link, self.channel, head.seq, self.time_ms, draft)
        self.rows.append(
            (
                self.moment,
                head.number,
                head.seq,
                self.time_ms,
                self.epoch,
                draft.sender,
                draft.delegation,
                draft.key,
                draft.kind.value,
                draft.text,
                draft.ref,
                draft.reaction,
                draft.removed,
                mentions_column(draft),
                head.link,
            )
        )
        index_row_of_entry = index_row(self.moment, head.number, draft)
        if index_row_of_entry is not None:
            self.index_rows.append(index_row_of_entry)
        self.moment += 1
        return Entry(self.channel, head.seq, self.time_ms, head.link, draft)


def _append(connection: Connection, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis) -> Appended:
    driver = driver_of(connection)
    batch = _Batch(channel, _head(driver, channel), _epoch(driver), now_ms, _free_moment(driver, now_ms))
    if batch.head.number == 0:
        batch.head.number = driver.execute(_NEW_HEAD, (channel, GENESIS)).lastrowid or 0
    known = _known(driver, channel, batch.head.number, drafts)
    outcomes: list[Outcome] = []
    for draft in drafts:
        place = known.get((draft.sender, draft.key))
        if place is None:
            entry = known[draft.sender, draft.key] = batch.add(draft)
            outcomes.append(Stored(entry))
        elif place.draft == draft:
            outcomes.append(Repeated(place.seq, place.time_ms))
        else:
            outcomes.append(Conflicting())
    _store(driver, batch)
    return Appended(batch.epoch, tuple(outcomes))


def _free_moment(driver: sqlite3.Connection, now_ms: Millis) -> int:
    start = now_ms * MOMENTS_PER_MS
    taken = driver.execute(_LAST_MOMENT, (start, start + MOMENTS_PER_MS)).fetchone()
    return start if taken is None else int(taken[0]) + 1


def _known(
    driver: sqlite3.Connection, channel: ChannelId, number: int, drafts: Sequence[Draft]
) -> dict[tuple[UserId, str], Entry]:
    """Give the entries that are on the log already, by sender and key."""
    known: dict[tuple[UserId, str], Entry] = {}
    for statement, values in _by_rows(_KEYED, [(draft.sender, draft.key) for draft in drafts]):
        for row in driver.execute(statement, (*values, number)):
            entry = entry_of(channel, row)
            known[entry.draft.sender, entry.draft.key] = entry
    return known


def _store(driver: sqlite3.Connection, batch: _Batch) -> None:
    if not batch.rows:
        return
    for statement, values in _by_rows(_INSERT, batch.rows):
        driver.execute(statement, values)
    for statement, values in _by_rows(_INDEX, batch.index_rows):
        driver.execute(statement, values)
    driver.execute(_MOVE_HEAD, (batch.head.seq, batch.head.link, batch.head.number))


def _by_rows(statement: str, rows: Sequence[tuple[object, ...]]) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Cut rows into runs that one statement takes, each as the statement and its values.

    Each step of a statement lets go of the interpreter's lock and must win it back from a busy event loop, which can
    take 5 ms; also within `executemany`. Runs are powers of two long, so that the driver has few statements to keep.
    """
    start = 0
    while start < len(rows):
        size = min(_MAX_RUN, 1 << ((len(rows) - start).bit_length() - 1))
        run = rows[start : start + size]
        yield _for_rows(statement, size, len(run[0])), tuple(chain.from_iterable(run))
        start += size


@cache
def _for_rows(statement: str, rows: int, columns: int) -> str:
    return statement % ", ".join([f"({', '.join('?' * columns)})"] * rows)
