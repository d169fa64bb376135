"""The upgrade of an HTTP request to a WebSocket session. (PROTOCOL.md §3.1)"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from websockets.frames import Opcode

from liaison.edges.addresses import ClientPace, address_class
from liaison.edges.coalescing import ConnectionGroup
from liaison.edges.credentials import has_allowed_origin, presented
from liaison.edges.handover import ConnectionGone, HandedOver, take_transport
from liaison.edges.request_head import RequestHead, read_plain_upgrade
from liaison.edges.responses import refusal
from liaison.edges.settings import EdgeSettings
from liaison.edges.socket_protocol import SocketLimits, SocketProtocol
from liaison.office.office import Office
from liaison.office.sessions import Peer, Session
from liaison.protocol.codec import WireFormat
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused
from liaison.protocol.names import SUBPROTOCOLS

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_USER_AGENT_CHARS: Final = 128
_LIMITS: Final[Mapping[WireFormat, SocketLimits]] = {
    WireFormat.MSGPACK: SocketLimits(Opcode.BINARY),
    WireFormat.JSON: SocketLimits(Opcode.TEXT),
}


@dataclass(frozen=True, slots=True)
class _Opened:
    """A socket and its session, not begun, and the answer that ends HTTP on their connection."""

    socket: SocketProtocol
    session: Session
    answer: bytes


class Upgrades:
    """Answers GET on the socket's path."""

    def __init__(self, office: Office, group: ConnectionGroup, pace: ClientPace, settings: EdgeSettings) -> None:
        self._office = office
        self._group = group
        self._pace = pace
        self._settings = settings

    async def upgrade(self, request: web.Request) -> web.StreamResponse:
        """Check the request, hand the connection to a session, and let go of it.

        Raises LiaisonError: INVALID for a bad handshake, ORIGIN_REFUSED, RATE_LIMITED, DRAINING.
        """
        if "Upgrade" not in request.headers:
            return self._tell_versions(request)
        if request.transport is None:
            return web.Response()
        opened = self._open(request, request.transport)
        try:
            _, first_bytes = take_transport(request, opened.answer)
        except ConnectionGone:
            opened.session.on_closed("broken")
            raise
        opened.socket.begin(opened.session, first_bytes)
        return HandedOver()

    def upgrade_plain(self, transport: asyncio.Transport, data: bytes) -> bool:
        """Do the same with the first bytes of a connection, if they are a plain upgrade that is let in.

        False: nothing was done, and these bytes are a request like any other.
        """
        peer = transport.get_extra_info("peername")
        read = read_plain_upgrade(data, peer[0] if isinstance(peer, tuple) else None)
        if read is None or transport.is_closing():
            return False
        request, first_bytes = read
        try:
            # Refused before `_open` counts a connect, for it would be counted again.
            self._secret(request)
            opened = self._open(request, transport)
        except LiaisonError:
            # It is said, and counted, where every other refusal is.
            return False
        transport.write(opened.answer)
        opened.socket.begin(opened.session, first_bytes)
        return True

    def _open(self, request: RequestHead, transport: asyncio.Transport) -> "_Opened":
        """Check the handshake and open a session. Raises LiaisonError."""
        accept = accept_value(request)
        wire = negotiate(request)
        address = self._pace.admit(request)
        secret = self._secret(request)
        peer = Peer(
            address_class(address),
            f"websocket {wire.value.rpartition('.')[2]}",
            request.headers.get("User-Agent", "")[:_MAX_USER_AGENT_CHARS],
        )
        socket = SocketProtocol(transport, self._group, _LIMITS[wire])
        session = self._office.open_session(socket, wire, secret, peer)
        return _Opened(socket, session, switching_protocols(accept, wire.value))

    def _tell_versions(self, request: web.Request) -> web.Response:
        """Refuse what is no handshake, and say what is spoken: a browser tells its page nothing of one that failed."""
        error = Refused(ErrorCode.INVALID, "this path speaks WebSocket: Connection: Upgrade, Upgrade: websocket")
        response = refusal(request, self._office.error_reply(0, error, transport="http"), 400)
        response.headers["Sec-WebSocket-Protocol"] = ", ".join(SUBPROTOCOLS)
        return response

    def _secret(self, request: RequestHead) -> str:
        """Give the secret that counts when `connect` brings none. A browser always says its origin here."""
        secret = presented(request, uses_tls=self._settings.uses_tls)
        if not secret.is_cookie:
            return secret.secret
        if "Origin" in request.headers:
            if not has_allowed_origin(request, self._settings.allowed_origins):
                raise Refused(ErrorCode.ORIGIN_REFUSED, "this origin may not open a connection")
            return secret.secret
        # Neither a browser nor somebody with a token in the header: only what `connect` brings can count.
        return ""


def accept_value(request: RequestHead) -> str:
    """Check the handshake and give Sec-WebSocket-Accept. (RFC 6455 §4.2) Raises Refused(INVALID)."""
    headers = request.headers
    connection = {token.strip().lower() for value in headers.getall("Connection", []) for token in value.split(",")}
    if headers.get("Upgrade", "").strip().lower() != "websocket" or "upgrade" not in connection:
        raise Refused(ErrorCode.INVALID, "this path speaks WebSocket: Connection: Upgrade, Upgrade: websocket")
    if headers.get("Sec-WebSocket-Version", "") != "13":
        raise Refused(ErrorCode.INVALID, "Sec-WebSocket-Version must be 13")
    key = headers.get("Sec-WebSocket-Key", "")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key:
        raise Refused(ErrorCode.INVALID, "Sec-WebSocket-Key must be 16 bytes in base64")
    # The RFC wants SHA-1; nothing is protected by it.
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def negotiate(request: RequestHead) -> WireFormat:
    """Give the client's first subprotocol that we speak. Raises Refused(INVALID) when there is none."""
    for value in request.headers.getall("Sec-WebSocket-Protocol", []):
        for offered in value.split(","):
            if offered.strip() in SUBPROTOCOLS:
                return WireFormat(offered.strip())
    raise Refused(ErrorCode.INVALID, f"offer one of these in Sec-WebSocket-Protocol: {', '.join(SUBPROTOCOLS)}")


def switching_protocols(accept: str, subprotocol: str) -> bytes:
    """Give the head of the answer that ends HTTP on this connection. No extension is ever agreed to."""
    lines = (
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
        *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
