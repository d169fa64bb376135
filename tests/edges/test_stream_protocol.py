import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import pytest

from liaison.edges.coalescing import ConnectionGroup
from liaison.edges.server import listen
from liaison.edges.stream_protocol import StreamProtocol
from liaison.edges.timer_wheel import TimerWheel
from liaison.protocol.close_codes import CloseCode
from tests.hand_clock import HandClock


class Feed:
    """What the office has behind an event stream, as far as the connection knows it."""

    def __init__(self) -> None:
        self.causes: list[str] = []
        self.closed = asyncio.Event()

    def on_writable(self) -> None: ...

    def on_closed(self, cause: str) -> None:
        self.causes.append(cause)
        self.closed.set()


@dataclass
class Stream:
    connection: StreamProtocol
    feed: Feed
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    clock: HandClock
    wheel: TimerWheel

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)
        self.wheel.turn()


@pytest.fixture
async def stream() -> AsyncIterator[Stream]:
    clock = HandClock()
    wheel = TimerWheel(clock)
    group = ConnectionGroup(wheel, random.Random(1))
    feed = Feed()
    taken: asyncio.Future[StreamProtocol] = asyncio.get_running_loop().create_future()

    class Acceptor(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connection = StreamProtocol(cast(asyncio.Transport, transport), group)
            connection.send(b"data: before the head was out\n\n")
            transport.write(b"HEAD\n")  # type: ignore[attr-defined]  # As of every transport of a socket.
            connection.take_over(feed)
            taken.set_result(connection)

    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listening = await asyncio.get_running_loop().create_server(Acceptor, sock=listener)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = await taken
    assert await reader.readline() == b"HEAD\n"
    assert await reader.readuntil(b"\n\n") == b"data: before the head was out\n\n"
    yield Stream(connection, feed, reader, writer, clock, wheel)
    listening.close()
    connection.abort()
    writer.transport.abort()
    await feed.closed.wait()


async def test_a_quiet_stream_gets_a_comment_every_fifteen_seconds(stream: Stream) -> None:
    for _ in range(3):
        stream.pass_time(15_500)
        assert await stream.reader.readuntil(b"\n\n") == b": still here\n\n"


async def test_closing_sends_what_is_queued_and_ends(stream: Stream) -> None:
    stream.connection.send(b"data: last\n\n")
    stream.connection.close(CloseCode.REVOKED, "revoked")
    stream.connection.send(b"data: too late\n\n")
    assert await stream.reader.read() == b"data: last\n\n"
    await stream.feed.closed.wait()
    assert stream.feed.causes == ["revoked"]


async def test_a_client_that_leaves_is_noticed(stream: Stream) -> None:
    stream.writer.close()
    await stream.feed.closed.wait()
    assert stream.feed.causes == ["closed"]
    assert len(stream.wheel) == 0


async def test_what_a_client_says_on_a_stream_is_dropped(stream: Stream) -> None:
    stream.writer.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
    await stream.writer.drain()
    stream.connection.send(b"data: on\n\n")
    assert await stream.reader.readuntil(b"\n\n") == b"data: on\n\n"


async def test_a_client_that_takes_nothing_for_thirty_seconds_is_slow(stream: Stream) -> None:
    stream.writer.transport.pause_reading()  # type: ignore[attr-defined]  # As of every transport of a socket.
    while stream.connection.is_writable:
        stream.connection.send(bytes(64 * 1024))
        await asyncio.sleep(0)
    stream.pass_time(30_500)
    assert stream.feed.causes == ["slow"]
    stream.pass_time(2_500)
