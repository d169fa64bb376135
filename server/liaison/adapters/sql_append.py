"""The append: gives drafts their places, holds what a suspended channel doesn't take, and releases it when it opens.

All of an append happens within one transaction that no other shares a channel's head with, so that a draft comes
before a suspension, is held, or comes after the resumption, and nothing in between. Statements go to the driver
directly: SQLAlchemy's share of them would be half of an append.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Final

from liaison.adapters.sql_rows import DRAFT_COLUMNS, MESSAGE_COLUMNS, MOMENTS_PER_MS, draft_columns, draft_of, entry_of
from liaison.adapters.sql_search import index_row
from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Conflicting, Draft, Entry, EntryKind, Held, HeldDraft, Outcome, Repeated, Stored
from liaison.core.identifiers import ChannelId, Millis, UserId
from liaison.ports.log import Appended, HeadMovedError

# One statement for both, as each costs an append 2 µs.
_HEAD: Final = (
    "SELECT epoch, number, head, link, suspended, held FROM office LEFT JOIN channel_head ON channel_head.channel = ?"
)
_EPOCH: Final = "SELECT epoch FROM office"
_NEW_HEAD: Final = "INSERT INTO channel_head (channel, head, link, suspended, held) VALUES (?, 0, ?, FALSE, 0)"
_MOVE_HEAD: Final = "UPDATE channel_head SET head = ?, link = ?, suspended = ?, held = ? WHERE number = ?"
_LAST_MOMENT: Final = "SELECT moment FROM message WHERE moment >= ? AND moment < ? ORDER BY moment DESC LIMIT 1"
# CROSS JOIN: the planner would otherwise look through the whole channel for the few that are wanted.
_KEYED: Final = (
    f"WITH wanted (author, its_key) AS (VALUES %s) SELECT {MESSAGE_COLUMNS} FROM wanted CROSS JOIN message"  # noqa: S608
    " ON message.channel_number = ? AND message.sender = wanted.author AND message.key = wanted.its_key"
)
_KEYED_HELD: Final = (
    f"WITH wanted (author, its_key) AS (VALUES %s) SELECT place, time_ms, {DRAFT_COLUMNS}"  # noqa: S608
    " FROM wanted CROSS JOIN held"
    " ON held.channel_number = ? AND held.sender = wanted.author AND held.key = wanted.its_key"
)
_INSERT: Final = f"INSERT INTO message (moment, channel_number, seq, time_ms, epoch, link, {DRAFT_COLUMNS}) VALUES %s"  # noqa: S608
_INDEX: Final = "INSERT INTO search_index (rowid, tokens) VALUES %s"
_HOLD: Final = f"INSERT INTO held (channel_number, place, time_ms, {DRAFT_COLUMNS}) VALUES %s"  # noqa: S608
_HELD: Final = (
    f"SELECT place, time_ms, {DRAFT_COLUMNS} FROM held"  # noqa: S608
    " WHERE channel_number = ? AND place > ? ORDER BY place LIMIT ?"
)
_RELEASED: Final = "DELETE FROM held WHERE channel_number = ?"

# By names of our own, as looking a member up in its enumeration costs ten times as much, and every draft pays for it.
_SUSPENSION: Final = EntryKind.SUSPENSION
_RESUMPTION: Final = EntryKind.RESUMPTION

# 17 columns of 64 rows, well below the 32,766 values that a statement may have.
_MAX_RUN: Final = 64
# How many held drafts a release has in memory at once: of the longest texts, 4 MiB.
_RELEASE_PAGE: Final = 256


@dataclass(slots=True)
class Head:
    """Where a channel stands in the office's epoch; number 0 is a channel that nothing was ever written to."""

    epoch: int
    number: int
    seq: int
    link: bytes
    suspended: int
    held: int


def read_head(driver: sqlite3.Connection, channel: ChannelId) -> Head:
    """Give where a channel stands within the present transaction."""
    row = driver.execute(_HEAD, (channel,)).fetchone()
    return Head(row[0], 0, 0, GENESIS, 0, 0) if row[1] is None else Head(*row)


def read_epoch(driver: sqlite3.Connection) -> int:
    """Give the office's epoch within the present transaction."""
    (epoch,) = driver.execute(_EPOCH).fetchone()
    return int(epoch)


def read_held(driver: sqlite3.Connection, number: int, *, after: int, limit: int) -> list[HeldDraft]:
    """Give up to `limit` drafts that wait in the channel of this number, by place."""
    return [_held_draft(row) for row in driver.execute(_HELD, (number, after, limit))]


def append(
    driver: sqlite3.Connection, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, expect_head: int | None
) -> Appended | HeadMovedError:
    """Do what ports.log.Log.append says, within a transaction that the caller commits.

    An error that is given back instead of raised leaves nothing written: the transaction can go on with other work.
    """
    head = read_head(driver, channel)
    known = _known(driver, channel, head, drafts)
    # What is known already needs no place, wherever the head is.
    if expect_head not in (None, head.seq) and any((draft.sender, draft.key) not in known for draft in drafts):
        return HeadMovedError(head.seq)
    if head.number == 0:
        head.number = driver.execute(_NEW_HEAD, (channel, GENESIS)).lastrowid or 0
    appending = _Append(driver, channel, head, known, now_ms)
    outcomes = tuple([appending.take(draft) for draft in drafts])
    appending.finish()
    return Appended(head.epoch, outcomes)


