"""A hub is level with its log whatever becomes of hints: late, twice, in any order, lost, or of another epoch."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from liaison.adapters.memory_bus import MemoryBus
from liaison.core.identifiers import ChannelId, DelegationId
from liaison.core.position import Position
from liaison.office.hub import REORDER_GRACE_S, RING_ENTRIES, Hub, Hubs
from liaison.ports.log import LogUnavailableError
from liaison.protocol.codec import WireFormat
from tests.office.doubles import CHANNEL, ListLog, Tasks, Wire, draft, entry, nothing_to_prepare
from tests.simulation.silence import SilentObserver
from tests.virtual_time import World, run


class Reader:
    """hub.Receiver that notes what the hub does with it."""

    wire = WireFormat.MSGPACK
    delegation = DelegationId("south")

    def __init__(self) -> None:
        self.connection = Wire()
        self.offer = self.connection.offer
        self.fell_behind_at: list[int] = []
        self.started_over = 0

    @property
    def seqs(self) -> list[int]:
        return self.connection.seqs

    def fall_behind(self, cursor: int) -> None:
        self.fell_behind_at.append(cursor)

    def start_over(self) -> None:
        self.started_over += 1


class DeliveryNotes(SilentObserver):
    """An observer that notes what it is told of deliveries: sender, receiver, messages, receivers."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[str, str, int, int]] = []

    def delivered(
        self, sender: DelegationId, receiver: DelegationId, *, messages: int, receivers: int, latency_ms: float
    ) -> None:
        self.deliveries.append((sender, receiver, messages, receivers))


class Desk:
    """Hubs over a log in memory, with one reader that is level."""

    def __init__(self, world: World, group: asyncio.TaskGroup) -> None:
        self.log = ListLog()
        self.tasks = Tasks(group)
        self.reader = Reader()
        self.bus = MemoryBus().node()
        observer = self.observer = DeliveryNotes()

        def make_hub(channel: ChannelId) -> Hub:
            return Hub(channel, self.log, world.clock, observer, self.tasks)

        self.hubs = Hubs(
            log=self.log,
            bus=self.bus,
            rng=random.Random(1),
            make_hub=make_hub,
            prepare=nothing_to_prepare,
            poll_interval_s=1,
        )

    async def join(self) -> Hub:
        hub = await self.hubs.join(CHANNEL, self.reader)
        hub.join_live(self.reader)
        return hub


