"""At the door: who may connect, and how long anybody may take over an HTTP request. (PROTOCOL.md §9)

aiohttp bounds how long a connection may idle, not how long a request may trickle in or a response out. So its protocol
for each connection is wrapped in one of ours for as long as the connection speaks HTTP, and a connection that has
overstayed is dropped whatever it is in the middle of.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, cast

from aiohttp import web

from liaison.edges.addresses import ConnectPace, is_trusted
from liaison.edges.settings import EdgeSettings
from liaison.edges.timer_wheel import TimerWheel
from liaison.ports.clock import Clock
from liaison.protocol.limits import SLOW_TIMEOUT_MS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Makes a connection's first bytes a socket, if they ask for one as nearly all do; or does nothing and says so.
UpgradePlain = Callable[[asyncio.Transport, bytes], bool]

_WRITE_BUFFER_BYTES: Final = 64 * 1024


class Doorkeeper:
    """Makes the protocol of each accepted connection. `on_refused` hears of each that was dropped at once."""

    def __init__(
        self,
        wheel: TimerWheel,
        clock: Clock,
        pace: ConnectPace,
        settings: EdgeSettings,
        on_refused: Callable[[], None],
    ) -> None:
        self.wheel = wheel
        self.handshake_timeout_ms = settings.handshake_timeout_ms
        self.keepalive_timeout_ms = settings.keepalive_timeout_ms
        self._clock = clock
        self._pace = pace
        self._trusted_proxies = settings.trusted_proxies
        self._on_refused = on_refused
        # Those that have sent nothing yet: nobody else knows of them.
        self.silent: set[DoorProtocol] = set()

    def admits(self, address: str) -> bool:
        """Count a connect of this peer, and say whether it may. Those behind a trusted proxy are counted by request."""
        if is_trusted(address, self._trusted_proxies):
            return True
        if self._pace.wait_ms(address, self._clock.monotonic_ms()):
            self._on_refused()
            return False
        return True

    def protocol_factory(self, server: web.Server, upgrade_plain: UpgradePlain) -> Callable[[], "DoorProtocol"]:
        """Give what the event loop calls for each accepted connection."""
        return lambda: DoorProtocol(self, server, upgrade_plain)

    def drop_silent(self) -> None:
        """End the connections that have sent nothing yet."""
        for door in list(self.silent):
            door.on_due(0)


def no_upgrade(_transport: asyncio.Transport, _data: bytes) -> bool:
    """For listeners that have no socket."""
    return False


class DoorProtocol(asyncio.Protocol):
    """Stands between the transport and aiohttp's handler, and drops the connection when its one deadline passes.

    The handler is made when the first bytes come, for most connections that ever come need none.

    The deadline is for: the next request to be complete, once its first byte or the connection itself has come; the
    peer to take the response; an idle connection to be used again. None runs while a request is being carried out.
    """

    __slots__ = ("_door", "_handler", "_has_more", "_request", "_server", "_transport", "_upgrade_plain")

    def __init__(self, door: Doorkeeper, server: web.Server, upgrade_plain: UpgradePlain) -> None:
        self._door = door
        self._server = server
        self._upgrade_plain = upgrade_plain
        self._handler: web.RequestHandler | None = None
        self._transport: asyncio.Transport | None = None
        self._request: web.Request | None = None
        self._has_more = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the peer in, or drop it at once: a refusal that is written would cost more than it tells."""
        # uvloop's transports are none by inheritance.
        transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if not self._door.admits(peer[0] if isinstance(peer, tuple) else ""):
            transport.abort()
            return
        self._transport = transport
        self._door.silent.add(self)
        # From now on and not from its first byte, or a silent start would double a trickling request's time.
        self._has_more = True
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Pass on, and begin to count when these are the first bytes of a request."""
        if self._handler is None:
            if self._transport is None:
                return
            self._door.silent.discard(self)
            if self._upgrade_plain(self._transport, data):
                self.hand_over()
                return
            self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
            self._handler = self._server()
            self._handler.connection_made(self._transport)
        if self._request is None:
            if not self._has_more:
                self._has_more = True
                self._expect_request()
        elif self._request.content.is_eof():
            self._has_more = True
        self._handler.data_received(data)

    def _expect_request(self) -> None:
        self._door.wheel.schedule(self, self._door.handshake_timeout_ms)

    def request_began(self, request: web.Request) -> None:
        """A whole request head is here; the body has the time limit of whoever reads it."""
        self._request = request
        self._has_more = False
        self._door.wheel.cancel(self)

    def request_ended(self) -> None:
        """The response is ready; the connection may be used again."""
        self._request = None
        if self._transport is None:
            return
        if self._has_more:
            self._expect_request()
        else:
            self._door.wheel.schedule(self, self._door.keepalive_timeout_ms)

    def hand_over(self) -> None:
        """Another protocol takes the transport, and with it all deadlines."""
        self._door.wheel.cancel(self)
        self._handler = None
        self._transport = None
        self._request = None

    def pause_writing(self) -> None:
        """The peer takes the response too slowly: from now on it has 30 seconds for what is buffered."""
        if self._handler is not None:
            self._door.wheel.schedule(self, SLOW_TIMEOUT_MS)
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        """The peer took the most of it."""
        if self._handler is not None:
            self._door.wheel.schedule(self, self._door.keepalive_timeout_ms)
            self._handler.resume_writing()

    def eof_received(self) -> None:
        """The peer ended its direction; the transport closes once what is buffered is out."""
        if self._handler is not None:
            self._handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._door.wheel.cancel(self)
        self._door.silent.discard(self)
        self._transport = None
        if self._handler is not None:
            self._handler.connection_lost(exc)
            self._handler = None

    def on_due(self, now_ms: int) -> None:
        """Overstayed."""
        if self._transport is not None:
            self._transport.abort()


def door_of(request: web.Request) -> DoorProtocol | None:
    """Give the protocol at the door of this request's connection; None once it was handed over or lost."""
    transport = request.transport
    protocol = None if transport is None else transport.get_protocol()
    return protocol if isinstance(protocol, DoorProtocol) else None


@web.middleware
async def keep_the_door(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection's door when a request begins and ends; the outermost middleware."""
    door = door_of(request)
    if door is not None:
        door.request_began(request)
    try:
        return await handler(request)
    finally:
        if door is not None and door_of(request) is door:
            door.request_ended()
