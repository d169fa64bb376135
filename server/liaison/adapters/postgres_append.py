"""Appends on PostgreSQL: those that wait, to whatever channels, share one transaction of two round trips.

First round trip: lock the channels' heads, in the order of their numbers, then look for repeats with a statement of its
own, which sees everything that was committed before the locks were had. Second: write and COMMIT. The order of commits
of a channel is so the order of its seqs, whatever other nodes append meanwhile. Where no other node does,
postgres_known_heads needs only one round trip.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from psycopg.rows import TupleRow

from liaison.adapters.append_plan import AppendPlan, DraftName, Head
from liaison.adapters.postgres_engine import in_transaction
from liaison.adapters.postgres_lines import Driver, Line
from liaison.adapters.postgres_rows import blobs, flags, numbers, texts
from liaison.adapters.postgres_search import TOKENS, tokens_of
from liaison.adapters.sql_rows import DRAFT_COLUMNS, MESSAGE_COLUMNS, MOMENTS_PER_MS, draft_columns, draft_of, entry_of
from liaison.core.chain import GENESIS
from liaison.core.entries import Draft, Entry, HeldDraft
from liaison.core.identifiers import ChannelId, Millis
from liaison.ports.log import Appended, HeadMovedError

_LOCK_HEADS: Final = (
    "SELECT channel, number, head, link, suspended, held FROM channel_head WHERE channel = ANY(%s::text[])"
    " ORDER BY number FOR UPDATE"
)
_NEW_HEADS: Final = (
    "INSERT INTO channel_head (channel, head, link, suspended, held)"
    " SELECT name, 0, %s, FALSE, 0 FROM unnest(%s::text[]) AS names (name) ORDER BY name"
    " ON CONFLICT (channel) DO NOTHING"
)
_WANTED: Final = (
    "unnest(%s::text[], %s::text[], %s::text[]) AS wanted (its_channel, author, its_key)"
    " JOIN channel_head ON channel_head.channel = wanted.its_channel"
)
# The epoch comes with the repeats, and if there are none by itself.
_KNOWN: Final = f"""
    SELECT office.epoch, found.* FROM office LEFT JOIN (
        SELECT wanted.its_channel, its.* FROM {_WANTED} CROSS JOIN LATERAL (
            SELECT {MESSAGE_COLUMNS} FROM message WHERE message.channel_number = channel_head.number
            AND message.sender = wanted.author AND message.key = wanted.its_key LIMIT 1
        ) AS its
    ) AS found ON TRUE
"""  # noqa: S608 # nothing but our own column names, here and below
_KNOWN_HELD: Final = f"""
    SELECT wanted.its_channel, its.* FROM {_WANTED} CROSS JOIN LATERAL (
        SELECT place, time_ms, {DRAFT_COLUMNS} FROM held WHERE held.channel_number = channel_head.number
        AND held.sender = wanted.author AND held.key = wanted.its_key LIMIT 1
    ) AS its
"""  # noqa: S608
DRAFT_ARRAYS: Final = (
    "%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::boolean[], %s::text[],"
    " %s::text[], %s::text[]"
)
_INSERT: Final = f"""
    INSERT INTO message (moment, channel_number, seq, time_ms, epoch, link, {DRAFT_COLUMNS}, tokens)
    SELECT time_ms * {MOMENTS_PER_MS} + nextval('moment_counter'), number, seq, time_ms, %s::int, link,
        {DRAFT_COLUMNS}, {TOKENS}
    FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bytea[], {DRAFT_ARRAYS}, %s::text[])
        AS rows (number, seq, time_ms, link, {DRAFT_COLUMNS}, tokens)
"""  # noqa: S608
_HOLD: Final = f"""
    INSERT INTO held (channel_number, place, time_ms, {DRAFT_COLUMNS})
    SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bigint[], {DRAFT_ARRAYS})
