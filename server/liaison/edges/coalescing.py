"""The sending half of every long-lived connection: what a turn of the loop queues for it leaves in one write.

Joining frames is worth more than anything else on this path: a write costs the kernel 6 to 9 µs, whatever is in it. One
callback writes for all connections of a node, and one timer wheel holds all their deadlines; at rest a connection owns
neither a task nor a timer.

Where there is nothing to join, what stands between us and the kernel's write counts. So a connection without TLS writes
to its socket itself for as long as the kernel takes everything, and only what it doesn't take is the transport's.
"""

import asyncio
import os
import random
import sys
from abc import abstractmethod
from typing import Final, Protocol

from liaison.edges.intake import Intake
from liaison.edges.timer_wheel import TimerWheel
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.limits import PING_INTERVAL_MS, SLOW_TIMEOUT_MS

# Together with the listener's SO_SNDBUF this is what a reader that stopped can hold of us.
HIGH_WATER_BYTES: Final = 64 * 1024
LOW_WATER_BYTES: Final = 16 * 1024
# Replies may still be added to a socket that is full: pages of history that were asked for before. Reading stops as
# well then, so what can come is bounded by the commands in flight; this is the bound for the worst of them.
MAX_BUFFERED_BYTES: Final = 4 * 1024 * 1024
CLOSE_TIMEOUT_MS: Final = 2_000


class Source(Protocol):
    """Who feeds a connection: the office's session or follower. Neither method may raise."""

    def on_writable(self) -> None:
        """The connection drained: `is_writable` is true again."""
        ...

    def on_closed(self, cause: str) -> None:
        """The connection is over, for the given cause; called exactly once, and nothing is called after it."""
        ...


class ConnectionGroup:
    """All long-lived connections of a node. `rng` spreads their heartbeats, for many come at once after a restart."""

    def __init__(
        self,
        wheel: TimerWheel,
        rng: random.Random,
        *,
        intake: Intake | None = None,
        max_buffered_bytes: int = MAX_BUFFERED_BYTES,
    ) -> None:
        self.wheel = wheel
        self.intake = intake or Intake()
        self.max_buffered_bytes = max_buffered_bytes
        self._rng = rng
        self._members: set[CoalescingConnection] = set()
        # Those that have queued something in this turn of the loop; whoever adds the first one calls `flush_soon`.
        self.unflushed: list[CoalescingConnection] = []
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._members)

    def first_heartbeat_delay_ms(self) -> int:
        """Give a random part of the heartbeat's interval."""
        return round(self._rng.random() * PING_INTERVAL_MS)

    def add(self, connection: "CoalescingConnection") -> None:
        """Count a connection as one of this node's."""
        self._members.add(connection)
        self._emptied.clear()

    def discard(self, connection: "CoalescingConnection") -> None:
        """Forget a connection that is over; idempotent."""
        self._members.discard(connection)
        if not self._members:
            self._emptied.set()

    def flush_soon(self) -> None:
        """Write what the connections in `unflushed` have queued once this turn of the loop is over."""
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        connections = self.unflushed.copy()
        # The list itself stays: connections know it.
        self.unflushed.clear()
        for connection in connections:
            connection.flush()

    async def close(self, code: CloseCode, reason: str) -> None:
        """End every connection; returns when all are gone, after about two seconds at the latest."""
        for connection in list(self._members):
            connection.close(code, reason)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_MS / 1000):
                await self._emptied.wait()
        except TimeoutError:
            for connection in list(self._members):
                connection.abort()


