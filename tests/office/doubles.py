"""Small stand-ins for what the office's parts are given: a log in memory that can be held up, and a connection."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from liaison.core.entries import Draft, Entry, EntryKind, HeldDraft, Page, Repeated, Stored
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.position import Position
from liaison.office.hub import Hub
from liaison.ports.log import Appended
from liaison.protocol.close_codes import CloseCode

CHANNEL = ChannelId("joint/general")

# For offices that stand for hours of virtual time: asking the directory twice a second would be most of what those
# cost. What the tests themselves change there comes by the bus.
RARELY_MS = 20_000


def draft(number: int, sender: str = "south-1", text: str = "") -> Draft:
    side = DelegationId(sender.partition("-")[0])
    return Draft(UserId(sender), side, f"k{number}", EntryKind.TEXT, text=text or f"line {number}")


def entry(seq: int, channel: ChannelId = CHANNEL) -> Entry:
    return Entry(channel, seq, Millis(seq), b"\0" * 32, draft(seq))


class ListLog:
    """A log that keeps lists. `failures` are raised by the next appends, `read_failures` by the next reads.

    While `gate` is not set, appends and reads wait at it; `append_began` and `read_began` tell that one does.
    """

    def __init__(self) -> None:
        self.epoch = 1
        self.rows: dict[ChannelId, list[Entry]] = defaultdict(list)
        self.batches: list[list[str]] = []
        self.reads = 0
        self.failures: deque[Exception | None] = deque()
        self.read_failures: deque[Exception] = deque()
        self.gate = asyncio.Event()
        self.gate.set()
        self.read_gate = asyncio.Event()
        self.read_gate.set()
        self.append_began = asyncio.Event()
        self.read_began = asyncio.Event()

    def fill(self, number: int, channel: ChannelId = CHANNEL) -> None:
        head = len(self.rows[channel])
        self.rows[channel].extend(entry(seq, channel) for seq in range(head + 1, head + number + 1))

    def restore(self, number: int) -> None:
        """Begin a new epoch with so many entries."""
        self.epoch += 1
        self.rows[CHANNEL].clear()
        self.fill(number)

    async def append(
        self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
    ) -> Appended:
        self.batches.append([item.key for item in drafts])
        self.append_began.set()
        await self.gate.wait()
        failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            raise failure
        outcomes: list[Stored | Repeated] = []
        rows = self.rows[channel]
        for item in drafts:
            known = next((row for row in rows if (row.draft.sender, row.draft.key) == (item.sender, item.key)), None)
            if known is not None:
                outcomes.append(Repeated(known.seq, known.time_ms))
            else:
                rows.append(Entry(channel, len(rows) + 1, now_ms, b"\0" * 32, item))
                outcomes.append(Stored(rows[-1]))
        return Appended(self.epoch, tuple(outcomes))

    async def heads(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Position]:
        await self._read()
        return {channel: Position(self.epoch, len(self.rows[channel])) for channel in channels}

    async def read(self, channel: ChannelId, *, after: int, limit: int, max_bytes: int) -> Page:
        self.reads += 1
        await self._read()
        rows = self.rows[channel]
        return Page(self.epoch, len(rows), tuple(rows[after : after + limit]))

    async def read_before(self, channel: ChannelId, *, before: int, limit: int, max_bytes: int) -> Page:
        await self._read()
        rows = self.rows[channel]
        return Page(self.epoch, len(rows), tuple(rows[max(0, before - 1 - limit) : max(0, before - 1)]))

    async def entry(self, channel: ChannelId, seq: int) -> Entry | None:
        await self._read()
        rows = self.rows[channel]
        return rows[seq - 1] if 1 <= seq <= len(rows) else None

    async def withdrawn(self, channel: ChannelId, seq: int) -> bool:
        await self._read()
        return any(row.draft.kind is EntryKind.WITHDRAWAL and row.draft.ref == seq for row in self.rows[channel])

    async def signed_heads(self, channel: ChannelId, *, before: int | None, limit: int) -> Sequence[Entry]:
        await self._read()
        rows = [row for row in self.rows[channel] if row.draft.kind is EntryKind.SIGNED_HEAD]
        return [row for row in reversed(rows) if before is None or row.seq < before][:limit]

    async def suspended(self, channels: Sequence[ChannelId]) -> frozenset[ChannelId]:
        return frozenset()

    async def held(self, channel: ChannelId, *, after: int, limit: int) -> Sequence[HeldDraft]:
        return ()

    async def search(
        self, query: str, channels: Sequence[ChannelId], *, before_ms: Millis | None, limit: int
    ) -> tuple[Sequence[Entry], bool]:
        await self._read()
        found = [row for channel in channels for row in self.rows[channel] if query in row.draft.text]
        return found[::-1][:limit], len(found) > limit

    async def check(self) -> None:
        await self._read()

    async def _read(self) -> None:
        self.read_began.set()
        await self.read_gate.wait()
        # As from a database, an answer never comes in the same turn.
        await asyncio.sleep(0)
        if self.read_failures:
            raise self.read_failures.popleft()


class Wire:
    """ports.connection.Connection that keeps the frames it was given, decoded from msgpack or JSON."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.is_writable = True
        self.has_unread = False
        self.closed_with: tuple[CloseCode, str] | None = None
        self.is_reading = True
        # Called after each send: a socket may be full after any of them.
        self.after_send: Callable[[], None] = lambda: None

    def send(self, frames: bytes) -> None:
        if self.closed_with is None:
            self.frames.extend(msgspec.msgpack.decode(payload) for payload in _payloads(frames))
            self.after_send()

    def offer(self, frames: bytes) -> bool:
        if not self.is_writable:
            return False
        self.send(frames)
        return True

    def buffered_bytes(self) -> int:
        return 0

    def close(self, code: CloseCode, reason: str) -> None:
        if self.closed_with is None:
            self.closed_with = code, reason

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == type_]

    @property
    def seqs(self) -> list[int]:
        """The seqs of the messages that were sent, in order."""
        return [frame["seq"] for frame in self.of("message")]


def _payloads(data: bytes) -> list[bytes]:
    payloads, at = [], 0
    while at < len(data):
        size, start = data[at + 1], at + 2
        if size >= 126:
            start = at + (4 if size == 126 else 10)
            size = int.from_bytes(data[at + 2 : start], "big")
        payloads.append(data[start : start + size])
        at = start + size
    return payloads


class Tasks:
    """tasks.Spawn on a task group, where a failure is one of the test."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self.started: list[asyncio.Task[None]] = []

    def __call__(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        task = self._group.create_task(work, name=name)
        self.started.append(task)
        return task


async def nothing_to_prepare(_hub: Hub) -> None:
    """For hubs of a test that looks at no read positions."""