"""  # noqa: S608
_MOVE_HEADS: Final = """
    UPDATE channel_head SET head = rows.head, link = rows.link, suspended = rows.suspended, held = rows.held
    FROM unnest(%s::int[], %s::bigint[], %s::bytea[], %s::boolean[], %s::bigint[])
        AS rows (number, head, link, suspended, held)
    WHERE channel_head.number = rows.number
"""
HELD_PAGE: Final = (
    f"SELECT place, time_ms, {DRAFT_COLUMNS} FROM held"  # noqa: S608
    " WHERE channel_number = %s AND place > %s ORDER BY place LIMIT %s"
)
_RELEASED: Final = "DELETE FROM held WHERE channel_number = %s"

# How many held drafts a release has in memory at once: of the longest texts, 4 MiB.
_RELEASE_PAGE: Final = 256

Outcome = Appended | HeadMovedError


@dataclass(frozen=True, slots=True)
class Append:
    """What ports.log.Log.append is asked for."""

    channel: ChannelId
    drafts: Sequence[Draft]
    now_ms: Millis
    expect_head: int | None

    @property
    def size_bytes(self) -> int:
        """About what it takes in a transaction."""
        return sum([draft.size_bytes for draft in self.drafts])


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of each append, and where their channels stood when they were locked and stand now."""

    outcomes: list[Outcome]
    before: Mapping[ChannelId, tuple[int, bytes]]
    heads: Mapping[ChannelId, Head]


def append_all(line: Line, appends: Sequence[Append]) -> Committed:
    """Commit appends, in their order.

    Raises as postgres_engine.in_transaction; then it holds for all of them.
    """
    committed, _writing = in_transaction(line, lambda line: _decide(line.driver, appends), _commit)
    return committed


def held_draft_of(row: TupleRow) -> HeldDraft:
    """Give the held draft that a row of HELD_PAGE holds."""
    return HeldDraft(row[0], row[1], draft_of(row[2:]))


def _decide(driver: Driver, appends: Sequence[Append]) -> "tuple[Committed, _Writing]":
    plans, writing = _begin(driver, appends)
    before = {channel: (plan.head.seq, plan.head.link) for channel, plan in plans.items()}
    outcomes: list[Outcome] = []
    for append in appends:
        plan = plans[append.channel]
        # What is known already needs no place, wherever the head is.
        if append.expect_head not in (None, plan.head.seq) and not plan.knows_all(append.drafts):
            outcomes.append(HeadMovedError(plan.head.seq))
            continue
        taken = tuple([plan.take(draft, append.now_ms) for draft in append.drafts])
        outcomes.append(Appended(writing.epoch, taken))
    writing.plans = [plan for plan in plans.values() if plan.has_changed]
    return Committed(outcomes, before, {channel: plan.head for channel, plan in plans.items()}), writing


def _commit(line: Line, decided: "tuple[Committed, _Writing]") -> None:
    _committed, writing = decided
    with line.driver.pipeline():
        writing.write_rows(writing.plans)
        writing.move_heads()
        line.driver.execute("COMMIT")


def _begin(driver: Driver, appends: Sequence[Append]) -> "tuple[dict[ChannelId, AppendPlan], _Writing]":
    wanted = _names(appends)
    known: dict[ChannelId, dict[DraftName, Entry | HeldDraft]] = {append.channel: {} for append in appends}
    heads, found = _lock(driver, known.keys(), wanted)
    for _epoch, channel, *row in found:
        if channel is not None:
            entry = entry_of(channel, row)
            known[channel][entry.draft.sender, entry.draft.key] = entry
    if any(head.held for head in heads.values()):
        for channel, *row in driver.execute(_KNOWN_HELD, wanted, binary=True):
            held = held_draft_of(tuple(row))
            known[channel][held.draft.sender, held.draft.key] = held
    writing = _Writing(driver, epoch=found[0][0])
    return {name: AppendPlan(name, heads[name], known[name], writing) for name in known}, writing


