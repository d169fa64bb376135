"""Heads of a channel that sides have signed, and what follows from them. (PROTOCOL.md §13.4)

A signature stands in the chain whose head it signs, a place or more behind it. So everybody who reads the channel has
every signature of both sides, an export carries them, and the next signature covers the ones before.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from liaison.core.entries import Draft, Entry, EntryKind
from liaison.core.identifiers import (
    ChannelId,
    ChannelKind,
    DelegationId,
    UserId,
    kind_of,
    members_of_direct,
    owner_of,
)
from liaison.core.rights import Account
from liaison.core.side_keys import SideKey, check_signature
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.signed_heads import HeadStatement

# A signer's clock may be as far off; a signature that was made longer ago is not one over what stands now.
MAX_CLOCK_DIFFERENCE_MS: Final = 5 * 60_000


class SignedHead(Struct, frozen=True):
    """The `data` of a `signed_head` entry. The channel and the delegation are the entry's own."""

    office: str
    fingerprint: str
    epoch: int
    seq: int
    link: str
    time_ms: int
    signature: str

    def statement(self, channel: ChannelId, side: DelegationId) -> HeadStatement:
        """Give what was signed. Raises ValueError for a link that is none."""
        return HeadStatement(
            office=self.office,
            channel=channel,
            epoch=self.epoch,
            seq=self.seq,
            link=bytes.fromhex(self.link),
            time_ms=self.time_ms,
            delegation=side,
            fingerprint=self.fingerprint,
        )

    def draft(self, by: UserId, side: DelegationId) -> Draft:
        """Give the entry. Its key is made of the signature, so that a repeat is the same entry."""
        data = msgspec.json.encode(self, order="sorted").decode()
        key = sha256(self.signature.encode()).hexdigest()[:32]
        return Draft(by, side, f"signed {key}", EntryKind.SIGNED_HEAD, data=data)


_decode: Final = msgspec.json.Decoder(SignedHead).decode


def signed_head_of(entry: Entry) -> SignedHead | None:
    """Give what an entry signs; None for another kind, and for what a later version may have written."""
    if entry.draft.kind is not EntryKind.SIGNED_HEAD:
        return None
    try:
        return _decode(entry.draft.data)
    except msgspec.DecodeError:
        return None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a channel stands: its epoch and head, and the link at the seq that is to be signed (None for no entry)."""

    epoch: int
    head: int
    link: bytes | None


def check_head(head: SignedHead, standing: Standing, now_ms: int) -> None:
    """Refuse to keep a signature under what this log doesn't hold. Raises Refused, each with its own error."""
    if abs(head.time_ms - now_ms) > MAX_CLOCK_DIFFERENCE_MS:
        raise Refused(ErrorCode.HEAD_TIME, "the signature's time is more than five minutes off")
    if head.epoch != standing.epoch:
        raise Refused(ErrorCode.HEAD_EPOCH, f"the channel is in epoch {standing.epoch}")
    if not 1 <= head.seq <= standing.head:
        raise Refused(ErrorCode.HEAD_SEQ, f"the channel has entries 1 to {standing.head}")
    if standing.link is None or head.link != standing.link.hex():
        raise Refused(ErrorCode.HEAD_LINK, "the channel's record has another link there: compare it")


def check_newer(head: SignedHead, newest: SignedHead | None) -> None:
    """Refuse a head that isn't newer than the newest one this key has signed. Raises Refused(HEAD_OLDER)."""
    # After a restore the newest may be of another epoch, and what it signed may be gone: only what is here counts.
    if newest is not None and head.epoch == newest.epoch and head.seq <= newest.seq:
        raise Refused(ErrorCode.HEAD_OLDER, f"this key has signed up to {newest.seq} already")


def check_signed_by(key: SideKey, head: SignedHead, channel: ChannelId) -> None:
    """Refuse a head that this key hasn't signed. Raises Refused(KEY_ENDED, SIGNATURE_WRONG)."""
    if not key.counts_at(head.time_ms):
        raise Refused(ErrorCode.KEY_ENDED, "the key was not valid at the time of the signature")
    check_signature(key.public_key, head.signature, head.statement(channel, key.side).to_bytes())


def signers_of(
    channel: ChannelId, sides: Iterable[DelegationId], accounts: Mapping[UserId, Account]
) -> list[DelegationId]:
    """Give the sides whose signatures make a channel's record complete: those whose people can read it, sorted."""
    match kind_of(channel):
        case ChannelKind.JOINT:
            return sorted(sides)
        case ChannelKind.SIDE:
            return [side for side in sides if side == owner_of(channel)]
        case ChannelKind.DIRECT:
            named = [accounts[user].delegation for user in members_of_direct(channel) if user in accounts]
            return sorted(set(named))


@dataclass(frozen=True, slots=True)
class SignedUpTo:
    """How far one side has signed, and when it said so; seq 0 for never."""

    side: DelegationId
    seq: int = 0
    time_ms: int = 0


def furthest(entries: Iterable[Entry], sides: Iterable[DelegationId]) -> list[SignedUpTo]:
    """Give for each side the furthest head among signed heads."""
    best = {side: SignedUpTo(side) for side in sides}
    for entry in entries:
        head, side = signed_head_of(entry), entry.draft.delegation
        if head is not None and side in best and head.seq > best[side].seq:
            best[side] = SignedUpTo(side, head.seq, head.time_ms)
    return list(best.values())


def signature_bytes(text: str) -> bytes:
    """Give a signature's bytes; what is no base64 gives none, which no key has made."""
    try:
        return b64decode(text, validate=True)
    except NotBase64:
        return b""
