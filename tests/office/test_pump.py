"""A subscription is brought level from wherever it stands, and nobody gets a message twice or misses one."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from liaison.adapters.memory_bus import MemoryBus
from liaison.core.identifiers import ChannelId, DelegationId
from liaison.core.position import Position
from liaison.office.hub import Hub, Hubs
from liaison.office.log_pages import LogPages
from liaison.office.pump import Pump
from liaison.ports.log import LogUnavailableError, LogUnreadableError
from liaison.protocol.codec import WireFormat
from tests.office.doubles import CHANNEL, ListLog, Tasks, Wire, entry, nothing_to_prepare
from tests.simulation.silence import SilentObserver
from tests.virtual_time import World, run


class Desk:
    """Hubs and one client's pump over a log in memory."""

    def __init__(self, world: World, group: asyncio.TaskGroup) -> None:
        self.log = ListLog()
        self.wire = Wire()
        observer = SilentObserver()
        tasks = Tasks(group)

        def make_hub(channel: ChannelId) -> Hub:
            return Hub(channel, self.log, world.clock, observer, tasks)

        self.hubs = Hubs(
            log=self.log,
            bus=MemoryBus().node(),
            rng=random.Random(1),
            make_hub=make_hub,
            prepare=nothing_to_prepare,
            poll_interval_s=1,
        )
        self.pump = Pump(
            connection=self.wire,
            wire=WireFormat.MSGPACK,
            delegation=DelegationId("south"),
            hubs=self.hubs,
            pages=LogPages(self.log),
            spawn=tasks,
            observer=observer,
            on_unreadable=lambda channel, error: self.unreadable.append((channel, str(error))),
        )
        self.unreadable: list[tuple[ChannelId, str]] = []
        self.announced: list[tuple[int, int, int]] = []
        self.is_allowed = True

    async def subscribe(self, position: Position | None = None, tail: int = 0, channel: ChannelId = CHANNEL) -> bool:
        def announce(hub: Hub, from_seq: int) -> None:
            assert self.wire.seqs == [] or self.announced, "a message went out before its subscription was announced"
            self.announced.append((hub.epoch, hub.head, from_seq))

        return await self.pump.subscribe(
            channel, position, tail, announce=announce, still_allowed=lambda: self.is_allowed
        )

    def commit(self, number: int = 1) -> None:
        """Append entries, of which the hub hears at once."""
        first = len(self.log.rows[CHANNEL]) + 1
        self.log.fill(number)
        hub = self.hubs.get(CHANNEL)
        assert hub is not None
        hub.on_entries(self.log.epoch, tuple(entry(seq) for seq in range(first, first + number)))