def at_desk(scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def scene(world: World) -> None:
        async with asyncio.TaskGroup() as group:
            await scenario(Desk(world, group))

    run(1, scene)


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
def test_hints_in_any_order_are_applied_in_the_logs_order_and_once(order: tuple[int, ...]) -> None:
    async def scenario(desk: Desk) -> None:
        hub = await desk.join()
        desk.log.fill(3)
        for seq in (*order, *order):
            hub.on_entries(1, (entry(seq),))
        assert desk.reader.seqs == [1, 2, 3]
        await asyncio.sleep(1)
        assert desk.reader.seqs == [1, 2, 3]
        assert desk.log.reads == 0

    at_desk(scenario)


def test_a_batch_is_told_once_for_each_direction_however_the_sides_alternate() -> None:
    async def scenario(desk: Desk) -> None:
        hub = await desk.join()
        senders = ("south-1", "north-1", "south-2", "north-1", "south-1")
        hub.on_entries(1, tuple(replace(entry(seq), draft=draft(seq, who)) for seq, who in enumerate(senders, 1)))
        assert desk.observer.deliveries == [("south", "south", 3, 1), ("north", "south", 2, 1)]

    at_desk(scenario)


def test_the_heads_that_are_known_are_those_of_hubs_that_have_begun() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(3)
        elsewhere = ChannelId("joint/elsewhere")
        assert desk.hubs.known_heads([CHANNEL]) == {}
        await desk.join()
        assert desk.hubs.known_heads([CHANNEL, elsewhere]) == {CHANNEL: Position(1, 3)}
        assert desk.hubs.known_heads([elsewhere]) == {}

    at_desk(scenario)


def test_a_gap_is_filled_from_the_log_after_a_moment_for_reordering() -> None:
    async def scenario(desk: Desk) -> None:
        hub = await desk.join()
        desk.log.fill(5)
        hub.on_entries(1, (entry(5),))
        await asyncio.sleep(REORDER_GRACE_S / 2)
        assert desk.log.reads == 0
        await asyncio.sleep(REORDER_GRACE_S)
        assert desk.reader.seqs == [1, 2, 3, 4, 5]
        assert hub.head == 5

    at_desk(scenario)


def test_a_hint_that_overtakes_the_read_of_its_gap_is_not_sent_twice() -> None:
    async def scenario(desk: Desk) -> None:
        hub = await desk.join()
        desk.log.fill(4)
        hub.on_entries(1, (entry(3),))
        desk.log.read_gate.clear()
        desk.log.read_began.clear()
        await desk.log.read_began.wait()
        hub.on_entries(1, (entry(1), entry(2)))
        assert desk.reader.seqs == [1, 2, 3]
        desk.log.read_gate.set()
        await asyncio.sleep(1)
        # What the read found beyond the hint is welcome, and what it found again is not.
        assert desk.reader.seqs in ([1, 2, 3], [1, 2, 3, 4])

    at_desk(scenario)


def test_a_log_that_is_away_when_a_gap_is_filled_is_asked_again_by_the_poll() -> None:
    async def scenario(desk: Desk) -> None:
        hub = await desk.join()
        poll = asyncio.ensure_future(desk.hubs.poll_heads())
        desk.log.fill(2)
        desk.log.read_failures.append(LogUnavailableError())
        hub.on_entries(1, (entry(2),))
        await asyncio.sleep(REORDER_GRACE_S * 2)
        assert desk.reader.seqs == []
        await asyncio.sleep(1.5)
        assert desk.reader.seqs == [1, 2]
        poll.cancel()

    at_desk(scenario)


def test_a_lost_last_hint_is_found_by_the_poll_within_its_interval() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.join()
        poll = asyncio.ensure_future(desk.hubs.poll_heads())
        desk.log.fill(1)
        await asyncio.sleep(1.3)
        assert desk.reader.seqs == [1]
        poll.cancel()

    at_desk(scenario)


def test_a_doubt_makes_the_poll_ask_at_once() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.join()
        poll = asyncio.ensure_future(desk.hubs.poll_heads())
        await asyncio.sleep(0)
        desk.log.fill(1)
        desk.hubs.doubt()
        await asyncio.sleep(REORDER_GRACE_S * 2)
        assert desk.reader.seqs == [1]
        poll.cancel()

    at_desk(scenario)


def test_a_newer_epoch_makes_everybody_start_over_and_an_older_one_is_ignored() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(7)
        hub = await desk.join()
        desk.log.restore(3)
        hub.on_entries(2, (entry(3),))
        await asyncio.sleep(0.1)
        assert (hub.epoch, hub.head, desk.reader.started_over) == (2, 3, 1)
        hub.on_entries(1, (entry(8),))
        hub.catch_up_with(Position(1, 100))
        await asyncio.sleep(1)
        assert (hub.epoch, hub.head, desk.reader.started_over) == (2, 3, 1)
        assert desk.reader.seqs == []

    at_desk(scenario)


def test_a_restore_that_nobody_hinted_at_is_found_by_the_poll() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(7)
        hub = await desk.join()
        poll = asyncio.ensure_future(desk.hubs.poll_heads())
        # To the same head: only the epoch tells.
        desk.log.restore(7)
        await asyncio.sleep(1.5)
        assert (hub.epoch, desk.reader.started_over) == (2, 1)
        poll.cancel()

    at_desk(scenario)


def test_a_reader_whose_socket_is_full_falls_behind_where_it_was_and_keeps_nobody_else_waiting() -> None:
    async def scenario(desk: Desk) -> None:
        hub = await desk.join()
        other = Reader()
        await desk.hubs.join(CHANNEL, other)
        hub.join_live(other)
        hub.on_entries(1, (entry(1),))
        desk.reader.connection.is_writable = False
        hub.on_entries(1, (entry(2), entry(3)))
        hub.on_entries(1, (entry(4),))
        assert desk.reader.seqs == [1]
        assert desk.reader.fell_behind_at == [1]
        assert other.seqs == [1, 2, 3, 4]

    at_desk(scenario)


def test_the_ring_gives_what_follows_a_cursor_and_says_so_when_it_cannot() -> None:
    async def scenario(desk: Desk) -> None:
        hub = await desk.join()
        assert hub.after(0) is None
        for seq in range(1, RING_ENTRIES + 11):
            hub.on_entries(1, (entry(seq),))
        oldest = 11
        assert hub.after(oldest - 2) is None
        rows = hub.after(oldest - 1)
        assert rows is not None
        assert [row.entry.seq for row in rows] == list(range(oldest, RING_ENTRIES + 11))
        assert hub.after(hub.head) == []

    at_desk(scenario)


def test_a_hint_that_comes_before_the_head_was_read_is_kept_and_neither_lost_nor_doubled() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(2)
        desk.log.read_gate.clear()
        joining = asyncio.ensure_future(desk.hubs.join(CHANNEL, desk.reader))
        await desk.log.read_began.wait()
        early = desk.hubs.get(CHANNEL)
        assert early is not None
        early.on_entries(1, (entry(2),))
        early.on_entries(1, (entry(3),))
        desk.log.read_gate.set()
        hub = await joining
        assert hub.head == 3

    at_desk(scenario)


def test_a_hub_that_cannot_begin_tells_the_one_who_asked_and_the_next_one_tries_again() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.read_failures.append(LogUnavailableError())
        second = Reader()
        first, joined = await asyncio.gather(
            desk.hubs.join(CHANNEL, desk.reader), desk.hubs.join(CHANNEL, second), return_exceptions=True
        )
        assert isinstance(first, LogUnavailableError)
        assert isinstance(joined, Hub)
        assert list(joined.members) == [second]

    at_desk(scenario)


def test_the_last_one_to_leave_takes_the_hub_along() -> None:
    async def scenario(desk: Desk) -> None:
        hub = await desk.join()
        other = Reader()
        assert await desk.hubs.join(CHANNEL, other) is hub
        desk.hubs.leave(hub, other)
        assert desk.hubs.get(CHANNEL) is hub
        desk.hubs.leave(hub, desk.reader)
        assert desk.hubs.get(CHANNEL) is None
        hub.on_entries(1, (entry(1),))
        assert desk.reader.seqs == []

    at_desk(scenario)


def test_so_many_hints_beyond_a_gap_are_not_kept_for_ever() -> None:
    async def scenario(desk: Desk) -> None:
        hub = await desk.join()
        number = RING_ENTRIES * 3
        desk.log.fill(number)
        for seq in range(2, number + 1):
            hub.on_entries(1, (entry(seq),))
        assert len(hub._ahead) <= RING_ENTRIES
        await asyncio.sleep(1)
        assert desk.reader.seqs == list(range(1, number + 1))

    at_desk(scenario)
