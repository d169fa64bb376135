"""Mistakes put in on purpose, one mechanism switched off at a time: the checker must notice each of them.

A checker that can't fail is worth nothing.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from liaison.core.entries import Draft, Entry, EntryKind, Held, Outcome, Page, Precedence, Stored
from liaison.core.identifiers import ChannelId, Millis
from liaison.core.position import Position
from liaison.core.register_channels import is_register
from liaison.office.fair_queue import FairQueue
from liaison.office.hub import Hub, Hubs
from liaison.office.publishing import Published, Publisher, Submission
from liaison.office.sessions import Session
from liaison.ports.log import Appended, Log
from tests.simulation.scenario import Plan


@contextmanager
def ack_before_commit() -> Iterator[Plan]:
    """The reply goes out first; a crash, a refusal or a lost commit then loses what was acknowledged."""
    append = Publisher._append

    async def hasty(self: Publisher, channel: ChannelId, batch: list[Submission], queue: FairQueue[Submission]) -> None:
        hub = self._hubs.get(channel)
        head = 0 if hub is None else hub.head
        for place, item in enumerate(batch, start=1):
            item.done(Published(1, head + place, 0, duplicate=False))
        silent = [replace(item, done=lambda _published: None, failed=lambda _error: None) for item in batch]
        await append(self, channel, silent, queue)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Publisher, "_append", hasty)
        yield Plan()


@contextmanager
def no_idempotency() -> Iterator[Plan]:
    """Each try of the same message is a message of its own."""
    tries = iter(range(10**9))

    class Forgetful:
        def __init__(self, log: Log) -> None:
            self._log = log

        async def append(
            self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
        ) -> Appended:
            renamed = [replace(draft, key=f"{draft.key}#{next(tries)}") for draft in drafts]
            return await self._log.append(channel, renamed, now_ms, expect_head=expect_head)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._log, name)

    yield Plan(wrap_log=Forgetful)


@contextmanager
def hints_without_gap_recovery() -> Iterator[Plan]:
    """Whatever a hint brings is shown, whether or not something is missing before it."""

    def trusting(self: Hub, entries: tuple[Entry, ...]) -> None:
        later = tuple(entry for entry in entries if entry.seq > self.head)
        if later:
            self._apply(later)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hub, "_reorder", trusting)
        yield Plan()


@contextmanager
def no_head_poll() -> Iterator[Plan]:
    """Nobody looks whether the log has gone on, so a lost last hint is never found."""

    async def asleep(_self: Hubs) -> None:
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hubs, "poll_heads", asleep)
        yield Plan()


class _SequenceLog:
    """A log whose seqs are taken before its locks are."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._next: dict[ChannelId, int] = {}
        self._rows: dict[ChannelId, dict[int, Entry]] = {}
        self._keys: dict[tuple[ChannelId, str, str], Entry] = {}

    async def append(
        self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
    ) -> Appended:
        # A register that is read with a gap stops its node.
        if is_register(channel):
            return await self._log.append(channel, drafts, now_ms, expect_head=expect_head)
        seqs = [self._take(channel) for _ in drafts]
        # A longer batch commits later, and others overtake it.
        await asyncio.sleep(0.004 + 0.004 * (seqs[0] % 3))
        outcomes: list[Outcome] = []
        for seq, draft in zip(seqs, drafts, strict=True):
            name = channel, draft.sender, draft.key
            if name not in self._keys:
                self._keys[name] = Entry(channel, seq, now_ms, bytes(32), draft)
                self._rows.setdefault(channel, {})[seq] = self._keys[name]
            outcomes.append(Stored(self._keys[name]))
        return Appended(1, tuple(outcomes))

    def _take(self, channel: ChannelId) -> int:
        self._next[channel] = self._next.get(channel, 0) + 1
        return self._next[channel]

    async def heads(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Position]:
        registers = [channel for channel in channels if is_register(channel)]
        others = {channel: Position(1, max(self._rows.get(channel, {0: None}))) for channel in channels}
        return {**others, **await self._log.heads(registers)}

    async def read(self, channel: ChannelId, *, after: int, limit: int, max_bytes: int) -> Page:
        if is_register(channel):
            return await self._log.read(channel, after=after, limit=limit, max_bytes=max_bytes)
        rows = self._rows.get(channel, {})
        later = sorted(seq for seq in rows if seq > after)[:limit]
        return Page(1, max(rows, default=0), tuple(rows[seq] for seq in later))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


