"""Frames to bytes and back: nothing is lost, nothing but InvalidCommand is raised, and hostile bytes cost little."""

import json
import re
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, get_args

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

from liaison.protocol import frames
from liaison.protocol.codec import (
    InvalidCommand,
    WireFormat,
    decode_command,
    encode_payload,
    finished_frame,
    websocket_frame,
)
from liaison.protocol.commands import AnyCommand
from liaison.protocol.errors import ErrorCode
from liaison.protocol.limits import MAX_FRAME_BYTES, MAX_SAFE_INTEGER

SOCKET_FORMATS = (WireFormat.MSGPACK, WireFormat.JSON)
COMMANDS: tuple[type[msgspec.Struct], ...] = get_args(AnyCommand)
ENCODERS: dict[WireFormat, Callable[[object], bytes]] = {
    WireFormat.MSGPACK: msgspec.msgpack.encode,
    WireFormat.JSON: msgspec.json.encode,
}

# --- every command that the types allow --------------------------------------------------------------------------


def values(of: msgspec.inspect.Type) -> st.SearchStrategy[Any]:  # noqa: PLR0911  One case a type.
    """Give everything that a field of this type may hold, up to a size that keeps the tests fast."""
    match of:
        case msgspec.inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case msgspec.inspect.StrType(pattern=str(pattern)):
            return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
        case msgspec.inspect.StrType(min_length=shortest, max_length=longest):
            # Surrogates have no bytes. The longest that are allowed are in test_limits.py and in the vectors.
            most = max(shortest or 0, 16 if longest is None else min(longest, 16))
            return st.text(st.characters(exclude_categories=["Cs"]), min_size=shortest or 0, max_size=most)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.LiteralType(values=allowed):
            return st.sampled_from(allowed)
        case msgspec.inspect.ListType(item_type=item, min_length=shortest, max_length=longest):
            return st.lists(values(item), min_size=shortest or 0, max_size=min(longest or 3, 3))
        case msgspec.inspect.UnionType(types=alternatives):
            return st.one_of(*map(values, alternatives))
        case msgspec.inspect.StructType(cls=kind):
            return structs(kind)
        case msgspec.inspect.Metadata(type=described):
            return values(described)
    raise AssertionError(of)


def structs(kind: type[Any]) -> st.SearchStrategy[Any]:
    inspected = msgspec.inspect.type_info(kind)
    assert isinstance(inspected, msgspec.inspect.StructType)
    return st.builds(kind, **{field.name: values(field.type) for field in inspected.fields})


# There are many kinds of commands, and few ways in which one of them can differ from the others.
@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_a_command_is_what_was_encoded_here_or_by_the_reference_implementations(
    kind: type[Any], data: st.DataObject
) -> None:
    command = data.draw(structs(kind))
    plain = msgspec.to_builtins(command)
    assert decode_command(msgspec.msgpack.encode(command), WireFormat.MSGPACK) == command
    assert decode_command(msgspec.json.encode(command), WireFormat.JSON) == command
    assert decode_command(msgpack.packb(plain), WireFormat.MSGPACK) == command
    assert decode_command(json.dumps(plain).encode(), WireFormat.JSON) == command


# --- whatever else comes ------------------------------------------------------------------------------------------


@st.composite
def spoilt_frames(draw: st.DrawFn) -> bytes:
    """Bytes that begin as a frame: cut, lengthened, with bytes changed."""
    encode = draw(st.sampled_from(list(ENCODERS.values())))
    payload = bytearray(encode(draw(structs(draw(st.sampled_from(COMMANDS))))))
    for place in draw(st.lists(st.integers(0, len(payload) - 1), max_size=4)):
        payload[place] = draw(st.integers(0, 255))
    return bytes(payload[: draw(st.integers(0, len(payload)))]) + draw(st.binary(max_size=4))


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "id", "x"]), inner),
    max_leaves=8,
)


def encodable(value: object) -> bool:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("wire", SOCKET_FORMATS)
@given(payload=st.binary(max_size=256) | spoilt_frames())
def test_arbitrary_bytes_are_a_command_or_invalid_and_nothing_else(payload: bytes, wire: WireFormat) -> None:
    try:
        assert isinstance(decode_command(payload, wire), COMMANDS)
    except InvalidCommand as refused:
        error = refused
    else:
        return
    assert 0 <= error.command_id <= MAX_SAFE_INTEGER
    assert (error.command_id == 0) is (error.code is ErrorCode.MALFORMED)
    assert error.code in (ErrorCode.MALFORMED, ErrorCode.UNKNOWN_COMMAND, ErrorCode.INVALID)


@pytest.mark.parametrize("wire", SOCKET_FORMATS)
@given(value=plain_values.filter(encodable), command_id=st.integers(1, MAX_SAFE_INTEGER), name=st.text(max_size=8))
def test_a_map_with_id_and_type_is_answered_under_its_id(
    wire: WireFormat, value: object, command_id: int, name: str
) -> None:
    frame = {"type": name, "id": command_id, "x": value}
    if not encodable(frame):
        return
    with pytest.raises(InvalidCommand) as caught:
        decode_command(ENCODERS[wire](frame), wire)
    assert caught.value.command_id == command_id
    assert caught.value.code in (ErrorCode.UNKNOWN_COMMAND, ErrorCode.INVALID)


