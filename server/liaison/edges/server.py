"""Listening: sockets with bounded buffers, the door in front of aiohttp, and an orderly end. (PROTOCOL.md §9)"""

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web, web_response
from aiohttp.http_exceptions import HttpProcessingError

from liaison.edges.addresses import ClientPace, ConnectPace
from liaison.edges.app import Shared, build_app, build_metrics_app
from liaison.edges.coalescing import ConnectionGroup
from liaison.edges.doorkeeper import Doorkeeper, UpgradePlain, no_upgrade
from liaison.edges.metrics import Metrics
from liaison.edges.responses import SECURITY_HEADERS
from liaison.edges.settings import EdgeSettings
from liaison.edges.timer_wheel import TimerWheel
from liaison.edges.websocket import Upgrades
from liaison.office.office import Office
from liaison.protocol.close_codes import CloseCode

# A reader that stops hides 3.9 MB in the kernel's buffers by default; with this, what we notice and what it costs are
# the same. Accepted sockets inherit it.
SEND_BUFFER_BYTES: Final = 64 * 1024
# After a restart everybody comes back at once.
BACKLOG: Final = 4096
_SHUTDOWN_TIMEOUT_S: Final = 2.0
# How long to read on what a refused request still sends, so that its sender reads the refusal instead of a reset.
_LINGERING_S: Final = 2.0


class _ExpectGarbage(logging.Filter):
    """Drops aiohttp's stack traces over requests that can't be parsed: anybody can cause as many as they like."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)


_http_log = logging.getLogger("liaison.edges.http")
_http_log.addFilter(_ExpectGarbage())


# What can't be parsed is answered by aiohttp before any middleware of ours runs, and would tell everybody the versions
# of Python and aiohttp; there is no public way in between.
web_response.SERVER_SOFTWARE = SECURITY_HEADERS["Server"]  # type: ignore[attr-defined]  # A name without `as`.


def listen(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Open a listening socket; port 0 takes a free one. Raises OSError when the address can't be had.

    With `reuse_port` others of the same user may listen at the same port; the kernel deals connections out.
    """
    listener = bind(host, port, reuse_port=reuse_port)
    try:
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def prepare(listener: socket.socket) -> None:
    """Give a socket that somebody else made listen the properties that ours have."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setblocking(False)


def bind(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    """Take an address without listening there yet; see `listen`."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        prepare(listener)
        if family == socket.AF_INET6:
            # `::` then takes IPv4 as well, whatever the machine's default is.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


class EdgeServer:
    """Serves one office. `rng` spreads heartbeats; it needs to keep no secret."""

    def __init__(self, office: Office, settings: EdgeSettings, metrics: Metrics, rng: random.Random) -> None:
        self._settings = settings

        def loop_was_late(lag_ms: float) -> None:
            metrics.loop_was_late(lag_ms)
            office.statistics.loop_was_late(lag_ms)

        self._wheel = TimerWheel(office.clock, on_lag=loop_was_late)
        self._group = ConnectionGroup(self._wheel, rng)
        metrics.watch("liaison_connections", lambda: len(self._group))
        metrics.watch("liaison_bus_up", lambda: office.bus.is_up)
        metrics.watch("liaison_accounts_stale", lambda: office.registry.is_stale)
        metrics.watch("liaison_draining", lambda: office.is_draining)
        pace = ConnectPace(settings.connects_per_address_per_s)
        self._door = Doorkeeper(self._wheel, office.clock, pace, settings, on_refused=metrics.connect_refused)
        client_pace = ClientPace(pace, office.clock, settings.trusted_proxies)
        self._upgrades = Upgrades(office, self._group, client_pace, settings)
        self._app = build_app(office, settings, Shared(self._group, self._upgrades, client_pace, metrics))
        self._metrics_app = build_metrics_app(office, settings, metrics)
        self._servers: list[asyncio.Server] = []

    @asynccontextmanager
    async def serving(
        self,
        listeners: Sequence[socket.socket],
        *,
        tls: ssl.SSLContext | None = None,
        metrics_listeners: Sequence[socket.socket] = (),
    ) -> AsyncIterator[None]:
        """Accept connections while the context lasts; takes the sockets over and closes them.

        Leaving it ends what is still connected; drain the office before, so that clients know when to come back.
        """
        self._wheel.start()
        try:
            async with (
                self._accepting(self._app, listeners, tls, self._upgrades.upgrade_plain) as servers,
                self._accepting(self._metrics_app, metrics_listeners, None, no_upgrade),
            ):
                self._servers = servers
                try:
                    yield
                finally:
                    self.stop_accepting()
                    await self._group.close(CloseCode.SERVICE_RESTART, "restart")
        finally:
            self._wheel.stop()

    def stop_accepting(self) -> None:
        """Let nobody new in; those who are in stay, and a metrics port of its own goes on. Idempotent."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    @asynccontextmanager
    async def _accepting(
        self,
        app: web.Application,
        listeners: Sequence[socket.socket],
        tls: ssl.SSLContext | None,
        upgrade_plain: UpgradePlain,
    ) -> AsyncIterator[list[asyncio.Server]]:
        runner = web.AppRunner(
            app,
            access_log=None,
            # Bodies are small; one that unpacks into a thousand times its size is an attack.
            auto_decompress=False,
            # The door ends idle connections.
            keepalive_timeout=2 * self._settings.keepalive_timeout_ms / 1000,
            lingering_time=_LINGERING_S,
            logger=_http_log,
            shutdown_timeout=_SHUTDOWN_TIMEOUT_S,
        )
        await runner.setup()
        servers: list[asyncio.Server] = []
        try:
            assert runner.server is not None
            factory = self._door.protocol_factory(runner.server, upgrade_plain)
            loop = asyncio.get_running_loop()
            timeout_s = self._settings.handshake_timeout_ms / 1000 if tls is not None else None
            for listener in listeners:
                server = await loop.create_server(
                    factory, sock=listener, ssl=tls, ssl_handshake_timeout=timeout_s, backlog=BACKLOG
                )
                servers.append(server)
            yield servers
        finally:
            for server in servers:
                server.close()
            self._door.drop_silent()
            await runner.cleanup()