@contextmanager
def sequence_object() -> Iterator[Plan]:
    """Seqs come from a sequence, as BIGSERIAL gives them: in the order of asking, not of committing."""

    shared: list[Log] = []

    def wrap(log: Log) -> Log:
        if not shared:
            shared.append(_SequenceLog(log))
        return shared[0]

    yield Plan(wrap_log=wrap)


@contextmanager
def open_after_unknown_outcome() -> Iterator[Plan]:
    """The session goes on after an unknown outcome, so later messages overtake the one that is tried again."""

    def shrug(_self: Session) -> None:
        """Do nothing."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "outcome_unknown", shrug)
        yield Plan()


class _Waiting:
    """What waits in suspended channels, kept beside the log by a mutant and shared by all nodes of a run."""

    def __init__(self, release: Callable[[list[Draft]], list[Draft]]) -> None:
        self._release = release
        self._drafts: dict[ChannelId, dict[tuple[str, str], Draft]] = {}

    def wrap(self, log: Log) -> Log:
        waiting = self

        class Holding:
            async def append(
                self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
            ) -> Appended:
                held = waiting._drafts.get(channel)
                if held is not None and all(draft.kind is EntryKind.TEXT for draft in drafts):
                    for draft in drafts:
                        held.setdefault((draft.sender, draft.key), draft)
                    return Appended(1, tuple(Held(place, now_ms) for place, _ in enumerate(drafts, start=1)))
                appended = await log.append(channel, drafts, now_ms, expect_head=expect_head)
                if any(isinstance(outcome, Stored) for outcome in appended.outcomes):
                    await self._turn(channel, drafts[0].kind, now_ms)
                return appended

            async def _turn(self, channel: ChannelId, kind: EntryKind, now_ms: Millis) -> None:
                if kind is EntryKind.SUSPENSION:
                    waiting._drafts[channel] = {}
                elif kind is EntryKind.RESUMPTION:
                    for draft in waiting._release(list(waiting._drafts.pop(channel, {}).values())):
                        await log.append(channel, [draft], now_ms)

            def __getattr__(self, name: str) -> Any:
                return getattr(log, name)

        return Holding()


@contextmanager
def some_held_are_forgotten() -> Iterator[Plan]:
    """One in three of those that waited is not there when the channel is resumed."""
    yield Plan(wrap_log=_Waiting(lambda drafts: [draft for at, draft in enumerate(drafts) if at % 3]).wrap)


@contextmanager
def released_twice() -> Iterator[Plan]:
    """What waited is released, and once more by the node that finds the resumption."""

    def twice(drafts: list[Draft]) -> list[Draft]:
        return [*drafts, *(replace(draft, key=f"{draft.key} again") for draft in drafts)]

    yield Plan(wrap_log=_Waiting(twice).wrap)


@contextmanager
def released_backwards() -> Iterator[Plan]:
    """What came last is released first, as from a stack."""
    yield Plan(wrap_log=_Waiting(lambda drafts: drafts[::-1]).wrap)


@contextmanager
def suspended_in_name_only() -> Iterator[Plan]:
    """The log goes on taking entries: only the screens say that the channel is suspended."""
    yield Plan(wrap_log=_Open)


class _Open:
    def __init__(self, log: Log) -> None:
        self._log = log

    async def append(
        self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
    ) -> Appended:
        urgent = [
            replace(draft, precedence=Precedence.LIFE_SAFETY) if draft.kind is EntryKind.TEXT else draft
            for draft in drafts
        ]
        return await self._log.append(channel, urgent, now_ms, expect_head=expect_head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


MUTANTS = {
    "C1": ack_before_commit,
    "C2": no_idempotency,
    "C4": hints_without_gap_recovery,
    "L1": no_head_poll,
    "C3": sequence_object,
    "C5": open_after_unknown_outcome,
    "H1": some_held_are_forgotten,
    "H2": released_twice,
    "H3": released_backwards,
    "H4": suspended_in_name_only,
}
