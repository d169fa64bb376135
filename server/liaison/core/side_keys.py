"""The keys that each side signs the record with, folded out of the administration log. (PROTOCOL.md §13.4)

A side's keys are registered, replaced and revoked by its own heads; the server holds public halves only. A key that has
ended is never forgotten: what it signed while it was valid stays verifiable.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product
from typing import Final

import msgspec
from msgspec import Struct

from liaison.core.entries import Draft, Entry, EntryKind
from liaison.core.identifiers import DelegationId, UserId
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.signed_heads import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, KeyStatement, fingerprint_of

# A desk's browser, a bot and a spare for each of some heads; more would be keys that nobody remembers to revoke.
MAX_VALID_KEYS: Final = 16


class State(Enum):
    """Where a key stands; the values are those of the wire."""

    NEW = "new"
    VALID = "valid"
    REPLACED = "replaced"
    REVOKED = "revoked"


class Event(Enum):
    """What can happen to a key; the first and the last are the values of the entries."""

    REGISTERED = "key_registered"
    REPLACED = "key_replaced"
    REVOKED = "key_revoked"


_MOVES: Final[Mapping[State, Mapping[Event, State]]] = {
    State.NEW: {Event.REGISTERED: State.VALID},
    State.VALID: {Event.REPLACED: State.REPLACED, Event.REVOKED: State.REVOKED},
}

# Every state with every event: where it leads, or the error that answers it.
TABLE: Final[Mapping[tuple[State, Event], State | ErrorCode]] = {
    (state, event): _MOVES.get(state, {}).get(
        event, ErrorCode.KEY_EXISTS if event is Event.REGISTERED else ErrorCode.KEY_ENDED
    )
    for state, event in product(State, Event)
} | {(State.NEW, event): ErrorCode.NO_SUCH_KEY for event in (Event.REPLACED, Event.REVOKED)}


class _Record(Struct, frozen=True, tag_field="event", omit_defaults=True):
    pass


class Registered(_Record, frozen=True, tag="key_registered"):
    """A head registers a key of their side. `proof` is by the key itself, `endorsement` by the one it replaces."""

    public_key: str
    label: str
    proof: str
    replaces: str = ""
    endorsement: str = ""


class Revoked(_Record, frozen=True, tag="key_revoked"):
    """A head ends a key of their side."""

    fingerprint: str
    reason: str


Record = Registered | Revoked


@dataclass(frozen=True, slots=True)
class SideKey:
    """A public key and when it counts: from `from_ms` on and before `until_ms`, which is 0 while it is valid."""

    fingerprint: str
    public_key: bytes
    side: DelegationId
    label: str
    by: UserId
    from_ms: int
    proof: str
    replaces: str = ""
    endorsement: str = ""
    state: State = State.VALID
    until_ms: int = 0
    ended_by: str = ""
    reason: str = ""

    def counts_at(self, time_ms: int) -> bool:
        """Whether what it signed at that time (wall clock) is to be believed."""
        return self.from_ms <= time_ms and (not self.until_ms or time_ms < self.until_ms)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys of both sides by fingerprint, in the order they came, and the idempotency keys of what was written."""

    keys: Mapping[str, SideKey]
    made: frozenset[tuple[UserId, str]]

    def of_side(self, fingerprint: str, side: DelegationId) -> SideKey:
        """Give a side's own key. Raises Refused(NO_SUCH_KEY, KEY_OTHER_SIDE)."""
        key = self.keys.get(fingerprint)
        if key is None:
            raise Refused(ErrorCode.NO_SUCH_KEY, "no such key is registered")
        if key.side != side:
            raise Refused(ErrorCode.KEY_OTHER_SIDE, "this key is the other side's")
        return key

    def valid(self, fingerprint: str, side: DelegationId) -> SideKey:
        """Give a side's own key that hasn't ended. Raises Refused(NO_SUCH_KEY, KEY_OTHER_SIDE, KEY_ENDED)."""
        key = self.of_side(fingerprint, side)
        if key.state is not State.VALID:
            raise Refused(ErrorCode.KEY_ENDED, f"this key was {key.state.value}")
        return key


NO_KEYS: Final = KeyRing({}, frozenset())


@dataclass(frozen=True, slots=True)
class Signer:
    """A head who registers or ends a key, under which idempotency key, and in which office."""

    by: UserId
    side: DelegationId
    key: str
    office: str

    def writes(self, record: Record) -> Draft:
        """Give the entry that says so."""
        data = msgspec.json.encode(record, order="sorted").decode()
        return Draft(self.by, self.side, self.key, EntryKind.ADMINISTRATION, data=data)


def fold(ring: KeyRing, entry: Entry) -> KeyRing:
    """Give the keys after one more entry of the administration log; what the table doesn't allow changes nothing."""
    draft = entry.draft
    if draft.kind is not EntryKind.ADMINISTRATION:
        return ring
    try:
        record = msgspec.json.decode(draft.data, type=Record)
    except msgspec.ValidationError:
        # Something else of the administration log.
        return ring
    ring = replace(ring, made=ring.made | {(draft.sender, draft.key)})
    if isinstance(record, Revoked):
        return _end(ring, record.fingerprint, Event.REVOKED, entry, record.reason)
    return _add(ring, record, entry)


