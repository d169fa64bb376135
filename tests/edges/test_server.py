"""The door as strangers meet it; the wheel's clock is moved by hand."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network

import aiohttp
import pytest

from liaison.edges.metrics import Metrics
from liaison.edges.server import SEND_BUFFER_BYTES, EdgeServer, listen
from liaison.edges.settings import EdgeSettings
from tests.edges.conftest import Node, make_office, seed
from tests.edges.test_websocket import UPGRADE
from tests.hand_clock import HandClock

LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


class TimedNode(Node):
    """A node whose door's time is in the test's hand."""

    clock: HandClock

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)
        self.server._wheel.turn()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def timed_node(settings: EdgeSettings) -> AsyncIterator[TimedNode]:
    metrics = Metrics()
    office = make_office(metrics)
    server = EdgeServer(office, settings, metrics, random.Random(3))
    clock = HandClock()
    server._wheel._clock = clock
    server._wheel._next_slot = clock.monotonic_ms() // 250
    listener = listen("127.0.0.1", 0)
    node = TimedNode(listener.getsockname()[1], office=office, server=server, metrics=metrics)
    node.clock = clock
    async with office.running():
        await seed(node)
        async with server.serving([listener]):
            yield node


@pytest.fixture
async def door(settings: EdgeSettings) -> AsyncIterator[TimedNode]:
    async with timed_node(settings) as node:
        yield node


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Read until the server ends the connection, by FIN or RST."""
    read = b""
    try:
        async with asyncio.timeout(5):
            while data := await reader.read(4096):
                read += data
    except ConnectionError:
        pass
    return read


async def accepted(node: TimedNode) -> None:
    while not node.server._wheel._slot_of:
        await asyncio.sleep(0)


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01\x02\x00"])
async def test_a_half_handshake_is_dropped_after_ten_seconds(door: TimedNode, sent: bytes) -> None:
    reader, writer = await door.connect()
    writer.write(sent)
    await accepted(door)
    door.pass_time(9_900)
    assert not reader.at_eof()
    door.pass_time(600)
    await ended(reader)
    writer.close()


async def test_a_request_that_trickles_does_not_gain_time_by_each_byte(door: TimedNode) -> None:
    reader, writer = await door.connect()
    await accepted(door)
    for byte in LIVE[:10]:
        writer.write(bytes((byte,)))
        await writer.drain()
        door.pass_time(1_000)
        await asyncio.sleep(0)
    door.pass_time(500)
    assert await ended(reader) == b""
    writer.close()


async def test_a_later_request_that_trickles_has_ten_seconds_as_well(door: TimedNode) -> None:
    reader, writer = await door.connect()
    writer.write(LIVE)
    assert (await reader.readuntil(b'{"live":true}')).startswith(b"HTTP/1.1 200")
    # An idle connection may stay.
    door.pass_time(30_000)
    writer.write(LIVE)
    assert (await reader.readuntil(b'{"live":true}')).startswith(b"HTTP/1.1 200")
    before = dict(door.server._wheel._slot_of)
    writer.write(b"GET /li")
    while dict(door.server._wheel._slot_of) == before:
        await asyncio.sleep(0)
    door.pass_time(10_500)
    assert await ended(reader) == b""
    writer.close()


async def test_an_idle_connection_is_ended_after_its_time(door: TimedNode, settings: EdgeSettings) -> None:
    reader, writer = await door.connect()
    writer.write(LIVE)
    await reader.readuntil(b'{"live":true}')
    door.pass_time(settings.keepalive_timeout_ms + 500)
    assert await ended(reader) == b""
    writer.close()


async def test_a_body_that_trickles_is_refused(settings: EdgeSettings) -> None:
    async with timed_node(replace(settings, body_timeout_ms=50)) as door:
        reader, writer = await door.connect()
        writer.write(
            b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400")
        writer.transport.abort()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"NOT HTTP AT ALL\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"x" * 9000 + b"\r\n\r\n",
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_garbage_is_refused_at_once_and_the_process_stays_well(
    door: TimedNode, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await door.connect()
    writer.write(garbage)
    assert b" 400 Bad Request" in (await ended(reader)).partition(b"\r\n")[0]
    writer.close()
    # Strangers must not be able to fill the journal.
    assert not [record for record in caplog.records if record.exc_info]
    async with aiohttp.ClientSession(door.url) as http, http.get("/livez") as response:
        assert response.status == 200


async def test_one_address_that_connects_too_fast_is_dropped_and_counted(settings: EdgeSettings) -> None:
    async with timed_node(replace(settings, connects_per_address_per_s=1)) as door:
        for _ in range(3):
            reader, writer = await door.connect()
            writer.write(LIVE)
            assert (await reader.readuntil(b'{"live":true}')).startswith(b"HTTP/1.1 200")
            writer.close()
        reader, writer = await door.connect()
        assert await ended(reader) == b""
        writer.close()
        assert b"liaison_connects_refused_total 1.0" in door.metrics.exposition()


async def test_behind_a_trusted_proxy_each_client_has_its_own_pace(settings: EdgeSettings) -> None:
    proxied = replace(settings, connects_per_address_per_s=1, trusted_proxies=(ip_network("127.0.0.1"),))
    async with timed_node(proxied) as door, aiohttp.ClientSession(door.url) as http:

        async def status(client: str) -> int:
            headers = {**UPGRADE, "X-Forwarded-For": client, "Origin": "http://evil.test"}
            async with http.get("/api/v1/socket", headers=headers) as response:
                return response.status

        assert [await status("198.51.100.7") for _ in range(4)] == [403, 403, 403, 429]
        assert await status("198.51.100.8") == 403


async def test_accepted_sockets_have_small_send_buffers_and_no_delay(
    settings: EdgeSettings, with_settings: Callable[..., EdgeSettings]
) -> None:
    listener = listen("127.0.0.1", 0)
    try:
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                # Linux counts its own book-keeping in and so doubles what was asked for.
                size = connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
                assert SEND_BUFFER_BYTES <= size <= 2 * SEND_BUFFER_BYTES
    finally:
        listener.close()


async def test_a_listener_of_its_own_serves_health_and_metrics_and_nothing_else(settings: EdgeSettings) -> None:
    metrics = Metrics()
    office = make_office(metrics)
    server = EdgeServer(office, replace(settings, serves_metrics=False), metrics, random.Random(3))
    public, private = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
    urls = [f"http://127.0.0.1:{listener.getsockname()[1]}" for listener in (public, private)]
    async with office.running(), server.serving([public], metrics_listeners=[private]), aiohttp.ClientSession() as http:
        found = {}
        for url in urls:
            for path in ("/metrics", "/livez", "/api/v1/me"):
                async with http.get(url + path) as response:
                    found[urls.index(url), path] = response.status
    assert found == {
        (0, "/metrics"): 404,
        (0, "/livez"): 200,
        (0, "/api/v1/me"): 401,
        (1, "/metrics"): 200,
        (1, "/livez"): 200,
        (1, "/api/v1/me"): 404,
    }


async def test_nobody_new_is_let_in_once_accepting_has_stopped(door: TimedNode) -> None:
    door.server.stop_accepting()
    with pytest.raises(ConnectionError):
        await door.connect()
