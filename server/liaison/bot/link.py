"""The socket under a client: WebSocket messages in and out, and how it ended. The harness puts its own in its place."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol
from websockets.version import version as websockets_version

from liaison.bot.errors import FinalClose
from liaison.protocol.limits import HANDSHAKE_TIMEOUT_MS, PING_INTERVAL_MS, PONG_TIMEOUT_MS
from liaison.protocol.names import SUBPROTOCOL_MSGPACK, WEBSOCKET_PATH

# A page of history is cut at 512 KiB; the presence of 10,000 people takes about 1 MiB. The rest is room to grow.
MAX_INCOMING_BYTES: Final = 4 * 1024 * 1024
# HTTP answers of the 400s that a proxy or a busy server gives in passing; the others will be the same next time.
_PASSING_STATUSES: Final = frozenset({408, 421, 425, 429})

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_log = logging.getLogger(__name__)
# For websockets itself. At DEBUG it writes every header and frame, and so the token.
_wire_log = logging.getLogger(f"{__name__}.wire")
_wire_log.setLevel(logging.INFO)


class SocketClosed(Exception):
    """The connection ended: with a close code, or None when it just broke."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"{reason or 'the connection broke'} ({code})")
        self.code = code
        self.reason = reason


class CannotConnect(Exception):
    """No connection for now; trying again may help."""


class Socket(Protocol):
    """One open connection. `send` and `receive` raise SocketClosed once it has ended."""

    async def send(self, payload: bytes) -> None: ...

    async def receive(self) -> bytes | str: ...

    async def close(self, code: int) -> None:
        """End it; idempotent, returns within seconds."""
        ...


# Opens a connection. Raises CannotConnect, or FinalClose where trying again is no use.
Dial = Callable[[], Awaitable[Socket]]


def socket_url(url: str) -> str:
    """Turn an office's address into its socket's: http becomes ws, no path the standard one. Raises ValueError."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"{url!r} is no office's address: it looks like wss://office.example")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("the office's address holds no secrets and no query: the token is given separately")
    path = parts.path if parts.path.strip("/") else WEBSOCKET_PATH
    return urlunsplit((scheme, parts.netloc, path, "", ""))


class _Connect(connect):
    """websockets' own, but for redirects: the frame that follows holds the token, and only the office may get it."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def websocket_dial(url: str, token: str) -> Dial:
    """Give a dial for an office's socket address, with the token as a bearer in the handshake's header as well."""
    if url.startswith("ws:") and urlsplit(url).hostname not in _LOOPBACK:
        _log.warning("%s is not encrypted: everybody on the way can read the token. Use wss.", url)

    async def dial() -> Socket:
        try:
            connection = await _Connect(
                url,
                subprotocols=[Subprotocol(SUBPROTOCOL_MSGPACK)],
                additional_headers={"Authorization": f"Bearer {token}"},
                user_agent_header=f"liaison-bot websockets/{websockets_version}",
                open_timeout=HANDSHAKE_TIMEOUT_MS / 1000,
                ping_interval=PING_INTERVAL_MS / 1000,
                ping_timeout=PONG_TIMEOUT_MS / 1000,
                close_timeout=2,
                max_size=MAX_INCOMING_BYTES,
                # The server compresses nothing: it encodes a message once for everybody.
                compression=None,
                logger=_wire_log,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if 300 <= status < 500 and status not in _PASSING_STATUSES:
                raise FinalClose(status, f"{url} refused the connection with HTTP {status}") from error
            raise CannotConnect(f"HTTP {status}") from error
        except (OSError, WebSocketException) as error:
            raise CannotConnect(str(error) or type(error).__name__) from error
        if connection.subprotocol != SUBPROTOCOL_MSGPACK:
            await connection.close()
            raise FinalClose(None, f"the server at {url} does not speak {SUBPROTOCOL_MSGPACK}")
        return _WebSocket(connection)

    return dial


class _WebSocket:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, payload: bytes) -> None:
        try:
            await self._connection.send(payload)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> bytes | str:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self, code: int) -> None:
        await self._connection.close(code)


def _closed(error: ConnectionClosed) -> SocketClosed:
    # Only what the server said of its own accord counts. A close that we began, for want of a pong say, is a broken
    # connection, and the server's echo of our code is no verdict.
    if error.rcvd is None or error.rcvd_then_sent is False:
        return SocketClosed(None, error.sent.reason if error.sent else "")
    return SocketClosed(error.rcvd.code, error.rcvd.reason)
