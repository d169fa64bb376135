"""When checks are due: odd and even days, zones that change their clocks, and every moment exactly once."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.identifiers import DelegationId, Millis
from liaison.core.line_check_schedule import Schedule, is_time, text_for

SOUTH, NORTH = DelegationId("south"), DelegationId("north")
CUSTOM = Schedule(("09:00", "17:00"), "Asia/Seoul", SOUTH, NORTH)


def ms(text: str) -> Millis:
    return Millis(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000))


def utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="minutes")[:16]


def test_a_day_has_its_checks_by_the_offices_clock() -> None:
    slots = CUSTOM.due_on(date(2018, 9, 15))
    assert [(slot.name, utc(slot.due_ms)) for slot in slots] == [
        ("2018-09-15T09:00", "2018-09-15T00:00"),
        ("2018-09-15T17:00", "2018-09-15T08:00"),
    ]


def test_one_side_calls_first_on_odd_days_and_the_other_on_even_ones() -> None:
    days = [date(2018, 9, 29) + timedelta(number) for number in range(4)]
    assert [(day.day, CUSTOM.caller_on(day)) for day in days] == [(29, SOUTH), (30, NORTH), (1, SOUTH), (2, NORTH)]
    # After a month of 31 days the same side has two in a row: that is the custom.
    assert [CUSTOM.caller_on(date(2018, 8, 31)), CUSTOM.caller_on(date(2018, 9, 1))] == [SOUTH, SOUTH]


def test_swapping_the_sides_swaps_the_callers_and_nothing_else() -> None:
    swapped = Schedule(CUSTOM.times, CUSTOM.time_zone, NORTH, SOUTH)
    other = {SOUTH: NORTH, NORTH: SOUTH}
    after, until = ms("2018-08-20"), ms("2018-10-20")
    here, there = list(CUSTOM.due_between(after, until)), list(swapped.due_between(after, until))
    assert [(slot.name, slot.due_ms, other[slot.caller]) for slot in here] == [
        (slot.name, slot.due_ms, slot.caller) for slot in there
    ]


def test_the_day_is_that_of_the_offices_clock_not_of_utc() -> None:
    early = Schedule(("01:00",), "Asia/Seoul", SOUTH, NORTH)
    (slot,) = early.due_between(ms("2018-09-14T15:00"), ms("2018-09-14T17:00"))
    assert (slot.name, slot.caller, utc(slot.due_ms)) == ("2018-09-15T01:00", SOUTH, "2018-09-14T16:00")


def test_a_zone_that_moved_its_clock_by_half_an_hour_moves_the_checks() -> None:
    # From 15 August 2015 to 4 May 2018 the clocks of the two sides were half an hour apart.
    there = Schedule(("09:00",), "Asia/Pyongyang", SOUTH, NORTH)
    days = [date(2015, 8, 14), date(2015, 8, 15), date(2018, 5, 4), date(2018, 5, 5)]
    assert [utc(there.due_on(day)[0].due_ms)[11:] for day in days] == ["00:00", "00:30", "00:30", "00:00"]


def test_an_hour_that_is_there_twice_has_its_check_once_and_one_that_is_not_there_too() -> None:
    nightly = Schedule(("02:30",), "Europe/Berlin", SOUTH, NORTH)
    for day, moments in (("2018-03-25", ["2018-03-25T01:30"]), ("2018-10-28", ["2018-10-28T00:30"])):
        noon = ms(f"{day}T12:00")
        slots = list(nightly.due_between(Millis(noon - 86_400_000), noon))
        assert [(slot.name, utc(slot.due_ms)) for slot in slots] == [(f"{day}T02:30", moment) for moment in moments]


@given(
    st.sampled_from(["Asia/Seoul", "Asia/Pyongyang", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]),
    st.integers(0, 2**31 * 1000),
    st.lists(st.integers(0, 5 * 86_400_000), max_size=4),
)
def test_however_a_time_is_cut_each_check_is_due_in_exactly_one_part(zone: str, began_ms: int, cuts: list[int]) -> None:
    schedule = Schedule(("00:15", "02:30", "09:00", "17:00"), zone, SOUTH, NORTH)
    moments = [began_ms, *(began_ms + cut for cut in sorted(cuts)), began_ms + 5 * 86_400_000]
    whole = list(schedule.due_between(Millis(moments[0]), Millis(moments[-1])))
    parts = [slot for after, until in pairwise(moments) for slot in schedule.due_between(Millis(after), Millis(until))]
    assert parts == whole
    assert len({slot.name for slot in whole}) == len(whole)
    assert [slot.due_ms for slot in whole] == sorted(slot.due_ms for slot in whole)


def test_the_next_check_is_the_first_one_after_a_moment() -> None:
    found = CUSTOM.next_after(ms("2018-09-15T00:00"))
    assert found is not None
    assert found.name == "2018-09-15T17:00"
    assert Schedule((), "Asia/Seoul", SOUTH, NORTH).next_after(ms("2018-09-15T00:00")) is None


@pytest.mark.parametrize(
    ("text", "fits"),
    [("09:00", True), ("23:59", True), ("24:00", False), ("9:00", False), ("09:60", False), ("", False)],
)
def test_a_time_of_day_has_two_digits_each(text: str, fits: bool) -> None:
    assert is_time(text) is fits


def test_texts_take_turns() -> None:
    assert [text_for(("a", "b"), number) for number in range(3)] == ["a", "b", "a"]
