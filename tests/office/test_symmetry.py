"""A whole day of the office, then the same day with the sides swapped: what came of it is the same, event for event."""

import asyncio
import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, cast

import pytest

from liaison.adapters.sql_uploads import SqlUploads
from liaison.core.duty_roster import Hours
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.line_check_schedule import Schedule
from liaison.core.register_channels import ADMINISTRATION, DISPATCHES, LINE_CHECKS
from liaison.core.rights import Membership
from liaison.office.administration import AdministrationDepartment
from liaison.office.attachments import AttachmentStores
from liaison.office.dispatches import DispatchDepartment
from liaison.office.duty import DutyDepartment, DutySettings
from liaison.office.duty_rosters import Rosters
from liaison.office.line_checks import LineCheckDepartment, LineCheckSettings
from liaison.office.record import RecordDepartment
from liaison.ports.attachments import Upload
from tests import virtual_time
from tests.memory_marks import MemoryMarks
from tests.office.dispatch_office import ITEMS, LETTER
from tests.office.liaison_office import GENERAL, SIDES, Departments, LiaisonOffice
from tests.office.whole_office import Seat
from tests.side_signer import OFFICE, SideSigner

# What says the same of the two sides in other words; the profile gives each its name.
WORDS: Final = {"south": "north", "South": "North", "남측": "북측"}
SWAP: Final = WORDS | {there: here for here, there in WORDS.items()}
JOINT: Final = (GENERAL, "joint/weather", DISPATCHES, ADMINISTRATION, LINE_CHECKS)
PUSHED: Final = frozenset({"message", "channel", "notice", "typing", "read", "presence_diff", "go_away"})
SHA256: Final = "ab" * 32
LETTERS: Final = {**LETTER, "signatory": "대표", "addressee": "대표"}


class EmptyShelf:
    """Contents that nobody fetches: what may be named is asked of the uploads."""

    async def kept_before(self, _before_ms: Millis) -> Sequence[str]:
        return []


def departments(one: str, two: str) -> Departments:
    """By custom one side calls first on odd days: it is the first of the two."""
    schedule = Schedule(("19:31", "19:32"), "Asia/Seoul", DelegationId(one), DelegationId(two))
    always = Hours(("00:00", "00:00"), ("00:00", "00:00"))
    return [
        AdministrationDepartment,
        lambda office: DispatchDepartment(office, MemoryMarks()),
        lambda office: DutyDepartment(office, DutySettings(always)),
        lambda office: LineCheckDepartment(office, LineCheckSettings(schedule, ("하나",)), Rosters(office).on_duty),
        lambda office: RecordDepartment(office, OFFICE),
    ]


