"""What signatures, kept heads and the other side's copy prove about a transcript, offline. (PROTOCOL.md §13.4)

The chain alone shows a change that was made clumsily: whoever rewrites all that follows has a sound chain again. Then
a head that a side has signed no longer fits, whether its signature is still in the transcript or was kept elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import msgspec

from liaison.core.entries import EntryKind
from liaison.core.identifiers import ChannelId, DelegationId
from liaison.core.side_keys import is_signed
from liaison.core.signed_record import SignedHead, signature_bytes
from liaison.core.transcript import Fault, TranscriptError, Verified, read_line, verify
from liaison.protocol.frames import Message
from liaison.protocol.record_frames import KeyInfo

# What stands in a message's line, but for the epoch, which a restore gives anew to the same entries.
_COMPARED: Final = tuple(field for field in Message.__struct_fields__ if field != "epoch")


class Keys(msgspec.Struct, frozen=True):
    """A file of keys: what `side_keys` answers. Check its fingerprints with those who hold the keys."""

    office: str
    keys: list[KeyInfo]

    def find(self, fingerprint: str) -> KeyInfo | None:
        """Give a key."""
        return next((key for key in self.keys if key.fingerprint == fingerprint), None)


class KeptHead(SignedHead, frozen=True, kw_only=True):
    """A line of a file of kept heads: a signed head with where it is from."""

    channel: str
    delegation: str


def read_keys(text: bytes) -> Keys:
    """Read a file of keys. Raises ValueError."""
    return msgspec.json.decode(text, type=Keys)


def read_kept_heads(lines: Iterable[bytes]) -> list[KeptHead]:
    """Read a file of kept heads, one a line. Raises ValueError that names the line."""
    heads = []
    for number, line in enumerate(lines, 1):
        try:
            heads.append(msgspec.json.decode(line, type=KeptHead))
        except msgspec.MsgspecError as error:
            raise ValueError(f"line {number}: {error}") from error
    return heads


@dataclass(frozen=True, slots=True)
class Checked:
    """A transcript whose chain is sound, and how far each side has signed it; none where no keys were given."""

    verified: Verified
    signed: Mapping[str, int]


def check(lines: Iterable[bytes], keys: Keys | None, kept: Iterable[KeptHead] = ()) -> Checked:
    """Verify a transcript, every signature in it, and every head that was kept of its channel.

    Without keys, a signed head is still compared with the chain, but not whose it is.

    Raises TranscriptError, which names the first bad line.
    """
    signed = _Signed(keys)
    verified = verify(lines, signed.look)
    for head in kept:
        if head.channel == verified.channel:
            signed.check_kept(head, verified)
    return Checked(verified, signed.furthest if keys is not None else {})


class _Signed:
    """Looks at each message as it is verified, and keeps the links by seq, 32 bytes each."""

    def __init__(self, keys: Keys | None) -> None:
        self._keys = keys
        self._links: list[bytes] = []
        self.furthest: dict[str, int] = {}

    def look(self, line: int, message: Message) -> None:
        """Check what is a signed head. Raises TranscriptError."""
        self._links.append(message.link)
        if message.kind == EntryKind.SIGNED_HEAD.value:
            self._look_at(line, message)

    def _look_at(self, line: int, message: Message) -> None:
        try:
            head = msgspec.json.decode(message.data, type=SignedHead)
        except msgspec.MsgspecError as error:
            raise TranscriptError(line, Fault.FORGED, f"no signed head: {error}") from error
        self._check(line, head, message.channel, message.delegation, message.time_ms)
        self._check_link(line, head, message.delegation, message.seq - 1, message.epoch)

    def check_kept(self, head: KeptHead, verified: Verified) -> None:
        """Compare a kept head with the transcript, which is read by now. Raises TranscriptError."""
        end = verified.seq + 2
        if head.seq > verified.seq:
            detail = f"{head.delegation} has signed message {head.seq}, the file ends after {verified.seq}"
            raise TranscriptError(end, Fault.TRUNCATED, detail)
        line = head.seq + 1
        self._check(line, head, head.channel, head.delegation, head.time_ms)
        self._check_link(line, head, head.delegation, verified.seq, verified.epoch)

    def _check(self, line: int, head: SignedHead, channel: str, side: str, time_ms: int) -> None:
        if self._keys is None:
            return
        key = self._keys.find(head.fingerprint)
        if key is None or key.delegation != side or head.office != self._keys.office:
            raise TranscriptError(
                line, Fault.FORGED, f"signed with {head.fingerprint[:16]}…, which is no key of {side}"
            )
        times = (head.time_ms, time_ms)
        if min(times) < key.from_ms or (key.until_ms and max(times) >= key.until_ms):
            raise TranscriptError(line, Fault.FORGED, f"signed when the key {head.fingerprint[:16]}… did not count")
        try:
            statement = head.statement(ChannelId(channel), DelegationId(side)).to_bytes()
        except ValueError as error:
            raise TranscriptError(line, Fault.FORGED, f"no signed head: {error}") from error
        if not is_signed(signature_bytes(key.public_key), signature_bytes(head.signature), statement):
            raise TranscriptError(line, Fault.FORGED, f"the signature is not that of {head.fingerprint[:16]}…")
        self.furthest[side] = max(head.seq, self.furthest.get(side, 0))

    def _check_link(self, line: int, head: SignedHead, side: str, last: int, epoch: int) -> None:
        if head.epoch > epoch:
            detail = f"{side} has signed message {head.seq} in epoch {head.epoch}, the file is of epoch {epoch}"
            raise TranscriptError(line, Fault.FORKED, detail)
        if not 1 <= head.seq <= last or self._links[head.seq - 1].hex() != head.link:
            detail = f"{side} has signed message {head.seq} with link {head.link[:16]}…, here it has another"
            raise TranscriptError(line, Fault.FORKED, detail)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two copies of one channel differ first: `line` of both, the seq, and the field with what each has."""

    line: int
    seq: int
    field: str
    here: str
    there: str


def first_difference(here: Iterable[bytes], there: Iterable[bytes]) -> Difference | None:
    """Compare two transcripts that each verify; None if all of the second is in the first.

    The first may go on after the second ends, as a newer one does. Lines of both are read in step, so neither is held.
    """
    # The header is line 1.
    for number, (mine, theirs) in enumerate(zip_longest(_messages(here), _messages(there)), 2):
        if theirs is None:
            return None
        if mine is None:
            return Difference(number, theirs.seq, "seq", "nothing", str(theirs.seq))
        for field in _COMPARED:
            if getattr(mine, field) != getattr(theirs, field):
                return Difference(number, theirs.seq, field, _shown(mine, field), _shown(theirs, field))
    return None


def _messages(lines: Iterable[bytes]) -> Iterator[Message]:
    return (record for record in map(read_line, lines) if isinstance(record, Message))


def _shown(message: Message, field: str) -> str:
    value = getattr(message, field)
    return value.hex() if isinstance(value, bytes) else str(value)
