"""Taking a connection away from aiohttp, with all that it keeps for it."""

import asyncio

from aiohttp import web

from liaison.edges.doorkeeper import door_of


class ConnectionGone(Exception):
    """The client left before its connection could be handed over; there is nobody to answer."""


class HandedOver(web.StreamResponse):
    """What a handler returns once its connection isn't aiohttp's any more: sent to nobody."""

    @property
    def prepared(self) -> bool:
        """Yes: no middleware has anything to add."""
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write no head."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Write no end."""


class _Remainder:
    """Takes the bytes that came behind a request; aiohttp gives them to whoever says that it reads from now on."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Keep them. The answer is aiohttp's convention for more to come."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Nothing depends on the end."""


def take_transport(request: web.Request, head: bytes) -> tuple[asyncio.Transport, bytes]:
    """Write the response's head and detach the transport; give it with the bytes that came behind the request.

    The transport still has its old protocol, which ignores it: set another one before the loop turns. aiohttp is told
    that the connection is lost, so that its handler, task and buffers go. The request's handler then returns
    `HandedOver`.

    Raises:
        ConnectionGone: the connection is lost already.
    """
    handler, transport, door = request.protocol, request.transport, door_of(request)
    if transport is None or transport.is_closing():
        raise ConnectionGone
    transport.write(head)
    remainder = _Remainder()
    # Only these two methods of a parser are used; the parameter's type names aiohttp's own.
    handler.set_parser(remainder)  # type: ignore[arg-type]
    if door is not None:
        door.hand_over()
    # Without this, connection_lost would close the transport.
    handler.transport = None
    handler.connection_lost(None)
    return transport, remainder.data