class Day:
    """One day, played by two sides. `told` is what was answered, a refusal by its error."""

    def __init__(self, whole: LiaisonOffice, one: str, two: str) -> None:
        self.whole, self.one, self.two = whole, one, two
        self.told: list[Any] = []

    async def ask(self, user: str, type_: str, **fields: Any) -> Any:
        reply = await self.whole.ask(user, type_, **fields)
        self.told.append(reply)
        return reply

    async def refused(self, user: str, type_: str, **fields: Any) -> None:
        self.told.append(await self.whole.refused(user, type_, **fields))

    async def step(self, user: str, step: str, name: str, **fields: Any) -> Any:
        seen = (await self.ask(user, "dispatch", dispatch=name))["dispatch"]
        reply = await self.ask(user, f"dispatch_{step}", dispatch=name, revision=seen["revision"], **fields)
        return reply["dispatch"]

    async def play(self) -> None:
        acts = (self.talk, self.attach, self.duty, self.line_checks, self.dispatches, self.by_other_means)
        for act in (*acts, self.suspension, self.two_keys, self.sign):
            await act()
        # What is repeated, and what alarms, does so by itself.
        await asyncio.sleep(310)

    async def talk(self) -> None:
        for user in (f"{self.one}-1", f"{self.two}-1", f"{self.one}-bot"):
            said = await self.ask(user, "publish", channel=GENERAL, text=f"{user}: 안녕하십니까")
            await self.ask(f"{self.two}-1", "read", channel=GENERAL, seq=said["seq"])
        await self.ask(f"{self.one}-1", "correct", channel=GENERAL, seq=1, text="바로잡음")
        await self.refused(f"{self.two}-1", "withdraw", channel=GENERAL, seq=1)
        await self.ask(f"{self.two}-1", "react", channel=GENERAL, seq=1, reaction="👍")
        await self.ask(f"{self.one}-bot", "withdraw", channel=GENERAL, seq=3)
        await self.refused(f"{self.one}-1", "publish", channel=f"{self.two}/general", text="x")
        await self.ask(f"{self.one}-1", "typing", channel=GENERAL)

    async def attach(self) -> None:
        stores, now_ms = self.whole.attachments, self.whole.clock.wall_ms()
        assert stores is not None
        user, side = UserId(f"{self.one}-1"), DelegationId(self.one)
        upload = Upload(ChannelId(GENERAL), user, side, SHA256, "text/plain", 4)
        await stores.uploads.add(upload, now_ms, quota_bytes=100)
        named = [{"sha256": SHA256, "name": "회의록.txt", "media_type": "text/plain", "size_bytes": 4}]
        for who in (f"{self.one}-2", f"{self.two}-1"):
            await self.refused(who, "publish", channel=GENERAL, text="회의록", attachments=named)
        await self.ask(user, "publish", channel=GENERAL, text="회의록", attachments=named)

    async def duty(self) -> None:
        head = "user,duty,first,begins,ends,days,every_weeks,last\n"
        for side in (self.one, self.two):
            rows = ((1, "09:00,21:00"), (2, "21:00,09:00"))
            text = head + "".join(f"{side}-{who},officer,2018-09-14,{hours},MO-SU,,\n" for who, hours in rows)
            await self.refused(f"{side}-1", "duty_import", format="csv", text=text + text[len(head) :], revision=0)
            await self.ask(f"{side}-1", "duty_import", format="csv", text=text, revision=0)
            await self.ask(f"{side}-2", "duty_export", format="icalendar")
        await self.ask(f"{self.one}-1", "duty")

    async def line_checks(self) -> None:
        caller, answerer = f"{self.two}-1", f"{self.one}-1"
        await asyncio.sleep(61)
        check = {"check": "2018-09-14T19:31"}
        await self.refused(answerer, "line_check_call", **check)
        await self.refused(answerer, "line_check_answer", **check)
        await self.ask(caller, "line_check_call", **check)
        await self.ask(answerer, "line_check_answer", **check)
        # The second is called, and nobody answers.
        await asyncio.sleep(60)
        await self.ask(caller, "line_check_call", check="2018-09-14T19:32")
        await asyncio.sleep(200)
        await self.ask(answerer, "line_checks")

    async def dispatches(self) -> None:
        one, two = self.one, self.two
        drafted = await self.ask(f"{one}-1", "dispatch_draft", **LETTERS, precedence="priority", items=ITEMS)
        name = drafted["dispatch"]["dispatch"]
        await self.refused(f"{two}-1", "dispatch", dispatch=name)
        await self.refused(f"{one}-1", "dispatch_clear", dispatch=name, revision=1)
        await self.step(f"{one}-2", "clear", name)
        number = (await self.step(f"{one}-1", "tender", name))["number"]
        await self.refused(f"{one}-1", "dispatch_accept", dispatch=number, revision=1)
        until_ms = self.whole.clock.wall_ms() + 60_000
        await self.step(f"{two}-1", "defer", number, until_ms=until_ms, note="기다리십시오")
        await self.step(f"{two}-1", "accept", number)
        await self.step(f"{two}-1", "read_back", number, values=["3", "19:00"])
        await self.step(f"{one}-1", "confirm_read_back", number, confirmed=[True, False])
        await self.step(f"{two}-1", "read_back", number, values=["3", "18:00"])
        await self.step(f"{one}-1", "confirm_read_back", number, confirmed=[True, True])
        await self.step(f"{two}-1", "acknowledge", number)
        drafted = await self.ask(f"{two}-1", "dispatch_draft", **LETTERS, reference=number)
        await self.step(f"{two}-2", "clear", drafted["dispatch"]["dispatch"])
        answer = (await self.step(f"{two}-1", "tender", drafted["dispatch"]["dispatch"]))["number"]
        await self.step(f"{two}-1", "answer", number, answer=answer)
        await self.step(f"{one}-1", "close", number)
        await self.step(f"{one}-1", "decline", answer, note="까닭")
        urgent = await self.ask(f"{two}-1", "dispatch_draft", **LETTERS, precedence="life_safety")
        await self.step(f"{two}-1", "tender", urgent["dispatch"]["dispatch"])
        for side in (one, two):
            handed = (await self.ask(f"{side}-1", "duty_hand_over", notes=["열쇠는 서랍에"]))["handover"]
            taken = {"handover": handed["handover"], "digest": handed["digest"]}
            await self.refused(f"{side}-1", "duty_acknowledge", **taken)
            await self.ask(f"{side}-2", "duty_acknowledge", **taken)

    async def by_other_means(self) -> None:
        one, two = self.one, self.two
        drafted = await self.ask(f"{one}-1", "dispatch_draft", **LETTERS)
        await self.step(f"{one}-1", "close", drafted["dispatch"]["dispatch"])
        drafted = await self.ask(f"{one}-1", "dispatch_draft", **LETTERS)
        name = drafted["dispatch"]["dispatch"]
        await self.step(f"{one}-2", "clear", name)
        number = (await self.step(f"{one}-1", "tender", name))["number"]
        at_ms = self.whole.clock.wall_ms() - 1000
        await self.step(f"{two}-1", "record_other_means", number, place="전화", at_ms=at_ms)
        await self.step(f"{two}-1", "accept", number)
        await self.step(f"{two}-1", "acknowledge", number)
        handed = (await self.ask(f"{one}-2", "duty_hand_over"))["handover"]
        await self.refused(f"{one}-1", "duty_withdraw", handover=handed["handover"])
        await self.ask(f"{one}-2", "duty_withdraw", handover=handed["handover"])

    async def two_keys(self) -> None:
        one, two, weather = self.one, self.two, "joint/weather"
        until_ms = self.whole.clock.wall_ms() + 600_000
        for subject in (
            {"kind": "membership", "channel": weather, "user": f"{one}-2", "access": "read"},
            {"kind": "bot_access", "channel": weather, "user": f"{two}-bot", "access": "write"},
            {"kind": "retention", "channel": weather, "days": 400},
            {"kind": "export", "channel": weather, "until_ms": until_ms},
        ):
            made = await self.ask(f"{one}-head", "propose", subject=subject, expires_ms=until_ms)
            keys = {"proposal": made["proposal"]["proposal"], "digest": made["proposal"]["digest"]}
            for side in (two, one):
                await self.ask(f"{side}-head", "approve_proposal", **keys)
        await self.ask(f"{two}-head", "export_channel", channel=weather)
        await self.refused(f"{one}-1", "export_channel", channel=weather)
        ends: Sequence[tuple[str, str, dict[str, str]]] = (
            (f"{two}-head", "reject_proposal", {"reason": "까닭"}),
            (f"{one}-deputy", "withdraw_proposal", {}),
        )
        for head, end, words in ends:
            subject = {"kind": "retention", "channel": weather, "days": 500}
            made = await self.ask(f"{one}-head", "propose", subject=subject, expires_ms=until_ms)
            await self.ask(head, end, proposal=made["proposal"]["proposal"], **words)

    async def suspension(self) -> None:
        one, two = self.one, self.two
        words = {"authority": "대표", "reason": "협의가 필요합니다"}
        made = await self.ask(f"{one}-head", "suspend_channel", channel=GENERAL, **words)
        for user in (f"{one}-1", f"{two}-1"):
            await self.ask(user, "publish", channel=GENERAL, text=f"{user}: 기다립니다")
        await self.ask(f"{two}-1", "publish", channel=GENERAL, text="대피하십시오", precedence="life_safety")
        subject = {"kind": "resume", "channel": GENERAL, "suspension": made["suspension"]}
        until_ms = self.whole.clock.wall_ms() + 600_000
        proposal = (await self.ask(f"{two}-head", "propose", subject=subject, expires_ms=until_ms))["proposal"]
        keys = {"proposal": proposal["proposal"], "digest": proposal["digest"]}
        await self.ask(f"{one}-head", "approve_proposal", **keys)
        await self.refused(f"{one}-deputy", "approve_proposal", **keys)
        await self.ask(f"{two}-head", "approve_proposal", **keys)
        await self.refused(f"{two}-head", "approve_proposal", **keys)
        late = {"kind": "granularity", "granularity": "count"}
        await self.ask(f"{one}-head", "propose", subject=late, expires_ms=until_ms)
        for side in (one, two):
            await self.ask(f"{side}-1", "administration")

    async def sign(self) -> None:
        for side in (self.one, self.two):
            signer = SideSigner(side)
            await self.ask(f"{side}-head", "register_key", **signer.registration())
            newest = (await self.whole.entries(GENERAL))[-1]
            head = signer.head(GENERAL, newest.seq, newest.link, self.whole.clock.wall_ms())
            await self.refused(f"{side}-1", "sign_head", **head | {"seq": newest.seq - 1})
            await self.ask(f"{side}-1", "sign_head", **head)
        await self.ask(f"{self.one}-1", "signed_heads", channel=GENERAL)


