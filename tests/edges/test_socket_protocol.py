import asyncio
import itertools
import os
import random
from collections.abc import AsyncIterator

import pytest
from websockets.frames import Opcode

from liaison.edges.coalescing import HIGH_WATER_BYTES
from liaison.edges.socket_protocol import SocketLimits, SocketProtocol
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.codec import websocket_frame
from tests.edges.echo import EchoServer, echo_server, masked


@pytest.fixture
async def server() -> AsyncIterator[EchoServer]:
    limits = SocketLimits(kind=None, max_fragments=4, max_control_frames=5)
    async with echo_server(limits, max_frame_bytes=1000) as server:
        yield server


async def test_messages_come_back_in_order_also_when_they_come_in_one_piece_or_byte_by_byte(server: EchoServer) -> None:
    peer, echo = await server.connect()
    peer.writer.write(masked(Opcode.BINARY, b"one") + masked(Opcode.TEXT, "둘".encode()))
    for byte in masked(Opcode.BINARY, b"three"):
        peer.writer.write(bytes((byte,)))
        await peer.writer.drain()
    assert [await peer.frame() for _ in range(3)] == [(0x82, b"one"), (0x81, "둘".encode()), (0x82, b"three")]
    assert echo.causes == []


_PONG = masked(Opcode.PONG)
_MESSAGES = [masked(Opcode.BINARY, bytes([size & 255]) * size) for size in (0, 1, 125, 126, 127, 900, 1000)]


@pytest.mark.parametrize(
    "unusual",
    [b"", masked(Opcode.PING, b"p"), masked(Opcode.PONG, b"not asked for")],
    ids=["nothing unusual", "a ping", "a pong with words"],
)
async def test_however_a_stream_is_cut_the_same_messages_come_out(server: EchoServer, unusual: bytes) -> None:
    stream = b"".join([*_MESSAGES, _PONG, unusual, *_MESSAGES])
    rng = random.Random(5)
    for _ in range(20):
        _, echo = await server.connect()
        cuts = sorted(rng.sample(range(1, len(stream)), rng.randrange(6)))
        for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            echo.socket.data_received(stream[begin:end])
        assert [len(message) for message in echo.received] == [0, 1, 125, 126, 127, 900, 1000] * 2
        assert [message for message in echo.received if message.strip(message[:1])] == []
        assert echo.causes == []


async def test_a_flood_of_one_side_is_read_in_turn_with_what_the_other_side_says(server: EchoServer) -> None:
    (_, flood), (_, other) = await server.connect(), await server.connect()
    other.party = ("north", "north-1")
    read: list[bytes] = []

    def receive(payload: bytes, *, is_text: bool) -> None:
        read.append(payload)
        # Longer than a turn of the loop reads.
        server.clock.advance(2)

    flood.receive = other.receive = receive  # type: ignore[method-assign]
    flood.socket.data_received(b"".join(masked(Opcode.BINARY, b"%d" % number) for number in range(50)))
    other.socket.data_received(masked(Opcode.BINARY, b"other"))
    assert read == [b"0"]
    assert (flood.socket.has_unread, other.socket.has_unread) == (True, True)
    while len(read) < 51:
        await asyncio.sleep(0)
    assert (flood.socket.has_unread, other.socket.has_unread) == (False, False)
    assert read.index(b"other") <= 2
    assert [payload for payload in read if payload != b"other"] == [b"%d" % number for number in range(50)]


@pytest.mark.parametrize("first", [b"", masked(Opcode.PING)], ids=["plain", "frame layer"])
async def test_what_has_come_already_waits_too_while_the_receiver_takes_nothing(
    server: EchoServer, first: bytes
) -> None:
    _, echo = await server.connect()
    received: list[bytes] = []

    def receive(payload: bytes, *, is_text: bool) -> None:
        received.append(payload)
        echo.socket.pause_reading()

    echo.receive = receive  # type: ignore[method-assign]
    sent = [bytes([number]) * 900 for number in range(3)]
    echo.socket.data_received(first + b"".join(masked(Opcode.BINARY, payload) for payload in sent))
    for number in range(3):
        await asyncio.sleep(0.001)
        assert received == sent[: number + 1]
        echo.socket.resume_reading()


