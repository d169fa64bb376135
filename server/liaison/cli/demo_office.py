"""What the demonstration's office holds: the same people and channels on both sides, and a few messages."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from liaison.core import duty
from liaison.core.attachments import data_of
from liaison.core.duty_files import read_csv
from liaison.core.duty_roster import Roster
from liaison.core.entries import Draft, EntryKind, Stored
from liaison.core.identifiers import NO_DELEGATION, ChannelId, DelegationId, Millis, UserId
from liaison.core.line_check import Event, Heartbeat, Outcome, Reason, Verdict
from liaison.core.line_check_register import Check, Hand, Record, begin, ending, missing, opening
from liaison.core.line_check_schedule import Schedule, Slot
from liaison.core.profile import Delegation, OfficeProfile
from liaison.core.register_channels import LINE_CHECKS, own_duty
from liaison.core.rights import Account, Channel, Role
from liaison.office.accounts import Accounts
from liaison.office.attachments import AttachmentStores
from liaison.office.registry import Registry
from liaison.ports.attachments import Upload
from liaison.ports.clock import Clock
from liaison.ports.log import Log
from liaison.protocol.frames import Attachment
from liaison.protocol.media_types import CSV

SIDES: Final = ("south", "north")
OFFICIALS_PER_SIDE: Final = 4
BOT: Final = "weather-bot"
BOT_CHANNELS: Final = ("joint/weather",)
DEMO_TOKEN_LIFETIME_MS: Final = 30 * 24 * 3600 * 1000

# No letter or digit that is easily taken for another: people copy these from a terminal.
_PASSWORD_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_PASSWORD_CHARS: Final = 12

_CHANNELS: Final = (
    Channel(ChannelId("joint/general"), "전체 연락", "General"),
    Channel(ChannelId("joint/weather"), "기상 통보", "Weather"),
    Channel(ChannelId("joint/crossings"), "통행 협조", "Crossings"),
    Channel(ChannelId("south/desk"), "남측 실무", "South desk"),
    Channel(ChannelId("north/desk"), "북측 실무", "North desk"),
)

_TITLES: Final = {"south": ("남측", "South"), "north": ("북측", "North")}


@dataclass(frozen=True, slots=True)
class Line:
    """A seeded message: `minutes_ago` before the seeding."""

    minutes_ago: int
    channel: str
    sender: str
    text: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A seeded message with a file."""

    channel: str
    sender: str
    text: str
    name: str
    content: str


# The first file of an office always has room.
_NO_QUOTA: Final = 1 << 40

_LINES: Final = (
    Line(178, "joint/general", "south-1", "안녕하십니까. 남측 연락관입니다. 오늘 오전 정기 연락을 시작하겠습니다."),
    Line(177, "joint/general", "north-1", "안녕하십니까. 북측 연락관입니다. 잘 받았습니다. 우리 측도 준비되였습니다."),
    Line(
        171, "joint/general", "south-head", "오늘 오후 3시 소장 회의는 예정대로 1회의실에서 진행하는 것으로 하겠습니다."
    ),
    Line(169, "joint/general", "north-head", "동의합니다. 의제는 어제 합의한 대로 진행합시다."),
    Line(
        150,
        "joint/weather",
        "south-2",
        "오늘 오후 한때 비, 강수량 5~20mm로 예상됩니다. 임진강 수위는 평상시와 같습니다.",
    ),
    Line(146, "joint/weather", "north-2", "통보 받았습니다. 상류 지역은 흐림, 저녁부터 개일 것으로 예견됩니다."),
    Line(
        95,
        "joint/crossings",
        "south-3",
        "내일 09시 30분 통행 예정 인원은 14명, 차량 5대입니다. 명단은 문서로 보내 드렸습니다.",
    ),
    Line(88, "joint/crossings", "north-3", "명단을 접수하였습니다. 확인한 다음 11시까지 회답하겠습니다."),
    Line(41, "joint/crossings", "north-3", "확인하였습니다. 내일 통행에 동의합니다."),
    Line(39, "joint/crossings", "south-3", "회답 감사합니다. 내일 09시에 출입사무소에서 뵙겠습니다."),
    Line(60, "south/desk", "south-1", "회의 자료 최종본은 2시까지 부탁드립니다."),
    Line(58, "south/desk", "south-4", "네, 지금 검토하고 있습니다."),
    Line(60, "north/desk", "north-1", "회의 자료 최종본은 2시까지 부탁합니다."),
    Line(58, "north/desk", "north-4", "알겠습니다. 지금 검토하고 있습니다."),
)


