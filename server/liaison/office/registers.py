"""Registers: state that is decided by looking at a channel's log, and kept as entries of that log.

Nothing is stored but entries. A register folds them into a state; to change it, it decides by that state and appends
on the condition that the log has not moved since. So every transition is atomic, ordered, in the hash chain, and the
same on every node, and of two that clash exactly one is made; the other is decided anew by what the first has done.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from liaison.core.entries import Conflicting, Draft, Entry, Held, Repeated, Stored
from liaison.core.identifiers import ChannelId
from liaison.office.actor import Actor
from liaison.office.hub import Hubs
from liaison.ports.bus import Bus, EntriesHint
from liaison.ports.clock import Clock
from liaison.ports.log import (
    HeadMovedError,
    Log,
    LogFullError,
    LogUnavailableError,
    LogUnreadableError,
    UnknownOutcomeError,
)
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused, Unavailable
from liaison.protocol.frames import Command, Reply
from liaison.protocol.limits import MAX_PAGE_BYTES, MAX_PAGE_MESSAGES

S = TypeVar("S")

Handler = Callable[[Actor, Any], Awaitable[Reply]]

# Each attempt that fails means that somebody else's succeeded, so this many in a row is a storm and no bad luck.
_MAX_ATTEMPTS: Final = 16


class Department(Protocol):
    """One register as the office sees it: the commands it carries out."""

    def handlers(self) -> Mapping[type[Command], Handler]:
        """Give what carries out each of its commands; handlers authorise by themselves and raise LiaisonError."""
        ...

    async def start(self) -> None:
        """Learn what the office must know before it serves anybody. Raises LogUnavailableError."""
        ...

    async def run(self) -> None:
        """Do what is due by itself, until cancelled; one that does nothing by itself may return at once."""
        ...


@dataclass(frozen=True, slots=True)
class Recorded(Generic[S]):
    """What a change came to: the state after it, the entry, and whether the same change had been made before."""

    state: S
    seq: int
    epoch: int
    time_ms: int
    duplicate: bool


async def folded(log: Log, channel: ChannelId, initial: S, fold: Callable[[S, Entry], S]) -> S:
    """Give a register's state once, for who only looks. Raises LogUnavailableError, LogUnreadableError."""
    state, after = initial, 0
    while True:
        page = await log.read(channel, after=after, limit=MAX_PAGE_MESSAGES, max_bytes=MAX_PAGE_BYTES)
        if page.head > after and not page.entries:
            raise LogUnreadableError(f"{channel} has no entry {after + 1}, and its head is {page.head}")
        for entry in page.entries:
            state, after = fold(state, entry), entry.seq
        if after >= page.head:
            return state


@contextmanager
def append_errors() -> Iterator[None]:
    """Turn the log's errors at an append into those of the wire."""
    try:
        yield
    except LogFullError as error:
        message = "the office's storage is full; nothing was stored"
        raise Unavailable(message, ErrorCode.STORAGE_FULL, retry_after_ms=5000) from error
    except LogUnavailableError as error:
        raise Unavailable("the log can't be used now; nothing was stored") from error
    except UnknownOutcomeError as error:
        message = "it is not known whether this was stored; repeat it with its key"
        raise LiaisonError(ErrorCode.UNKNOWN_OUTCOME, message) from error


def readable_line(text: str) -> str:
    """Give a reason, an authority or a label without blanks at its ends. Raises Refused(INVALID)."""
    line = text.strip()
    if not line or not line.isprintable():
        raise Refused(ErrorCode.INVALID, "reason, authority and label are one line each that can be read")
    return line


def announce(hubs: Hubs, bus: Bus, epoch: int, entry: Entry) -> None:
    """Let this node and the others deliver an entry that was stored now."""
    hub = hubs.get(entry.channel)
    if hub is not None:
        hub.on_entries(epoch, (entry,))
    bus.publish(EntriesHint(entry.channel, epoch, (entry,)))


