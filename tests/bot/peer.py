"""A peer to test the SDK against: a real WebSocket server whose every answer the test writes.

What the SDK sends is read with the server's own codec, and what it gets is made of the server's own frames: so each
test of the client is a test that both ends speak the same wire.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from liaison.bot import Client
from liaison.bot.timekeeping import Time
from liaison.protocol import frames
from liaison.protocol.codec import WireFormat, decode_command, encode_payload
from liaison.protocol.commands import AnyCommand
from liaison.protocol.errors import ErrorCode
from liaison.protocol.names import SUBPROTOCOL_MSGPACK

TOKEN = "lsn_0123456789"
GENERAL = "joint/general"
PATIENCE_S = 5

C = TypeVar("C", bound=frames.Command)


class RecordedTime:
    """Sleeps take no time and are written down; the clock moves by them, or by hand."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


class Talk:
    """The server's end of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection

    async def command(self) -> AnyCommand:
        async with asyncio.timeout(PATIENCE_S):
            payload = await self.connection.recv()
        assert isinstance(payload, bytes)
        return decode_command(payload, WireFormat.MSGPACK)

    async def expect(self, kind: type[C]) -> C:
        command = await self.command()
        assert isinstance(command, kind), f"expected {kind.__name__}, got {command}"
        return command

    async def send(self, frame: frames.Reply | frames.ErrorReply | frames.AnyPush) -> None:
        await self.connection.send(encode_payload(frame, WireFormat.MSGPACK))

    async def refuse(
        self, command: frames.Command, code: ErrorCode, *, ref: str = "ab12cd34", retry_after_ms: int | None = None
    ) -> None:
        row = code.value
        await self.send(
            frames.ErrorReply(command.id, row.code, code.wire_name, "no", row.temporary, ref, retry_after_ms)
        )

    async def close(self, code: int, reason: str = "") -> None:
        await self.connection.close(code, reason)

    async def break_off(self) -> None:
        """End without a close frame, as a killed server does."""
        self.connection.transport.abort()
        await self.connection.wait_closed()

    async def welcome(self, *channels: frames.ChannelInfo) -> frames.Connect:
        connect = await self.expect(frames.Connect)
        await self.send(welcome_to(connect, *channels))
        return connect

    async def subscribed(self, *, head: int = 0, from_seq: int | None = None, epoch: int = 1) -> frames.Subscribe:
        command = await self.expect(frames.Subscribe)
        start = from_seq if from_seq is not None else command.position.seq if command.position else head
        await self.send(
            frames.SubscribeReply(id=command.id, channel=command.channel, epoch=epoch, head=head, from_seq=start)
        )
        return command

    async def published(self, seq: int, *, epoch: int = 1, duplicate: bool = False) -> frames.Publish:
        command = await self.expect(frames.Publish)
        await self.send(frames.PublishReply(id=command.id, seq=seq, epoch=epoch, time_ms=seq, duplicate=duplicate))
        return command


class Peer:
    """Accepts connections one after another, each for the test to talk on."""

    def __init__(self, server: Server, talks: asyncio.Queue[Talk], requests: list[Request]) -> None:
        self._server = server
        self._talks = talks
        self.requests = requests
        self.answers: deque[Callable[[ServerConnection], Response]] = deque()

    @property
    def url(self) -> str:
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}"

    async def accept(self) -> Talk:
        async with asyncio.timeout(PATIENCE_S):
            return await self._talks.get()

    async def welcome(self, *channels: frames.ChannelInfo) -> Talk:
        talk = await self.accept()
        await talk.welcome(*channels)
        return talk


@asynccontextmanager
async def listening() -> AsyncIterator[Peer]:
    talks: asyncio.Queue[Talk] = asyncio.Queue()
    requests: list[Request] = []

    async def talk(connection: ServerConnection) -> None:
        talks.put_nowait(Talk(connection))
        await connection.wait_closed()

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        requests.append(request)
        return peer.answers.popleft()(connection) if peer.answers else None

    subprotocols = [Subprotocol(SUBPROTOCOL_MSGPACK)]
    async with serve(
        talk, "127.0.0.1", 0, process_request=answer, subprotocols=subprotocols, compression=None, close_timeout=1
    ) as server:
        peer = Peer(server, talks, requests)
        yield peer


@asynccontextmanager
async def connected(peer: Peer, time: Time | None = None) -> AsyncIterator[tuple[Client, Talk]]:
    """A client of the peer, and the peer's end of its first connection."""
    client = Client(peer.url, TOKEN, time=time or RecordedTime(), random=Random(7))
    greeting = asyncio.ensure_future(peer.welcome(channel_info()))
    async with client:
        yield client, await greeting


def channel_info(channel: str = GENERAL, *, epoch: int = 1, head: int = 0) -> frames.ChannelInfo:
    title = frames.Title("공동", "Joint")
    return frames.ChannelInfo(channel, "joint", title, epoch=epoch, head=head, read_seq=0)


def welcome_to(connect: frames.Connect, *channels: frames.ChannelInfo) -> frames.ConnectReply:
    people = [("south-1", "official"), ("north-1", "official"), ("south-bot", "bot"), ("north-bot", "bot")]
    return frames.ConnectReply(
        id=connect.id,
        session="s1",
        user="south-bot",
        name="Bot",
        delegation="south",
        role="bot",
        office=frames.Title("사무소", "Office"),
        delegations=[],
        people=[frames.PersonInfo(user, user, user.partition("-")[0], role) for user, role in people],
        channels=list(channels),
        server_time_ms=1,
        ping_interval_ms=15_000,
        pong_timeout_ms=10_000,
        limits={"max_text_bytes": 16384},
        capabilities=["later"],
    )


def message(seq: int, text: str = "", *, epoch: int = 1, channel: str = GENERAL, **fields: Any) -> frames.Message:
    given = {"sender": "south-1", "delegation": "south", "key": f"k{epoch}-{seq}", "kind": "text", **fields}
    return frames.Message(
        channel=channel, epoch=epoch, seq=seq, time_ms=seq, link=bytes(32), text=text or f"m{seq}", **given
    )