def demo_accounts() -> Sequence[Account]:
    """Give the people: a head and four officials of each side, and ops."""
    accounts = []
    for side in SIDES:
        ko, en = _TITLES[side]
        delegation = DelegationId(side)
        accounts.append(Account(UserId(f"{side}-head"), f"{ko} 소장 · {en} head", delegation, Role.HEAD))
        accounts.extend(
            Account(UserId(f"{side}-{number}"), f"{ko} 연락관 {number} · {en} {number}", delegation, Role.OFFICIAL)
            for number in range(1, OFFICIALS_PER_SIDE + 1)
        )
    accounts.append(Account(UserId("ops"), "운영 · Operations", NO_DELEGATION, Role.OPS))
    return accounts


def demo_passwords(rng: random.Random) -> dict[str, str]:
    """Make a password for each account. `rng` must be fit for secrets."""
    return {
        account.user: "-".join("".join(rng.choices(_PASSWORD_LETTERS, k=_PASSWORD_CHARS // 3)) for _ in range(3))
        for account in demo_accounts()
    }


def demo_bot(delegation: str = "south") -> Account:
    """Give the example bot's account. One side must have it; nothing depends on which."""
    return Account(UserId(BOT), "기상 알림 · Weather bot", DelegationId(delegation), Role.BOT)


async def furnish(accounts: Accounts, registry: Registry, passwords: Mapping[str, str]) -> None:
    """Add the channels and people that aren't there yet, and give everybody the password named. May be repeated."""
    rights = registry.rights
    for channel in _CHANNELS:
        if channel.channel not in rights.channels:
            await accounts.create_channel(channel, by="demo")
    for account in demo_accounts():
        if account.user not in rights.accounts:
            await accounts.add_person(account, passwords[account.user], by="demo")


async def write_first_messages(log: Log, clock: Clock) -> None:
    """Put the messages into channels that have none yet."""
    now_ms = clock.wall_ms()
    for channel in _CHANNELS:
        name = channel.channel
        if (await log.heads([name]))[name].seq:
            continue
        for number, line in enumerate((line for line in _LINES if line.channel == name), 1):
            draft = Draft(
                sender=UserId(line.sender),
                delegation=DelegationId(line.sender.partition("-")[0]),
                key=f"demo-{number}",
                kind=EntryKind.TEXT,
                text=line.text,
            )
            await log.append(name, [draft], Millis(now_ms - line.minutes_ago * 60_000))


_TIMETABLE: Final = Attached(
    "joint/crossings",
    "south-1",
    "내일 통행 시간표를 첨부합니다.",
    "통행 시간표.csv",
    "\ufeff시각,방향,차량\n09:30,남→북,2\n16:00,북→남,2\n",
)


async def attach_timetable(log: Log, stores: AttachmentStores, clock: Clock) -> None:
    """Say something with a file attached to it, once."""
    attached, now_ms = _TIMETABLE, clock.wall_ms()
    content = attached.content.encode()
    async with stores.contents.incoming() as incoming:
        await incoming.write(content)
        await incoming.keep()
        sha256 = incoming.sha256
    channel, sender = ChannelId(attached.channel), UserId(attached.sender)
    side = DelegationId(attached.sender.partition("-")[0])
    upload = Upload(channel, sender, side, sha256, CSV, len(content))
    await stores.uploads.add(upload, now_ms, quota_bytes=_NO_QUOTA)
    data = data_of([Attachment(sha256, attached.name, CSV, len(content))])
    draft = Draft(sender, side, "demo-attached", EntryKind.TEXT, text=attached.text, data=data)
    await log.append(channel, [draft], now_ms)


# Of the checks of the past days, counted back from the last one: what came of those that nobody answered.
_SILENT: Final = {
    3: Verdict(Outcome.DESK_UNSTAFFED, DelegationId("north")),
    6: Verdict(Outcome.NOT_ANSWERED, DelegationId("south")),
    8: Verdict(Outcome.LINE_DOWN, DelegationId("south"), Reason.SIDE_DOWN),
    11: Verdict(Outcome.DESK_UNSTAFFED, DelegationId("south")),
    14: Verdict(Outcome.LINE_DOWN, DelegationId("north"), Reason.SIDE_DOWN),
}
_MISSED: Final = 17
_CHECK_DAYS: Final = 14
_MINUTE_MS: Final = 60_000


def line_check_history(schedule: Schedule, now_ms: Millis) -> Iterator[tuple[Millis, Draft]]:
    """Give the line checks of the past two weeks, each entry with its time: most answered, and each way to fail."""
    since_ms = Millis(now_ms - _CHECK_DAYS * 1440 * _MINUTE_MS)
    slots = list(schedule.due_between(since_ms, Millis(now_ms - 10 * _MINUTE_MS)))
    yield since_ms, begin(schedule, since_ms)
    for back, slot in zip(reversed(range(len(slots))), slots, strict=True):
        if back == _MISSED:
            yield Millis(slot.due_ms + 30 * _MINUTE_MS), missing([slot], since_ms, Millis(slot.due_ms))
            continue
        yield slot.due_ms, opening(slot, "시험 통신 · Test message", 3 * _MINUTE_MS)
        verdict = _SILENT.get(back)
        if verdict is None or verdict.side != slot.caller:
            yield Millis(slot.due_ms + 20_000 + back * 500), _desk(slot.caller, Event.CALLED, slot)
        if verdict is None:
            answerer = DelegationId(SIDES[1 - SIDES.index(slot.caller)])
            yield Millis(slot.due_ms + 45_000 + back * 900), _desk(answerer, Event.ANSWERED, slot)
            continue
        sides = {DelegationId(side): Heartbeat(line_up=True, staffed=True) for side in SIDES}
        sides[verdict.side] = Heartbeat(
            line_up=verdict.outcome is not Outcome.LINE_DOWN, staffed=verdict.outcome is Outcome.NOT_ANSWERED
        )
        check = Check(slot.name, slot.due_ms, slot.caller)
        yield Millis(slot.due_ms + 3 * _MINUTE_MS), ending(check, verdict, sides)


def _desk(side: DelegationId, event: Event, slot: Slot) -> Draft:
    by = UserId(f"{side}-{1 + slot.due_ms // (1440 * _MINUTE_MS) % OFFICIALS_PER_SIDE}")
    return Hand(by, side, f"demo {slot.name} {event.value}").draft(Record(event.value, slot.name))


async def write_line_checks(log: Log, schedule: Schedule, now_ms: Millis) -> None:
    """Put the checks of the past into a register that has nothing yet, before a node begins to keep it."""
    if (await log.heads([LINE_CHECKS]))[LINE_CHECKS].seq:
        return
    for time_ms, draft in line_check_history(schedule, now_ms):
        await log.append(LINE_CHECKS, [draft], time_ms)


_ROSTER: Final = """user,duty,first,begins,ends,days,every_weeks,last
{side}-1,officer,{monday},09:00,18:00,MO-FR,1,
{side}-2,staff,{monday},09:00,18:00,MO WE FR,1,
{side}-3,officer,{saturday},09:00,18:00,SA SU,2,
{side}-4,officer,{next_saturday},09:00,18:00,SA SU,2,
"""


def demo_roster(side: str, time_zone: str, now_ms: Millis) -> Roster:
    """Give a side's rota: weekdays by one officer with another beside, weekends by two in turn."""
    today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(time_zone)).date()
    monday = today - timedelta(days=today.weekday() + 7)
    saturday = monday + timedelta(days=5)
    next_saturday = saturday + timedelta(days=7)
    text = _ROSTER.format(side=side, monday=monday, saturday=saturday, next_saturday=next_saturday)
    return read_csv(text, time_zone)


async def write_rosters(log: Log, profile: OfficeProfile, now_ms: Millis) -> None:
    """Put up a roster for each side that has none, and a shift that was handed over by it."""
    for delegation in profile.delegations:
        if not (await log.heads([own_duty(delegation.id)]))[own_duty(delegation.id)].seq:
            await _write_duty(log, delegation, now_ms)


async def _write_duty(log: Log, delegation: Delegation, now_ms: Millis) -> None:
    side = delegation.id
    coming, leaving = (duty.Hand(UserId(f"{side}-{number}"), side, "demo handover") for number in (1, 2))
    items = (duty.Item("note", "", "통행 명부 원본은 금고에 있습니다"),)
    name = duty.handover_name(leaving)

    def put_up(book: duty.DutyBook) -> Draft:
        hand = duty.Hand(UserId(f"{side}-head"), side, "demo roster")
        return duty.put_up(book, hand, demo_roster(side, delegation.time_zone, now_ms), 0)

    def acknowledge(book: duty.DutyBook) -> Draft:
        offered = book.handovers[name]
        return duty.end(book, coming, duty.Event.ACKNOWLEDGED, name, offered.digest)

    book = duty.DutyBook()
    for decide, minutes_ago in (
        (put_up, 600),
        (lambda book: duty.offer(book, leaving, items), 310),
        (acknowledge, 305),
    ):
        appended = await log.append(own_duty(side), [decide(book)], Millis(now_ms - minutes_ago * 60_000))
        (outcome,) = appended.outcomes
        assert isinstance(outcome, Stored)
        book = duty.fold(book, outcome.entry)
