"""A peer that writes its bytes by hand: no library minds its manners."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgpack
from websockets.frames import Frame, Opcode

from liaison.protocol.names import SUBPROTOCOL_MSGPACK, WEBSOCKET_PATH

PATIENCE_S: Final = 15.0


class RawPeer:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def frame(self, opcode: Opcode, payload: bytes = b"", *, fin: bool = True) -> None:
        self.write(Frame(opcode, payload, fin).serialize(mask=True))

    def command(self, type_: str, **fields: object) -> None:
        self.frame(Opcode.BINARY, msgpack.packb({"type": type_, "id": 1, **fields}))

    async def upgrade(self, *, subprotocol: str = SUBPROTOCOL_MSGPACK, headers: Mapping[str, str] = {}) -> None:
        """Become a WebSocket."""
        self.write(upgrade_request(subprotocol=subprotocol, headers=headers))
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert head.startswith(b"HTTP/1.1 101 "), head

    async def read_frame(self) -> tuple[int, bytes]:
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        return first & 0x0F, await self.reader.readexactly(size)

    async def close_code(self) -> int | None:
        """Read on to the close frame and give its code; None for a connection that just ended."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    opcode, payload = await self.read_frame()
                    if opcode == Opcode.CLOSE:
                        return int.from_bytes(payload[:2], "big")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def rest(self) -> bytes:
        """Read to the end."""
        try:
            return await asyncio.wait_for(self.reader.read(), PATIENCE_S)
        except ConnectionError:
            return b""


def upgrade_request(*, subprotocol: str = SUBPROTOCOL_MSGPACK, headers: Mapping[str, str] = {}) -> bytes:
    lines = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": subprotocol,
        **headers,
    }
    fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {WEBSOCKET_PATH} HTTP/1.1\r\n{fields}\r\n".encode()


@asynccontextmanager
async def raw_peer(port: int) -> AsyncIterator[RawPeer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.transport.abort()
