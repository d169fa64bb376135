"""The vectors of line checks; generate.py puts them behind the core's."""

from collections.abc import Sequence
from typing import Any, Final

from liaison.protocol import line_check_frames as frames
from liaison.protocol.frames import Reply

_DUE_MS: Final = 1_536_969_600_000
_NAME: Final = "2018-09-15T09:00"

COMMANDS: Final[Sequence[dict[str, Any]]] = (
    {"type": "line_check_call", "id": 620, "key": "c-1", "check": _NAME},
    {"type": "line_check_answer", "id": 621, "key": "c-2", "check": _NAME},
    {"type": "line_check_request", "id": 622, "key": "c-3"},
    {"type": "line_checks", "id": 623},
    {"type": "line_checks", "id": 624, "days": 31},
)

_TO_COME: Final = frames.LineCheckInfo("2018-09-16T09:00", _DUE_MS + 86_400_000, "north", "south", "scheduled")
_CALLED: Final = frames.LineCheckInfo(
    check=_NAME,
    due_ms=_DUE_MS,
    caller="south",
    answerer="north",
    state="called",
    text="시험 통신 — 해 달 별",
    opened_ms=_DUE_MS + 12,
    deadline_ms=_DUE_MS + 180_012,
    called_ms=_DUE_MS + 21_000,
    called_by="south-1",
)
_ANSWERED: Final = frames.LineCheckInfo(
    check="request-5d1c9e0b7a34f682",
    due_ms=_DUE_MS,
    caller="north",
    answerer="south",
    state="ended",
    outcome="answered",
    requested=True,
    text="시험 통신 — 물 바람 산 들",
    opened_ms=_DUE_MS,
    deadline_ms=_DUE_MS + 180_000,
    called_ms=_DUE_MS,
    called_by="north-1",
    answered_ms=_DUE_MS + 5_000,
    answered_by="south-2",
    ended_ms=_DUE_MS + 5_000,
)
_MISSED: Final = frames.LineCheckInfo(
    check="2018-09-14T17:00",
    due_ms=_DUE_MS - 57_600_000,
    caller="north",
    answerer="south",
    state="missed",
    outcome="line_down",
    reason="office_down",
    ended_ms=_DUE_MS - 50_000_000,
)
_PULSES: Final = [frames.HeartbeatInfo("north", True, False), frames.HeartbeatInfo("south", True, True)]
_UNSTAFFED: Final = frames.LineCheckInfo(
    check="2018-09-14T09:00",
    due_ms=_DUE_MS - 86_400_000,
    caller="south",
    answerer="north",
    state="ended",
    outcome="desk_unstaffed",
    side="north",
    opened_ms=_DUE_MS - 86_400_000,
    deadline_ms=_DUE_MS - 86_220_000,
    called_ms=_DUE_MS - 86_390_000,
    called_by="south-1",
    ended_ms=_DUE_MS - 86_220_000,
    heartbeat=_PULSES,
)

ANSWERS: Final[Sequence[tuple[str, Reply]]] = (
    ("line_check_call", frames.LineCheckReply(id=620, check=_CALLED, duplicate=False)),
    ("line_check_answer", frames.LineCheckReply(id=621, check=_ANSWERED, duplicate=True)),
    ("line_check_request", frames.LineCheckReply(id=622, check=_ANSWERED, duplicate=False)),
    (
        "line_checks",
        frames.LineChecksReply(
            id=623,
            time_ms=_DUE_MS + 60_000,
            time_zone="Asia/Seoul",
            times=["09:00", "17:00"],
            answer_within_ms=180_000,
            days=[
                frames.LineCheckDay("2018-09-14", "north", [_UNSTAFFED, _MISSED]),
                frames.LineCheckDay("2018-09-15", "south", [_CALLED, _ANSWERED]),
            ],
            open=[_CALLED],
            heartbeat=_PULSES,
            next=_TO_COME,
        ),
    ),
    (
        "line_checks",
        frames.LineChecksReply(
            id=624,
            time_ms=_DUE_MS,
            time_zone="Asia/Seoul",
            times=[],
            answer_within_ms=180_000,
            days=[frames.LineCheckDay("2018-09-15", "south", [])],
            open=[],
            heartbeat=[],
        ),
    ),
)