async def test_many_of_the_smallest_frames_are_no_more_of_a_turn_than_messages_are(server: EchoServer) -> None:
    _, flood = await server.connect()
    received: list[bytes] = []

    def receive(payload: bytes, *, is_text: bool) -> None:
        received.append(payload)
        server.clock.advance(1)

    flood.receive = receive  # type: ignore[method-assign]
    flood.socket.data_received(masked(Opcode.PONG, b"not asked for") + masked(Opcode.BINARY) * 400)
    counts = [len(received)]
    while len(received) < 400:
        await asyncio.sleep(0)
        counts.append(len(received))
    assert max(after - before for before, after in itertools.pairwise([0, *counts])) <= 86


async def test_a_message_that_makes_us_close_is_the_last_one_of_its_piece(server: EchoServer) -> None:
    peer, echo = await server.connect()
    received: list[bytes] = []

    def receive(payload: bytes, *, is_text: bool) -> None:
        received.append(payload)
        echo.socket.close(CloseCode.REVOKED, "no more")

    echo.receive = receive  # type: ignore[method-assign]
    peer.writer.write(masked(Opcode.BINARY, b"one") + masked(Opcode.BINARY, b"two"))
    assert await peer.close_code() == CloseCode.REVOKED
    assert received == [b"one"]


async def test_a_fragmented_message_is_whole_and_a_ping_between_its_parts_is_answered_first(server: EchoServer) -> None:
    peer, _ = await server.connect()
    peer.writer.write(masked(Opcode.TEXT, b"a", fin=False) + masked(Opcode.PING, b"p") + masked(Opcode.CONT, b"b"))
    assert [await peer.frame(), await peer.frame()] == [(0x8A, b"p"), (0x81, b"ab")]


async def test_pongs_stand_between_the_answers_they_came_between(server: EchoServer) -> None:
    peer, _ = await server.connect()
    peer.writer.write(masked(Opcode.BINARY, b"1") + masked(Opcode.PING, b"2") + masked(Opcode.BINARY, b"3"))
    assert [(await peer.frame())[1] for _ in range(3)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (websocket_frame(b"unmasked"), CloseCode.PROTOCOL_ERROR),
        (b"\x83\x80\0\0\0\0", CloseCode.PROTOCOL_ERROR),  # an opcode that nobody has defined
        (b"\xc2\x80\0\0\0\0", CloseCode.PROTOCOL_ERROR),  # a reserved bit: compression that was not agreed to
        (b"\x09\x80\0\0\0\0", CloseCode.PROTOCOL_ERROR),  # a fragmented ping
        (masked(Opcode.CONT, b"of nothing"), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.TEXT, b"a", fin=False) + masked(Opcode.TEXT, b"b"), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.TEXT, b"\xff\xfe"), CloseCode.INVALID_DATA),
        (masked(Opcode.BINARY, bytes(1001)), CloseCode.MESSAGE_TOO_BIG),
        (b"\x82\xff" + (2**62).to_bytes(8, "big") + bytes(4), CloseCode.MESSAGE_TOO_BIG),  # only announced
        (
            masked(Opcode.BINARY, bytes(600), fin=False) + masked(Opcode.CONT, bytes(600)),
            CloseCode.MESSAGE_TOO_BIG,
        ),
        (
            masked(Opcode.BINARY, fin=False) + masked(Opcode.CONT, fin=False) * 5,
            CloseCode.MESSAGE_TOO_BIG,
        ),
        (masked(Opcode.PING, b"x") * 6, CloseCode.FLOODING),
        (masked(Opcode.PONG) * 6, CloseCode.FLOODING),
        (b"\x82\xfe\x04\0" + bytes(4), CloseCode.MESSAGE_TOO_BIG),  # announced in 16 bits
        (b"\x82\x7e\0\x80" + bytes(128), CloseCode.PROTOCOL_ERROR),  # long and unmasked
        (masked(Opcode.CLOSE, b"\x03"), CloseCode.PROTOCOL_ERROR),
    ],
    # Masks are random, and would be part of the names.
    ids=[
        "unmasked",
        "undefined_opcode",
        "reserved_bit",
        "fragmented_ping",
        "continuation_of_nothing",
        "text_within_text",
        "not_utf8",
        "too_long",
        "announced_too_long",
        "fragments_too_long",
        "too_many_fragments",
        "too_many_pings",
        "too_many_pongs",
        "announced_a_little_too_long",
        "long_and_unmasked",
        "cut_close_code",
    ],
)
async def test_what_breaks_the_rules_is_answered_with_its_close_code_and_ends(
    server: EchoServer, sent: bytes, code: CloseCode
) -> None:
    peer, echo = await server.connect()
    peer.writer.write(sent)
    assert await peer.close_code() == code
    # Nothing follows a close frame.
    assert await peer.reader.read() == b""
    await echo.closed.wait()
    assert echo.received == []
    assert len(echo.causes) == 1


