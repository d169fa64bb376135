"""The log and the read positions on SQL. Their promises are those of ports.log; this says how they are kept.

An append (sql_append) reads the channel's head, gives seqs from there and moves it, all in one transaction that other
appends may share (sql_writer). Reads see one moment each.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from sqlalchemy import Connection

from liaison.adapters.sql_append import append, read_epoch, read_head, read_held
from liaison.adapters.sql_engine import Database
from liaison.adapters.sql_rows import MESSAGE_COLUMNS, entry_of
from liaison.adapters.sql_search import MOST_LATE, Query, find, index_late
from liaison.adapters.sql_writer import (
    StorageFullError,
    StorageUnavailableError,
    StorageUnknownError,
    driver_of,
)
from liaison.core.entries import Draft, Entry, HeldDraft, Page
from liaison.core.identifiers import ChannelId, Millis, UserId
from liaison.core.position import Position
from liaison.ports.log import Appended, HeadMovedError, LogFullError, LogUnavailableError, UnknownOutcomeError

T = TypeVar("T")

_HEADS: Final = "SELECT channel, head FROM channel_head WHERE channel IN (SELECT value FROM json_each(?))"
_SUSPENDED: Final = "SELECT channel FROM channel_head WHERE suspended AND channel IN (SELECT value FROM json_each(?))"
_AFTER: Final = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel_number = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
_BEFORE: Final = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel_number = ? AND seq < ? ORDER BY seq DESC LIMIT ?"  # noqa: S608
_ONE: Final = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel_number = ? AND seq = ?"  # noqa: S608
_WITHDRAWN: Final = (
    "SELECT EXISTS (SELECT 1 FROM message WHERE channel_number = (SELECT number FROM channel_head WHERE channel = ?)"
    " AND ref = ? AND kind IN ('correction', 'withdrawal') AND kind = 'withdrawal')"
)
_SIGNED: Final = (
    f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel_number = ? AND kind = 'signed_head' AND seq < ?"  # noqa: S608
    " ORDER BY seq DESC LIMIT ?"
)
_READ_SEQ: Final = "SELECT seq FROM read_position WHERE user_id = ? AND channel = ?"
_READ_SEQS: Final = "SELECT channel, seq FROM read_position WHERE user_id = ?"
_READERS: Final = "SELECT user_id, seq FROM read_position WHERE channel = ?"
_MOVE_READ: Final = (
    "INSERT INTO read_position (user_id, channel, seq) VALUES (?, ?, ?)"
    " ON CONFLICT (user_id, channel) DO UPDATE SET seq = excluded.seq"
)


class SqlLog:
    """`ports.log.Log` on a database."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database
        # How many entries the search index is behind, at most; at first that isn't known. Being wrong does no harm.
        self._late = MOST_LATE

    async def append(
        self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
    ) -> Appended:
        """Store drafts; see ports.log.Log.append."""

        def work(connection: Connection) -> Appended | HeadMovedError:
            driver = driver_of(connection)
            appended = append(driver, channel, drafts, now_ms, expect_head)
            self._late += len(drafts)
            if self._late >= MOST_LATE:
                self._late = 0
                index_late(driver)
            return appended

        with log_errors():
            appended = await self._database.write(work)
        if isinstance(appended, HeadMovedError):
            raise appended
        return appended

    async def heads(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Position]:
        """Give the channels' positions, in one query however many they are."""
        names = json.dumps(list(channels))

        def look_up(connection: Connection) -> dict[ChannelId, Position]:
            driver = driver_of(connection)
            epoch = read_epoch(driver)
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
            _epoch, head = read_head(driver, channel)
            row = driver.execute(_ONE, (head.number, seq)).fetchone()
            return None if row is None else entry_of(channel, row)

        return await self._read(look_up)

    async def withdrawn(self, channel: ChannelId, seq: int) -> bool:
        """Say whether a withdrawal of this entry is on the log."""

        def look_up(connection: Connection) -> bool:
            (found,) = driver_of(connection).execute(_WITHDRAWN, (channel, seq)).fetchone()
            return bool(found)

        return await self._read(look_up)

    async def signed_heads(self, channel: ChannelId, *, before: int | None, limit: int) -> Sequence[Entry]:
        """Give signed heads downwards."""

        def look_up(connection: Connection) -> list[Entry]:
            driver = driver_of(connection)
            _epoch, head = read_head(driver, channel)
            # A negative LIMIT would mean all.
            bounds = (head.number, upper_bound(before), max(0, limit))
            return [entry_of(channel, row) for row in driver.execute(_SIGNED, bounds)]

        return await self._read(look_up)

    async def suspended(self, channels: Sequence[ChannelId]) -> frozenset[ChannelId]:
        """Say which are suspended, in one query however many there are."""
        names = json.dumps(list(channels))

        def look_up(connection: Connection) -> frozenset[ChannelId]:
            return frozenset(channel for (channel,) in driver_of(connection).execute(_SUSPENDED, (names,)))

        return await self._read(look_up)

    async def held(self, channel: ChannelId, *, after: int, limit: int) -> Sequence[HeldDraft]:
        """Give what waits, by place."""

        def look_up(connection: Connection) -> list[HeldDraft]:
            driver = driver_of(connection)
            _epoch, head = read_head(driver, channel)
            # A negative LIMIT would mean all.
            return read_held(driver, head.number, after=after, limit=max(0, limit))

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
            with log_errors():
                await self._database.write(touch)
        except UnknownOutcomeError as error:
            raise LogUnavailableError(str(error)) from error

    async def _read(self, work: Callable[[Connection], T]) -> T:
        with log_errors():
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
            with log_errors():
                return await self._database.write(move)
        except UnknownOutcomeError as error:
            # Repeating a move does no harm, so that unknown is as good as not stored.
            raise LogUnavailableError(str(error)) from error

    async def of(self, user: UserId) -> Mapping[ChannelId, int]:
        """Give all positions of a user."""

        def look_up(connection: Connection) -> dict[ChannelId, int]:
            return dict(driver_of(connection).execute(_READ_SEQS, (user,)))

        with log_errors():
            return await self._database.read(look_up)

    async def in_channel(self, channel: ChannelId) -> Mapping[UserId, int]:
        """Give all positions in a channel; looks at the whole table, which is small, once per channel and node."""

        def look_up(connection: Connection) -> dict[UserId, int]:
            return dict(driver_of(connection).execute(_READERS, (channel,)))

        with log_errors():
            return await self._database.read(look_up)


@contextmanager
def log_errors() -> Iterator[None]:
    """Turn the storage's errors into the log's."""
    try:
        yield
    except StorageFullError as error:
        raise LogFullError(str(error)) from error
    except StorageUnavailableError as error:
        raise LogUnavailableError(str(error)) from error
    except StorageUnknownError as error:
        raise UnknownOutcomeError(str(error)) from error


def upper_bound(before: int | None) -> int:
    """Give a seq that is above those wanted: the largest that the column holds for all."""
    return 2**63 - 1 if before is None else before


def _page(connection: Connection, channel: ChannelId, query: tuple[str, int, int], max_bytes: int) -> Page:
    driver = driver_of(connection)
    statement, bound, limit = query
    epoch, head = read_head(driver, channel)
    entries: list[Entry] = []
    room = max_bytes
    # A negative LIMIT would mean all.
    for row in driver.execute(statement, (head.number, bound, max(0, limit))):
        entry = entry_of(channel, row)
        room -= entry.draft.size_bytes
        if entries and room < 0:
            break
        entries.append(entry)
    return Page(epoch, head.seq, tuple(entries))
