"""What every bus must do. An adapter joins by a factory in `FACTORIES`; the tests stay as they are."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from liaison.adapters.memory_bus import MemoryBus
from liaison.core.entries import Draft, Entry, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.ports.bus import (
    AnyHint,
    Bus,
    DirectoryHint,
    DisconnectedHint,
    DisconnectHint,
    EntriesHint,
    NodeHint,
    PastHint,
    PastWantedHint,
    ReadHint,
    SessionsHint,
    SessionsWantedHint,
    StatisticsHint,
    TypingHint,
)
from liaison.protocol.frames import DirectionStatistics, PresenceEvent, SessionInfo, SideStatistics, StatisticsStep
from tests.adapters.redis_nodes import bus_at
from tests.redis_server import shared_redis

GENERAL, WEATHER = ChannelId("joint/general"), ChannelId("joint/날씨")
KIM, SOUTH = UserId("kim"), DelegationId("south")

STEP = StatisticsStep(
    number=3,
    time_ms=1_600_000_000_000,
    span_ms=5_001,
    sides=[SideStatistics("south", 2, 7, ack_p50_us=1_900)],
    directions=[DirectionStatistics("south", "north", 14, seen_p99_us=9_000)],
    sessions=3,
    refusals={"forbidden": 1},
    reasons=["the bus is down"],
)

SESSION = SessionInfo("s", "kim", "south", "official", "web/1", "", "n1", "websocket", "private", 5, 3, lag_messages=2)
EVENT = PresenceEvent(7, 1_600_000_000_000, "kim", "south", "offline", "no pong")
FOR_OPS = [
    StatisticsHint("n1", STEP, is_watched=True),
    SessionsWantedHint("n1", 500, ("kim",), is_anew=True),
    SessionsHint("n1", 4, 5, 12, (SESSION,), ("gone",), is_whole=True, is_leaving=False),
    DisconnectHint("n1", 41),
    DisconnectedHint("n1", 41),
    PastWantedHint("n1", 1_600_000_000_000),
    PastHint("n1", 1_600_000_000_000, 1_600_000_001_000, (EVENT,)),
]

NodeFactory = Callable[[], Bus]


@asynccontextmanager
async def memory() -> AsyncIterator[NodeFactory]:
    yield MemoryBus().node


@asynccontextmanager
async def redis() -> AsyncIterator[NodeFactory]:
    async with AsyncExitStack() as stack:
        # No test asks for more; each can hear before the first of them is used.
        settings = shared_redis().settings()
        nodes = [await stack.enter_async_context(bus_at(settings)) for _ in range(3)]
        yield nodes.pop


FACTORIES = [memory, pytest.param(redis, marks=pytest.mark.system)]


@pytest.fixture(params=FACTORIES, ids=lambda factory: str(factory.__name__))
async def node(request: pytest.FixtureRequest) -> AsyncIterator[NodeFactory]:
    async with request.param() as made:
        yield made


class Listener:
    """Keeps what a node hears, and lets a test wait for it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.hints: list[AnyHint] = []
        self._heard = asyncio.Event()
        self.detach = bus.attach(self)

    def on_hint(self, hint: AnyHint) -> None:
        self.hints.append(hint)
        self._heard.set()

    def on_doubt(self) -> None:
        pass

    async def heard(self, hint: AnyHint) -> None:
        async with asyncio.timeout(5):
            while hint not in self.hints:
                self._heard.clear()
                await self._heard.wait()


def typing(channel: ChannelId = GENERAL, user: UserId = KIM) -> TypingHint:
    return TypingHint(channel, user, SOUTH)


def entry(seq: int) -> Entry:
    draft = Draft(KIM, SOUTH, f"k{seq}", EntryKind.TEXT, "안녕하십니까", ref=1, mentions=(UserId("pak"),))
    return Entry(GENERAL, seq, Millis(1_600_000_000_000), bytes(range(32)), draft)


