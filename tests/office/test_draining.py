"""A node that ends lets its clients go at the pace that is set, answered, and told when to come back."""

import asyncio
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from liaison.core.identifiers import ChannelId
from liaison.office.draining import departures
from liaison.office.settings import OfficeSettings
from tests.office.whole_office import Seat, WholeOffice, in_office

GENERAL = ChannelId("joint/general")
ALONE = OfficeSettings(drain_reconnects_per_s=10, drain_timeout_s=4, sessions_per_user=200)
AMONG_OTHERS = replace(ALONE, has_other_nodes=True)


@given(st.integers(0, 2_000), st.floats(0.5, 5_000), st.integers(0, 10_000))
def test_no_more_come_back_in_any_second_than_the_pace_allows(clients: int, per_s: float, horizon_ms: int) -> None:
    turns = list(departures(clients, per_s=per_s, horizon_ms=horizon_ms))
    back_ms = [turn.after_ms + turn.waits_ms for turn in turns]
    assert len(turns) == clients
    assert all(turn.after_ms <= horizon_ms and turn.waits_ms >= 0 for turn in turns)
    # Whole milliseconds lose up to one.
    assert all(later - earlier >= 1000 / per_s - 1 for earlier, later in pairwise(back_ms))
    assert all(turn.waits_ms == 0 for turn in turns if turn.after_ms < horizon_ms)


async def _closed_at_ms(whole: WholeOffice, seats: list[Seat]) -> list[int]:
    began_ms = whole.clock.monotonic_ms()
    closed: dict[int, int] = {}
    drain = asyncio.ensure_future(whole.office.drain())
    while len(closed) < len(seats):
        for number, seat in enumerate(seats):
            if seat.close_code is not None:
                assert seat.close_code == 1012
                closed.setdefault(number, whole.clock.monotonic_ms() - began_ms)
        await asyncio.sleep(0.005)
    await drain
    return sorted(closed.values())


def test_where_other_nodes_take_them_clients_leave_one_by_one_and_need_not_wait() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seats = [await whole.connect("south-1") for _ in range(20)]
        left_ms = await _closed_at_ms(whole, seats)
        assert [round(ms, -1) for ms in left_ms] == [100 * number for number in range(20)]
        assert {frame["reconnect_after_ms"] for seat in seats for frame in seat.wire.of("go_away")} == {0}

    in_office(scenario, AMONG_OTHERS)


def test_those_whose_turn_does_not_come_in_time_leave_together_and_wait_outside() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seats = [await whole.connect("south-1") for _ in range(60)]
        left_ms = await _closed_at_ms(whole, seats)
        assert 2_990 <= left_ms[-1] <= 3_010
        waits = sorted(frame["reconnect_after_ms"] for seat in seats for frame in seat.wire.of("go_away"))
        assert waits == [0] * 31 + [100 * number for number in range(1, 30)]

    in_office(scenario, AMONG_OTHERS)


def test_where_there_is_no_other_node_all_leave_at_once_and_come_back_one_by_one() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seats = [await whole.connect("south-1") for _ in range(20)]
        left_ms = await _closed_at_ms(whole, seats)
        assert left_ms[-1] <= 10
        waits = sorted(frame["reconnect_after_ms"] for seat in seats for frame in seat.wire.of("go_away"))
        assert waits == [100 * number for number in range(20)]

    in_office(scenario, ALONE)


def test_a_client_is_served_until_it_is_its_turn() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seats = [await whole.connect("south-1") for _ in range(20)]
        drain = asyncio.ensure_future(whole.office.drain())
        await asyncio.sleep(1.05)
        [*staying] = [seat for seat in seats if seat.close_code is None]
        assert len(staying) == 9
        answers = [await seat.ask("publish", channel=GENERAL, key=f"k{n}", text="x") for n, seat in enumerate(staying)]
        assert [answer["seq"] for answer in answers] == list(range(1, 10))
        await drain
        assert all(len(seat.wire.of("go_away")) == 1 for seat in seats)

    in_office(scenario, AMONG_OTHERS)


def test_what_a_client_has_asked_for_is_answered_before_it_is_closed_and_nothing_more_is_read() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.gate.clear()
        seat = await whole.connect("south-1")
        publish = seat.send("publish", channel=GENERAL, key="k1", text="x")
        drain = asyncio.ensure_future(whole.office.drain())
        await asyncio.sleep(1)
        assert (seat.close_code, seat.wire.is_reading) == (None, False)
        whole.log.gate.set()
        await drain
        assert (seat.answer(publish) or {})["seq"] == 1
        assert [frame["type"] for frame in seat.wire.frames[-2:]] == ["go_away", "reply"]
        assert seat.close_code == 1012

    in_office(scenario, ALONE)


def test_a_question_that_waits_for_the_log_is_answered_before_the_close() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        whole.log.read_gate.clear()
        history = seat.send("history", channel=GENERAL)
        await asyncio.sleep(0.1)
        drain = asyncio.ensure_future(whole.office.drain())
        await asyncio.sleep(1)
        assert seat.close_code is None
        whole.log.read_gate.set()
        await drain
        assert seat.answer(history) is not None
        assert seat.close_code == 1012

    in_office(scenario, ALONE)


def test_a_log_that_never_answers_holds_a_drain_up_for_its_time_and_no_longer() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.gate.clear()
        seat = await whole.connect("south-1")
        seat.send("publish", channel=GENERAL, key="k1", text="x")
        began_ms = whole.clock.monotonic_ms()
        await whole.office.drain()
        assert 3_990 <= whole.clock.monotonic_ms() - began_ms <= 4_100
        assert seat.close_code == 1012

    in_office(scenario, ALONE)


def test_a_client_that_leaves_by_itself_is_not_waited_for() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.gate.clear()
        seat = await whole.connect("south-1")
        history = await whole.connect("south-2")
        whole.log.read_gate.clear()
        history.send("history", channel=GENERAL)
        began_ms = whole.clock.monotonic_ms()
        drain = asyncio.ensure_future(whole.office.drain())
        await asyncio.sleep(0.5)
        history.session.on_closed("closed")
        await drain
        assert whole.clock.monotonic_ms() - began_ms < 1_000
        assert seat.close_code == 1012

    in_office(scenario, ALONE)


def test_a_node_that_retires_says_so_and_still_takes_clients() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.office.retire()
        assert await whole.office.readiness() == ["draining"]
        assert (await whole.connect("south-1")).close_code is None

    in_office(scenario, ALONE)