class CoalescingConnection(asyncio.Protocol):
    """ports.connection.Connection over a transport that was handed to us with `transport.set_protocol`.

    The two kinds of connection inherit this and don't hold it, because a call more for each delivery would cost a
    tenth of what a delivery costs. A connection has one deadline: its next heartbeat; while the peer takes too little,
    the end of our patience; once it is closing, the end itself.
    """

    __slots__ = (
        "_cause",
        "_fd",
        "_group",
        "_handed_bytes",
        "_has_begun",
        "_is_blocked",
        "_is_closing",
        "_more_pending",
        "_pending",
        "_pending_bytes",
        "_reading_paused",
        "_source",
        "_taken_bytes",
        "_transport",
        "_transport_has_some",
        "_unflushed",
    )

    def __init__(self, transport: asyncio.Transport, group: ConnectionGroup) -> None:
        self._transport = transport
        self._fd = _descriptor(transport)
        # Whatever was written before, as the end of the upgrade, must not be overtaken.
        self._transport_has_some = True
        self._group = group
        self._source: Source | None = None
        self._unflushed = group.unflushed
        # What this turn of the loop has queued. Nearly always it is one piece, and a list would be made for each.
        self._pending = b""
        self._more_pending: list[bytes] = []
        self._pending_bytes = 0
        self._handed_bytes = 0
        self._taken_bytes = 0
        self._has_begun = False
        self._is_blocked = False
        self._is_closing = False
        self._reading_paused = False
        self._cause = ""

    def take_over(self, source: Source) -> None:
        """Become the transport's protocol. What `send` was given before goes now."""
        self._source = source
        self._has_begun = True
        self._group.add(self)
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES, low=LOW_WATER_BYTES)
        self._transport.set_protocol(self)
        if self._transport.is_closing():
            # Whoever had the transport before us has been told of its end; we never will be.
            self.connection_lost(None)
            return
        if not self._is_closing:
            self._group.wheel.schedule(self, self._group.first_heartbeat_delay_ms())
        self.flush()

    # --------------------------------------------------------------------------------------------------- for the office

    def send(self, frames: bytes) -> None:
        """Queue finished frames; all of this turn of the loop leave in one write."""
        if not self._is_closing:
            self._queue(frames)

    def offer(self, frames: bytes) -> bool:
        """Queue finished frames like `send`, unless `is_writable` is false; then do nothing and say so.

        Written out here, because each call within would cost a delivery where nothing can be joined 1 %.
        """
        if self._is_blocked or self._pending_bytes > HIGH_WATER_BYTES:
            return False
        if self._is_closing:
            return True
        if self._pending_bytes:
            self._more_pending.append(frames)
        else:
            self._pending = frames
            unflushed = self._unflushed
            if not unflushed:
                self._group.flush_soon()
            unflushed.append(self)
        self._pending_bytes += len(frames)
        return True

    @property
    def has_unread(self) -> bool:
        """Nothing waits to be read where nothing comes; ports.connection.Connection."""
        return False

    @property
    def is_writable(self) -> bool:
        """False while the peer takes too little, or while this turn has queued more than a connection should hold."""
        return not self._is_blocked and self._pending_bytes <= HIGH_WATER_BYTES

    def buffered_bytes(self) -> int:
        """How much waits for the peer, beside what the kernel holds."""
        return self._pending_bytes + self._transport.get_write_buffer_size()

    @abstractmethod
    def close(self, code: CloseCode, reason: str) -> None:
        """Send what is queued, then end; idempotent."""

    def abort(self) -> None:
        """Drop the connection and what is queued."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Take no more from the peer."""
        self._reading_paused = True
        self._stop_reading()

    def resume_reading(self) -> None:
        """Take from the peer again, unless it has to take from us first."""
        self._reading_paused = False
        self._read_on()

    @property
    def _takes(self) -> bool:
        """Whether the peer is read: neither the source nor a peer that takes too little stopped it, or all ends."""
        return self._is_closing or not (self._reading_paused or self._is_blocked)

    def _stop_reading(self) -> None:
        # Whatever comes while we close has to be read: the peer's answer is behind it.
        if not self._is_closing and not self._transport.is_closing():
            self._transport.pause_reading()

    def _read_on(self) -> None:
        """Take from the peer again, if nothing stands against it any more."""
        if self._takes and not self._transport.is_closing():
            self._transport.resume_reading()

    # ------------------------------------------------------------------------------------------------------ the writing

    def _queue(self, frames: bytes) -> None:
        if self._pending_bytes:
            self._more_pending.append(frames)
        else:
            self._pending = frames
            if not self._unflushed:
                self._group.flush_soon()
            self._unflushed.append(self)
        self._pending_bytes += len(frames)

    def flush(self) -> None:
        """Write what is queued, as one piece."""
        size = self._pending_bytes
        if not size or not self._has_begun:
            return
        frames, self._pending, self._pending_bytes = self._pending, b"", 0
        if self._more_pending:
            frames = b"".join((frames, *self._more_pending))
            self._more_pending = []
        # This also guards the descriptor: once the transport closes, its number may be another connection's.
        if self._transport.is_closing():
            return
        self._handed_bytes += size
        if self._transport_has_some:
            self._transport_has_some = self._fd < 0 or self._transport.get_write_buffer_size() > 0
        if not self._transport_has_some:
            try:
                written = os.write(self._fd, frames)
            except OSError:
                # Full, or broken, which the transport finds out as well and tells in its own way.
                written = 0
            frames = frames[written:]
        if frames:
            self._transport_has_some = True
            self._transport.write(frames)
        if self._is_blocked or size > HIGH_WATER_BYTES:
            self._judge_backlog()

    def _judge_backlog(self) -> None:
        """Much was written at once, or to a peer that takes too little."""
        if self._is_closing:
            return
        if not self._is_blocked:
            # `is_writable` was false for this turn, although the transport never paused us.
            if self._source is not None:
                self._source.on_writable()
        elif self._transport.get_write_buffer_size() > self._group.max_buffered_bytes:
            self._give_up(CloseCode.SLOW, "too much waits for this client", "slow")

    def pause_writing(self) -> None:
        """The transport holds more than the high-water mark: the peer takes too little.

        Reading stops too. Otherwise a peer that asks and never reads makes us collect answers without bound.
        """
        self._is_blocked = True
        if not self._is_closing:
            self._taken_bytes = self._taken()
            self._group.wheel.schedule(self, SLOW_TIMEOUT_MS)
            self._stop_reading()

    def resume_writing(self) -> None:
        """The transport is below the low-water mark again."""
        self._is_blocked = False
        if self._is_closing:
            return
        self._read_on()
        self._on_unblocked()
        if self._source is not None:
            self._source.on_writable()

    def _taken(self) -> int:
        return self._handed_bytes - self._transport.get_write_buffer_size()

    # ---------------------------------------------------------------------------------------------------------- the end

    def _begin_closing(self) -> None:
        """Write what is queued at once; the connection is gone in two seconds, whatever the peer does. Idempotent."""
        was_closing, self._is_closing = self._is_closing, True
        self.flush()
        if was_closing:
            return
        self._group.wheel.schedule(self, CLOSE_TIMEOUT_MS)
        if self._is_blocked or self._reading_paused:
            self._read_on()

    def _give_up(self, code: CloseCode, reason: str, cause: str) -> None:
        """End from our side, and tell the source at once: this peer may never answer."""
        self._cause = cause
        self.close(code, reason)
        self._report()

    def _report(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.on_closed(self._cause or "broken")

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self._is_closing = True
        self._group.wheel.cancel(self)
        self._group.discard(self)
        self._pending, self._more_pending, self._pending_bytes = b"", [], 0
        self._report()

    # -------------------------------------------------------------------------------------------------------- deadlines

    def on_due(self, now_ms: int) -> None:
        """The deadline passed: a heartbeat is due, or the peer is given up."""
        if self._is_closing:
            self._transport.abort()
        elif not self._is_blocked:
            self._on_heartbeat()
        elif (taken := self._taken()) == self._taken_bytes:
            self._give_up(CloseCode.SLOW, "took nothing for 30 seconds", "slow")
        else:
            self._taken_bytes = taken
            self._group.wheel.schedule(self, SLOW_TIMEOUT_MS)

    @abstractmethod
    def _on_heartbeat(self) -> None:
        """The heartbeat's deadline passed; must schedule the next one or end."""

    @abstractmethod
    def _on_unblocked(self) -> None:
        """The peer takes again after it had taken too little; must schedule the next heartbeat."""


def spoken(code: CloseCode) -> str:
    """Give a close code as a cause for people: `unknown outcome`."""
    return code.name.lower().replace("_", " ")


def _descriptor(transport: asyncio.Transport) -> int:
    """Give the socket that frames may be written to past the transport; -1 where they must go through it."""
    sock = transport.get_extra_info("socket")
    has_tls = transport.get_extra_info("sslcontext") is not None
    # On Windows a socket is no file.
    return -1 if sock is None or has_tls or sys.platform == "win32" else int(sock.fileno())
