"""The form that hints have on their way through Redis, and what is believed of one that comes out of it.

What comes from Redis is untrusted: everything is checked for type, size and sense, and what fails is no hint.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from liaison.core.entries import Draft, Entry, EntryKind, Precedence
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.ports.bus import AnyHint, DirectoryHint, EntriesHint, Operations, ReadHint, StatisticsHint, TypingHint
from liaison.protocol import limits
from liaison.protocol.frames import StatisticsStep

# A batch is at most 256 KiB (limits.MAX_BATCH_BYTES) and grows little here. Beyond this it costs Redis and every node
# more to pass it on than to read the log.
MAX_HINT_BYTES: Final = 512 * 1024

# A step is some hundred bytes, and every node keeps those of all nodes for some minutes.
MAX_STATISTICS_BYTES: Final = 8 * 1024

_Count = Annotated[int, Meta(ge=0, le=limits.MAX_SAFE_INTEGER)]
_Seq = Annotated[int, Meta(ge=1, le=limits.MAX_SAFE_INTEGER)]
_Node = Annotated[str, Meta(min_length=1, max_length=64)]
_Channel = Annotated[str, Meta(min_length=1, max_length=limits.MAX_CHANNEL_CHARS)]
_User = Annotated[str, Meta(min_length=1, max_length=limits.MAX_USER_CHARS)]
_Side = Annotated[str, Meta(max_length=16)]


class _Entry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """core.entries.Entry without its channel; the draft's fields follow in their order."""

    seq: _Seq
    time_ms: _Count
    link: Annotated[bytes, Meta(min_length=32, max_length=32)]
    sender: _User
    delegation: _Side
    key: Annotated[str, Meta(max_length=limits.MAX_KEY_CHARS)]
    kind: EntryKind
    text: Annotated[str, Meta(max_length=limits.MAX_TEXT_BYTES)]
    ref: _Count
    reaction: Annotated[str, Meta(max_length=limits.MAX_REACTION_CHARS)]
    removed: bool
    mentions: Annotated[tuple[_User, ...], Meta(max_length=limits.MAX_MENTIONS)]
    precedence: Precedence
    data: str


class _Envelope(Struct, frozen=True, array_like=True, tag_field="kind", forbid_unknown_fields=True):
    """`node` is who sent it: a node's own hints come back to it, too."""

    node: _Node


class _Entries(_Envelope, frozen=True, tag="entries"):
    channel: _Channel
    epoch: _Count
    # As many as the bytes of a hint hold: what a suspension held back is released in one go.
    entries: Annotated[list[_Entry], Meta(min_length=1)]


class _Head(_Envelope, frozen=True, tag="head"):
    """That the channel has come to `seq`, by entries that are too many bytes for a hint."""

    channel: _Channel
    epoch: _Count
    seq: _Seq


class _Typing(_Envelope, frozen=True, tag="typing"):
    channel: _Channel
    user: _User
    delegation: _Side


class _Read(_Envelope, frozen=True, tag="read"):
    channel: _Channel
    user: _User
    delegation: _Side
    seq: _Count


class _Directory(_Envelope, frozen=True, tag="directory"):
    revision: _Count


class _Statistics(_Envelope, frozen=True, tag="statistics"):
    of: _Node
    step: StatisticsStep
    is_watched: bool


class _Operations(_Envelope, frozen=True, tag="operations"):
    hint: Operations


@dataclass(frozen=True, slots=True)
class HeadMoved:
    """There is more in this channel than a hint could carry: look at the log."""

    channel: ChannelId


@dataclass(frozen=True, slots=True)
class Received:
    """What a message says, and the node it is from."""

    node: str
    hint: AnyHint | HeadMoved


class GarbageError(ValueError):
    """This is no hint of ours, or one of a later version."""


_encode: Final[Callable[[_Envelope], bytes]] = msgspec.msgpack.Encoder().encode
_AnyEnvelope = _Entries | _Head | _Typing | _Read | _Directory | _Statistics | _Operations
_decode: Final[Callable[[bytes], _AnyEnvelope]] = msgspec.msgpack.Decoder(_AnyEnvelope).decode


def encode_hint(node: str, hint: AnyHint) -> bytes:
    """Give the bytes of a hint, at most MAX_HINT_BYTES: entries that don't fit are only told of."""
    envelope: _AnyEnvelope
    match hint:
        case EntriesHint(channel, epoch, entries):
            encoded = _encode(_Entries(node, channel, epoch, [_to_wire(entry) for entry in entries]))
            if len(encoded) <= MAX_HINT_BYTES:
                return encoded
            envelope = _Head(node, channel, epoch, entries[-1].seq)
        case TypingHint(channel, user, delegation):
            envelope = _Typing(node, channel, user, delegation)
        case ReadHint(channel, user, delegation, seq):
            envelope = _Read(node, channel, user, delegation, seq)
        case DirectoryHint(revision):
            envelope = _Directory(node, revision)
        case StatisticsHint(of, step, is_watched):
            envelope = _Statistics(node, of, step, is_watched)
        case _:
            envelope = _Operations(node, hint)
    return _encode(envelope)


def decode_hint(payload: bytes) -> Received:
    """Read what a node has sent. Raises GarbageError for anything else, whatever it is."""
    if len(payload) > MAX_HINT_BYTES:
        raise GarbageError(f"{len(payload)} bytes")
    try:
        envelope = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GarbageError(str(error)) from error
    hint: AnyHint | HeadMoved
    match envelope:
        case _Entries():
            hint = _entries(envelope)
        case _Head():
            hint = HeadMoved(ChannelId(envelope.channel))
        case _Typing(_, channel, user, delegation):
            hint = TypingHint(ChannelId(channel), UserId(user), DelegationId(delegation))
        case _Read(_, channel, user, delegation, seq):
            hint = ReadHint(ChannelId(channel), UserId(user), DelegationId(delegation), seq)
        case _Directory():
            hint = DirectoryHint(envelope.revision)
        case _Statistics(_, of, step, is_watched):
            if len(payload) > MAX_STATISTICS_BYTES:
                raise GarbageError(f"{len(payload)} bytes of statistics")
            hint = StatisticsHint(of, step, is_watched)
        case _Operations():
            hint = envelope.hint
    return Received(envelope.node, hint)


def _entries(envelope: _Entries) -> EntriesHint:
    if any(later.seq != entry.seq + 1 for entry, later in pairwise(envelope.entries)):
        raise GarbageError("entries with gaps")
    channel = ChannelId(envelope.channel)
    return EntriesHint(channel, envelope.epoch, tuple(_from_wire(channel, entry) for entry in envelope.entries))


def _to_wire(entry: Entry) -> _Entry:
    draft = entry.draft
    return _Entry(
        entry.seq,
        entry.time_ms,
        entry.link,
        draft.sender,
        draft.delegation,
        draft.key,
        draft.kind,
        draft.text,
        draft.ref,
        draft.reaction,
        draft.removed,
        draft.mentions,
        draft.precedence,
        draft.data,
    )


def _from_wire(channel: ChannelId, entry: _Entry) -> Entry:
    draft = Draft(
        UserId(entry.sender),
        DelegationId(entry.delegation),
        entry.key,
        entry.kind,
        entry.text,
        entry.ref,
        entry.reaction,
        entry.removed,
        tuple(map(UserId, entry.mentions)),
        entry.precedence,
        entry.data,
    )
    return Entry(channel, entry.seq, Millis(entry.time_ms), entry.link, draft)
