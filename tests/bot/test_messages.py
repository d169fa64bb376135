from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liaison.bot import Client, MalformedFrame
from liaison.bot.messages import pack, read_message, read_messages, read_presence, read_refusal, read_welcome, unpack
from liaison.protocol import frames
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.codec import WireFormat, encode_payload
from tests.bot.peer import GENERAL, TOKEN, channel_info, message, welcome_to

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def push(frame: dict[str, Any]) -> None:
    Client("ws://127.0.0.1", TOKEN)._on_push(frame)


# What a server says, and who reads it.
SPOKEN: list[tuple[frames.Reply | frames.ErrorReply | frames.AnyPush, Callable[[dict[str, Any]], object]]] = [
    (welcome_to(frames.Connect(id=1), channel_info()), read_welcome),
    (frames.HistoryReply(id=1, channel=GENERAL, epoch=1, head=2, messages=[message(1), message(2)]), read_messages),
    (
        frames.PresenceReply(
            id=1,
            epoch="e",
            version=1,
            users=[frames.PresenceUser("south-1", "south", "online")],
            sides=[frames.SidePresence("north", "count", staffed=True, online=3)],
        ),
        read_presence,
    ),
    (frames.ErrorReply(1, 401, "busy", "later", True, "ab12cd34", 50), read_refusal),
    (message(1, mentions=("north-1",)), push),
    (frames.Reset(GENERAL, 2, 1), push),
    (frames.GoAway(CloseCode.SERVICE_RESTART, "restart", 100), push),
    (frames.ChannelPush("removed", GENERAL), push),
]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_frame_or_malformed(payload: bytes) -> None:
    with suppress(MalformedFrame):
        assert isinstance(unpack(payload)["type"], str)


@pytest.mark.parametrize(("spoken", "reader"), SPOKEN)
@settings(max_examples=60)
@given(data=st.data())
def test_frame_with_something_else_in_a_field_is_read_or_malformed(
    spoken: frames.Reply | frames.ErrorReply | frames.AnyPush,
    reader: Callable[[dict[str, Any]], object],
    data: st.DataObject,
) -> None:
    frame = unpack(encode_payload(spoken, WireFormat.MSGPACK))
    reader(frame)
    spoilt: Any = frame
    # At the top or, for lists of maps, in the first of them.
    field = data.draw(st.sampled_from(sorted(set(spoilt) - {"type"})))
    if (
        isinstance(frame[field], list)
        and frame[field]
        and isinstance(frame[field][0], dict)
        and data.draw(st.booleans())
    ):
        spoilt = frame[field][0]
        field = data.draw(st.sampled_from(sorted(spoilt)))
    spoilt[field] = data.draw(ANYTHING)
    with suppress(MalformedFrame):
        reader(frame)


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x92\x01", pack({"type": 1}), msgpack.packb([1]), "{}"])
def test_what_is_no_frame_is_malformed(payload: bytes | str) -> None:
    with pytest.raises(MalformedFrame):
        unpack(payload)


@pytest.mark.parametrize("field", ["channel", "epoch", "seq", "link", "kind"])
def test_message_without_a_field_or_with_another_type_of_it_is_malformed(field: str) -> None:
    frame = unpack(encode_payload(message(1), WireFormat.MSGPACK))
    assert read_message(frame).seq == 1
    with pytest.raises(MalformedFrame, match=field):
        read_message({**frame, field: [frame.pop(field)]})
    with pytest.raises(MalformedFrame, match=field):
        read_message(frame)


def test_every_field_of_the_servers_message_arrives() -> None:
    sent = message(3, "안녕", ref=2, reaction="👍", removed=True, mentions=("north-1",))
    received = read_message(unpack(encode_payload(sent, WireFormat.MSGPACK)))
    for field in frames.Message.__struct_fields__:
        assert getattr(received, field) == getattr(sent, field)


def test_welcome_ignores_what_a_newer_server_adds() -> None:
    connect = frames.Connect(id=1)
    frame = unpack(encode_payload(welcome_to(connect, channel_info(head=4)), WireFormat.MSGPACK))
    welcome = read_welcome({**frame, "telepathy": True})
    assert welcome.channels["joint/general"].head == 4
