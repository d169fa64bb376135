"""Duty through the office: rosters, who is at the desk as finely as was agreed, handovers, and the standing alarm."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from liaison.core.duty_roster import Hours
from liaison.core.identifiers import DelegationId
from liaison.core.line_check_schedule import Schedule
from liaison.core.register_channels import own_duty
from liaison.office.administration import AdministrationDepartment
from liaison.office.duty import DutyDepartment, DutySettings
from liaison.office.duty_rosters import Rosters
from liaison.office.line_checks import LineCheckDepartment, LineCheckSettings
from tests.office.liaison_office import Departments, LiaisonOffice, in_liaison_office

OTHER = {"south": "north", "north": "south"}
SIDES = ("south", "north")
HEADS = "user,duty,first,begins,ends,days,every_weeks,last\n"
SCHEDULE = Schedule(("19:40",), "Asia/Seoul", DelegationId("north"), DelegationId("south"))
ALWAYS = Hours(("00:00", "00:00"), ("00:00", "00:00"))
# The office opens at 19:30 on 2018-09-14, a Friday.
DEPARTMENTS: Departments = [
    AdministrationDepartment,
    lambda office: DutyDepartment(office, DutySettings(ALWAYS)),
    lambda office: LineCheckDepartment(office, LineCheckSettings(SCHEDULE, ("하나",)), Rosters(office).on_duty),
]


def in_office(scenario: Callable[[LiaisonOffice], Awaitable[None]]) -> None:
    in_liaison_office(scenario, DEPARTMENTS)


def rota(side: str) -> str:
    """The first official has the day, the second the night."""
    day = f"{side}-1,officer,2018-09-14,09:00,21:00,MO-SU,,\n"
    return HEADS + day + f"{side}-2,officer,2018-09-14,21:00,09:00,MO-SU,,\n"


async def put_up(whole: LiaisonOffice, side: str, text: str = "", revision: int = 0) -> Any:
    return await whole.ask(f"{side}-1", "duty_import", format="csv", text=text or rota(side), revision=revision)


async def desk(whole: LiaisonOffice, viewer: str, side: str) -> dict[str, Any]:
    reply = await whole.ask(f"{viewer}-1", "duty")
    (found,) = (each for each in reply["sides"] if each["delegation"] == side)
    return dict(found)


async def events(whole: LiaisonOffice, side: str) -> list[str]:
    entries = await whole.entries(own_duty(DelegationId(side)))
    return [msgspec.json.decode(entry.draft.data)["event"] for entry in entries]


@pytest.mark.parametrize("side", SIDES)
def test_a_roster_is_put_up_read_and_given_back_and_the_other_side_learns_nothing_of_it(side: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        assert await whole.refused(f"{side}-1", "duty_export", format="csv") == "no_roster"
        made = await put_up(whole, side)
        assert (made["shifts"], made["duplicate"]) == (2, False)
        given = await whole.ask(f"{side}-2", "duty_export", format="icalendar")
        assert (given["revision"], "SUMMARY:" + f"{side}-1" in given["text"]) == (made["revision"], True)
        again = await whole.ask(
            f"{side}-head", "duty_import", format="icalendar", text=given["text"], revision=made["revision"]
        )
        assert again["revision"] > made["revision"]
        shifts = (await whole.ask(f"{side}-1", "duty_roster", days=1))["shifts"]
        assert [shift["user"] for shift in shifts] == [f"{side}-1", f"{side}-2", f"{side}-1"]
        other = f"{OTHER[side]}-1"
        assert (await whole.ask(other, "duty_roster"))["shifts"] == []
        assert await whole.refused(other, "history", channel=f"{side}/duty") == "no_such_channel"
        assert await whole.refused("ops", "duty") == "no_such_channel"
        assert await whole.refused(f"{side}-bot", "duty_import", format="csv", text="x", revision=0) == "forbidden"

    in_office(scenario)


def test_a_roster_that_cant_be_is_refused_and_the_old_one_stays() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        made = await put_up(whole, "south")
        bad = {
            "roster_syntax": "user\n",
            "roster_hole": rota("south").splitlines(keepends=True)[0] + rota("south").splitlines(keepends=True)[1],
            "roster_overlap": rota("south") + "south-head,officer,2018-09-15,10:00,11:00,,,\n",
            "roster_person": rota("south").replace("south-2", "north-2"),
        }
        for error, text in bad.items():
            fields = {"format": "csv", "text": text, "revision": made["revision"]}
            assert await whole.refused("south-1", "duty_import", **fields) == error
        bots = rota("south").replace("south-2", "south-bot")
        assert await whole.refused("south-1", "duty_import", format="csv", text=bots, revision=1) == "roster_person"
        good = {"format": "csv", "text": rota("south")}
        assert await whole.refused("south-1", "duty_import", **good, revision=0) == "roster_changed"
        assert (await whole.ask("south-1", "duty_export", format="csv"))["revision"] == made["revision"]
        assert await events(whole, "south") == ["roster"]

    in_office(scenario)


@pytest.mark.parametrize("side", SIDES)
def test_each_side_sees_of_the_others_desk_what_was_agreed_and_all_of_its_own(side: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        for each in SIDES:
            await put_up(whole, each)
        other = OTHER[side]
        # Somebody who isn't on duty doesn't make the desk staffed.
        await whole.connect(f"{other}-2")
        # Presence writes together what follows within 20 ms.
        await asyncio.sleep(0.1)
        assert (await desk(whole, side, other))["staffed"] is False
        await whole.connect(f"{other}-1")
        await asyncio.sleep(0.1)
        seen = await desk(whole, side, other)
        assert seen == {
            "delegation": other,
            "granularity": "named",
            "staffed": True,
            "present": 1,
            "officer": f"{other}-1",
            "on_duty": [f"{other}-1"],
            "here": [f"{other}-1"],
        }
        assert (await desk(whole, other, other))["until_ms"] > 0
        await whole.agree("granularity", granularity="count")
        assert await desk(whole, side, other) == {
            "delegation": other,
            "granularity": "count",
            "staffed": True,
            "present": 1,
        }
        await whole.agree("granularity", granularity="staffed")
        assert await desk(whole, side, other) == {"delegation": other, "granularity": "staffed", "staffed": True}
        assert (await desk(whole, other, other))["officer"] == f"{other}-1"

    in_office(scenario)


def test_a_line_check_goes_by_who_is_on_duty() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        for side in SIDES:
            await put_up(whole, side)
        await whole.connect("south-1")
        await whole.connect("north-2")
        await asyncio.sleep(610)
        await whole.ask("south-1", "line_check_call", check="2018-09-14T19:40")
        await asyncio.sleep(180)
        days = (await whole.ask("north-1", "line_checks", days=1))["days"]
        (check,) = days[0]["checks"]
        assert (check["outcome"], check["side"]) == ("desk_unstaffed", "north")

    in_office(scenario)


@pytest.mark.parametrize("side", SIDES)
def test_an_empty_desk_raises_one_alarm_for_its_own_side_and_ops_that_stands_until_somebody_comes(side: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await put_up(whole, side)
        # The rest of the side, the other side, and ops are connected; who is on duty isn't.
        own, other, ops = [await whole.connect(user) for user in (f"{side}-head", f"{OTHER[side]}-1", "ops")]
        async with AsyncExitStack() as stack:
            for number in range(2):
                await stack.enter_async_context(whole.node(f"m{number}"))
            await asyncio.sleep(40)
            assert await events(whole, side) == ["roster"]
            await asyncio.sleep(60)
            assert await events(whole, side) == ["roster", "unstaffed"]
            assert (await desk(whole, side, side))["unstaffed_since_ms"] > 0
            assert "unstaffed_since_ms" not in await desk(whole, OTHER[side], side)
            for seat, told in ((own, True), (ops, True), (other, False)):
                assert bool(seat.wire.of("notice")) is told
            before = len(own.wire.of("notice"))
            await asyncio.sleep(130)
            assert before < len(own.wire.of("notice")) <= before + 3
            await whole.connect(f"{side}-1")
            await asyncio.sleep(10)
            assert await events(whole, side) == ["roster", "unstaffed", "staffed"]
            names = [push["name"] for push in own.wire.of("notice")]
            assert (set(names[:-1]), names[-1]) == ({"desk_unstaffed"}, "desk_staffed")
            assert other.wire.of("notice") == []
            assert await events(whole, OTHER[side]) == []

    in_office(scenario)


@pytest.mark.parametrize("side", SIDES)
def test_a_shift_is_handed_over_with_what_is_open(side: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await put_up(whole, side)
        asked = await whole.ask(f"{OTHER[side]}-1", "line_check_request")
        await asyncio.sleep(190)
        offered = (await whole.ask(f"{side}-1", "duty_hand_over", notes=["열쇠는 서랍에 있습니다"]))["handover"]
        assert [(item["kind"], item["name"]) for item in offered["items"]] == [
            ("line_check", asked["check"]["check"]),
            ("note", ""),
        ]
        assert (offered["state"], offered["offered_by"]) == ("offered", f"{side}-1")
        name, digest = offered["handover"], offered["digest"]
        acknowledge = {"handover": name, "digest": digest}
        assert await whole.refused(f"{side}-2", "duty_hand_over") == "handover_open"
        assert await whole.refused(f"{side}-1", "duty_acknowledge", **acknowledge) == "own_handover"
        stale = {"handover": name, "digest": "0" * 64}
        assert await whole.refused(f"{side}-2", "duty_acknowledge", **stale) == "handover_changed"
        assert await whole.refused(f"{OTHER[side]}-1", "duty_acknowledge", **acknowledge) == "no_such_handover"
        assert await whole.refused(f"{side}-bot", "duty_acknowledge", **acknowledge) == "forbidden"
        for duplicate in (False, True):
            taken = await whole.ask(f"{side}-2", "duty_acknowledge", **acknowledge, key="take")
            assert (taken["handover"]["ended_by"], taken["duplicate"]) == (f"{side}-2", duplicate)
        assert await whole.refused(f"{side}-head", "duty_acknowledge", **acknowledge) == "handover_ended"
        assert await whole.refused(f"{side}-1", "duty_withdraw", handover=name) == "handover_ended"
        listed = await whole.ask(f"{side}-head", "duty_handovers")
        assert [handover["state"] for handover in listed["handovers"]] == ["acknowledged"]
        # What was handed over is the next one's, and not open again.
        assert listed["items"] == []
        assert (await whole.ask(f"{OTHER[side]}-1", "duty_handovers"))["handovers"] == []

    in_office(scenario)


def test_of_two_who_acknowledge_at_once_one_does() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        offered = (await whole.ask("south-1", "duty_hand_over"))["handover"]
        fields = {"handover": offered["handover"], "digest": offered["digest"]}

        async def take(user: str) -> str:
            return await whole.refused(user, "duty_acknowledge", **fields)

        async def attempt(user: str) -> str:
            try:
                return await take(user)
            except AssertionError:
                return "done"

        results = await asyncio.gather(attempt("south-2"), attempt("south-head"))
        assert sorted(results) == ["done", "handover_ended"]

    in_office(scenario)


def test_who_is_not_on_duty_about_now_hands_nothing_over_and_takes_nothing_but_a_head_may() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await put_up(whole, "south", HEADS + "south-1,officer,2018-09-14,00:00,24:00,MO-SU,,\n")
        assert await whole.refused("south-2", "duty_hand_over") == "not_on_duty"
        offered = (await whole.ask("south-1", "duty_hand_over"))["handover"]
        fields = {"handover": offered["handover"], "digest": offered["digest"]}
        assert await whole.refused("south-2", "duty_acknowledge", **fields) == "not_on_duty"
        await whole.ask("south-head", "duty_acknowledge", **fields)
        withdrawn = (await whole.ask("south-1", "duty_hand_over"))["handover"]
        reply = await whole.ask("south-1", "duty_withdraw", handover=withdrawn["handover"])
        assert reply["handover"]["state"] == "withdrawn"

    in_office(scenario)


@pytest.mark.parametrize(("hours", "is_outside"), [(ALWAYS, False), (Hours(), True)], ids=["always", "by-day"])
def test_ops_and_both_sides_are_told_alike_whether_the_hours_ask_for_an_officer(
    hours: Hours, *, is_outside: bool
) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        seen = await whole.ask("ops", "desks", days=1)
        told = list(seen["desks"])
        for side in SIDES:
            told += (await whole.ask(f"{side}-1", "duty"))["sides"]
        assert [each.get("outside_hours", False) for each in told] == [is_outside] * 6

    administration, _, line_checks = DEPARTMENTS
    in_liaison_office(
        scenario, [administration, lambda office: DutyDepartment(office, DutySettings(hours)), line_checks]
    )


@pytest.mark.parametrize("side", SIDES)
def test_ops_see_both_desks_the_alarm_and_what_checks_came_to_and_neither_text_nor_names(side: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await put_up(whole, side)
        for user in (f"{side}-1", f"{side}-head", f"{side}-bot"):
            assert await whole.refused(user, "desks") == "forbidden"
        own = await whole.connect(f"{side}-head")
        asked = await whole.ask(f"{side}-1", "line_check_request")
        await whole.ask(f"{OTHER[side]}-1", "line_check_answer", check=asked["check"]["check"])
        await asyncio.sleep(100)
        seen = await whole.ask("ops", "desks", days=2)
        (mine,) = (desk for desk in seen["desks"] if desk["delegation"] == side)
        (theirs,) = (desk for desk in seen["desks"] if desk["delegation"] != side)
        # Somebody of the side is connected, and nobody who is on duty.
        assert (mine["line_up"], mine["staffed"], mine["has_roster"]) == (True, False, True)
        assert mine["unstaffed_since_ms"] == (await desk(whole, side, side))["unstaffed_since_ms"] > 0
        assert theirs == {"delegation": OTHER[side], "line_up": False, "staffed": False, "has_roster": False}
        assert len(seen["days"]) == 2
        (answered,) = (each for each in seen["days"][-1]["checks"] if each["check"] == asked["check"]["check"])
        assert (answered["outcome"], answered["caller"]) == ("answered", side)
        told = msgspec.json.encode(seen).decode()
        assert asked["check"]["text"] not in told
        assert not any(f'"{user}"' in told for user in (f"{side}-1", f"{OTHER[side]}-1"))
        await whole.connect(f"{side}-1")
        await asyncio.sleep(10)
        again = await whole.ask("ops", "desks", days=1)
        (mine,) = (desk for desk in again["desks"] if desk["delegation"] == side)
        assert (mine["staffed"], "unstaffed_since_ms" in mine) == (True, False)
        assert own.wire.of("notice")[-1]["name"] == "desk_staffed"

    in_office(scenario)
