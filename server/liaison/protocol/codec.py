"""Frames to bytes and back, for both wire formats, and finished WebSocket frames. (PROTOCOL.md §3)"""

from enum import Enum
from typing import Any, Final, get_args

import msgspec

from liaison.protocol.commands import AnyCommand
from liaison.protocol.errors import ErrorCode, RemoteProtocolError
from liaison.protocol.frames import AnyPush, ErrorReply, Message, Reply
from liaison.protocol.limits import MAX_SAFE_INTEGER
from liaison.protocol.names import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK

_TEXT_FRAME: Final = 0x81
_BINARY_FRAME: Final = 0x82


class WireFormat(Enum):
    """How a subscriber wants its frames: a message is encoded once for each format that somebody uses."""

    MSGPACK = SUBPROTOCOL_MSGPACK
    JSON = SUBPROTOCOL_JSON
    SSE = "text/event-stream"


_decode_msgpack: Final[msgspec.msgpack.Decoder[AnyCommand]] = msgspec.msgpack.Decoder(AnyCommand)
_decode_json: Final[msgspec.json.Decoder[AnyCommand]] = msgspec.json.Decoder(AnyCommand)
_encode_msgpack: Final = msgspec.msgpack.Encoder()
_encode_json: Final = msgspec.json.Encoder()


class _Envelope(msgspec.Struct):
    id: Any = 0
    type: Any = None


_envelope_msgpack: Final = msgspec.msgpack.Decoder(_Envelope)
_envelope_json: Final = msgspec.json.Decoder(_Envelope)
_COMMAND_TYPES: Final = frozenset(str(command.__struct_config__.tag) for command in get_args(AnyCommand))


class InvalidCommand(RemoteProtocolError):
    """A frame that isn't a valid command; `command_id` is its id where that could be read, else 0."""

    def __init__(self, message: str, command_id: int, code: ErrorCode) -> None:
        super().__init__(message, code)
        self.command_id = command_id


def decode_command(payload: bytes, wire: WireFormat) -> AnyCommand:
    """Read one command. (PROTOCOL.md §4)

    Raises:
        InvalidCommand: with `malformed` when the frame is not a map with an id and a type (the connection ends), with
            `unknown_command` or `invalid` when only this command is wrong (the connection stays).
    """
    decode = _decode_json.decode if wire is WireFormat.JSON else _decode_msgpack.decode
    try:
        return decode(payload)
    # RecursionError: deep nesting; msgspec refuses it before anything large was built.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _explain(payload, wire, str(error)) from error


def _explain(payload: bytes, wire: WireFormat, reason: str) -> InvalidCommand:
    decoder = _envelope_json if wire is WireFormat.JSON else _envelope_msgpack
    try:
        envelope = decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return InvalidCommand("the frame is not a map in the format of this subprotocol", 0, ErrorCode.MALFORMED)
    command_id = envelope.id
    if type(command_id) is not int or not 1 <= command_id <= MAX_SAFE_INTEGER or type(envelope.type) is not str:
        return InvalidCommand("a command needs a type and an id from 1 to 2^53-1", 0, ErrorCode.MALFORMED)
    if envelope.type not in _COMMAND_TYPES:
        return InvalidCommand(f"there is no command {envelope.type[:32]!r}", command_id, ErrorCode.UNKNOWN_COMMAND)
    return InvalidCommand(reason, command_id, ErrorCode.INVALID)


def encode_value(value: object, wire: WireFormat) -> bytes:
    """Give the bytes of a part of a frame, to be put into a frame of the same wire format as `msgspec.Raw`."""
    return _encode_msgpack.encode(value) if wire is WireFormat.MSGPACK else _encode_json.encode(value)


def encode_payload(frame: Reply | ErrorReply | AnyPush, wire: WireFormat) -> bytes:
    """Give the bytes of a frame in a wire format, without WebSocket or event-stream framing."""
    return _encode_msgpack.encode(frame) if wire is WireFormat.MSGPACK else _encode_json.encode(frame)


def websocket_frame(payload: bytes, *, first_byte: int = _BINARY_FRAME) -> bytes:
    """Put a whole payload into one unmasked WebSocket frame. (RFC 6455 §5.2)"""
    size = len(payload)
    if size < 126:
        return bytes((first_byte, size)) + payload
    if size < 65536:
        return bytes((first_byte, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first_byte, 127)) + size.to_bytes(8, "big") + payload


def finished_frame(frame: Reply | ErrorReply | AnyPush, wire: WireFormat) -> bytes:
    """Encode a frame into the very bytes that a subscriber's socket gets.

    Event streams name the event after the frame's type; a message carries its position as the event's id, so that
    `Last-Event-ID` resumes exactly there.
    """
    payload = encode_payload(frame, wire)
    match wire:
        case WireFormat.MSGPACK:
            return websocket_frame(payload)
        case WireFormat.JSON:
            return websocket_frame(payload, first_byte=_TEXT_FRAME)
        case WireFormat.SSE:
            position = b"id: %d:%d\n" % (frame.epoch, frame.seq) if isinstance(frame, Message) else b""
            event = str(type(frame).__struct_config__.tag).encode()
            return b"%sevent: %s\ndata: %s\n\n" % (position, event, payload)