async def everything(whole: LiaisonOffice, day: Day, seats: dict[str, Seat]) -> dict[str, Any]:
    """Give what each log holds, what each client was pushed, and what each command was answered."""
    own = [f"{side}/{name}" for side in SIDES for name in ("general", "dispatches", "duty")]
    logs = {}
    for channel in (*JOINT, *own):
        logs[channel] = [
            {
                "seq": entry.seq,
                "time_ms": entry.time_ms,
                "by": (entry.draft.sender, entry.draft.delegation),
                "kind": entry.draft.kind.value,
                "precedence": entry.draft.precedence.value,
                "text": entry.draft.text,
                "data": json.loads(entry.draft.data or "{}"),
            }
            for entry in await whole.entries(channel)
        ]
    # The order of pushes is promised within a channel, not between channels.
    pushed: dict[str, dict[str, list[Any]]] = {}
    for user, seat in seats.items():
        for sent in seat.wire.frames:
            frame = sent
            if frame["type"] in PUSHED:
                if frame["type"] == "channel":
                    # As of the moment at which this member's turn came, which the others' don't share.
                    frame = {**frame, "info": {**frame.get("info", {}), "head": "…"}}
                stream = f"{frame['type']} {frame.get('channel', '')}"
                pushed.setdefault(user, {}).setdefault(stream, []).append(frame)
    return {"logs": logs, "pushed": pushed, "told": day.told}


