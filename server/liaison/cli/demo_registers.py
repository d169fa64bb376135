"""What the demonstration's registers hold: dispatches at several stages, a suspended line, a proposal.

Each entry is made by the rules that make it in an office, so that what follows from it follows here too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from liaison.core import administration
from liaison.core.dispatch import Event
from liaison.core.dispatch_register import (
    Book,
    Content,
    Heading,
    Item,
    Record,
    Wish,
    begin,
    dispatch_id,
    fold,
    handing_over,
    number_of,
    numbering,
    outgoing,
    proceed,
)
from liaison.core.entries import Draft, Entry, Precedence, Stored
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.register_channels import ADMINISTRATION, DISPATCHES, own_dispatches
from liaison.ports.log import Log
from liaison.protocol.administration_frames import ResumeChannel, SetMember

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 24 * 60 * _MINUTE_MS
_SUSPENDED: Final = ChannelId("joint/crossings")

_RANK: Final = "연락대표"
_SIGNATORIES: Final[Mapping[str, str]] = {"south": "남측 소장", "north": "북측 소장"}
# Who writes what, and how far it has come.
_LETTERS: Final[Sequence[tuple[str, str, str, Content, Precedence]]] = (
    (
        "south",
        "기상 자료 교환 주기",
        "closed",
        Content("기상 자료를 매일 06시와 18시에 교환할 것을 제의합니다."),
        Precedence.ROUTINE,
    ),
    (
        "north",
        "댐 방류 사전 통보",
        "accepted",
        Content(
            "내일 06시부터 수문 3개를 엽니다. 방류량은 초당 500톤을 넘지 않습니다.",
            (Item("figure", "수문", "3개"), Item("figure", "방류량", "초당 500톤"), Item("time", "시작", "06:00")),
        ),
        Precedence.PRIORITY,
    ),
    ("south", "주간 회의 의제", "tendered", Content("1. 통행 시간\n2. 하천 방류 사전 통보"), Precedence.ROUTINE),
    ("north", "통행 인원 명부", "tendered", Content("통행 인원 12명의 명부를 보냅니다."), Precedence.ROUTINE),
    ("south", "수해 방지 협의", "draft", Content("수해 방지 실무 협의를 제의합니다."), Precedence.ROUTINE),
)


class _Registers:
    """The registers as they grow: each entry is written at its time, and folded."""

    def __init__(self, log: Log, year: int, now_ms: int) -> None:
        self._log = log
        self.year = year
        self.now_ms = now_ms
        self.books: Mapping[ChannelId, Book] = {}
        self.affairs = administration.NOTHING

    def book(self, channel: ChannelId) -> Book:
        return self.books.get(channel, Book(is_joint=channel == DISPATCHES))

    async def write(self, channel: ChannelId, draft: Draft) -> None:
        appended = await self._log.append(channel, [draft], Millis(self.now_ms))
        (outcome,) = appended.outcomes
        assert isinstance(outcome, Stored)
        self._take(channel, outcome.entry)
        self.now_ms += 7 * _MINUTE_MS

    def _take(self, channel: ChannelId, entry: Entry) -> None:
        if channel == ADMINISTRATION:
            self.affairs = administration.fold(self.affairs, entry)
        else:
            self.books = {**self.books, channel: fold(self.book(channel), entry)}


async def write_registers(log: Log, time_zone: str, now_ms: Millis) -> None:
    """Put dispatches and administration into registers that have none yet. `time_zone` is the office's."""
    heads = await log.heads([DISPATCHES, ADMINISTRATION])
    if any(position.seq for position in heads.values()):
        return
    year = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(time_zone)).year
    registers = _Registers(log, year, now_ms - 290 * _MINUTE_MS)
    for number, (side, subject, state, content, precedence) in enumerate(_LETTERS):
        heading = Heading(subject, _SIGNATORIES[side], _RANK, "상대측 연락대표", precedence.value)
        await _dispatch(registers, DelegationId(side), f"demo-{number}", heading, content, state)
    # Five entries, seven minutes after each other, and none of them to come.
    registers.now_ms = now_ms - 40 * _MINUTE_MS
    await _administration(registers)


async def _dispatch(
    registers: _Registers, side: DelegationId, key: str, heading: Heading, content: Content, state: str
) -> None:
    other = "north" if side == "south" else "south"
    own = own_dispatches(side)
    author, second, receiver = UserId(f"{side}-1"), UserId(f"{side}-2"), UserId(f"{other}-1")
    name = dispatch_id(author, key)

    def wish(user: UserId, event: Event, dispatch: str, **fields: Any) -> Wish:
        delegation = DelegationId(user.partition("-")[0])
        return Wish(user, delegation, f"{key} {event.value}", Record(event.value, dispatch, **fields))

    await registers.write(own, begin(wish(author, Event.DRAFTED, name, heading=heading, content=content)))
    if state == "draft":
        return
    await registers.write(own, proceed(registers.book(own), wish(second, Event.CLEARED, name)))
    number = number_of(side, registers.year, registers.book(own).places.get(registers.year, 0) + 1)
    await registers.write(own, numbering(registers.book(own), wish(second, Event.NUMBERED, name), number))
    await registers.write(DISPATCHES, outgoing(registers.book(own).dispatches[name], side).draft())
    if state == "tendered":
        return
    await registers.write(DISPATCHES, proceed(registers.book(DISPATCHES), wish(receiver, Event.ACCEPTED, number)))
    await registers.write(DISPATCHES, handing_over(registers.book(own).dispatches[name], side).draft())
    if state == "accepted":
        return
    officer = f"{other} 1"
    for user, event, fields in (
        (receiver, Event.ACKNOWLEDGED, {"officer": officer}),
        (second, Event.CLOSED, {}),
    ):
        step = wish(user, event, number, **fields)
        await registers.write(DISPATCHES, proceed(registers.book(DISPATCHES), step))


async def _administration(registers: _Registers) -> None:
    """One side has suspended a line and agrees to resume it; the other has not said so yet."""

    def hand(user: str, key: str) -> administration.Hand:
        return administration.Hand(UserId(user), DelegationId(user.partition("-")[0]), key, registers.now_ms)

    by = hand("north-head", "demo-suspend")
    words = ("북측 대표단장 지시", "통행 절차 협의가 끝날 때까지")
    await registers.write(ADMINISTRATION, administration.suspend(registers.affairs, by, _SUSPENDED, *words))
    suspension = registers.affairs.suspensions[_SUSPENDED]
    for proposer, key, subject in (
        ("north-head", "demo-resume", ResumeChannel(channel=_SUSPENDED, suspension=suspension.name)),
        ("south-head", "demo-member", SetMember(channel="joint/weather", user="north-4", access="read")),
    ):
        expires_ms = registers.now_ms + 3 * _DAY_MS
        await registers.write(
            ADMINISTRATION, administration.propose(registers.affairs, hand(proposer, key), subject, expires_ms)
        )
        proposal = list(registers.affairs.proposals.values())[-1]
        approval = administration.approve(
            registers.affairs, hand(proposer, f"{key} approve"), proposal.name, proposal.digest
        )
        await registers.write(ADMINISTRATION, approval)