async def test_messages_before_a_fault_are_delivered_and_answered_before_the_close(server: EchoServer) -> None:
    peer, echo = await server.connect()
    peer.writer.write(masked(Opcode.BINARY, b"good") + websocket_frame(b"bad"))
    assert await peer.frame() == (0x82, b"good")
    assert await peer.close_code() == CloseCode.PROTOCOL_ERROR
    assert echo.causes == ["protocol error"]


async def test_a_peer_that_goes_on_after_its_fault_is_cut_off_after_two_seconds(server: EchoServer) -> None:
    peer, echo = await server.connect()
    peer.writer.write(websocket_frame(b"unmasked"))
    assert await peer.close_code() == CloseCode.PROTOCOL_ERROR
    server.pass_time(1_500)
    peer.writer.write(masked(Opcode.BINARY, b"more"))
    server.pass_time(1_000)
    assert len(server.group) == 1
    while len(server.group):
        await peer.reader.read(1)
    assert echo.received == []


@pytest.mark.parametrize(("kind", "sent"), [(Opcode.BINARY, Opcode.TEXT), (Opcode.TEXT, Opcode.BINARY)])
async def test_the_other_kind_of_frames_is_refused(kind: Opcode, sent: Opcode) -> None:
    async with echo_server(SocketLimits(kind)) as server:
        peer, echo = await server.connect()
        peer.send(sent, b"{}")
        assert await peer.close_code() == CloseCode.UNSUPPORTED_DATA
        assert echo.received == []
        assert echo.causes == ["unsupported data"]


async def test_a_longer_frame_is_taken_once_the_receiver_allows_it(server: EchoServer) -> None:
    peer, echo = await server.connect()
    echo.max_frame_bytes = 5000
    peer.send(Opcode.BINARY, bytes(5000))
    assert await peer.frame() == (0x82, bytes(5000))


async def test_a_close_frame_is_echoed_and_the_connection_ends(server: EchoServer) -> None:
    peer, echo = await server.connect()
    peer.writer.write(masked(Opcode.BINARY, b"last") + masked(Opcode.CLOSE, b"\x03\xe8bye"))
    assert await peer.frame() == (0x82, b"last")
    assert await peer.frame() == (0x88, b"\x03\xe8bye")
    assert await peer.reader.read() == b""
    assert echo.causes == ["closed"]


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8bye"])
async def test_a_close_frame_may_stand_between_the_fragments_of_a_message(server: EchoServer, payload: bytes) -> None:
    peer, echo = await server.connect()
    peer.writer.write(masked(Opcode.TEXT, b"half", fin=False) + masked(Opcode.CLOSE, payload))
    assert await peer.frame() == (0x88, payload)
    assert await peer.reader.read() == b""
    assert echo.causes == ["closed"]
    assert echo.received == []


async def test_a_connection_that_breaks_without_a_close_frame_is_broken(server: EchoServer) -> None:
    peer, echo = await server.connect()
    peer.writer.write_eof()
    await echo.closed.wait()
    assert echo.causes == ["broken"]
    assert await peer.reader.read() == b""


async def test_our_close_says_its_code_after_what_was_queued_and_waits_for_the_peers(server: EchoServer) -> None:
    peer, echo = await server.connect()
    echo.socket.send(websocket_frame(b"before"))
    echo.socket.close(CloseCode.REVOKED, "revoked")
    echo.socket.close(CloseCode.SLOW, "again")
    echo.socket.send(websocket_frame(b"after"))
    assert await peer.frame() == (0x82, b"before")
    assert await peer.frame() == (0x88, CloseCode.REVOKED.to_bytes(2, "big") + b"revoked")
    assert echo.causes == []
    peer.writer.write(masked(Opcode.BINARY, b"too late") + masked(Opcode.CLOSE, b"\x11\x97"))
    assert await peer.reader.read() == b""
    await echo.closed.wait()
    assert echo.causes == ["revoked"]
    assert echo.received == []