def _lock(
    driver: Driver, channels: AbstractSet[ChannelId], wanted: tuple[str, str, str]
) -> tuple[dict[ChannelId, Head], list[TupleRow]]:
    """Begin with the heads locked, and give them and the rows of _KNOWN."""
    while True:
        with driver.pipeline():
            driver.execute("BEGIN")
            locked = driver.execute(_LOCK_HEADS, (texts(channels),), binary=True)
            found = driver.execute(_KNOWN, wanted, binary=True)
        heads = {row[0]: Head(*row[1:]) for row in locked.fetchall()}
        if len(heads) == len(channels):
            return heads, found.fetchall()
        # A transaction of its own: a head that is made while others are held would not be locked in their order.
        driver.execute("ROLLBACK")
        driver.execute(_NEW_HEADS, (GENESIS, texts(channels - heads.keys())))


def _names(appends: Sequence[Append]) -> tuple[str, str, str]:
    channels = texts([append.channel for append in appends for _ in append.drafts])
    drafts = [draft for append in appends for draft in append.drafts]
    return channels, texts([draft.sender for draft in drafts]), texts([draft.key for draft in drafts])


class _Writing:
    """Writes what plans have gathered; append_plan.HeldStore for them."""

    def __init__(self, driver: Driver, epoch: int) -> None:
        self.epoch: Final = epoch
        self.plans: list[AppendPlan] = []
        self._driver: Final = driver

    def waiting(self, head: Head, *, after: int) -> Sequence[HeldDraft]:
        rows = self._driver.execute(HELD_PAGE, (head.number, after, _RELEASE_PAGE), binary=True)
        return [held_draft_of(row) for row in rows]

    def write(self, plan: AppendPlan) -> None:
        self.write_rows([plan])

    def released(self, head: Head) -> None:
        self._driver.execute(_RELEASED, (head.number,))

    def write_rows(self, plans: Sequence[AppendPlan]) -> None:
        """Write all entries and held drafts of these plans, in one statement each."""
        entries = [(plan.head.number, entry) for plan in plans for entry in plan.entries]
        if entries:
            self._driver.execute(_INSERT, (self.epoch, *entry_arrays(entries)))
        held = [(plan.head.number, draft) for plan in plans for draft in plan.held]
        if held:
            self._driver.execute(_HOLD, _held_arrays(held))
        for plan in plans:
            plan.entries, plan.held = [], []

    def move_heads(self) -> None:
        """Move the heads of the changed channels to where their plans have come."""
        heads = [plan.head for plan in self.plans]
        if heads:
            arrays = (
                numbers([head.number for head in heads]),
                numbers([head.seq for head in heads]),
                blobs([head.link for head in heads]),
                flags([head.suspended for head in heads]),
                numbers([head.held for head in heads]),
            )
            self._driver.execute(_MOVE_HEADS, arrays)


def entry_arrays(entries: Sequence[tuple[int, Entry]]) -> tuple[str, ...]:
    """Give the columns of entries, each with its channel's number, as a statement takes them."""
    return (
        numbers([number for number, _ in entries]),
        numbers([entry.seq for _, entry in entries]),
        numbers([entry.time_ms for _, entry in entries]),
        blobs([entry.link for _, entry in entries]),
        *_draft_arrays([entry.draft for _, entry in entries]),
        texts([tokens_of(number, entry.draft) for number, entry in entries]),
    )


def _held_arrays(drafts: Sequence[tuple[int, HeldDraft]]) -> tuple[str, ...]:
    return (
        numbers([number for number, _ in drafts]),
        numbers([held.place for _, held in drafts]),
        numbers([held.time_ms for _, held in drafts]),
        *_draft_arrays([held.draft for _, held in drafts]),
    )


def _draft_arrays(drafts: Iterable[Draft]) -> tuple[str, ...]:
    columns = zip(*map(draft_columns, drafts), strict=True)
    sender, delegation, key, kind, text, ref, reaction, removed, mentions, precedence, data = columns
    return (
        *(texts(sender), texts(delegation), texts(key), texts(kind), texts(text), numbers(ref), texts(reaction)),
        *(flags(map(bool, removed)), texts(mentions), texts(precedence), texts(data)),
    )
