"""Commands and replies of the signed record: keys of the sides, and heads that they sign. (PROTOCOL.md §13.4)"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from liaison.protocol import limits
from liaison.protocol.frames import Channel, Command, Key, PageLimit, Reply, Seq

# SHA-256 in hexadecimal; of a public key, or a link.
Fingerprint = Annotated[str, Meta(min_length=64, max_length=64)]
LinkHex = Annotated[str, Meta(min_length=64, max_length=64)]
# Base64 with padding: the same text in both formats, for it is also what the entries hold.
PublicKey = Annotated[str, Meta(min_length=44, max_length=44)]
Signature = Annotated[str, Meta(min_length=88, max_length=88)]
Label = Annotated[str, Meta(min_length=1, max_length=limits.MAX_KEY_LABEL_CHARS)]
KeyState = Literal["valid", "replaced", "revoked"]


class RegisterKey(Command, frozen=True, tag="register_key"):
    """Register a key of one's own side; with `replaces`, which that key must endorse, in the place of another."""

    key: Key
    public_key: PublicKey
    label: Label
    proof: Signature
    replaces: Annotated[str, Meta(max_length=64)] = ""
    endorsement: Annotated[str, Meta(max_length=88)] = ""


class RevokeKey(Command, frozen=True, tag="revoke_key"):
    """End a key of one's own side: what it signs from now on counts for nothing."""

    key: Key
    fingerprint: Fingerprint
    reason: Annotated[str, Meta(min_length=1, max_length=limits.MAX_REASON_CHARS)]


class SideKeys(Command, frozen=True, tag="side_keys"):
    """All keys of both sides, in the order they came."""


class SignHead(Command, frozen=True, tag="sign_head"):
    """Put one's side's signature under the record of a channel up to `seq`."""

    channel: Channel
    fingerprint: Fingerprint
    epoch: Seq
    seq: Seq
    link: LinkHex
    time_ms: Seq
    signature: Signature


class SignedHeads(Command, frozen=True, tag="signed_heads"):
    """How far each side has signed a channel, and a page of signed heads, newest first, of entries below `before`."""

    channel: Channel
    before: Seq = 0
    limit: PageLimit = limits.DEFAULT_PAGE_MESSAGES


RecordCommand = RegisterKey | RevokeKey | SideKeys | SignHead | SignedHeads


class KeyInfo(Struct, frozen=True, omit_defaults=True):
    """A key of a side. It counts from `from_ms` on, and before `until_ms` if there is one (wall clock)."""

    fingerprint: str
    public_key: str
    delegation: str
    label: str
    user: str
    from_ms: int
    state: KeyState
    proof: str
    replaces: str = ""
    endorsement: str = ""
    until_ms: int = 0
    ended_by: str = ""
    reason: str = ""


class KeyReply(Reply, frozen=True, kw_only=True):
    side_key: KeyInfo
    duplicate: bool


class SideKeysReply(Reply, frozen=True, kw_only=True):
    """`office` is the id that statements begin with."""

    office: str
    keys: list[KeyInfo]


class SignHeadReply(Reply, frozen=True, kw_only=True):
    """Where the signature stands."""

    seq: int
    epoch: int
    time_ms: int
    duplicate: bool


class SignedUpToInfo(Struct, frozen=True):
    """How far a side has signed, and when it said so; 0 for never."""

    delegation: str
    seq: int
    time_ms: int


class SignedHeadInfo(Struct, frozen=True):
    """A signature: where it stands (`entry_seq`), by whom, and what it says."""

    entry_seq: int
    user: str
    delegation: str
    fingerprint: str
    epoch: int
    seq: int
    link: str
    time_ms: int
    signature: str


class SignedHeadsReply(Reply, frozen=True, kw_only=True):
    """`complete_seq`: the record up to there is signed by every side that reads the channel; 0 for nothing."""

    channel: str
    office: str
    epoch: int
    head: int
    complete_seq: int
    sides: list[SignedUpToInfo]
    heads: list[SignedHeadInfo]
    more: bool
