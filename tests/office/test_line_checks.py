"""Line checks through the office: opened by themselves, called and answered by desks, and explained when not."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.core.line_check_schedule import Schedule
from liaison.core.register_channels import LINE_CHECKS
from liaison.core.rights import Membership
from liaison.office.line_checks import LineCheckDepartment, LineCheckSettings
from tests.office.liaison_office import Departments, LiaisonOffice, in_liaison_office

# The office opens at 19:30 of its clock on 2018-09-14, an even day.
DAY = "2018-09-14"
CHECK = f"{DAY}T19:40"
WINDOW_MS = 180_000
SOUTH, NORTH = DelegationId("south"), DelegationId("north")
OTHER = {"south": "north", "north": "south"}


def departments(times: Sequence[str] = ("19:40",), odd_days: str = "north", **settings: Any) -> Departments:
    odd = DelegationId(odd_days)
    schedule = Schedule(tuple(times), "Asia/Seoul", odd, NORTH if odd == SOUTH else SOUTH)
    return [lambda office: LineCheckDepartment(office, LineCheckSettings(schedule, ("하나", "둘"), **settings))]


def in_office(scenario: Callable[[LiaisonOffice], Awaitable[None]], **schedule: Any) -> None:
    in_liaison_office(scenario, departments(**schedule))


async def records(whole: LiaisonOffice) -> list[dict[str, Any]]:
    return [msgspec.json.decode(entry.draft.data) for entry in await whole.entries(LINE_CHECKS)]


async def events(whole: LiaisonOffice) -> list[tuple[str, str]]:
    return [(record["event"], record.get("check", "")) for record in await records(whole)]


async def check(whole: LiaisonOffice, name: str = CHECK, user: str = "south-1") -> dict[str, Any]:
    reply = await whole.ask(user, "line_checks")
    (found,) = (check for day in reply["days"] for check in day["checks"] if check["check"] == name)
    return dict(found)


async def came_to(whole: LiaisonOffice, name: str = CHECK) -> tuple[str, str, str]:
    found = await check(whole, name)
    assert found["state"] in ("ended", "missed")
    return found["outcome"], found.get("side", ""), found.get("reason", "")


async def until_due(whole: LiaisonOffice, name: str = CHECK) -> None:
    due_ms = int(datetime.fromisoformat(f"{name}+09:00").astimezone(UTC).timestamp() * 1000)
    await asyncio.sleep((due_ms - whole.clock.wall_ms()) / 1000 + 0.5)


async def after_the_window() -> None:
    await asyncio.sleep(WINDOW_MS / 1000 + 2)


@pytest.mark.parametrize("odd_days", ["south", "north"])
def test_a_check_opens_when_it_is_due_and_is_called_and_answered_with_one_key_each(odd_days: str) -> None:
    caller = OTHER[odd_days]
    answerer = odd_days

    async def scenario(whole: LiaisonOffice) -> None:
        seat = await whole.connect(f"{answerer}-1")
        await seat.ask("subscribe", channel=LINE_CHECKS)
        assert (await check(whole))["state"] == "scheduled"
        await until_due(whole)
        opened = await check(whole)
        assert (opened["state"], opened["caller"], opened["answerer"]) == ("open", caller, answerer)
        assert (opened["text"], opened["deadline_ms"] - opened["opened_ms"]) == ("하나", WINDOW_MS)
        reply = await whole.ask(f"{caller}-1", "line_check_call", check=CHECK)
        assert (reply["check"]["state"], reply["check"]["called_by"]) == ("called", f"{caller}-1")
        reply = await whole.ask(f"{answerer}-2", "line_check_answer", check=CHECK)
        assert (reply["check"]["outcome"], reply["check"]["answered_by"]) == ("answered", f"{answerer}-2")
        await after_the_window()
        assert await events(whole) == [("schedule", ""), ("opened", CHECK), ("called", CHECK), ("answered", CHECK)]
        pushed = [msgspec.json.decode(push["data"])["event"] for push in seat.wire.of("message")]
        assert pushed == ["opened", "called", "answered"]

    in_office(scenario, odd_days=odd_days)


@pytest.mark.parametrize("caller", ["south", "north"])
def test_silence_has_one_of_four_outcomes(caller: str) -> None:
    answerer = OTHER[caller]

    async def scenario(whole: LiaisonOffice) -> None:
        async with AsyncExitStack() as _:
            # Nobody at all is connected: to tell an empty desk from a broken line takes a client that needs nobody.
            await until_due(whole, f"{DAY}T19:40")
            await after_the_window()
            assert await came_to(whole, f"{DAY}T19:40") == ("line_down", caller, "side_down")
            for side in ("south", "north"):
                await whole.connect(f"{side}-bot")
            await until_due(whole, f"{DAY}T19:50")
            await after_the_window()
            assert await came_to(whole, f"{DAY}T19:50") == ("desk_unstaffed", caller, "")
            await whole.connect(f"{caller}-1")
            await until_due(whole, f"{DAY}T20:00")
            await after_the_window()
            assert await came_to(whole, f"{DAY}T20:00") == ("not_answered", caller, "")
            await until_due(whole, f"{DAY}T20:10")
            await whole.ask(f"{caller}-1", "line_check_call", check=f"{DAY}T20:10")
            await after_the_window()
            assert await came_to(whole, f"{DAY}T20:10") == ("desk_unstaffed", answerer, "")
            await whole.connect(f"{answerer}-2")
            await until_due(whole, f"{DAY}T20:20")
            await whole.ask(f"{caller}-1", "line_check_call", check=f"{DAY}T20:20")
            await after_the_window()
            assert await came_to(whole, f"{DAY}T20:20") == ("not_answered", answerer, "")
            ended = await check(whole, f"{DAY}T20:20")
            assert ended["heartbeat"] == [
                {"delegation": side, "line_up": True, "staffed": True} for side in ("north", "south")
            ]

    in_office(scenario, times=("19:40", "19:50", "20:00", "20:10", "20:20"), odd_days=OTHER[caller])


def test_both_sides_read_the_same_and_a_month_of_it() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await until_due(whole)
        await after_the_window()
        south, north = [await whole.ask(user, "line_checks") for user in ("south-1", "north-head")]
        assert south == north
        assert [len(south["days"]), south["days"][-1]["date"]] == [30, DAY]
        # Before the register began nothing is known, and that is what it says.
        assert {check["state"] for day in south["days"][:-1] for check in day["checks"]} == {"not_kept"}
        assert [day["caller"] for day in south["days"][-3:]] == ["south", "north", "south"]
        assert south["next"]["check"] == "2018-09-15T19:40"
        assert [len((await whole.ask("south-1", "line_checks", days=days))["days"]) for days in (1, 31)] == [1, 31]

    in_office(scenario)


def test_each_wrong_step_is_refused_with_an_error_of_its_own_and_changes_nothing() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        assert await whole.refused("south-1", "line_check_call", check=CHECK) == "no_such_line_check"
        await until_due(whole)
        refused = [
            ("north-1", "line_check_call", "line_check_other_side"),
            ("south-1", "line_check_answer", "line_check_other_side"),
            ("north-1", "line_check_answer", "line_check_not_called"),
            ("north-bot", "line_check_answer", "forbidden"),
            ("south-bot", "line_check_call", "forbidden"),
            ("ops", "line_check_call", "forbidden"),
        ]
        for user, command, error in refused:
            assert await whole.refused(user, command, check=CHECK) == error, (user, command)
        assert await whole.refused("south-2", "line_check_request") == "line_check_open"
        assert await whole.refused("ops", "line_check_request") == "forbidden"
        assert await whole.refused("ops", "line_checks") == "no_such_channel"
        assert await events(whole) == [("schedule", ""), ("opened", CHECK)]
        await whole.ask("south-1", "line_check_call", check=CHECK)
        assert await whole.refused("south-2", "line_check_call", check=CHECK) == "line_check_called"
        await whole.ask("north-1", "line_check_answer", check=CHECK)
        assert await whole.refused("north-2", "line_check_answer", check=CHECK) == "line_check_ended"

    in_office(scenario)


def test_a_repeat_with_the_same_key_is_the_same_step_and_another_use_of_the_key_a_conflict() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await until_due(whole)
        for duplicate in (False, True):
            reply = await whole.ask("south-1", "line_check_call", check=CHECK, key="k")
            assert reply["duplicate"] is duplicate
        for duplicate in (False, True):
            reply = await whole.ask("north-1", "line_check_answer", check=CHECK, key="k")
            assert reply["duplicate"] is duplicate
        first, again = [await whole.ask("north-1", "line_check_request", key="again") for _ in range(2)]
        assert (first["duplicate"], again["duplicate"], again["check"]["requested"]) == (False, True, True)
        assert await whole.refused("south-1", "line_check_answer", check=again["check"]["check"], key="k") == "conflict"

    in_office(scenario)


@pytest.mark.parametrize("side", ["south", "north"])
def test_either_desk_may_call_besides_the_schedule(side: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        for user in ("south-bot", "north-bot"):
            await whole.connect(user)
        asked = (await whole.ask(f"{side}-head", "line_check_request"))["check"]
        assert (asked["state"], asked["caller"], asked["text"]) == ("called", side, "하나")
        assert await whole.refused(f"{OTHER[side]}-1", "line_check_request") == "line_check_open"
        reply = await whole.ask(f"{OTHER[side]}-1", "line_check_answer", check=asked["check"])
        assert reply["check"]["outcome"] == "answered"
        again = (await whole.ask(f"{OTHER[side]}-1", "line_check_request"))["check"]
        assert again["text"] == "둘"
        await after_the_window()
        assert await came_to(whole, again["check"]) == ("desk_unstaffed", side, "")

    in_office(scenario, times=())


def test_several_nodes_open_and_end_a_check_once() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        async with AsyncExitStack() as stack:
            for number in range(3):
                await stack.enter_async_context(whole.node(f"m{number}"))
            await until_due(whole)
            await after_the_window()
            await asyncio.sleep(30)
            assert await events(whole) == [("schedule", ""), ("opened", CHECK), ("ended", CHECK)]

    in_office(scenario)


def without_a_node(scenario: Callable[[LiaisonOffice], Awaitable[None]]) -> None:
    """Run a scenario over an office that has had a node for a while, and has none now."""
    nothing: Departments = []

    async def scene(whole: LiaisonOffice) -> None:
        whole.set_departments(departments())
        async with whole.node("first"):
            await asyncio.sleep(5)
        await scenario(whole)

    in_liaison_office(scene, nothing)


def test_a_check_that_came_due_a_moment_before_a_node_came_back_is_opened_late() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await until_due(whole)
        await asyncio.sleep(60)
        async with whole.node("second"):
            await asyncio.sleep(1)
            opened = await check(whole)
            assert opened["state"] == "open"
            assert opened["opened_ms"] - opened["due_ms"] > 60_000
            assert opened["deadline_ms"] == opened["opened_ms"] + WINDOW_MS

    without_a_node(scenario)


def test_a_check_that_came_due_while_no_node_ran_is_on_the_record_as_line_down_with_the_reason() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        whole.clock.jump_wall(5 * 86_400_000)
        async with AsyncExitStack() as stack:
            for number in range(2):
                await stack.enter_async_context(whole.node(f"second {number}"))
            await asyncio.sleep(5)
            assert [event for event, _ in await events(whole)] == ["schedule", "missed"]
            (record,) = (record for record in await records(whole) if record["event"] == "missed")
            assert [slot["name"] for slot in record["checks"]] == [f"2018-09-{day}T19:40" for day in range(14, 19)]
            for day in range(14, 19):
                assert await came_to(whole, f"2018-09-{day}T19:40") == ("line_down", "", "office_down")
            days = (await whole.ask("south-1", "line_checks"))["days"]
            assert {check["state"] for day in days[-6:-1] for check in day["checks"]} == {"missed"}

    without_a_node(scenario)


def test_a_long_gap_is_one_entry_that_says_since_when() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        whole.clock.jump_wall(3 * 365 * 86_400_000)
        async with whole.node("second"):
            await asyncio.sleep(5)
            (record,) = (record for record in await records(whole) if record["event"] == "missed")
            assert len(record["checks"]) <= 62
            assert record["until_ms"] - record["since_ms"] > 3 * 364 * 86_400_000

    without_a_node(scenario)


def test_a_clock_that_was_put_forward_and_back_leaves_every_check_its_time() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await asyncio.sleep(1)
        whole.clock.jump_wall(86_400_000)
        await asyncio.sleep(5)
        assert await came_to(whole) == ("line_down", "", "office_down")
        whole.clock.jump_wall(-86_400_000)
        await until_due(whole)
        assert (await check(whole))["state"] == "open"
        await after_the_window()
        assert [event for event, name in await events(whole) if name == CHECK] == ["opened", "ended"]

    in_office(scenario)


def test_a_clock_that_is_put_back_neither_opens_a_check_twice_nor_keeps_it_open() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await until_due(whole)
        whole.clock.jump_wall(-3_600_000)
        await asyncio.sleep(20)
        assert (await check(whole))["state"] == "ended"
        await until_due(whole)
        await after_the_window()
        assert [event for event, name in await events(whole) if name == CHECK] == ["opened", "ended"]

    in_office(scenario)


def test_a_node_that_just_began_waits_for_the_clients_that_lost_it_before_it_judges() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        async with whole.node("second"):
            await until_due(whole)
            await whole.ask("south-1", "line_check_call", check=CHECK)
        await asyncio.sleep(WINDOW_MS / 1000)
        async with whole.node("third") as office:
            await asyncio.sleep(8)
            await whole.connect("north-1", office)
            await asyncio.sleep(20)
            assert await came_to(whole) == ("not_answered", "north", "")

    without_a_node(scenario)


def test_another_schedule_is_on_the_record_and_the_days_before_keep_theirs() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        whole.clock.jump_wall(86_400_000)
        whole.set_departments(departments(times=("08:00",)))
        async with whole.node("second"):
            await asyncio.sleep(5)
            assert await events(whole) == [("schedule", ""), ("missed", ""), ("schedule", "")]
            days = (await whole.ask("south-1", "line_checks", days=3))["days"]
            assert [[check["check"] for check in day["checks"]] for day in days[1:]] == [
                [f"{DAY}T19:40"],
                [],
            ]
            assert (await whole.ask("south-1", "line_checks"))["next"]["check"] == "2018-09-16T08:00"

    without_a_node(scenario)


def test_a_member_who_may_only_read_neither_calls_nor_asks() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await whole.directory.set_membership(
            ChannelId(LINE_CHECKS), UserId("south-1"), Membership(can_write=False), actor="test"
        )
        await whole.office.registry.refresh()
        assert await whole.refused("south-1", "line_check_request") == "forbidden"
        assert (await whole.ask("south-1", "line_checks"))["open"] == []

    in_office(scenario)
