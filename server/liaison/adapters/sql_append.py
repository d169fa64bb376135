"""The append on SQLite: what an append plan decides, read and written within one transaction.

All of an append happens within one transaction that no other shares a channel's head with, so that a draft comes
before a suspension, is held, or comes after the resumption, and nothing in between. Statements go to the driver
directly: SQLAlchemy's share of them would be half of an append.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Final

from liaison.adapters.append_plan import AppendPlan, DraftName, Head
from liaison.adapters.sql_rows import DRAFT_COLUMNS, MESSAGE_COLUMNS, MOMENTS_PER_MS, draft_columns, draft_of, entry_of
from liaison.adapters.sql_search import index_row
from liaison.core.chain import GENESIS
from liaison.core.entries import Draft, Entry, HeldDraft
from liaison.core.identifiers import ChannelId, Millis
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

# 17 columns of 64 rows, well below the 32,766 values that a statement may have.
_MAX_RUN: Final = 64
# How many held drafts a release has in memory at once: of the longest texts, 4 MiB.
_RELEASE_PAGE: Final = 256


def read_head(driver: sqlite3.Connection, channel: ChannelId) -> tuple[int, Head]:
    """Give the office's epoch, and where a channel stands; its number is 0 if nothing was ever written to it."""
    epoch, number, *rest = driver.execute(_HEAD, (channel,)).fetchone()
    return epoch, Head(0, 0, GENESIS, False, 0) if number is None else Head(number, *rest)


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
    epoch, head = read_head(driver, channel)
    writing = _Writing(driver, epoch)
    plan = AppendPlan(channel, head, _known(driver, channel, head, drafts), writing)
    # What is known already needs no place, wherever the head is.
    if expect_head not in (None, head.seq) and not plan.knows_all(drafts):
        return HeadMovedError(head.seq)
    if head.number == 0:
        head.number = driver.execute(_NEW_HEAD, (channel, GENESIS)).lastrowid or 0
    outcomes = tuple([plan.take(draft, now_ms) for draft in drafts])
    if plan.has_changed:
        writing.write(plan)
        driver.execute(_MOVE_HEAD, (head.seq, head.link, head.suspended, head.held, head.number))
    return Appended(epoch, outcomes)


class _Writing:
    """Writes what a plan has gathered; append_plan.HeldStore for it."""

    def __init__(self, driver: sqlite3.Connection, epoch: int) -> None:
        self._driver: Final = driver
        self._epoch: Final = epoch

    def waiting(self, head: Head, *, after: int) -> Sequence[HeldDraft]:
        return read_held(self._driver, head.number, after=after, limit=_RELEASE_PAGE)

    def write(self, plan: AppendPlan) -> None:
        number, epoch = plan.head.number, self._epoch
        if plan.entries:
            first = _free_moment(self._driver, plan.entries[0].time_ms)
            moments = list(enumerate(plan.entries, first))
            self._insert(
                _INSERT,
                [
                    (moment, number, entry.seq, entry.time_ms, epoch, entry.link, *draft_columns(entry.draft))
                    for moment, entry in moments
                ],
            )
            found = [index_row(moment, number, entry.draft) for moment, entry in moments]
            self._insert(_INDEX, [row for row in found if row is not None])
        self._insert(_HOLD, [(number, held.place, held.time_ms, *draft_columns(held.draft)) for held in plan.held])
        plan.entries, plan.held = [], []

    def released(self, head: Head) -> None:
        self._driver.execute(_RELEASED, (head.number,))

    def _insert(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        for run, values in _by_rows(statement, rows):
            self._driver.execute(run, values)


def _held_draft(row: tuple[object, ...]) -> HeldDraft:
    place, time_ms = row[:2]
    return HeldDraft(place, time_ms, draft_of(row[2:]))  # type: ignore[arg-type] # what the driver gives has no types


def _free_moment(driver: sqlite3.Connection, now_ms: Millis) -> int:
    start = now_ms * MOMENTS_PER_MS
    taken = driver.execute(_LAST_MOMENT, (start, start + MOMENTS_PER_MS)).fetchone()
    return start if taken is None else int(taken[0]) + 1


def _known(
    driver: sqlite3.Connection, channel: ChannelId, head: Head, drafts: Sequence[Draft]
) -> dict[DraftName, Entry | HeldDraft]:
    """Give what is on the log or held already, by sender and key."""
    known: dict[DraftName, Entry | HeldDraft] = {}
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
