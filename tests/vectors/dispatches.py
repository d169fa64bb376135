"""The vectors of the register of dispatches; generate.py puts them behind the core's."""

from collections.abc import Sequence
from typing import Any, Final

from liaison.protocol import dispatch_frames as frames
from liaison.protocol.frames import Attachment, Reply

_NOON_MS: Final = 1_536_894_000_000
_NUMBER: Final = "south-2018-0001"
_ID: Final = "5d1c9e0b7a34f682"

_LETTER: Final[dict[str, Any]] = {
    "subject": "댐 방류 통보",
    "body": "수문 3개를 18:00에 엽니다.",
    "signatory": "남측 연락대표",
    "rank": "서기관",
    "addressee": "북측 연락대표",
}
_WHOLE: Final[dict[str, Any]] = {
    **_LETTER,
    "precedence": "flash",
    "items": [{"kind": "figure", "label": "수문", "value": "3"}, {"kind": "time", "label": "시각", "value": "18:00"}],
    "attachments": [
        {"sha256": "ab" * 32, "name": "수문 현황.pdf", "media_type": "application/pdf", "size_bytes": 51_200},
    ],
    "reference": "north-2018-0007",
}


def _step(type_: str, number: int, **fields: Any) -> dict[str, Any]:
    return {"type": type_, "id": number, "key": f"d-{number}", "dispatch": _NUMBER, "revision": 4, **fields}


COMMANDS: Final[Sequence[dict[str, Any]]] = (
    {"type": "dispatch_draft", "id": 600, "key": "d-600", **_LETTER},
    {"type": "dispatch_draft", "id": 601, "key": "d-601", **_WHOLE},
    {"type": "dispatch_revise", "id": 602, "key": "d-602", **_WHOLE, "dispatch": _ID, "revision": 1},
    {**_step("dispatch_clear", 603), "dispatch": _ID},
    {**_step("dispatch_tender", 604), "dispatch": _ID},
    _step("dispatch_accept", 605),
    _step("dispatch_defer", 606, until_ms=_NOON_MS, note="회의 중입니다."),
    _step("dispatch_decline", 607, note="서명자의 직급이 다릅니다."),
    _step("dispatch_read_back", 608, values=["3", "18:00"]),
    _step("dispatch_confirm_read_back", 609, confirmed=[True, False]),
    _step("dispatch_acknowledge", 610),
    _step("dispatch_answer", 611, answer="north-2018-0008"),
    _step("dispatch_close", 612),
    _step("dispatch_record_other_means", 613, place="직통전화", at_ms=_NOON_MS, note="구두로 읽어 줌"),
    {"type": "dispatches", "id": 614},
    {
        "type": "dispatches",
        "id": 615,
        "state": "tendered",
        "side": "south",
        "precedence": "routine",
        "waits_on": "north",
        "overdue": True,
        "year": 2018,
        "before_ms": _NOON_MS,
        "limit": 20,
    },
    {"type": "dispatch", "id": 616, "dispatch": _NUMBER},
)

_DRAFT: Final = frames.DispatchLine(
    dispatch=_ID,
    side="south",
    state="draft",
    revision=1,
    subject="댐 방류 통보",
    signatory="남측 연락대표",
    rank="서기관",
    addressee="북측 연락대표",
    begun_ms=_NOON_MS,
    since_ms=_NOON_MS,
    overdue=False,
)
_TENDERED: Final = frames.DispatchLine(
    dispatch=_NUMBER,
    side="south",
    state="awaiting_read_back",
    revision=4,
    subject="댐 방류 통보",
    signatory="남측 연락대표",
    rank="서기관",
    addressee="북측 연락대표",
    begun_ms=_NOON_MS,
    since_ms=_NOON_MS + 1,
    overdue=True,
    number=_NUMBER,
    precedence="flash",
    reference="north-2018-0007",
    waits_on="north",
    due_ms=_NOON_MS + 600_001,
    needs_read_back=True,
)
_STEPS: Final = [
    frames.DispatchStep("cleared", "south-2", "남측 연락관 2", "south", _NOON_MS, "south/dispatches", 2),
    frames.DispatchStep(
        event="read_back",
        user="north-1",
        name="북측 연락관 1",
        delegation="north",
        time_ms=_NOON_MS,
        channel="joint/dispatches",
        seq=9,
        note="메모",
        until_ms=_NOON_MS,
        place="직통전화",
        at_ms=_NOON_MS,
        values=["8", "18:00"],
        matching=[False, True],
        confirmed=[True],
        answer="north-2018-0008",
    ),
]

_CHOICES: Final = [
    frames.DispatchChoice("dispatch_read_back"),
    frames.DispatchChoice("dispatch_acknowledge", "dispatch_not_read_back"),
]

_DONE: Final = (
    "dispatch_revise",
    "dispatch_clear",
    "dispatch_tender",
    "dispatch_accept",
    "dispatch_defer",
    "dispatch_decline",
    "dispatch_read_back",
    "dispatch_confirm_read_back",
    "dispatch_acknowledge",
    "dispatch_answer",
    "dispatch_close",
    "dispatch_record_other_means",
)

ANSWERS: Final[Sequence[tuple[str, Reply]]] = (
    ("dispatch_draft", frames.DispatchStepReply(id=600, dispatch=_DRAFT, duplicate=False)),
    *((type_, frames.DispatchStepReply(id=601, dispatch=_TENDERED, duplicate=True)) for type_ in _DONE),
    ("dispatches", frames.DispatchesReply(id=614, time_ms=_NOON_MS, dispatches=[_TENDERED, _DRAFT], more=False)),
    ("dispatch", frames.DispatchReply(id=616, dispatch=_TENDERED, history=_STEPS, choices=_CHOICES)),
    (
        "dispatch",
        frames.DispatchReply(
            id=616,
            dispatch=_TENDERED,
            history=[],
            choices=[],
            content=frames.DispatchContent(
                "본문",
                "d" * 64,
                [frames.DispatchItem("name", "이름", "김철수"), frames.DispatchItem("time", "때", "9")],
                [Attachment("ab" * 32, "수문 현황.pdf", "application/pdf", 51_200)],
                "joint/dispatches",
            ),
        ),
    ),
)