async def test_a_peer_that_never_answers_our_close_is_dropped_after_two_seconds(server: EchoServer) -> None:
    peer, echo = await server.connect()
    echo.socket.close(CloseCode.SERVICE_RESTART, "moving")
    assert await peer.close_code() == CloseCode.SERVICE_RESTART
    server.pass_time(1_900)
    assert not echo.socket._transport.is_closing()
    server.pass_time(500)
    await echo.closed.wait()
    assert echo.causes == ["service restart"]


async def test_what_one_turn_of_the_loop_sends_leaves_in_one_write(
    server: EchoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, echo = await server.connect()
    writes = _note_writes(monkeypatch)
    sent = [websocket_frame(b"%d" % number) for number in range(50)]
    for number, frame in enumerate(sent):
        if number % 2:
            echo.socket.send(frame)
        else:
            assert echo.socket.offer(frame)
    assert writes == []
    assert await peer.reader.readexactly(sum(map(len, sent))) == b"".join(sent)
    assert writes == [b"".join(sent)]


async def test_everything_comes_once_and_in_order_while_the_kernel_takes_a_part_or_nothing(server: EchoServer) -> None:
    peer, echo = await server.connect()
    descriptor = peer.writer.get_extra_info("socket").fileno()
    for round_ in range(3):
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # A transport that reads, as all of sockets.
        sent = read = b""
        # Odd sizes, so that the kernel takes a part of one; and on after it takes nothing.
        for number in range(60):
            frame = websocket_frame(bytes([round_, number]) * 3_001)
            echo.socket.send(frame)
            sent += frame
            await asyncio.sleep(0)
        assert echo.socket.buffered_bytes()
        # The kernel has room before the transport comes to use it, and the next frame must not.
        while len(read) < 300_000:
            try:
                read += os.read(descriptor, 65_536)
            except BlockingIOError:
                break
        echo.socket.send(last := websocket_frame(b"last"))
        echo.socket.flush()
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]  # As above.
        read += await peer.reader.readexactly(len(sent) + len(last) - len(read))
        assert read == sent + last


async def test_a_full_connection_takes_no_offer(server: EchoServer) -> None:
    peer, echo = await server.connect()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # As above.
    await _fill(echo.socket)
    buffered = echo.socket.buffered_bytes()
    assert not echo.socket.offer(b"frame")
    assert echo.socket.buffered_bytes() == buffered


async def test_one_turn_offers_no_more_than_a_buffer(server: EchoServer) -> None:
    _peer, echo = await server.connect()
    assert echo.socket.offer(bytes(HIGH_WATER_BYTES + 1))
    assert not echo.socket.offer(b"frame")