# Each fills the largest frame that is accepted at all.
BOMBS: dict[str, tuple[WireFormat, bytes]] = {
    "65 KiB of empty lists": (WireFormat.MSGPACK, b"\xdc\xff\xf0" + b"\x90" * 65_520),
    "empty lists in a field that doesn't exist": (
        WireFormat.MSGPACK,
        b"\x83\xa4type\xa4ping\xa2id\x07\xa1x\xdc\xf0\x00" + b"\x90" * 61_440,
    ),
    "empty lists as mentions": (
        WireFormat.MSGPACK,
        b"\x82\xa4type\xa7publish\xa8mentions\xdc\xf0\x00" + b"\x90" * 61_440,
    ),
    "empty maps": (WireFormat.MSGPACK, b"\xdc\xff\xf0" + b"\x80" * 65_520),
    "lists in lists": (WireFormat.MSGPACK, b"\x91" * MAX_FRAME_BYTES),
    "empty lists in JSON": (WireFormat.JSON, b"[" + b"[]," * 21_844 + b"[]]"),
    "lists in lists in JSON": (WireFormat.JSON, b"[" * MAX_FRAME_BYTES),
    "digits": (WireFormat.JSON, b'{"type":"ping","id":' + b"9" * 65_000 + b"}"),
    "exponents": (WireFormat.JSON, b'{"type":"ping","id":1e' + b"9" * 65_000 + b"}"),
    "an unknown field with a long name": (WireFormat.JSON, b'{"type":"ping","id":7,"' + b"x" * 65_000 + b'":1}'),
    "the same field again and again": (WireFormat.JSON, b'{"type":"ping",' + b'"id":7,' * 9_000 + b'"x":1}'),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_frame_is_refused_in_little_time_and_memory(name: str) -> None:
    wire, payload = BOMBS[name]
    assert len(payload) <= MAX_FRAME_BYTES

    def refuse() -> None:
        with pytest.raises(InvalidCommand):
            decode_command(payload, wire)

    refuse()
    took_s = min(timed(refuse) for _ in range(5))
    # Measured: at most 0.3 ms. The best of five hardly depends on what else the machine does.
    assert took_s < 0.01
    tracemalloc.start()
    try:
        refuse()
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The bytes themselves may stand in an error once or twice; a tree built of them would take megabytes.
    assert most_bytes < 4 * MAX_FRAME_BYTES


def timed(work: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


# --- finished frames ------------------------------------------------------------------------------------------------


def parsed(finished: bytes) -> list[Frame]:
    """Read bytes as a client does that uses the websockets library."""
    client = Protocol(Side.CLIENT, state=OPEN, max_size=None)
    client.receive_data(finished)
    events = client.events_received()
    assert client.parser_exc is None
    return [event for event in events if isinstance(event, Frame)]


SIZES = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536, 70_000]) | st.integers(0, 2_000)


@given(SIZES, st.sampled_from([Opcode.TEXT, Opcode.BINARY]))
def test_another_library_reads_a_finished_frame_of_any_size(size: int, opcode: Opcode) -> None:
    payload = b"x" * size
    (frame,) = parsed(websocket_frame(payload, first_byte=0x80 | opcode))
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (opcode, True, payload)


messages = st.builds(
    frames.Message,
    channel=st.just("joint/general"),
    epoch=st.integers(1, MAX_SAFE_INTEGER),
    seq=st.integers(1, MAX_SAFE_INTEGER),
    time_ms=st.integers(0, MAX_SAFE_INTEGER),
    sender=st.just("south-1"),
    delegation=st.just("south"),
    key=st.just("k"),
    kind=st.just("text"),
    link=st.binary(min_size=32, max_size=32),
    text=st.text(st.characters(exclude_categories=["Cs"])),
)


@given(st.lists(messages, min_size=1, max_size=4))
def test_frames_joined_into_one_write_come_apart_again(many: list[frames.Message]) -> None:
    for wire, opcode, decode in (
        (WireFormat.MSGPACK, Opcode.BINARY, msgspec.msgpack.Decoder(frames.Message).decode),
        (WireFormat.JSON, Opcode.TEXT, msgspec.json.Decoder(frames.Message).decode),
    ):
        read = parsed(b"".join(finished_frame(message, wire) for message in many))
        assert [frame.opcode for frame in read] == [opcode] * len(many)
        assert [decode(bytes(frame.data)) for frame in read] == many


@given(messages)
def test_an_event_is_of_three_lines_whatever_the_text_holds(message: frames.Message) -> None:
    event = finished_frame(message, WireFormat.SSE).decode()
    position, name, data, *end = event.split("\n")
    assert end == ["", ""]
    assert position == f"id: {message.epoch}:{message.seq}"
    assert name == "event: message"
    # Browsers end lines at these as well.
    assert "\r" not in event
    assert msgspec.json.decode(data.removeprefix("data: "), type=frames.Message) == message


def test_an_event_without_a_place_in_the_log_has_no_id() -> None:
    event = finished_frame(frames.GoAway(4503, "revoked", -1), WireFormat.SSE)
    assert (
        event == b'event: go_away\ndata: {"type":"go_away","code":4503,"reason":"revoked","reconnect_after_ms":-1}\n\n'
    )


def test_fields_with_their_default_are_left_out_but_duplicate() -> None:
    reply = frames.PublishReply(id=1, seq=2, epoch=1, time_ms=3, duplicate=False)
    assert json.loads(encode_payload(reply, WireFormat.JSON)) == {
        "type": "reply",
        "id": 1,
        "seq": 2,
        "epoch": 1,
        "time_ms": 3,
        "duplicate": False,
    }
