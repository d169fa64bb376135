"""The vectors of duty; generate.py puts them behind the core's."""

from collections.abc import Sequence
from typing import Any, Final

from liaison.protocol import duty_frames as frames
from liaison.protocol.frames import Reply
from liaison.protocol.line_check_frames import LineCheckDay, LineCheckInfo

_NOON_MS: Final = 1_536_894_000_000
_NAME: Final = "5d1c9e0b7a34f682"
_DIGEST: Final = "0123456789abcdef" * 4
_CSV: Final = (
    "user,duty,first,begins,ends,days,every_weeks,last\nsouth-1,officer,2018-09-17,09:00,18:00,MO TU WE TH FR,1,\n"
)

COMMANDS: Final[Sequence[dict[str, Any]]] = (
    {"type": "duty", "id": 625},
    {"type": "duty_roster", "id": 626},
    {"type": "duty_roster", "id": 627, "from_ms": _NOON_MS, "days": 35},
    {"type": "duty_import", "id": 628, "key": "r-1", "format": "csv", "text": _CSV, "revision": 0},
    {"type": "duty_export", "id": 629, "format": "icalendar"},
    {"type": "duty_handovers", "id": 630},
    {"type": "duty_handovers", "id": 631, "limit": 5},
    {"type": "duty_hand_over", "id": 632, "key": "h-1"},
    {"type": "duty_hand_over", "id": 633, "key": "h-2", "notes": ["열쇠는 서랍에 있습니다."]},
    {"type": "duty_acknowledge", "id": 634, "key": "a-1", "handover": _NAME, "digest": _DIGEST},
    {"type": "duty_withdraw", "id": 635, "key": "w-1", "handover": _NAME},
    {"type": "desks", "id": 636},
    {"type": "desks", "id": 637, "days": 7},
)

_ITEMS: Final = [
    frames.OpenItem("dispatch", "north-2018-0007", "댐 방류 통보"),
    frames.OpenItem("line_check", "2018-09-15T09:00", "desk_unstaffed"),
    frames.OpenItem("note", "", "열쇠는 서랍에 있습니다."),
]
_OFFERED: Final = frames.HandoverInfo(
    handover=_NAME, state="offered", offered_by="south-1", offered_ms=_NOON_MS, items=_ITEMS, digest=_DIGEST
)
_TAKEN: Final = frames.HandoverInfo(
    handover=_NAME,
    state="acknowledged",
    offered_by="south-1",
    offered_ms=_NOON_MS,
    items=[],
    digest=_DIGEST,
    ended_by="south-2",
    ended_ms=_NOON_MS + 60_000,
)
_OWN: Final = frames.DutySide(
    delegation="south",
    granularity="named",
    staffed=True,
    present=1,
    officer="south-1",
    on_duty=["south-1", "south-2"],
    here=["south-2"],
    until_ms=_NOON_MS + 3_600_000,
    holder="south-1",
    unstaffed_since_ms=_NOON_MS,
)
_CHECK: Final = LineCheckInfo(
    "2018-09-15T09:00", _NOON_MS, "south", "north", "ended", outcome="desk_unstaffed", side="north", ended_ms=_NOON_MS
)

ANSWERS: Final[Sequence[tuple[str, Reply]]] = (
    (
        "duty",
        frames.DutyReply(
            id=625, time_ms=_NOON_MS, sides=[frames.DutySide("north", "count", staffed=False, present=0), _OWN]
        ),
    ),
    (
        "duty",
        frames.DutyReply(
            id=625, time_ms=_NOON_MS, sides=[frames.DutySide("north", "staffed", staffed=False)], is_stale=True
        ),
    ),
    (
        "duty_roster",
        frames.DutyRosterReply(
            id=626,
            revision=3,
            time_zone="Asia/Seoul",
            from_ms=_NOON_MS,
            until_ms=_NOON_MS + 86_400_000,
            shifts=[frames.ShiftInfo("south-1", "officer", _NOON_MS, _NOON_MS + 32_400_000)],
        ),
    ),
    ("duty_import", frames.DutyImportReply(id=628, revision=3, shifts=1, duplicate=False)),
    ("duty_export", frames.DutyExportReply(id=629, revision=3, format="csv", text=_CSV)),
    ("duty_handovers", frames.DutyHandoversReply(id=630, items=_ITEMS, handovers=[_OFFERED, _TAKEN], more=False)),
    ("duty_hand_over", frames.DutyHandoverReply(id=632, handover=_OFFERED, duplicate=False)),
    ("duty_acknowledge", frames.DutyHandoverReply(id=634, handover=_TAKEN, duplicate=True)),
    ("duty_withdraw", frames.DutyHandoverReply(id=635, handover=_TAKEN, duplicate=False)),
    (
        "desks",
        frames.DesksReply(
            id=636,
            time_ms=_NOON_MS,
            desks=[
                frames.DeskInfo("north", line_up=True, staffed=False, has_roster=True, unstaffed_since_ms=_NOON_MS),
                frames.DeskInfo("south", line_up=True, staffed=True, has_roster=False),
            ],
            days=[LineCheckDay("2018-09-15", "south", [_CHECK])],
        ),
    ),
    ("desks", frames.DesksReply(id=637, time_ms=_NOON_MS, desks=[], days=[], is_stale=True)),
)