def at_desk(scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def scene(world: World) -> None:
        async with asyncio.TaskGroup() as group:
            desk = Desk(world, group)
            await scenario(desk)
            desk.pump.close()

    run(1, scene)


@pytest.mark.parametrize(
    ("position", "tail", "expected"),
    [
        (None, 0, []),
        (None, 3, [8, 9, 10]),
        (None, 50, list(range(1, 11))),
        (Position(1, 7), 0, [8, 9, 10]),
        (Position(1, 0), 0, list(range(1, 11))),
        (Position(1, 10), 0, []),
    ],
)
def test_a_subscription_begins_where_it_was_asked_to(position: Position | None, tail: int, expected: list[int]) -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(10)
        assert await desk.subscribe(position, tail)
        await asyncio.sleep(0.1)
        assert desk.wire.seqs == expected
        assert desk.announced == [(1, 10, 10 - len(expected))]
        desk.commit(2)
        assert desk.wire.seqs == [*expected, 11, 12]

    at_desk(scenario)


@pytest.mark.parametrize("position", [Position(2, 5), Position(1, 200), Position(0, 3)])
def test_a_place_that_does_not_exist_is_answered_by_a_reset_and_what_now_stands(position: Position) -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(120)
        assert await desk.subscribe(position)
        await asyncio.sleep(0.1)
        assert desk.wire.frames[0] == {"type": "reset", "channel": CHANNEL, "epoch": 1, "seq": 70}
        assert desk.wire.seqs == list(range(71, 121))

    at_desk(scenario)


def test_a_client_that_has_seen_more_than_this_node_makes_the_node_look_and_is_not_reset() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(3)
        await desk.subscribe()
        # Committed by another node, and its hint was lost.
        desk.log.fill(4)
        assert await desk.subscribe(Position(1, 6))
        await asyncio.sleep(0.1)
        assert desk.wire.of("reset") == []
        assert desk.wire.seqs == [7]

    at_desk(scenario)


def test_a_backlog_of_many_pages_goes_out_in_order_while_new_messages_come_in_at_every_moment_of_it() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(1_050)
        desk.wire.after_send = lambda: desk.commit() if len(desk.log.rows[CHANNEL]) < 1_200 else None
        assert await desk.subscribe(Position(1, 0))
        await asyncio.sleep(5)
        assert desk.wire.seqs == list(range(1, len(desk.log.rows[CHANNEL]) + 1))
        assert len(desk.wire.seqs) > 1_050

    at_desk(scenario)


def test_a_message_that_comes_while_a_page_is_read_is_not_sent_twice() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(300)
        await desk.subscribe(Position(1, 250))
        desk.log.read_gate.clear()
        await asyncio.sleep(0.1)
        # The page that is being read will hold these as well.
        desk.commit(5)
        desk.log.read_gate.set()
        await asyncio.sleep(1)
        assert desk.wire.seqs == list(range(251, 306))

    at_desk(scenario)


def test_a_full_socket_gets_nothing_until_it_drains_and_then_everything_in_order() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.subscribe()
        desk.commit()
        desk.wire.is_writable = False
        for _ in range(700):
            desk.commit()
        await asyncio.sleep(10)
        assert desk.wire.seqs == [1]
        desk.wire.is_writable = True
        desk.pump.on_writable()
        await asyncio.sleep(1)
        assert desk.wire.seqs == list(range(1, 702))
        desk.commit()
        assert desk.wire.seqs[-1] == 702

    at_desk(scenario)


def test_a_socket_that_fills_up_after_every_page_gets_the_next_one_only_when_it_has_drained() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(1_000)

        def fill_up() -> None:
            desk.wire.is_writable = False

        desk.wire.after_send = fill_up
        await desk.subscribe(Position(1, 0))
        for _ in range(10):
            before = len(desk.wire.seqs)
            await asyncio.sleep(2)
            assert len(desk.wire.seqs) - before <= 100
            desk.wire.is_writable = True
            desk.pump.on_writable()
        await asyncio.sleep(1)
        assert desk.wire.seqs == list(range(1, 1_001))

    at_desk(scenario)


def test_a_log_that_is_away_makes_the_reader_wait_and_lose_nothing() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(10)
        await desk.subscribe(Position(1, 0))
        desk.log.read_failures.extend([LogUnavailableError(), LogUnavailableError()])
        await asyncio.sleep(2)
        assert desk.wire.seqs == list(range(1, 11))

    at_desk(scenario)


def test_a_log_that_is_away_when_the_hub_begins_leaves_no_subscription() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.read_failures.append(LogUnavailableError())
        with pytest.raises(LogUnavailableError):
            await desk.subscribe()
        assert desk.pump.subscriptions == {}
        assert desk.hubs.get(CHANNEL) is None

    at_desk(scenario)


def test_a_right_that_is_gone_by_the_time_the_hub_has_begun_gives_nothing() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(5)
        desk.is_allowed = False
        assert not await desk.subscribe(tail=5)
        await asyncio.sleep(1)
        assert desk.announced == []
        assert desk.wire.frames == []
        assert desk.hubs.get(CHANNEL) is None

    at_desk(scenario)


def test_an_unsubscribe_while_a_page_is_read_keeps_the_page_back() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(50)
        await desk.subscribe(Position(1, 0))
        desk.log.read_began.clear()
        desk.log.read_gate.clear()
        await desk.log.read_began.wait()
        desk.pump.unsubscribe(CHANNEL)
        desk.log.read_gate.set()
        await asyncio.sleep(1)
        assert desk.wire.seqs == []
        assert desk.hubs.get(CHANNEL) is None

    at_desk(scenario)


def test_subscribing_again_replaces_the_subscription_and_delivers_each_new_message_once() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.subscribe()
        await desk.subscribe()
        desk.commit()
        assert desk.wire.seqs == [1]

    at_desk(scenario)


def test_a_restore_resets_a_level_reader_and_one_that_is_behind_alike() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(20)
        await desk.subscribe()
        desk.wire.is_writable = False
        desk.commit()
        desk.log.restore(4)
        hub = desk.hubs.get(CHANNEL)
        assert hub is not None
        hub.catch_up_with(Position(2, 4))
        await asyncio.sleep(0.5)
        assert desk.wire.frames == []
        desk.wire.is_writable = True
        desk.pump.on_writable()
        await asyncio.sleep(1)
        assert desk.wire.frames[0] == {"type": "reset", "channel": CHANNEL, "epoch": 2, "seq": 0}
        assert desk.wire.seqs == [1, 2, 3, 4]
        assert {frame["epoch"] for frame in desk.wire.of("message")} == {2}

    at_desk(scenario)


def test_a_channel_with_a_long_backlog_does_not_keep_another_one_waiting() -> None:
    async def scenario(desk: Desk) -> None:
        short = ChannelId("south/general")
        desk.log.fill(5_000)
        desk.log.fill(10, channel=short)
        await desk.subscribe(Position(1, 0))
        await desk.subscribe(Position(1, 0), channel=short)
        await asyncio.sleep(5)
        order = [frame["channel"] for frame in desk.wire.of("message")]
        assert order.count(CHANNEL) == 5_000
        assert order.index(short) < 1_000

    at_desk(scenario)


def test_closing_ends_every_subscription_and_the_catching_up() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.fill(50)
        await desk.subscribe(Position(1, 0))
        desk.pump.close()
        await asyncio.sleep(1)
        assert desk.wire.seqs == []
        assert desk.pump.subscriptions == {}

    at_desk(scenario)


def test_a_channel_with_an_entry_that_cannot_be_read_is_given_up_aloud_and_the_others_go_on() -> None:
    other = ChannelId("joint/other")

    async def scenario(desk: Desk) -> None:
        desk.log.fill(3)
        desk.log.fill(2, other)
        await desk.subscribe(tail=2, channel=other)
        await asyncio.sleep(1)
        await desk.subscribe(tail=3)
        desk.log.read_failures.append(LogUnreadableError("an entry of kind 'future'"))
        await asyncio.sleep(1)
        assert desk.unreadable == [(CHANNEL, "an entry of kind 'future'")]
        assert list(desk.pump.subscriptions) == [other]
        assert desk.wire.seqs == [1, 2]

    at_desk(scenario)