class _Append:
    """One append under way: takes draft by draft, and gathers rows so that they go to the tables together."""

    def __init__(
        self,
        driver: sqlite3.Connection,
        channel: ChannelId,
        head: Head,
        known: dict[tuple[UserId, str], Entry | HeldDraft],
        now_ms: Millis,
    ) -> None:
        self._driver: Final = driver
        self._channel: Final = channel
        self._head: Final = head
        self._known: Final = known
        self._now_ms: Final = now_ms
        self._moment = _free_moment(driver, now_ms)
        self._rows: list[tuple[object, ...]] = []
        self._index_rows: list[tuple[int, str]] = []
        self._held_rows: list[tuple[object, ...]] = []
        self._has_written = False

    def take(self, draft: Draft) -> Outcome:
        """Decide about one draft."""
        name = draft.sender, draft.key
        first = self._known.get(name)
        if first is not None:
            return _again(first, draft)
        if self._head.suspended and not draft.passes_suspension:
            held = self._known[name] = self._hold(draft)
            return Held(held.place, held.time_ms)
        entry = self._known[name] = self._add(draft)
        # A suspension of a suspended channel and a resumption of an open one change nothing.
        if draft.kind is _SUSPENSION:
            self._head.suspended = True
        elif draft.kind is _RESUMPTION and self._head.suspended:
            self._release()
        return Stored(entry)

    def finish(self) -> None:
        """Write what is left, and move the head there; nothing at all if every draft was known."""
        self._write()
        if self._has_written:
            head = self._head
            self._driver.execute(_MOVE_HEAD, (head.seq, head.link, head.suspended, head.held, head.number))

    def _add(self, draft: Draft) -> Entry:
        """Give the draft its place on the log, and its link."""
        head, time_ms, moment = self._head, self._now_ms, self._moment
        head.seq += 1
        head.link = link_of(head.link, self._channel, head.seq, time_ms, draft)
        self._rows.append((moment, head.number, head.seq, time_ms, head.epoch, head.link, *draft_columns(draft)))
        indexed = index_row(moment, head.number, draft)
        if indexed is not None:
            self._index_rows.append(indexed)
        self._moment += 1
        return Entry(self._channel, head.seq, time_ms, head.link, draft)

    def _hold(self, draft: Draft) -> HeldDraft:
        self._head.held += 1
        held = HeldDraft(self._head.held, self._now_ms, draft)
        self._held_rows.append((self._head.number, held.place, held.time_ms, *draft_columns(draft)))
        return held

    def _release(self) -> None:
        """Make every held draft an entry, page by page: there may be more than should be in memory."""
        self._write()
        number, place = self._head.number, 0
        while page := read_held(self._driver, number, after=place, limit=_RELEASE_PAGE):
            for held in page:
                entry = self._add(held.draft)
                name = held.draft.sender, held.draft.key
                if name in self._known:
                    self._known[name] = entry
            self._write()
            place = page[-1].place
        self._driver.execute(_RELEASED, (number,))
        self._head.suspended, self._head.held = False, 0

    def _write(self) -> None:
        for statement, rows in ((_INSERT, self._rows), (_INDEX, self._index_rows), (_HOLD, self._held_rows)):
            if not rows:
                continue
            for run, values in _by_rows(statement, rows):
                self._driver.execute(run, values)
            self._has_written = True
        self._rows, self._index_rows, self._held_rows = [], [], []


def _again(first: Entry | HeldDraft, draft: Draft) -> Outcome:
    if first.draft != draft:
        return Conflicting()
    return Held(first.place, first.time_ms) if isinstance(first, HeldDraft) else Repeated(first.seq, first.time_ms)


def _held_draft(row: tuple[object, ...]) -> HeldDraft:
    place, time_ms = row[:2]
    return HeldDraft(place, time_ms, draft_of(row[2:]))  # type: ignore[arg-type] # what the driver gives has no types


def _free_moment(driver: sqlite3.Connection, now_ms: Millis) -> int:
    start = now_ms * MOMENTS_PER_MS
    taken = driver.execute(_LAST_MOMENT, (start, start + MOMENTS_PER_MS)).fetchone()
    return start if taken is None else int(taken[0]) + 1


def _known(
    driver: sqlite3.Connection, channel: ChannelId, head: Head, drafts: Sequence[Draft]
) -> dict[tuple[UserId, str], Entry | HeldDraft]:
    """Give what is on the log or held already, by sender and key."""
    known: dict[tuple[UserId, str], Entry | HeldDraft] = {}
    names = [(draft.sender, draft.key) for draft in drafts]
    for statement, values in _by_rows(_KEYED, names):
        for row in driver.execute(statement, (*values, head.number)):
            entry = entry_of(channel, row)
            known[entry.draft.sender, entry.draft.key] = entry
    if head.held:
        for statement, values in _by_rows(_KEYED_HELD, names):
            for row in driver.execute(statement, (*values, head.number)):
                held = _held_draft(row)
                known[held.draft.sender, held.draft.key] = held
    return known


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