def swapped(text: str) -> str:
    return re.sub("|".join(SWAP), lambda found: SWAP[found[0]], text)


def comparable(value: Any) -> str:
    """Write a day down so that what is made of a name by hashing, and the order of the sides, doesn't matter."""
    text = json.dumps(_in_order(value), ensure_ascii=False, sort_keys=True, indent=1, default=lambda _: "bytes")
    text = re.sub(r'"(signature|proof|public_key)": "[^"]*"', r'"\1": "…"', text)
    # Each side has its own clock, and both show the same hour on this day.
    text = re.sub("Asia/(Seoul|Pyongyang)", "Asia/…", text)
    names: dict[str, str] = {}
    return re.sub(r"\b(?:[0-9a-f]{16}){1,4}\b", lambda found: names.setdefault(found[0], str(len(names))), text)


def _in_order(value: Any) -> Any:
    """Rows of the two sides stand in the order of the sides' names, which is no order."""
    if isinstance(value, dict):
        if isinstance(value.get("data"), str):
            value = value | {"data": json.loads(value["data"])}
        return {key: _in_order(inner) for key, inner in value.items()}
    if isinstance(value, list):
        rows = [_in_order(inner) for inner in value]
        if sorted(map(str, rows)) == sorted(SIDES):
            return sorted(rows)
        return sorted(rows, key=lambda row: row["delegation"]) if _is_of_sides(rows) else rows
    return value


def _is_of_sides(rows: Sequence[Any]) -> bool:
    sides = sorted(row.get("delegation", "") for row in rows if isinstance(row, dict))
    return len(rows) == 2 and sides == sorted(SIDES) and not any("seq" in row and "kind" in row for row in rows)


@cache
def played(one: str, two: str) -> dict[str, Any]:
    async def scene(world: virtual_time.World) -> dict[str, Any]:
        whole = LiaisonOffice(world, departments(one, two))
        whole.attachments = AttachmentStores(cast(Any, EmptyShelf()), SqlUploads(whole.database))
        await whole.move_in()
        for side in (one, two):
            await whole.directory.set_membership(ChannelId(GENERAL), UserId(f"{side}-bot"), Membership(), actor="test")
        async with whole.node():
            seats = {f"{side}-{name}": await whole.connect(f"{side}-{name}") for side in (one, two) for name in "12"}
            for user, seat in seats.items():
                side = user.partition("-")[0]
                for channel in (*JOINT, f"{side}/dispatches", f"{side}/duty"):
                    await seat.ask("subscribe", channel=channel)
            day = Day(whole, one, two)
            await day.play()
            return await everything(whole, day, seats)

    return virtual_time.run(1, scene)


def test_a_whole_day_with_the_sides_swapped_is_the_same_day_event_for_event() -> None:
    here, there = played("south", "north"), played("north", "south")
    there = json.loads(swapped(json.dumps(there, ensure_ascii=False, default=lambda _: "bytes")))
    for part in ("told", "logs", "pushed"):
        assert comparable(here[part]) == comparable(there[part])


@pytest.mark.parametrize("side", SIDES)
def test_a_day_has_something_in_every_log_and_for_every_client(side: str) -> None:
    """What is empty on both sides would be the same on both, and prove nothing."""
    day = played(*(SIDES if side == "south" else SIDES[::-1]))
    empty = {name for name, entries in day["logs"].items() if not entries}
    assert empty == {"joint/weather", "south/general", "north/general"}
    assert all(sum(map(len, streams.values())) > 50 for streams in day["pushed"].values())
    events = {row["data"].get("event") for rows in day["logs"].values() for row in rows}
    assert events >= {"answered", "acknowledged", "repeated", "closed", "carried_out", "key_registered", "roster"}
    assert events >= {"other_means", "rejected", "withdrawn", "exported"}
