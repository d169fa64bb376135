"""The append on SQLite: what an append plan decides, read and written within one transaction.

All of an append happens within one transaction that no other shares a channel's head with, so that a draft comes
before a suspension, is held, or comes after the resumption, and nothing in between. Statements go to the driver
directly: SQLAlchemy's share of them would be half of an append.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from liaison.adapters.append_plan import AppendPlan, DraftName, Head
from liaison.adapters.sql_rows import DRAFT_COLUMNS, MESSAGE_COLUMNS, MOMENTS_PER_MS, draft_columns, draft_of, entry_of
from liaison.adapters.sql_runs import by_rows
from liaison.adapters.sql_search import index
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
# The last moment within a millisecond, if any, and the one up to which the search index goes.
_MOMENTS: Final = (
    "SELECT (SELECT moment FROM message WHERE moment >= ? AND moment < ? ORDER BY moment DESC LIMIT 1), moment"
    " FROM search_mark"
)
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
_HOLD: Final = f"INSERT INTO held (channel_number, place, time_ms, {DRAFT_COLUMNS}) VALUES %s"  # noqa: S608
_HELD: Final = (
    f"SELECT place, time_ms, {DRAFT_COLUMNS} FROM held"  # noqa: S608
    " WHERE channel_number = ? AND place > ? ORDER BY place LIMIT ?"
)
_RELEASED: Final = "DELETE FROM held WHERE channel_number = ?"

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
            start = plan.entries[0].time_ms * MOMENTS_PER_MS
            last, indexed = self._driver.execute(_MOMENTS, (start, start + MOMENTS_PER_MS)).fetchone()
            first = start if last is None else last + 1
            moments = list(enumerate(plan.entries, first))
            self._insert(
                _INSERT,
                [
                    (moment, number, entry.seq, entry.time_ms, epoch, entry.link, *draft_columns(entry.draft))
                    for moment, entry in moments
                ],
            )
            if first <= indexed:
                # The clock was set back: the index never looks behind its mark again.
                index(
                    self._driver,
                    [(moment, number, entry.draft.kind.value, entry.draft.text) for moment, entry in moments],
                )
        self._insert(_HOLD, [(number, held.place, held.time_ms, *draft_columns(held.draft)) for held in plan.held])
        plan.entries, plan.held = [], []

    def released(self, head: Head) -> None:
        self._driver.execute(_RELEASED, (head.number,))

    def _insert(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        for run, values in by_rows(statement, rows):
            self._driver.execute(run, values)


def _held_draft(row: tuple[object, ...]) -> HeldDraft:
    place, time_ms = row[:2]
    return HeldDraft(place, time_ms, draft_of(row[2:]))  # type: ignore[arg-type] # what the driver gives has no types


def _known(
    driver: sqlite3.Connection, channel: ChannelId, head: Head, drafts: Sequence[Draft]
) -> dict[DraftName, Entry | HeldDraft]:
    """Give what is on the log or held already, by sender and key."""
    known: dict[DraftName, Entry | HeldDraft] = {}
    names = [(draft.sender, draft.key) for draft in drafts]
    for statement, values in by_rows(_KEYED, names):
        for row in driver.execute(statement, (*values, head.number)):
            entry = entry_of(channel, row)
            known[entry.draft.sender, entry.draft.key] = entry
    if head.held:
        for statement, values in by_rows(_KEYED_HELD, names):
            for row in driver.execute(statement, (*values, head.number)):
                held = _held_draft(row)
                known[held.draft.sender, held.draft.key] = held
    return known
