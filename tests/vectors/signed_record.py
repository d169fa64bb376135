"""The vectors of the signed record; generate.py puts its frames behind the core's."""

from collections.abc import Sequence
from typing import Any, Final

from liaison.protocol import record_frames as frames
from liaison.protocol.frames import Reply
from liaison.protocol.signed_heads import HeadStatement, KeyStatement
from tests.side_signer import OFFICE, SideSigner

_NOON_MS: Final = 1_536_894_000_000
_GENERAL: Final = "joint/general"
_LINK: Final = bytes(range(32))
_SOUTH: Final = SideSigner("south", "당직실")
_OLD: Final = SideSigner("south", "old")
_NORTH: Final = SideSigner("north", "desk")

COMMANDS: Final[Sequence[dict[str, Any]]] = (
    {"type": "register_key", "id": 660, "key": "k-1", **_OLD.registration()},
    {"type": "register_key", "id": 661, "key": "k-2", **_SOUTH.registration(replaces=_OLD)},
    {"type": "revoke_key", "id": 662, "key": "k-3", "fingerprint": _OLD.fingerprint, "reason": "노트북 분실"},
    {"type": "side_keys", "id": 663},
    {"type": "sign_head", "id": 664, **_SOUTH.head(_GENERAL, 41, _LINK, _NOON_MS)},
    {"type": "signed_heads", "id": 665, "channel": _GENERAL},
    {"type": "signed_heads", "id": 666, "channel": _GENERAL, "before": 42, "limit": 1},
)


def _info(signer: SideSigner, **more: Any) -> frames.KeyInfo:
    fields = {"state": "valid", **signer.registration(), **more}
    return frames.KeyInfo(
        fingerprint=signer.fingerprint,
        delegation=signer.side,
        user=f"{signer.side}-head",
        from_ms=_NOON_MS,
        **fields,
    )


_ENDED: Final = _info(_OLD, state="revoked", until_ms=_NOON_MS + 60_000, ended_by="south-head", reason="노트북 분실")
_REPLACING: Final = _info(_SOUTH, **_SOUTH.registration(replaces=_OLD))
_HEAD: Final = frames.SignedHeadInfo(
    entry_seq=42,
    user="south-bot",
    delegation="south",
    fingerprint=_SOUTH.fingerprint,
    epoch=1,
    seq=41,
    link=_LINK.hex(),
    time_ms=_NOON_MS,
    signature=_SOUTH.signature(_GENERAL, 1, 41, _LINK, _NOON_MS),
)

ANSWERS: Final[Sequence[tuple[str, Reply]]] = (
    ("register_key", frames.KeyReply(id=660, side_key=_info(_OLD), duplicate=False)),
    ("register_key", frames.KeyReply(id=661, side_key=_REPLACING, duplicate=True)),
    ("revoke_key", frames.KeyReply(id=662, side_key=_ENDED, duplicate=False)),
    ("side_keys", frames.SideKeysReply(id=663, office=OFFICE, keys=[_ENDED, _REPLACING, _info(_NORTH)])),
    ("sign_head", frames.SignHeadReply(id=664, seq=42, epoch=1, time_ms=_NOON_MS, duplicate=False)),
    (
        "signed_heads",
        frames.SignedHeadsReply(
            id=665,
            channel=_GENERAL,
            office=OFFICE,
            epoch=1,
            head=42,
            complete_seq=40,
            sides=[
                frames.SignedUpToInfo("north", 40, _NOON_MS - 1000),
                frames.SignedUpToInfo("south", 41, _NOON_MS),
            ],
            heads=[_HEAD],
            more=True,
        ),
    ),
)


def statements() -> dict[str, Any]:
    """Give statements with their bytes and signatures, and signatures that must be refused."""
    head = HeadStatement(OFFICE, "joint/전체-회의", 2, 41, _LINK, _NOON_MS, "south", _SOUTH.fingerprint)
    key = KeyStatement(OFFICE, "south", _SOUTH.fingerprint, _SOUTH.label, _OLD.fingerprint)
    first = KeyStatement(OFFICE, "north", _NORTH.fingerprint, _NORTH.label)
    right = _SOUTH.sign(head.to_bytes())
    wrong_bit = ("B" if right[0] == "A" else "A") + right[1:]
    return {
        "heads": [
            {
                "office": head.office,
                "channel": head.channel,
                "epoch": head.epoch,
                "seq": head.seq,
                "link": head.link.hex(),
                "time_ms": head.time_ms,
                "delegation": head.delegation,
                "fingerprint": head.fingerprint,
                "public_key": _SOUTH.public_key,
                "bytes": head.to_bytes().hex(),
                "signature": right,
            }
        ],
        "keys": [
            {
                "office": statement.office,
                "delegation": statement.delegation,
                "fingerprint": statement.fingerprint,
                "label": statement.label,
                "replaces": statement.replaces,
                "public_key": signer.public_key,
                "bytes": statement.to_bytes().hex(),
                "signature": signer.sign(statement.to_bytes()),
            }
            for signer, statement in ((_SOUTH, key), (_NORTH, first))
        ],
        "refused": [
            {"what": what, "public_key": public_key, "bytes": statement.hex(), "signature": signature}
            for what, public_key, statement, signature in (
                ("a bit of the signature", _SOUTH.public_key, head.to_bytes(), wrong_bit),
                ("another key", _NORTH.public_key, head.to_bytes(), right),
                ("a byte of the statement", _SOUTH.public_key, head.to_bytes()[:-1], right),
                ("another domain", _SOUTH.public_key, head.to_bytes(), _SOUTH.sign(key.to_bytes())),
                ("a short signature", _SOUTH.public_key, head.to_bytes(), right[:84]),
            )
        ],
    }
