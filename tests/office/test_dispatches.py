"""Dispatches through the office: the whole way, who may do what, and what the other side learns of it when."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from liaison.core.identifiers import DelegationId
from liaison.core.register_channels import DISPATCHES, own_dispatches
from liaison.office.dispatch_books import DispatchSettings
from liaison.protocol.errors import ErrorCode, LiaisonError
from tests.memory_marks import MemoryMarks
from tests.office.dispatch_office import ITEMS, LETTER, DispatchOffice, in_dispatch_office
from tests.virtual_time import VirtualClock

SOUTH = own_dispatches(DelegationId("south"))
NUMBER = "south-2018-0001"


async def refused(office: DispatchOffice, user: str, type_: str, **fields: Any) -> ErrorCode:
    with pytest.raises(LiaisonError) as caught:
        await office.ask(user, type_, **fields)
    return caught.value.code


async def step_refused(office: DispatchOffice, user: str, type_: str, name: str, **fields: Any) -> ErrorCode:
    with pytest.raises(LiaisonError) as caught:
        await office.step(user, type_, name, **fields)
    return caught.value.code


async def state_of(office: DispatchOffice, user: str, name: str) -> str:
    return str((await office.ask(user, "dispatch", dispatch=name))["dispatch"]["state"])


def test_a_dispatch_goes_from_draft_to_closed_and_every_step_is_an_entry() -> None:
    async def scenario(office: DispatchOffice) -> None:
        name = await office.draft(precedence="priority", items=ITEMS)
        await office.step("south-1", "revise", name, **LETTER, precedence="priority", items=ITEMS)
        await office.step("south-2", "clear", name)
        line = await office.step("south-1", "tender", name)
        number = line["number"]
        assert (line["state"], line["waits_on"]) == ("tendered", "north")
        await office.step("north-1", "defer", number, until_ms=office.office.clock.wall_ms() + 1000, note="회의 중")
        await office.step("south-1", "tender", number)
        await office.step("north-1", "decline", number, note="서명자 직급")
        await office.step("south-2", "tender", name)
        line = await office.step("north-1", "accept", number)
        assert (line["state"], line["needs_read_back"]) == ("awaiting_read_back", True)
        assert await step_refused(office, "north-1", "acknowledge", number) is ErrorCode.DISPATCH_NOT_READ_BACK
        await office.step("north-1", "read_back", number, values=["8", "18:00"])
        await office.step("south-1", "confirm_read_back", number, confirmed=[False, True])
        await office.step("north-1", "read_back", number, values=["3", "18:00"])
        await office.step("south-1", "confirm_read_back", number, confirmed=[True, True])
        await office.step("north-2", "acknowledge", number)
        answer = await office.tender("north", reference=number)
        await office.step("north-1", "answer", number, answer=answer)
        line = await office.step("south-head", "close", number)
        assert (line["state"], line.get("waits_on", "")) == ("closed", "")
        assert [event for dispatch, event in await office.events() if dispatch == number] == [
            "tendered",
            "deferred",
            "tendered",
            "declined",
            "tendered",
            "accepted",
            "delivered_for_read_back",
            "read_back",
            "mismatched",
            "read_back",
            "confirmed",
            "acknowledged",
            "answered",
            "closed",
        ]
        assert [event for _, event in await office.events(SOUTH)] == ["drafted", "revised", "cleared", "numbered"]
        whole = await office.ask("north-1", "dispatch", dispatch=number)
        assert whole["content"]["body"] == LETTER["body"]
        read = [step for step in whole["history"] if step["event"] == "read_back"]
        assert [step["matching"] for step in read] == [[False, True], [True, True]]
        named = next(step for step in whole["history"] if step["event"] == "acknowledged")
        assert (named["user"], named["name"]) == ("north-2", "이름 north-2")
        # The other side learns nothing of what went before the tender.
        assert {step["channel"] for step in whole["history"]} == {DISPATCHES}
        own = await office.ask("south-1", "dispatch", dispatch=number)
        assert [step["event"] for step in own["history"]][:4] == ["drafted", "revised", "cleared", "numbered"]

    in_dispatch_office(scenario)


def test_the_text_is_nowhere_for_the_other_side_until_it_has_accepted() -> None:
    async def scenario(office: DispatchOffice) -> None:
        async def seen_by_north(name: str) -> str:
            told = [str(entry) for entry in await office.entries()]
            told += [str(await office.ask("north-1", "dispatches")), str(await office.ask("north-bot", "dispatches"))]
            for asked in (name, "south-2018-0001"):
                for user in ("north-1", "north-bot"):
                    try:
                        told.append(str(await office.ask(user, "dispatch", dispatch=asked)))
                    except LiaisonError as error:
                        told.append(str(error))
            return "".join(told)

        secrets = (LETTER["body"], "수문", "18:00")
        name = await office.draft(subject="방류", precedence="flash", items=ITEMS)
        assert "방류" not in await seen_by_north(name)
        await office.step("south-2", "clear", name)
        assert "방류" not in await seen_by_north(name)
        await office.step("south-1", "tender", name)
        await office.step("north-1", "defer", NUMBER, until_ms=office.office.clock.wall_ms() + 1)
        await office.step("south-1", "tender", NUMBER)
        told = await seen_by_north(name)
        assert "방류" in told
        assert not any(secret in told for secret in secrets)
        assert name not in "".join(str(entry) for entry in await office.entries())
        await office.step("north-1", "accept", NUMBER)
        told = await seen_by_north(name)
        assert all(secret in told for secret in secrets)

    in_dispatch_office(scenario)


def test_a_draft_of_the_other_side_is_answered_like_one_that_does_not_exist() -> None:
    async def scenario(office: DispatchOffice) -> None:
        name = await office.draft()
        steps: dict[str, Mapping[str, Any]] = {
            "clear": {},
            "tender": {},
            "accept": {},
            "defer": {"until_ms": 2**45},
            "decline": {"note": "x"},
            "read_back": {"values": ["x"]},
            "confirm_read_back": {"confirmed": [True]},
            "acknowledge": {},
            "close": {},
            "record_other_means": {"place": "x", "at_ms": 1},
            "revise": LETTER,
        }
        for step, fields in steps.items():
            answers = []
            for asked in (name, "0123456789abcdef", NUMBER):
                with pytest.raises(LiaisonError) as caught:
                    await office.step("north-1", step, asked, revision=1, **fields)
                answers.append((caught.value.code, caught.value.message))
            assert answers == [(ErrorCode.NO_SUCH_DISPATCH, "there is no such dispatch")] * 3, step
        assert (await office.ask("north-1", "dispatches"))["dispatches"] == []
        assert len((await office.ask("south-2", "dispatches"))["dispatches"]) == 1

    in_dispatch_office(scenario)


def test_a_repeat_gives_the_first_result_and_a_used_key_a_conflict() -> None:
    async def scenario(office: DispatchOffice) -> None:
        fields = {**LETTER, "key": "k"}
        first = await office.ask("south-1", "dispatch_draft", **fields)
        again = await office.ask("south-1", "dispatch_draft", **fields)
        assert (first["duplicate"], again["duplicate"]) == (False, True)
        assert first["dispatch"] == again["dispatch"]
        changed = {**fields, "subject": "다른 제목"}
        assert await refused(office, "south-1", "dispatch_draft", **changed) is ErrorCode.CONFLICT
        name, revision = first["dispatch"]["dispatch"], first["dispatch"]["revision"]
        cleared = [
            await office.ask("south-2", "dispatch_clear", dispatch=name, revision=revision, key="c") for _ in range(2)
        ]
        revision = cleared[0]["dispatch"]["revision"]
        tendered = [
            await office.ask("south-1", "dispatch_tender", dispatch=name, revision=revision, key="t") for _ in range(2)
        ]
        assert tendered[0]["dispatch"] == tendered[1]["dispatch"]
        revision = tendered[0]["dispatch"]["revision"]
        accepted = [
            await office.ask("north-1", "dispatch_accept", dispatch=NUMBER, revision=revision, key="a")
            for _ in range(2)
        ]
        for pair in (cleared, tendered, accepted):
            assert [reply["duplicate"] for reply in pair] == [False, True]
        assert len(await office.events()) == 3

    in_dispatch_office(scenario)


def test_of_two_who_decide_at_once_one_is_told_that_it_changed() -> None:
    async def scenario(office: DispatchOffice) -> None:
        number = await office.tender()
        revision = (await office.ask("north-1", "dispatch", dispatch=number))["dispatch"]["revision"]
        outcomes = await asyncio.gather(
            office.step("north-1", "accept", number, revision=revision),
            office.step("north-2", "decline", number, revision=revision, note="안 됩니다"),
            return_exceptions=True,
        )
        refusals = [outcome for outcome in outcomes if isinstance(outcome, LiaisonError)]
        assert [error.code for error in refusals] == [ErrorCode.DISPATCH_CHANGED]
        assert len([event for _, event in await office.events() if event in ("accepted", "declined")]) == 1

    in_dispatch_office(scenario)


def test_many_who_tender_at_once_get_numbers_without_gap_or_double() -> None:
    async def scenario(office: DispatchOffice) -> None:
        names = [await office.draft(subject=f"{place}") for place in range(8)]
        for name in names:
            await office.step("south-2", "clear", name)
        lines = await asyncio.gather(*(office.step("south-1", "tender", name) for name in names))
        assert sorted(line["number"] for line in lines) == [f"south-2018-{place:04}" for place in range(1, 9)]
        assert sorted(number for number, _ in await office.events()) == sorted(line["number"] for line in lines)

    in_dispatch_office(scenario)


def test_life_safety_goes_out_at_once_and_is_repeated_until_acknowledged() -> None:
    async def scenario(office: DispatchOffice) -> None:
        name = await office.draft(precedence="life_safety")
        line = await office.step("south-1", "tender", name)
        assert line["state"] == "delivered"
        assert (await office.ask("north-1", "dispatch", dispatch=NUMBER))["content"]["body"] == LETTER["body"]
        await asyncio.sleep(200)
        assert [event for _, event in await office.events()] == ["delivered", "repeated", "repeated", "repeated"]
        assert all(entry.draft.precedence.value == "life_safety" for entry in await office.entries())
        # What was repeated meanwhile doesn't make stale what somebody looked at before.
        await office.step("north-1", "acknowledge", NUMBER, revision=line["revision"])
        await asyncio.sleep(600)
        assert [event for _, event in await office.events()][4:] == ["acknowledged"]

    in_dispatch_office(scenario, DispatchSettings(repeat_every_ms=60_000))


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_jumps_silences_nothing(hours: int) -> None:
    async def scenario(office: DispatchOffice) -> None:
        await office.tender(precedence="flash", items=ITEMS)
        assert isinstance(office.clock, VirtualClock)
        office.clock.jump_wall(hours * 3_600_000)
        await asyncio.sleep(130)
        # One for the jump, and then as before.
        assert [event for _, event in await office.events()] == ["tendered", "repeated", "repeated", "repeated"]

    in_dispatch_office(scenario, DispatchSettings(repeat_every_ms=60_000))


def test_two_nodes_repeat_no_more_than_one() -> None:
    async def scenario(office: DispatchOffice) -> None:
        await office.tender(precedence="flash", items=ITEMS)
        async with office.node("n2"):
            await asyncio.sleep(200)
        assert [event for _, event in await office.events()] == ["tendered", "repeated", "repeated", "repeated"]

    in_dispatch_office(scenario, DispatchSettings(repeat_every_ms=60_000))


def test_only_life_safety_goes_out_uncleared() -> None:
    async def scenario(office: DispatchOffice) -> None:
        name = await office.draft(precedence="flash", items=ITEMS)
        assert await step_refused(office, "south-1", "tender", name) is ErrorCode.DISPATCH_NOT_CLEARED
        assert await step_refused(office, "south-1", "clear", name) is ErrorCode.DISPATCH_OWN_CLEARANCE
        assert await office.events() == []
        assert "dispatches-south-2018" not in marks.marks

    marks = MemoryMarks()
    in_dispatch_office(scenario, marks=marks)


def test_what_went_another_way_is_noted_by_either_side_with_place_and_time() -> None:
    async def scenario(office: DispatchOffice) -> None:
        for user in ("south-1", "north-1"):
            number = await office.tender()
            future = office.office.clock.wall_ms() + 60_000
            means = {"place": "판문점 직통전화", "note": "구두 통보"}
            late = await step_refused(office, user, "record_other_means", number, at_ms=future, **means)
            assert late is ErrorCode.DISPATCH_TIME
            line = await office.step(user, "record_other_means", number, at_ms=future - 60_000, **means)
            assert (line["state"], line["waits_on"]) == ("delivered_otherwise", "north")
            step = (await office.ask("north-2", "dispatch", dispatch=number))["history"][-1]
            assert (step["place"], step["note"], step["user"]) == ("판문점 직통전화", "구두 통보", user)
            await office.step("north-1", "accept", number)
            assert await state_of(office, "north-1", number) == "delivered"

    in_dispatch_office(scenario)


def test_an_answer_is_a_dispatch_that_ones_own_side_has_tendered() -> None:
    async def scenario(office: DispatchOffice) -> None:
        number = await office.tender()
        await office.step("north-1", "accept", number)
        await office.step("north-1", "acknowledge", number)
        other = await office.tender()
        draft = await office.draft("north")
        elsewhere = await office.tender("north", reference=other)
        for answer in (number, other, draft, elsewhere, "north-2018-0009"):
            code = await step_refused(office, "north-1", "answer", number, answer=answer)
            assert code is ErrorCode.DISPATCH_ANSWER, answer
        answer = await office.tender("north")
        assert (await office.step("north-1", "answer", number, answer=answer))["state"] == "answered"

    in_dispatch_office(scenario)


def test_a_tender_is_deferred_to_the_future_and_overdue_from_then_on() -> None:
    async def scenario(office: DispatchOffice) -> None:
        number = await office.tender()
        now_ms = office.office.clock.wall_ms()
        assert await step_refused(office, "north-1", "defer", number, until_ms=now_ms) is ErrorCode.DISPATCH_TIME
        line = await office.step("north-1", "defer", number, until_ms=now_ms + 10_000)
        assert (line["due_ms"], line["overdue"]) == (now_ms + 10_000, False)
        await asyncio.sleep(11)
        for user in ("south-1", "north-1"):
            (line,) = (await office.ask(user, "dispatches", overdue=True))["dispatches"]
            assert line["number"] == number

    in_dispatch_office(scenario)


def test_the_register_is_filtered_and_paged() -> None:
    async def scenario(office: DispatchOffice) -> None:
        for place in range(5):
            await office.tender(
                "south" if place % 2 else "north", subject=f"제목 {place}", precedence="flash", items=ITEMS
            )
            await asyncio.sleep(1)
        await office.tender("north", subject="일반")
        await office.draft("south", subject="초안")

        async def subjects(**fields: Any) -> list[str]:
            return [line["subject"] for line in (await office.ask("south-1", "dispatches", **fields))["dispatches"]]

        assert await subjects() == ["초안", "일반", *(f"제목 {place}" for place in (4, 3, 2, 1, 0))]
        assert await subjects(side="north") == ["일반", "제목 4", "제목 2", "제목 0"]
        assert await subjects(state="draft") == ["초안"]
        assert await subjects(year=2017) == []
        assert len(await subjects(year=2018)) == 7
        assert await subjects(overdue=True) == []
        assert await subjects(precedence="routine") == ["초안", "일반"]
        assert await subjects(precedence="life_safety") == []
        assert await subjects(waits_on="south") == ["초안", "일반", "제목 4", "제목 2", "제목 0"]
        # A page holds as many as are wanted, however many others lie between.
        urgent = {"precedence": "flash", "waits_on": "south"}
        page = await office.ask("south-1", "dispatches", limit=2, **urgent)
        assert ([line["subject"] for line in page["dispatches"]], page["more"]) == (["제목 4", "제목 2"], True)
        page = await office.ask("south-1", "dispatches", **urgent, before_ms=page["dispatches"][-1]["begun_ms"])
        assert ([line["subject"] for line in page["dispatches"]], page["more"]) == (["제목 0"], False)
        await asyncio.sleep(600)
        assert len(await subjects(overdue=True)) == 5

    in_dispatch_office(scenario)


def test_fields_that_are_no_line_or_empty_are_refused_and_nothing_is_written() -> None:
    async def scenario(office: DispatchOffice) -> None:
        for field, value in (("subject", "두\n줄"), ("signatory", "  "), ("body", "\x00"), ("rank", "\x07")):
            code = await refused(office, "south-1", "dispatch_draft", **{**LETTER, field: value})
            assert code is ErrorCode.INVALID, field
        assert await refused(office, "south-1", "dispatch_draft", **{**LETTER, "body": "가" * 6000}) is (
            ErrorCode.TOO_LARGE
        )
        flash = {**LETTER, "precedence": "flash"}
        assert await refused(office, "south-1", "dispatch_draft", **flash) is ErrorCode.DISPATCH_ITEMS
        assert await office.events(SOUTH) == []

    in_dispatch_office(scenario)


def test_no_number_is_given_out_whose_mark_can_not_be_raised() -> None:
    async def scenario(office: DispatchOffice) -> None:
        name = await office.draft()
        await office.step("south-2", "clear", name)
        marks.are_away = True
        assert await step_refused(office, "south-1", "tender", name) is ErrorCode.UNAVAILABLE
        assert await state_of(office, "south-1", name) == "cleared"
        marks.are_away = False
        assert (await office.step("south-1", "tender", name))["number"] == NUMBER

    marks = MemoryMarks()
    in_dispatch_office(scenario, marks=marks)
