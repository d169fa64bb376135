"""The vectors of suspension and two keys; generate.py puts them behind the core's."""

from collections.abc import Sequence
from typing import Any, Final

from liaison.protocol import administration_frames as frames
from liaison.protocol.frames import Message, Reply

_NOON_MS: Final = 1_536_894_000_000
_GENERAL: Final = "joint/general"
_NAME: Final = "5d1c9e0b7a34f682"
_DIGEST: Final = "0123456789abcdef" * 4


def _propose(number: int, **subject: Any) -> dict[str, Any]:
    return {"type": "propose", "id": number, "key": f"p-{number}", "subject": subject, "expires_ms": _NOON_MS}


COMMANDS: Final[Sequence[dict[str, Any]]] = (
    {
        "type": "suspend_channel",
        "id": 640,
        "channel": _GENERAL,
        "key": "s-1",
        "authority": "남측 대표",
        "reason": "협의가 필요함",
    },
    {"type": "held_messages", "id": 641, "channel": _GENERAL},
    _propose(642, kind="resume", channel=_GENERAL, suspension=_NAME),
    _propose(643, kind="membership", channel=_GENERAL, user="north-1", access="read"),
    _propose(644, kind="bot_access", channel=_GENERAL, user="south-bot", access="write"),
    _propose(645, kind="retention", channel=_GENERAL, days=0),
    _propose(646, kind="export", channel=_GENERAL, until_ms=_NOON_MS),
    _propose(647, kind="granularity", granularity="staffed"),
    {"type": "approve_proposal", "id": 648, "key": "a-1", "proposal": _NAME, "digest": _DIGEST},
    {"type": "reject_proposal", "id": 649, "key": "r-1", "proposal": _NAME, "reason": "아직 이르다"},
    {"type": "withdraw_proposal", "id": 650, "key": "w-1", "proposal": _NAME},
    {"type": "administration", "id": 651},
    {"type": "administration", "id": 652, "open_only": True, "limit": 5},
    {"type": "export_channel", "id": 653, "channel": _GENERAL, "key": "e-1"},
    {"type": "export_channel", "id": 654, "channel": _GENERAL, "key": "e-1", "after": 200, "limit": 200},
)

_OPEN: Final = frames.ProposalInfo(
    proposal=_NAME,
    digest=_DIGEST,
    subject=frames.ResumeChannel(_GENERAL, _NAME),
    proposed_by="north-head",
    delegation="north",
    proposed_ms=_NOON_MS,
    expires_ms=_NOON_MS + 3_600_000,
    state="approved_by_one",
    approvals=[frames.ApprovalInfo("north", "north-head", _NOON_MS)],
    waits_on=["south"],
)
_ENDED: Final = frames.ProposalInfo(
    proposal=_NAME,
    digest=_DIGEST,
    subject=frames.SetGranularity("count"),
    proposed_by="south-head",
    delegation="south",
    proposed_ms=_NOON_MS,
    expires_ms=_NOON_MS + 3_600_000,
    state="rejected",
    ended_by="north-head",
    ended_ms=_NOON_MS + 60_000,
    note="아직 이르다",
)
_HELD: Final = [
    frames.HeldMessage(
        "k-1", _NOON_MS, "text", text="기다립니다", ref=3, mentions=["north-1"], precedence="flash", data="{}"
    ),
    frames.HeldMessage("k-2", _NOON_MS, "reaction", ref=3, reaction="👍", removed=True),
]

ANSWERS: Final[Sequence[tuple[str, Reply]]] = (
    ("suspend_channel", frames.SuspensionReply(id=640, suspension=_NAME, time_ms=_NOON_MS, duplicate=False)),
    ("held_messages", frames.HeldReply(id=641, channel=_GENERAL, suspended=True, messages=_HELD, of_side=3)),
    ("propose", frames.ProposalReply(id=642, proposal=_OPEN, duplicate=False)),
    ("approve_proposal", frames.ProposalReply(id=648, proposal=_OPEN, duplicate=True)),
    ("reject_proposal", frames.ProposalReply(id=649, proposal=_ENDED, duplicate=False)),
    ("withdraw_proposal", frames.ProposalReply(id=650, proposal=_ENDED, duplicate=False)),
    (
        "administration",
        frames.AdministrationReply(
            id=651,
            suspensions=[
                frames.SuspensionInfo(_GENERAL, _NAME, "south", "south-head", "남측 대표", "협의가 필요함", _NOON_MS)
            ],
            granularity="named",
            retention=[frames.RetentionInfo(_GENERAL, 3650)],
            exports=[frames.ExportInfo(_GENERAL, _NOON_MS)],
            proposals=[_OPEN, _ENDED],
            more=False,
        ),
    ),
    (
        "export_channel",
        frames.ExportReply(
            id=653,
            channel=_GENERAL,
            epoch=1,
            head=1,
            until_ms=_NOON_MS,
            messages=[
                Message(
                    channel=_GENERAL,
                    epoch=1,
                    seq=1,
                    time_ms=_NOON_MS,
                    sender="south-1",
                    delegation="south",
                    key="k-1",
                    kind="text",
                    link=bytes(range(32)),
                    text="안녕하십니까",
                )
            ],
        ),
    ),
)
