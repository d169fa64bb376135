"""The log and the read positions on PostgreSQL. Their promises are those of ports.log; this says how they are kept.

Appends: postgres_known_heads. Each read is one statement, which sees one moment.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from psycopg.rows import TupleRow

from liaison.adapters.postgres_append import HELD_PAGE, Append, Outcome, held_draft_of
from liaison.adapters.postgres_engine import PostgresDatabase, in_transaction
from liaison.adapters.postgres_flights import Flights
from liaison.adapters.postgres_known_heads import KnownHeads
from liaison.adapters.postgres_lines import Line
from liaison.adapters.postgres_rows import numbers, texts
from liaison.adapters.postgres_search import find
from liaison.adapters.sql_log import log_errors, upper_bound
from liaison.adapters.sql_rows import MESSAGE_COLUMNS, entry_of
from liaison.adapters.sql_search import Query
from liaison.core.entries import Draft, Entry, HeldDraft, Page
from liaison.core.identifiers import ChannelId, Millis, UserId
from liaison.core.position import Position
from liaison.ports.log import Appended, HeadMovedError, LogUnavailableError, UnknownOutcomeError

T = TypeVar("T")

_HEADS: Final = (
    "SELECT wanted.channel, office.epoch, coalesce(channel_head.head, 0)"
    " FROM office CROSS JOIN unnest(%s::text[]) AS wanted (channel)"
    " LEFT JOIN channel_head ON channel_head.channel = wanted.channel"
)
_SUSPENDED: Final = "SELECT channel FROM channel_head WHERE suspended AND channel = ANY(%s::text[])"
_PAGE: Final = f"""
    SELECT office.epoch, coalesce(channel_head.head, 0), page.* FROM office
    LEFT JOIN channel_head ON channel_head.channel = %s
    LEFT JOIN LATERAL (
        SELECT {MESSAGE_COLUMNS} FROM message WHERE channel_number = channel_head.number AND %s
    ) AS page ON TRUE
"""  # noqa: S608 # nothing but our own column names, here and below
_AFTER: Final = _PAGE.replace("AND %s", "AND seq > %s ORDER BY seq LIMIT %s")
_BEFORE: Final = _PAGE.replace("AND %s", "AND seq < %s ORDER BY seq DESC LIMIT %s")
_NUMBER: Final = "(SELECT number FROM channel_head WHERE channel = %s)"
_ONE: Final = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel_number = {_NUMBER} AND seq = %s"  # noqa: S608
_WITHDRAWN: Final = (
    f"SELECT EXISTS (SELECT 1 FROM message WHERE channel_number = {_NUMBER} AND ref = %s"  # noqa: S608
    " AND kind IN ('correction', 'withdrawal') AND kind = 'withdrawal')"
)
_SIGNED: Final = (
    f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel_number = {_NUMBER} AND kind = 'signed_head' AND seq < %s"  # noqa: S608
    " ORDER BY seq DESC LIMIT %s"
)
_HELD: Final = HELD_PAGE.replace("channel_number = %s", f"channel_number = {_NUMBER}")

_READ_SEQS: Final = "SELECT channel, seq FROM read_position WHERE user_id = %s"
_READERS: Final = "SELECT user_id, seq FROM read_position WHERE channel = %s"
_WANTED: Final = "unnest(%s::text[], %s::text[], %s::bigint[]) AS wanted (reader, place, its_seq)"
# One that would go back isn't touched, since locking it alone would cost a commit to disk. In one order on all nodes.
_MOVE: Final = f"""
    INSERT INTO read_position (user_id, channel, seq)
    SELECT reader, place, its_seq FROM {_WANTED}
    WHERE NOT EXISTS (SELECT 1 FROM read_position WHERE user_id = reader AND channel = place AND seq >= its_seq)
    ORDER BY reader, place
    ON CONFLICT (user_id, channel) DO UPDATE SET seq = greatest(read_position.seq, excluded.seq)