@dataclass(frozen=True, slots=True)
class Means:
    """What a register is read from, and what its changes are announced by."""

    log: Log
    hubs: Hubs
    bus: Bus
    clock: Clock


class Register(Generic[S]):
    """One channel's entries, folded. `fold(state, entry)` is pure and ignores entries it doesn't know."""

    def __init__(self, channel: ChannelId, initial: S, fold: Callable[[S, Entry], S], means: Means) -> None:
        self.channel: Final = channel
        self._initial = initial
        self._fold = fold
        self._log, self._hubs, self._bus, self._clock = means.log, means.hubs, means.bus, means.clock
        self._epoch = 0
        self._head = 0
        self._state = initial

    @property
    def epoch(self) -> int:
        """The epoch of what `current` gave last, 0 before."""
        return self._epoch

    async def current(self) -> S:
        """Give the state at the log's head as it is now. Raises LogUnavailableError, LogUnreadableError."""
        while True:
            page = await self._log.read(
                self.channel, after=self._head, limit=MAX_PAGE_MESSAGES, max_bytes=MAX_PAGE_BYTES
            )
            if page.epoch != self._epoch:
                # A restore: what was folded may not be there any more.
                fresh_start = self._epoch != 0
                self._epoch, self._head, self._state = page.epoch, 0, self._initial
                if fresh_start:
                    continue
            if page.head > self._head and (not page.entries or page.entries[0].seq > self._head + 1):
                raise LogUnreadableError(f"{self.channel} has no entry {self._head + 1}, and its head is {page.head}")
            # Two readers at once fold each entry once: what the other one took is skipped.
            for entry in page.entries:
                if entry.seq == self._head + 1:
                    self._state = self._fold(self._state, entry)
                    self._head = entry.seq
            if page.head <= self._head:
                return self._state

    async def record(self, decide: Callable[[S], Draft]) -> Recorded[S]:
        """Append what `decide(state)` gives, by the newest state; it may be called several times.

        `decide` raises Refused when the state does not allow the change. A draft whose key is on the log already with
        the same body is answered with what it came to then.

        Raises:
            Refused: by `decide`; CONFLICT when the key was used for something else.
            Unavailable: definitely not stored.
            LiaisonError: UNKNOWN_OUTCOME; repeat with the same key.
        """
        with append_errors():
            for _ in range(_MAX_ATTEMPTS):
                state = await self.current()
                head = self._head
                draft = decide(state)
                try:
                    return await self._append(draft, head)
                except HeadMovedError:
                    continue
        raise Unavailable("too many others change this at the moment; nothing was stored", ErrorCode.BUSY)

    async def _append(self, draft: Draft, head: int) -> Recorded[S]:
        appended = await self._log.append(self.channel, [draft], self._clock.wall_ms(), expect_head=head)
        match appended.outcomes[0]:
            case Stored(entry):
                announce(self._hubs, self._bus, appended.epoch, entry)
                return Recorded(await self.current(), entry.seq, appended.epoch, entry.time_ms, duplicate=False)
            case Repeated(seq, time_ms):
                return Recorded(await self.current(), seq, appended.epoch, time_ms, duplicate=True)
            case Conflicting():
                raise Refused(ErrorCode.CONFLICT, "this key was used for something else")
            case Held():
                raise AssertionError("a register's channel is never suspended")


class Registers:
    """A node's registers, each folded once, whoever looks at it."""

    def __init__(self, log: Log, hubs: Hubs, bus: Bus, clock: Clock) -> None:
        self._means = Means(log, hubs, bus, clock)
        self._known: dict[tuple[ChannelId, Callable[[Any, Entry], Any]], Register[Any]] = {}

    def of(self, channel: ChannelId, initial: S, fold: Callable[[S, Entry], S]) -> Register[S]:
        """Give the register that folds a channel's entries by `fold`, which always begins with `initial`."""
        return self._known.setdefault((channel, fold), Register(channel, initial, fold, self._means))
