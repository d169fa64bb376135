"""A client's link to a node: two ordered streams of bytes with delay, that can break, stall or go half-open.

The server's half is a real ports.connection.Connection with a bounded buffer; what it sends are finished WebSocket
frames, and the client's half takes them apart again.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from liaison.office.sessions import Session
from liaison.protocol.close_codes import CloseCode

MEAN_DELAY_S = 0.010
HIGH_WATER_BYTES = 32 * 1024
LOW_WATER_BYTES = 8 * 1024
# As the WebSocket edge: a ping every 15 s and 10 s for the answer.
NO_PONG_S = 25.0
SLOW_S = 30.0


class ClientEnd(Protocol):
    """What the client does with what arrives."""

    def on_frame(self, link: "Link", payload: bytes) -> None: ...

    def on_link_closed(self, link: "Link", code: int | None) -> None: ...


class Link:
    """One connection. `is_dead_end` is half-open: both sides think it is there, and nothing arrives any more."""

    def __init__(self, rng: random.Random, client: ClientEnd) -> None:
        self._loop = asyncio.get_running_loop()
        self._rng = rng
        self._client = client
        self._session: Session | None = None
        self.is_open = True
        self.is_dead_end = False
        self._stalled_until = 0.0
        self._to_client: deque[bytes] = deque()
        self._to_client_bytes = 0
        self._delivering = False
        self._last_up = 0.0
        self._was_full = False
        self._closing: CloseCode | None = None
        self._server_knows = False

    def attach(self, session: Session) -> None:
        """Name the server's end."""
        self._session = session

    # --- the server's half: ports.connection.Connection -----------------------------------------------------------

    def send(self, frames: bytes) -> None:
        if self.is_open and self._closing is None:
            self._to_client.append(frames)
            self._to_client_bytes += len(frames)
            self._was_full = self._was_full or self._to_client_bytes > HIGH_WATER_BYTES
            self._deliver_later()

    def offer(self, frames: bytes) -> bool:
        is_taken = self.is_writable
        if is_taken:
            self.send(frames)
        return is_taken

    @property
    def has_unread(self) -> bool:
        return False

    @property
    def is_writable(self) -> bool:
        return not self._was_full

    def buffered_bytes(self) -> int:
        return self._to_client_bytes

    def close(self, code: CloseCode, reason: str) -> None:
        if self._closing is None:
            self._closing = code
            self._deliver_later()

    def pause_reading(self) -> None:
        """Reading goes on: the inbox's own bound is what is tested here."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def _deliver_later(self) -> None:
        if not self._delivering:
            self._delivering = True
            delay = max(self._rng.expovariate(1 / MEAN_DELAY_S), self._stalled_until - self._loop.time())
            self._loop.call_later(delay, self._deliver)

    def _deliver(self) -> None:
        self._delivering = False
        if not self.is_open or self.is_dead_end:
            return
        if self._loop.time() < self._stalled_until:
            self._deliver_later()
            return
        # One piece a turn, so that a link can break between any two.
        if self._to_client:
            piece = self._to_client.popleft()
            self._to_client_bytes -= len(piece)
            for payload in split_frames(piece):
                if self.is_open:
                    self._client.on_frame(self, payload)
            if self._was_full and self._to_client_bytes < LOW_WATER_BYTES:
                self._was_full = False
                if self._session is not None and self.is_open:
                    self._session.on_writable()
        if self._to_client:
            self._deliver_later()
        elif self._closing is not None:
            self.break_off(self._closing, "closed")

    # --- the client's half ----------------------------------------------------------------------------------------

    def send_up(self, payload: bytes) -> None:
        """Send one command."""
        self._up(lambda session: session.receive(payload, is_text=False))

    def _up(self, act: Callable[[Session], None]) -> None:
        at = max(self._loop.time() + self._rng.expovariate(1 / MEAN_DELAY_S), self._stalled_until)
        # Later by a microsecond at least: the loop keeps no order between timers of the same moment.
        at = max(at, self._last_up + 1e-6)
        self._last_up = at

        def arrive() -> None:
            if self.is_open and not self.is_dead_end and self._session is not None:
                act(self._session)

        self._loop.call_at(at, arrive)

    def hang_up(self) -> None:
        """The client closes, cleanly or because it has waited long enough."""
        if self.is_open and self.is_dead_end:
            # The server hears nothing of it and finds out by its ping.
            self.is_open = False
            self._client.on_link_closed(self, None)
        elif self.is_open:
            self.break_off(None, "closed")

    # --- faults ---------------------------------------------------------------------------------------------------

    def break_off(self, code: CloseCode | None, cause: str) -> None:
        """End both halves."""
        if self.is_open:
            self.is_open = False
            self._client.on_link_closed(self, None if code is None else int(code))
        self._tell_server(cause)

    def vanish(self) -> None:
        """The node is gone: nobody is left to tell on its side, and the client learns by a reset."""
        self._server_knows = True
        if self.is_open:
            self.is_open = False
            self._loop.call_later(self._rng.uniform(0, 0.05), self._client.on_link_closed, self, None)

    def go_half_open(self) -> None:
        """Nothing arrives any more on either side; each finds out by its own time limit."""
        if self.is_open and not self.is_dead_end:
            self.is_dead_end = True
            self._loop.call_later(self._rng.uniform(NO_PONG_S - 15, NO_PONG_S), self._tell_server, "no pong")

    def stall(self, seconds: float) -> None:
        """Deliver nothing for a while, either way."""
        self._stalled_until = max(self._stalled_until, self._loop.time() + seconds)

    def _tell_server(self, cause: str) -> None:
        if not self._server_knows and self._session is not None:
            self._server_knows = True
            self._session.on_closed(cause)


def split_frames(data: bytes) -> Iterator[bytes]:
    """Give the payloads of a run of finished, unmasked WebSocket frames."""
    at = 0
    while at < len(data):
        size, at = data[at + 1], at + 2
        if size == 126:
            size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
        elif size == 127:
            size, at = int.from_bytes(data[at : at + 8], "big"), at + 8
        yield data[at : at + size]
        at += size