"""  # noqa: S608
_MOVED: Final = (
    f"SELECT user_id, channel, seq FROM {_WANTED}"  # noqa: S608
    " JOIN read_position ON read_position.user_id = reader AND read_position.channel = place"
)

# A transaction's worth: more gains nothing, and delays those aboard.
_MAX_FLIGHT_BYTES: Final = 4 << 20
_MAX_FLIGHT_MOVES: Final = 2_000

_Move = tuple[UserId, ChannelId, int]


class PostgresLog:
    """`ports.log.Log` on PostgreSQL."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database: Final = database
        # For the one thread of `database.appends`.
        self._known: Final = KnownHeads()
        self._flights: Final[Flights[Append, Outcome]] = Flights(
            self._fly, lambda append: append.size_bytes, _MAX_FLIGHT_BYTES
        )

    async def append(
        self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
    ) -> Appended:
        """Store drafts; see ports.log.Log.append."""
        with log_errors():
            outcome = await self._flights.board(Append(channel, drafts, now_ms, expect_head))
        if isinstance(outcome, HeadMovedError):
            raise outcome
        return outcome

    async def heads(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Position]:
        """Give the channels' positions, in one query however many they are."""
        rows = await self._rows(_HEADS, texts(channels))
        return {channel: Position(epoch, head) for channel, epoch, head in rows}

    async def read(self, channel: ChannelId, *, after: int, limit: int, max_bytes: int) -> Page:
        """Give a page upwards; see ports.log.Log.read."""
        return _page(channel, await self._rows(_AFTER, channel, after, max(0, limit)), max_bytes)

    async def read_before(self, channel: ChannelId, *, before: int, limit: int, max_bytes: int) -> Page:
        """Give a page downwards, in rising order; see ports.log.Log.read_before."""
        page = _page(channel, await self._rows(_BEFORE, channel, before, max(0, limit)), max_bytes)
        return Page(page.epoch, page.head, page.entries[::-1])

    async def entry(self, channel: ChannelId, seq: int) -> Entry | None:
        """Give one entry."""
        rows = await self._rows(_ONE, channel, seq)
        return entry_of(channel, rows[0]) if rows else None

    async def withdrawn(self, channel: ChannelId, seq: int) -> bool:
        """Say whether a withdrawal of this entry is on the log."""
        return await self._rows(_WITHDRAWN, channel, seq) == [(True,)]

    async def signed_heads(self, channel: ChannelId, *, before: int | None, limit: int) -> Sequence[Entry]:
        """Give signed heads downwards."""
        rows = await self._rows(_SIGNED, channel, upper_bound(before), max(0, limit))
        return [entry_of(channel, row) for row in rows]

    async def suspended(self, channels: Sequence[ChannelId]) -> frozenset[ChannelId]:
        """Say which are suspended, in one query however many there are."""
        rows = await self._rows(_SUSPENDED, texts(channels))
        return frozenset(channel for (channel,) in rows)

    async def held(self, channel: ChannelId, *, after: int, limit: int) -> Sequence[HeldDraft]:
        """Give what waits, by place."""
        return [held_draft_of(row) for row in await self._rows(_HELD, channel, after, max(0, limit))]

    async def search(
        self, query: str, channels: Sequence[ChannelId], *, before_ms: Millis | None, limit: int
    ) -> tuple[Sequence[Entry], bool]:
        """Find text entries; see ports.log.Log.search and postgres_search."""
        wanted = Query(query, channels, before_ms, limit)
        with log_errors():
            return await self._database.reads.read(lambda line: find(line.driver, wanted))

    async def check(self) -> None:
        """Commit something that changes nothing, all the way to the disk."""

        def touch(line: Line) -> None:
            line.driver.execute("BEGIN")
            line.driver.execute("UPDATE office SET epoch = epoch")

        try:
            with log_errors():
                await self._database.moves.start(lambda line: in_transaction(line, touch, _commit))
        except UnknownOutcomeError as error:
            raise LogUnavailableError(str(error)) from error

    def _fly(self, appends: Sequence[Append]) -> "asyncio.Future[Sequence[Outcome | Exception]]":
        return self._database.appends.start(lambda line: self._known.append_all(line, appends))

    async def _rows(self, statement: str, *parameters: object) -> list[TupleRow]:
        with log_errors():
            return await self._database.reads.read(
                lambda line: line.driver.execute(statement, parameters, binary=True).fetchall()
            )


class PostgresReadPositions:
    """`ports.log.ReadPositions` on PostgreSQL; moves at the same time share a statement."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database: Final = database
        self._flights: Final[Flights[_Move, int]] = Flights(self._fly, lambda _move: 1, _MAX_FLIGHT_MOVES)

    async def move(self, user: UserId, channel: ChannelId, seq: int) -> int:
        """Raise the position; one that would go back writes nothing and costs no commit to disk."""
        try:
            with log_errors():
                return await self._flights.board((user, channel, seq))
        except UnknownOutcomeError as error:
            # Repeating a move does no harm, so that unknown is as good as not stored.
            raise LogUnavailableError(str(error)) from error

    async def of(self, user: UserId) -> Mapping[ChannelId, int]:
        """Give all positions of a user."""
        with log_errors():
            rows = await self._database.reads.read(lambda line: line.driver.execute(_READ_SEQS, (user,)).fetchall())
        return dict(rows)

    async def in_channel(self, channel: ChannelId) -> Mapping[UserId, int]:
        """Give all positions in a channel; looks at the whole table, which is small, once per channel and node."""
        with log_errors():
            rows = await self._database.reads.read(lambda line: line.driver.execute(_READERS, (channel,)).fetchall())
        return dict(rows)

    def _fly(self, moves: Sequence[_Move]) -> "asyncio.Future[Sequence[int | Exception]]":
        return self._database.moves.start(lambda line: in_transaction(line, lambda line: _move(line, moves), _commit))


def _move(line: Line, moves: Sequence[_Move]) -> list[int]:
    furthest: dict[tuple[UserId, ChannelId], int] = {}
    for user, channel, seq in moves:
        furthest[user, channel] = max(seq, furthest.get((user, channel), 0))
    arrays = (
        texts([user for user, _ in furthest]),
        texts([channel for _, channel in furthest]),
        numbers(furthest.values()),
    )
    driver = line.driver
    with driver.pipeline():
        driver.execute("BEGIN")
        driver.execute(_MOVE, arrays)
        moved = driver.execute(_MOVED, arrays)
    stands = {(user, channel): seq for user, channel, seq in moved.fetchall()}
    return [stands[user, channel] for user, channel, _ in moves]


def _commit(line: Line, _result: object) -> None:
    line.driver.execute("COMMIT")


def _page(channel: ChannelId, rows: Sequence[TupleRow], max_bytes: int) -> Page:
    epoch, head = rows[0][:2]
    entries: list[Entry] = []
    room = max_bytes
    for row in rows:
        if row[2] is None:  # Nothing there: the row is for the epoch and the head.
            break
        entry = entry_of(channel, row[2:])
        room -= entry.draft.size_bytes
        if entries and room < 0:
            break
        entries.append(entry)
    return Page(epoch, head, tuple(entries))
