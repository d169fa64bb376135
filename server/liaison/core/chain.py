"""The hash chain of a channel: a link covers the one before, so that a changed record shows. (PROTOCOL.md §5.4)

link = SHA-256(previous link ‖ msgpack array of the entry's fields in a fixed order); the first previous link is 32 zero
bytes. The epoch is left out, because a restore gives a new epoch to old entries. msgpack's shortest form is one byte
string for one value, so any implementation computes the same link.
"""

import hashlib
from typing import Final

import msgspec

from liaison.core.entries import Draft
from liaison.core.identifiers import ChannelId, Millis

GENESIS: Final = bytes(32)

_encode: Final = msgspec.msgpack.Encoder().encode


def link_of(previous: bytes, channel: ChannelId, seq: int, time_ms: Millis, draft: Draft) -> bytes:
    """Give the 32-byte link of an entry that follows one with link `previous`."""
    fields = (
        channel,
        seq,
        time_ms,
        draft.sender,
        draft.delegation,
        draft.key,
        draft.kind.value,
        draft.text,
        draft.ref,
        draft.reaction,
        draft.removed,
        draft.mentions,
        draft.precedence.value,
        draft.data,
    )
    return hashlib.sha256(previous + _encode(fields)).digest()
