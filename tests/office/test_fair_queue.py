"""Turns between sides and users, and what a flood of one side costs the other."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.entries import Draft
from liaison.core.identifiers import ChannelId, Millis
from liaison.office.fair_queue import FairQueue
from liaison.office.publishing import Published, Submission
from liaison.ports.log import Appended
from liaison.protocol.errors import ErrorCode, LiaisonError
from liaison.protocol.limits import MAX_BATCH_MESSAGES, MAX_PUBLISHES_QUEUED
from tests.office.doubles import CHANNEL, ListLog, draft
from tests.office.test_publishing import Desk, Sender, at_desk
from tests.virtual_time import World, run

MUCH = 1 << 30


@dataclass(frozen=True)
class Item:
    draft: Draft


def queue_of(*senders: str) -> FairQueue[Item]:
    queue: FairQueue[Item] = FairQueue()
    for number, sender in enumerate(senders):
        queue.append(Item(draft(number, sender)))
    return queue


def order(items: Sequence[Item]) -> list[str]:
    return [item.draft.sender for item in items]


def test_sides_take_turns_and_within_a_side_its_users() -> None:
    queue = queue_of("south-1", "south-1", "south-1", "south-2", "north-1")
    assert order(queue.take(most=10, most_bytes=MUCH)) == ["south-1", "north-1", "south-2", "south-1", "south-1"]
    assert len(queue) == 0


def test_a_batch_ends_at_its_bounds_and_the_turn_is_kept() -> None:
    queue = queue_of(*["south-1"] * 4, *["north-1"] * 4)
    assert order(queue.take(most=3, most_bytes=MUCH)) == ["south-1", "north-1", "south-1"]
    assert order(queue.take(most=1, most_bytes=1)) == ["north-1"]
    size = draft(0, "south-1").size_bytes
    assert order(queue.take(most=9, most_bytes=2 * size)) == ["south-1", "north-1"]


def test_what_is_claimed_is_taken_and_the_rest_stays_in_order() -> None:
    queue = queue_of("south-1", "north-1", "south-1", "north-2")
    assert order(queue.take_all(lambda item: item.draft.sender == "south-1")) == ["south-1", "south-1"]
    assert (len(queue), order(queue.take(most=9, most_bytes=MUCH))) == (2, ["north-1", "north-2"])


@given(
    st.lists(st.sampled_from(["south-1", "south-2", "north-1", "north-2", "north-3"]), min_size=1, max_size=40),
    st.integers(1, 7),
)
def test_nothing_is_lost_each_user_keeps_their_order_and_no_side_waits_while_the_other_has_two_turns(
    senders: list[str], most: int
) -> None:
    queue = queue_of(*senders)
    taken: list[Item] = []
    while queue:
        taken += queue.take(most=most, most_bytes=MUCH)
    assert sorted(item.draft.key for item in taken) == sorted(f"k{number}" for number in range(len(senders)))
    for user in set(senders):
        own = [int(item.draft.key[1:]) for item in taken if item.draft.sender == user]
        assert own == sorted(own)
    sides = [item.draft.delegation for item in taken]
    for at in range(len(sides) - 1):
        if sides[at] == sides[at + 1]:
            # Nothing of the other side was left to take.
            assert set(sides[at:]) == {sides[at]}


def test_a_user_with_too_much_waiting_is_told_so_and_nobody_else_is() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.gate.clear()
        flood, other = Sender(desk, "south-1"), Sender(desk, "south-2")
        flood.submit(0)
        await desk.log.append_began.wait()
        for number in range(1, MAX_PUBLISHES_QUEUED + 3):
            flood.submit(number)
        other.submit(0)
        assert [code for _, code in flood.failed] == [ErrorCode.BUSY] * 2
        desk.log.gate.set()
        await desk.publisher.drained()
        assert len(flood.done) == MAX_PUBLISHES_QUEUED + 1
        assert len(other.done) == 1

    at_desk(scenario)


@pytest.mark.parametrize(
    ("senders", "batches"),
    [
        (["south-1"] * MAX_BATCH_MESSAGES, [MAX_BATCH_MESSAGES]),
        (["south-1", "south-2"] * 66, [16, 16, MAX_BATCH_MESSAGES]),
        (["south-1"] * 130 + ["north-1"] * 2, [4, 16, 16, 96]),
        (["south-1", "north-1"] * 66, [MAX_BATCH_MESSAGES, 32]),
    ],
    ids=["a burst", "a flood", "a flood beside others", "both sides"],
)
def test_what_one_side_floods_with_is_committed_in_short_batches_until_one_is_left(
    senders: list[str], batches: list[int]
) -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.gate.clear()
        first = Sender(desk, "north-9")
        first.submit(0)
        await desk.log.append_began.wait()
        for number, name in enumerate(senders):
            Sender(desk, name).submit(number)
        desk.log.gate.set()
        await desk.publisher.drained()
        assert [len(batch) for batch in desk.log.batches] == [1, *batches]

    at_desk(scenario)


class TimedLog(ListLog):
    """Takes as long as a disk: 0.57 ms for a commit and 29 µs for each message of it."""

    async def append(
        self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
    ) -> Appended:
        await asyncio.sleep((570 + 29 * len(drafts)) / 1e6)
        rows = self.rows[channel]
        rows.clear()
        return await super().append(channel, drafts, now_ms, expect_head=expect_head)


def test_a_queue_gives_way_for_so_long_or_until_another_side_has_something() -> None:
    async def scene(_world: World) -> None:
        loop = asyncio.get_running_loop()
        queue = queue_of("south-1", "south-2")
        await queue.give_way(2.0)
        assert loop.time() == 2.0
        loop.call_later(0.2, queue.append, Item(draft(1, "south-1")))
        loop.call_later(0.5, queue.append, Item(draft(1, "north-1")))
        await queue.give_way(2.0)
        assert loop.time() == 2.5
        await queue.give_way(2.0)
        assert loop.time() == 2.5

    run(1, scene)


@pytest.mark.parametrize(("flooding", "waiting"), [("south", "north"), ("north", "south")])
def test_beside_a_side_that_speaks_a_flood_rests_and_its_rest_ends_with_what_the_other_says(
    flooding: str, waiting: str
) -> None:
    async def scene(world: World) -> None:
        async with asyncio.TaskGroup() as group:
            desk, loop = Desk(world, group, TimedLog()), asyncio.get_running_loop()
            flood, other = Sender(desk, f"{flooding}-1"), Sender(desk, f"{waiting}-1")
            for number in range(400):
                flood.submit(number)
            # Committed with one of the flood's in 0.63 ms. Then the flood rests for 1.26 ms, and after its sixteen for
            # 2.07.
            other.submit(0)
            await asyncio.sleep(0.0035)
            assert [len(batch) for batch in desk.log.batches] == [2, 16]
            other.submit(1)
            while len(other.done) < 2:
                await asyncio.sleep(0.0001)
            assert [len(batch) for batch in desk.log.batches][:3] == [2, 16, 2]
            assert loop.time() < 0.0035 + 0.0008
            await desk.publisher.drained()

    run(1, scene)


def _latency_p99_ms(flooding: str, waiting: str, flood_per_ms: int) -> float:
    """Give the 99th percentile of a side that writes 500 messages a second beside one that writes very many."""
    latencies: list[float] = []

    async def scene(world: World) -> None:
        async with asyncio.TaskGroup() as group:
            desk = Desk(world, group, TimedLog())
            loop = asyncio.get_running_loop()

            def submit(user: str, number: int, measure: bool) -> None:
                began_s = loop.time()

                def done(_published: Published) -> None:
                    if measure:
                        latencies.append((loop.time() - began_s) * 1000)

                def failed(error: LiaisonError) -> None:
                    assert error.code is ErrorCode.BUSY

                origin = Sender(desk, user)
                desk.publisher.submit(CHANNEL, Submission(origin, draft(number, user), began_s, done, failed))

            for at_ms in range(400):
                for number in range(flood_per_ms):
                    submit(f"{flooding}-{number % 20}", at_ms * flood_per_ms + number, measure=False)
                if at_ms % 2 == 0:
                    submit(f"{waiting}-1", at_ms, measure=True)
                await asyncio.sleep(0.001)
            await desk.publisher.drained()

    run(1, scene)
    assert len(latencies) == 200
    return sorted(latencies)[197]


@pytest.mark.parametrize(("flooding", "waiting"), [("south", "north"), ("north", "south")])
def test_twice_what_the_log_can_take_delays_the_other_side_by_no_more_than_a_fifth_of_a_busy_day(
    flooding: str, waiting: str
) -> None:
    """Busy: the log takes all it gets, in full batches. A flood on top of that makes no difference to the others."""
    busy = _latency_p99_ms(flooding, waiting, flood_per_ms=28)
    flooded = _latency_p99_ms(flooding, waiting, flood_per_ms=60)
    print(f"{waiting}: p99 {busy:.2f} ms beside a busy side, {flooded:.2f} ms beside a flood")
    assert flooded <= 1.2 * busy