async def test_nothing_is_written_to_a_descriptor_that_may_be_another_connection_by_now(
    server: EchoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _peer, echo = await server.connect()
    writes = _note_writes(monkeypatch)
    echo.socket.send(b"queued before the end")
    echo.socket.abort()
    assert echo.socket.offer(b"offered behind it")
    await echo.closed.wait()
    echo.socket.send(b"sent after it")
    await asyncio.sleep(0)
    assert writes == []


async def test_a_silent_peer_is_pinged_and_given_up_after_ten_seconds_without_a_byte(server: EchoServer) -> None:
    peer, echo = await server.connect()
    server.pass_time(15_250)
    assert await peer.frame() == (0x89, b"")
    server.pass_time(9_000)
    assert echo.causes == []
    server.pass_time(1_500)
    assert echo.causes == ["no pong"]
    assert await peer.close_code() == CloseCode.NO_PONG


async def test_any_byte_counts_as_life(server: EchoServer) -> None:
    peer, echo = await server.connect()
    for _ in range(3):
        server.pass_time(15_250)
        assert await peer.frame() == (0x89, b"")
        # Half a frame: no pong, no message.
        peer.writer.write(b"\x82")
        while not echo.socket._heard:
            await peer.writer.drain()
            await asyncio.sleep(0)
        peer.writer.write(b"\x80\0\0\0\0")
        assert await peer.frame() == (0x82, b"")
        server.pass_time(10_250)
    assert echo.causes == []


async def test_a_reader_that_stops_holds_a_bounded_buffer_and_is_closed_as_slow_after_thirty_seconds(
    server: EchoServer,
) -> None:
    peer, echo = await server.connect()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # A transport that reads, as all of sockets.
    await _fill(echo.socket)
    assert not echo.socket.is_writable
    assert echo.socket.buffered_bytes() < 512 * 1024
    server.pass_time(29_000)
    assert echo.causes == []
    server.pass_time(1_500)
    assert echo.causes == ["slow"]
    server.pass_time(2_500)
    while len(server.group):
        await asyncio.sleep(0)


async def test_a_reader_that_takes_something_is_slow_but_stays_and_is_told_of_when_it_drained(
    server: EchoServer,
) -> None:
    peer, echo = await server.connect()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # As above.
    await _fill(echo.socket)
    buffered = echo.socket.buffered_bytes()
    peer.writer.transport.resume_reading()  # type: ignore[attr-defined]  # As above.
    while echo.socket.buffered_bytes() == buffered:
        await peer.reader.read(1024)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # As above.
    server.pass_time(30_500)
    assert echo.causes == []
    peer.writer.transport.resume_reading()  # type: ignore[attr-defined]  # As above.
    echo.writable.clear()
    reading = asyncio.ensure_future(_read_all(peer.reader))
    await echo.writable.wait()
    assert echo.socket.is_writable
    reading.cancel()


async def test_a_full_connection_that_is_given_still_more_is_given_up_at_its_bound(server: EchoServer) -> None:
    peer, echo = await server.connect()
    server.group.max_buffered_bytes = 256 * 1024
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # As above.
    await _fill(echo.socket)
    # What a session must not do, and pages of history that were asked for before can.
    for _ in range(20):
        echo.socket.send(websocket_frame(bytes(32 * 1024)))
        await asyncio.sleep(0)
    assert echo.causes == ["slow"]
    assert echo.socket.buffered_bytes() < 512 * 1024


async def test_more_than_a_buffer_in_one_turn_is_not_writable_until_it_was_written(server: EchoServer) -> None:
    peer, echo = await server.connect()
    frame = websocket_frame(bytes(HIGH_WATER_BYTES // 2))
    echo.socket.send(frame)
    assert echo.socket.is_writable
    echo.socket.send(frame)
    assert not echo.socket.is_writable
    await peer.reader.readexactly(2 * len(frame))
    await echo.writable.wait()
    assert echo.socket.is_writable


async def test_while_reading_is_paused_nothing_is_received_and_silence_is_no_fault(server: EchoServer) -> None:
    peer, echo = await server.connect()
    echo.socket.pause_reading()
    peer.send(Opcode.BINARY, b"waits")
    server.pass_time(15_250)
    assert await peer.frame() == (0x89, b"")
    server.pass_time(11_000)
    assert echo.causes == []
    assert echo.received == []
    echo.socket.resume_reading()
    assert await peer.frame() == (0x82, b"waits")


async def test_closing_the_group_ends_everybody_with_the_code(server: EchoServer) -> None:
    peers = [(await server.connect())[0] for _ in range(3)]

    closing = asyncio.ensure_future(server.group.close(CloseCode.SERVICE_RESTART, "restart"))
    for peer in peers:
        assert await peer.close_code() == CloseCode.SERVICE_RESTART
        peer.send(Opcode.CLOSE, b"\x03\xf4")
    await closing
    assert len(server.group) == 0


def _note_writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    writes: list[bytes] = []
    write = os.write

    def noting(descriptor: int, data: bytes) -> int:
        writes.append(data)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", noting)
    return writes


async def _fill(socket: SocketProtocol) -> None:
    """Send until the peer's buffers and ours are full."""
    frame = websocket_frame(bytes(8 * 1024))
    while socket.is_writable:
        socket.send(frame)
        await asyncio.sleep(0)


async def _read_all(reader: asyncio.StreamReader) -> None:
    while await reader.read(64 * 1024):
        pass
