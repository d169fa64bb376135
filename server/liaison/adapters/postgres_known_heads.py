"""Appends in one round trip, where this node knows how its channels stand because nobody else appended since.

The entries are made from the heads as they were left here, links and all, and one statement stores them if every
channel still stands there and none of the entries is a repeat; else it stores nothing, and postgres_append takes its
two round trips. It locks the heads in the same order and sees to the same: what it finds by a snapshot from before the
lock was had is good, because whoever had the lock meanwhile moved a head. So does whoever suspends a channel.

Channels to which other nodes append as well are left to postgres_append from the first guess that was wrong until one
would have been right: a wrong one costs a round trip.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from liaison.adapters.append_plan import AppendPlan, Head
from liaison.adapters.postgres_append import DRAFT_ARRAYS, Append, Committed, Outcome, append_all, entry_arrays
from liaison.adapters.postgres_engine import in_transaction
from liaison.adapters.postgres_lines import Line
from liaison.adapters.postgres_rows import blobs, numbers
from liaison.adapters.postgres_search import TOKENS
from liaison.adapters.sql_rows import DRAFT_COLUMNS, MOMENTS_PER_MS
from liaison.core.entries import EntryKind, HeldDraft
from liaison.core.entries import Outcome as Taken
from liaison.core.identifiers import ChannelId
from liaison.ports.log import Appended

_STORE: Final = f"""
    WITH known AS (
        SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bytea[], %s::bigint[], %s::bytea[])
            AS known (number, old_head, old_link, new_head, new_link)
    ), rows AS (
        SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bytea[], {DRAFT_ARRAYS}, %s::text[])
            AS rows (number, seq, time_ms, link, {DRAFT_COLUMNS}, tokens)
    ), locked AS MATERIALIZED (
        SELECT channel_head.number FROM known JOIN channel_head ON channel_head.number = known.number
        WHERE head = old_head AND link = old_link
        ORDER BY channel_head.number FOR UPDATE OF channel_head
    ), right_guess AS MATERIALIZED (
        SELECT epoch FROM office
        WHERE (SELECT count(*) FROM locked) = (SELECT count(*) FROM known) AND NOT EXISTS (
            SELECT 1 FROM rows CROSS JOIN LATERAL (
                SELECT 1 FROM message WHERE message.channel_number = rows.number
                AND message.sender = rows.sender AND message.key = rows.key LIMIT 1
            ) AS repeat
        )
    ), moved AS (
        UPDATE channel_head SET head = new_head, link = new_link FROM known, right_guess
        WHERE channel_head.number = known.number
    ), stored AS (
        INSERT INTO message (moment, channel_number, seq, time_ms, epoch, link, {DRAFT_COLUMNS}, tokens)
        SELECT time_ms * {MOMENTS_PER_MS} + nextval('moment_counter'), number, seq, time_ms, epoch, link,
            {DRAFT_COLUMNS}, {TOKENS}
        FROM rows CROSS JOIN right_guess
    )
    SELECT epoch FROM right_guess
"""  # noqa: S608 # nothing but our own column names

# What they do depends on what waits, or changes it.
_CHANGING: Final = frozenset({EntryKind.SUSPENSION, EntryKind.RESUMPTION})


class _WrongGuessError(Exception):
    """A channel stands elsewhere, or something is a repeat; nothing was stored."""


class KnownHeads:
    """How the channels stood when this node last appended to them. For one thread at a time."""

    def __init__(self) -> None:
        self._heads: Final[dict[ChannelId, Head]] = {}
        # Those that others append to as well.
        self._shared: Final[set[ChannelId]] = set()

    def append_all(self, line: Line, appends: Sequence[Append]) -> list[Outcome]:
        """Commit appends, in their order, and give what became of each; raises as postgres_append.append_all."""
        channels = {append.channel for append in appends}
        try:
            # One that the server has closed would take COMMIT with it, and the outcome would be unknown for nothing.
            if line.is_quiet and self._may_guess(appends):
                try:
                    return self._guess(line, appends)
                except _WrongGuessError:
                    pass
            committed = append_all(line, appends)
        except BaseException:
            for channel in channels:
                self._heads.pop(channel, None)
            raise
        self._learn(committed)
        return committed.outcomes

    def _may_guess(self, appends: Sequence[Append]) -> bool:
        return any(append.drafts for append in appends) and all(
            (head := self._heads.get(append.channel)) is not None
            and append.channel not in self._shared
            and not head.suspended
            and not head.held
            and append.expect_head is None
            and not any(draft.kind in _CHANGING for draft in append.drafts)
            for append in appends
        )

    def _guess(self, line: Line, appends: Sequence[Append]) -> list[Outcome]:
        guess = in_transaction(line, lambda line: self._plan(line, appends), _store)
        self._heads.update({channel: plan.head for channel, plan in guess.plans.items()})
        return [Appended(guess.epoch, taken) for taken in guess.taken]

    def _plan(self, line: Line, appends: Sequence[Append]) -> "_Guess":
        # Opened here if it has to be: nothing was sent then, and nothing is unknown.
        assert line.driver is not None
        plans = {
            append.channel: AppendPlan(append.channel, replace(self._heads[append.channel]), {}, _NothingHeld())
            for append in appends
        }
        taken = [
            tuple([plans[append.channel].take(draft, append.now_ms) for draft in append.drafts]) for append in appends
        ]
        return _Guess([self._heads[channel] for channel in plans], plans, taken)

    def _learn(self, committed: Committed) -> None:
        for channel, head in committed.heads.items():
            known = self._heads.get(channel)
            if known is None or (known.seq, known.link) == committed.before[channel]:
                self._shared.discard(channel)
            else:
                self._shared.add(channel)
            self._heads[channel] = head


@dataclass(slots=True)
class _Guess:
    """What would be stored, and what each append would be told."""

    old: list[Head]
    plans: dict[ChannelId, AppendPlan]
    taken: list[tuple[Taken, ...]]
    epoch: int = 0


def _store(line: Line, guess: _Guess) -> None:
    new = [plan.head for plan in guess.plans.values()]
    entries = [(plan.head.number, entry) for plan in guess.plans.values() for entry in plan.entries]
    arrays = (
        numbers([head.number for head in new]),
        numbers([head.seq for head in guess.old]),
        blobs([head.link for head in guess.old]),
        numbers([head.seq for head in new]),
        blobs([head.link for head in new]),
        *entry_arrays(entries),
    )
    driver = line.driver
    with driver.pipeline():
        driver.execute("BEGIN")
        stored = driver.execute(_STORE, arrays)
        driver.execute("COMMIT")
    found = stored.fetchone()
    if found is None:
        raise _WrongGuessError
    guess.epoch = found[0]


class _NothingHeld:
    """append_plan.HeldStore of channels in which nothing waits and nothing is released."""

    def waiting(self, head: Head, *, after: int) -> Sequence[HeldDraft]:
        raise AssertionError("nothing is released by a guess")

    def write(self, plan: AppendPlan) -> None:
        raise AssertionError("nothing is released by a guess")

    def released(self, head: Head) -> None:
        raise AssertionError("nothing is released by a guess")