@pytest.mark.parametrize(
    "hint",
    [
        EntriesHint(GENERAL, 3, (entry(7), entry(8))),
        typing(),
        ReadHint(GENERAL, KIM, SOUTH, 12),
        DirectoryHint(42),
        *FOR_OPS,
    ],
    ids=lambda hint: type(hint).__name__,
)
async def test_hint_reaches_another_node_as_it_was(node: NodeFactory, hint: AnyHint) -> None:
    here, there = Listener(node()), Listener(node())
    await there.bus.subscribe(GENERAL)
    here.bus.publish(hint)
    await there.heard(hint)
    assert there.hints == [hint]


async def test_only_subscribers_of_the_channel_hear_of_it(node: NodeFactory) -> None:
    here, there, elsewhere = Listener(node()), Listener(node()), Listener(node())
    await there.bus.subscribe(GENERAL)
    await elsewhere.bus.subscribe(WEATHER)
    here.bus.publish(typing(GENERAL))
    here.bus.publish(typing(WEATHER))
    await there.heard(typing(GENERAL))
    await elsewhere.heard(typing(WEATHER))
    assert (there.hints, elsewhere.hints) == ([typing(GENERAL)], [typing(WEATHER)])


@pytest.mark.parametrize("hint", [DirectoryHint(1), *FOR_OPS], ids=lambda hint: type(hint).__name__)
async def test_hint_for_every_node_needs_no_subscription(node: NodeFactory, hint: NodeHint) -> None:
    here, there = Listener(node()), Listener(node())
    here.bus.publish(hint)
    await there.heard(hint)


async def test_hints_of_one_node_stay_in_order(node: NodeFactory) -> None:
    here, there = Listener(node()), Listener(node())
    await there.bus.subscribe(GENERAL)
    sent = [ReadHint(GENERAL, KIM, SOUTH, seq) for seq in range(50)]
    for hint in sent:
        here.bus.publish(hint)
    await there.heard(sent[-1])
    assert there.hints == sent


async def test_unsubscribed_channel_is_silent_and_the_others_are_not(node: NodeFactory) -> None:
    here, there = Listener(node()), Listener(node())
    await there.bus.subscribe(GENERAL)
    await there.bus.subscribe(GENERAL)
    await there.bus.subscribe(WEATHER)
    there.bus.unsubscribe(GENERAL)
    there.bus.unsubscribe(GENERAL)
    # A round on the channel that stays, so that a bus which unsubscribes later has done so.
    here.bus.publish(typing(WEATHER))
    await there.heard(typing(WEATHER))
    there.hints.clear()
    here.bus.publish(typing(GENERAL))
    here.bus.publish(DirectoryHint(9))
    await there.heard(DirectoryHint(9))
    assert there.hints == [DirectoryHint(9)]


async def test_nobody_is_called_before_publish_returns(node: NodeFactory) -> None:
    here, there = Listener(node()), Listener(node())
    await there.bus.subscribe(GENERAL)
    here.bus.publish(typing())
    assert there.hints == []
    await there.heard(typing())


async def test_detached_node_hears_nothing_not_even_what_is_under_way(node: NodeFactory) -> None:
    here, gone, there = Listener(node()), Listener(node()), Listener(node())
    for listener in (gone, there):
        await listener.bus.subscribe(GENERAL)
    here.bus.publish(typing())
    gone.detach()
    gone.detach()
    here.bus.publish(DirectoryHint(2))
    await there.heard(DirectoryHint(2))
    assert gone.hints == []


async def test_detached_node_can_publish_and_attach_anew(node: NodeFactory) -> None:
    here, there = Listener(node()), Listener(node())
    here.detach()
    here.bus.publish(DirectoryHint(3))
    await there.heard(DirectoryHint(3))
    again = Listener(here.bus)
    there.bus.publish(DirectoryHint(4))
    await again.heard(DirectoryHint(4))


async def test_second_listener_at_a_node_is_refused(node: NodeFactory) -> None:
    here = Listener(node())
    with pytest.raises(RuntimeError):
        here.bus.attach(here)


async def test_bus_that_works_says_that_it_is_up(node: NodeFactory) -> None:
    assert Listener(node()).bus.is_up