def _add(ring: KeyRing, record: Registered, entry: Entry) -> KeyRing:
    try:
        public_key = b64decode(record.public_key, validate=True)
    except NotBase64:
        return ring
    new = SideKey(
        fingerprint=fingerprint_of(public_key),
        public_key=public_key,
        side=entry.draft.delegation,
        label=record.label,
        by=entry.draft.sender,
        from_ms=entry.time_ms,
        proof=record.proof,
        replaces=record.replaces,
        endorsement=record.endorsement,
    )
    if new.fingerprint in ring.keys:
        return ring
    if record.replaces:
        ring = _end(ring, record.replaces, Event.REPLACED, entry, "")
    return replace(ring, keys={**ring.keys, new.fingerprint: new})


def _end(ring: KeyRing, fingerprint: str, event: Event, entry: Entry, reason: str) -> KeyRing:
    key = ring.keys.get(fingerprint)
    # Whatever an entry says, no side ends the other's keys.
    if key is None or key.side != entry.draft.delegation:
        return ring
    after = TABLE[key.state, event]
    if not isinstance(after, State):
        return ring
    ended = replace(key, state=after, until_ms=entry.time_ms, ended_by=entry.draft.sender, reason=reason)
    return replace(ring, keys={**ring.keys, fingerprint: ended})


def register(ring: KeyRing, signer: Signer, wish: Registered) -> Draft:
    """Give the entry of a new key. Raises Refused."""
    if (signer.by, signer.key) not in ring.made:
        _check_registration(ring, signer, wish)
    return signer.writes(wish)


def _check_registration(ring: KeyRing, signer: Signer, wish: Registered) -> None:
    public_key = unpacked(wish.public_key, PUBLIC_KEY_BYTES, ErrorCode.KEY_INVALID)
    fingerprint = fingerprint_of(public_key)
    if fingerprint in ring.keys:
        raise Refused(ErrorCode.KEY_EXISTS, "this key was registered before; a key is registered once")
    statement = KeyStatement(signer.office, signer.side, fingerprint, wish.label, wish.replaces).to_bytes()
    check_signature(public_key, wish.proof, statement)
    if wish.replaces:
        old = ring.valid(wish.replaces, signer.side)
        check_signature(old.public_key, wish.endorsement, statement)
    elif wish.endorsement:
        raise Refused(ErrorCode.INVALID, "an endorsement is by the key that is replaced: name it")
    elif sum(key.side == signer.side and key.state is State.VALID for key in ring.keys.values()) >= MAX_VALID_KEYS:
        raise Refused(ErrorCode.TOO_MANY_KEYS, f"your side has {MAX_VALID_KEYS} valid keys: revoke one first")


def revoke(ring: KeyRing, signer: Signer, fingerprint: str, reason: str) -> Draft:
    """Give the entry that ends a key of one's own side. Raises Refused."""
    if (signer.by, signer.key) not in ring.made:
        ring.valid(fingerprint, signer.side)
    return signer.writes(Revoked(fingerprint, reason))


def packed(value: bytes) -> str:
    """Give the base64, with padding, that keys and signatures are written in."""
    return b64encode(value).decode()


def unpacked(text: str, size: int, code: ErrorCode) -> bytes:
    """Give `size` bytes from their base64 with padding, in the one spelling that they have. Raises Refused(code)."""
    try:
        value = b64decode(text, validate=True)
    except NotBase64:
        value = b""
    # Base64 has spare bits: another spelling of the same bytes would be another entry of the same meaning.
    if len(value) != size or packed(value) != text:
        raise Refused(code, f"{size} bytes in base64 are wanted")
    return value


def is_signed(public_key: bytes, signature: bytes, statement: bytes) -> bool:
    """Whether an Ed25519 signature (RFC 8032) over a statement is this key's; False for what is no key at all."""
    # Here, so that whoever only checks a chain on a machine of their own needs no more than they did before.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_signature(public_key: bytes, signature: str, statement: bytes) -> None:
    """Refuse a signature that isn't this key's over this statement. Raises Refused(SIGNATURE_WRONG)."""
    if not is_signed(public_key, unpacked(signature, SIGNATURE_BYTES, ErrorCode.SIGNATURE_WRONG), statement):
        raise Refused(ErrorCode.SIGNATURE_WRONG, "the signature is not this key's over this statement")


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for (state, event), after in TABLE.items():
        if isinstance(after, State):
            before = "[*]" if state is State.NEW else state.value
            lines.append(f"    {before} --> {after.value}: {event.value}")
    return "\n".join([*lines, *(f"    {state.value} --> [*]" for state in (State.REPLACED, State.REVOKED))])
