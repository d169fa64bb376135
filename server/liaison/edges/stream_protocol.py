"""A server-sent event stream after its headers: events out, heartbeat comments, nothing is read. (PROTOCOL.md §10.3)"""

from typing import Final

from liaison.edges.coalescing import CoalescingConnection, spoken
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.limits import PING_INTERVAL_MS

# A line that starts with a colon is a comment; it keeps proxies from taking the stream for dead.
_HEARTBEAT: Final = b": still here\n\n"


class StreamProtocol(CoalescingConnection):
    """One event stream. Its body has no length: it ends when the connection does, and browsers then come back."""

    __slots__ = ()

    def close(self, code: CloseCode, reason: str) -> None:
        """Send what is queued and end; an event stream has no place for the code."""
        if not self._is_closing:
            self._cause = self._cause or spoken(code)
            self._begin_closing()
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """A client has nothing to say behind its request; what it says is dropped."""

    def eof_received(self) -> bool:
        """Whoever ends the request's direction has gone."""
        self._cause = self._cause or "closed"
        return False

    def _on_heartbeat(self) -> None:
        self._queue(_HEARTBEAT)
        self._group.wheel.schedule(self, PING_INTERVAL_MS)

    def _on_unblocked(self) -> None:
        self._group.wheel.schedule(self, PING_INTERVAL_MS)
