"""The connection code under test with an echo behind it, and a peer that writes its frames by hand."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from websockets.frames import Frame, Opcode

from liaison.edges.coalescing import ConnectionGroup
from liaison.edges.intake import Intake
from liaison.edges.server import listen
from liaison.edges.socket_protocol import SocketLimits, SocketProtocol
from liaison.edges.timer_wheel import TimerWheel
from liaison.protocol.codec import websocket_frame
from tests.hand_clock import HandClock


class Echo:
    """A receiver that sends every message back, and remembers what it was told."""

    def __init__(self, socket: SocketProtocol, *, max_frame_bytes: int) -> None:
        self.socket = socket
        self.max_frame_bytes = max_frame_bytes
        self.party = ("south", "south-1")
        self.received: list[bytes] = []
        self.causes: list[str] = []
        self.writable_calls = 0
        self.closed = asyncio.Event()
        self.writable = asyncio.Event()

    def receive(self, payload: bytes, *, is_text: bool) -> None:
        self.received.append(payload)
        self.socket.send(websocket_frame(payload, first_byte=0x81 if is_text else 0x82))

    def on_writable(self) -> None:
        self.writable_calls += 1
        self.writable.set()

    def on_closed(self, cause: str) -> None:
        self.causes.append(cause)
        self.closed.set()


class Peer:
    """The client's end of a connection, without any WebSocket library that would mind its manners."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, opcode: Opcode, payload: bytes = b"", *, fin: bool = True) -> None:
        self.writer.write(masked(opcode, payload, fin=fin))

    async def frame(self) -> tuple[int, bytes]:
        """Read one frame of the server's: its first byte and its payload."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        return first, await self.reader.readexactly(size)

    async def close_code(self) -> int:
        """Read on to the close frame, and give its code."""
        while True:
            first, payload = await self.frame()
            if first == 0x88:
                return int.from_bytes(payload[:2], "big")


def masked(opcode: Opcode, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Give a client's frame."""
    return Frame(opcode, payload, fin).serialize(mask=True)


@dataclass
class EchoServer:
    """Listens, and has every connection in `echoes`, oldest first."""

    port: int
    clock: HandClock
    wheel: TimerWheel
    group: ConnectionGroup
    echoes: list[Echo] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)

    def pass_time(self, ms: int) -> None:
        """Let time pass and everything happen that is due by then."""
        self.clock.advance(ms)
        self.wheel.turn()

    async def connect(self) -> tuple[Peer, Echo]:
        count = len(self.echoes)
        # Small receive buffers, so that a peer that doesn't read is felt soon, and one that reads a little as well.
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", self.port))
        peer = Peer(*await asyncio.open_connection(sock=plug, limit=1024))
        self.peers.append(peer)
        while len(self.echoes) == count:
            await asyncio.sleep(0)
        return peer, self.echoes[count]


class _Acceptor(asyncio.Protocol):
    def __init__(self, server: EchoServer, limits: SocketLimits, max_frame_bytes: int) -> None:
        self._server, self._limits, self._max_frame_bytes = server, limits, max_frame_bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        protocol = SocketProtocol(cast(asyncio.Transport, transport), self._server.group, self._limits)
        echo = Echo(protocol, max_frame_bytes=self._max_frame_bytes)
        self._server.echoes.append(echo)
        protocol.begin(echo, b"")


@asynccontextmanager
async def echo_server(limits: SocketLimits, *, max_frame_bytes: int = 64 * 1024) -> AsyncIterator[EchoServer]:
    """Serve echoes on loopback; the clock stands still until the test moves it."""
    listener = listen("127.0.0.1", 0)
    clock = HandClock()
    wheel = TimerWheel(clock)
    intake = Intake(lambda: clock.monotonic_ms() / 1000)
    group = ConnectionGroup(wheel, random.Random(1), intake=intake)
    server = EchoServer(listener.getsockname()[1], clock, wheel, group)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: _Acceptor(server, limits, max_frame_bytes), sock=listener)
    try:
        yield server
    finally:
        listening.close()
        for echo in server.echoes:
            echo.socket.abort()
        for peer in server.peers:
            peer.writer.transport.abort()
        for echo in server.echoes:
            await echo.closed.wait()
