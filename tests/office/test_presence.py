import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from liaison.core.identifiers import NO_DELEGATION, DelegationId, SessionId, UserId
from liaison.core.presence import GRACE_MS
from liaison.core.profile import Delegation, Granularity, OfficeProfile
from liaison.core.rights import Account, Role
from liaison.office.presence import PresenceFeed
from liaison.office.presence_audience import BATCH_MS
from liaison.office.presence_lease import GATHERING_MS
from liaison.ports.presence import DeviceWrite, PresenceState
from liaison.protocol.codec import WireFormat
from tests.office.flaky_presence import FlakyPresence, SharedPresence
from tests.office.screens import Screen
from tests.virtual_time import World, run

SOUTH, NORTH = DelegationId("south"), DelegationId("north")
KIM = Account(UserId("kim"), "김", SOUTH, Role.OFFICIAL)
LEE = Account(UserId("lee"), "이", SOUTH, Role.HEAD)
PAK = Account(UserId("pak"), "박", NORTH, Role.OFFICIAL)
CLERK = Account(UserId("clerk"), "Clerk", SOUTH, Role.BOT)
OPS = Account(UserId("ops"), "Ops", NO_DELEGATION, Role.OPS)


def session(name: str) -> SessionId:
    return SessionId(name)


class Node:
    """One node's feed with its link to the store, running in a task of its own."""

    def __init__(self, office: "Office", name: str) -> None:
        self.office = office
        self.link: FlakyPresence = office.shared.link()
        self.feed = PresenceFeed(self.link, office.clock, office.profile, node=name, rng=office.random)
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = self.office.tasks.create_task(self.feed.run())

    def crash(self) -> None:
        assert self.task is not None
        self.task.cancel()

    def arrive(self, name: str, account: Account = KIM) -> None:
        self.feed.arrived(session(name), account, self.office.clock.wall_ms())

    def drop(self, name: str, cause: str = "broken") -> None:
        self.feed.left(session(name), cause, grace=True)

    def leave(self, name: str, cause: str = "signed out") -> None:
        self.feed.left(session(name), cause, grace=False)

    def screen(self, account: Account, wire: WireFormat = WireFormat.JSON) -> Screen:
        """Somebody who watches here, as a session does it: the reply, then what follows."""
        screen = Screen(account, self.office.clock, wire)
        screen.start(self.feed.reply(1, account))
        self.feed.watch(screen)
        return screen


class Office:
    def __init__(self, world: World, tasks: asyncio.TaskGroup, granularity: Granularity) -> None:
        self.world, self.tasks = world, tasks
        self.clock, self.random = world.clock, world.random
        self.shared = SharedPresence(world.clock)
        self.profile = OfficeProfile(
            "연락사무소",
            "Liaison office",
            "Asia/Seoul",
            (
                Delegation(SOUTH, "남측", "South side", "#2f6fde", "Asia/Seoul"),
                Delegation(NORTH, "북측", "North side", "#c0392b", "Asia/Pyongyang"),
            ),
            granularity,
        )
        self.nodes: list[Node] = []

    def node(self) -> Node:
        made = Node(self, f"node{len(self.nodes)}")
        self.nodes.append(made)
        made.start()
        return made

    def now_ms(self) -> int:
        return self.clock.monotonic_ms()


@asynccontextmanager
async def office(world: World, granularity: Granularity = Granularity.NAMED) -> AsyncIterator[Office]:
    async with asyncio.TaskGroup() as tasks:
        made = Office(world, tasks, granularity)
        yield made
        for node in made.nodes:
            node.crash()


def simulated(
    body: Callable[[Office, Sequence[Node]], Awaitable[None]],
    *,
    nodes: int = 1,
    granularity: Granularity = Granularity.NAMED,
    seed: int = 1,
) -> None:
    """Run `body` in an office of that many nodes, all level with the store."""

    async def scenario(world: World) -> None:
        async with office(world, granularity) as made:
            running = [made.node() for _ in range(nodes)]
            await asyncio.sleep(0.01)
            await body(made, running)

    run(seed, scenario)


def ms(milliseconds: float) -> "Awaitable[None]":
    return asyncio.sleep(milliseconds / 1000)


def joins(screen: Screen) -> list[dict[str, Any]]:
    return [join for _, frame in screen.events for join in frame.get("joins", [])]


# -------------------------------------------------------------------------------------------------- coming and going


def test_arrival_is_seen_on_every_node() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        screens = [node.screen(PAK) for node in nodes]
        nodes[0].arrive("s1")
        await ms(500)
        for screen in screens:
            assert screen.users == {"kim": {"user": "kim", "delegation": "south", "connectivity": "online"}}
            assert screen.sides["south"] == {
                "delegation": "south",
                "granularity": "named",
                "staffed": True,
                "online": 1,
            }

    simulated(body, nodes=2)


def test_logout_is_seen_within_a_second() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1")
        await ms(5000)
        screen, ops = nodes[1].screen(PAK), nodes[1].screen(OPS)
        left_ms = office.now_ms()
        nodes[0].leave("s1")
        await ms(1000)
        ((seen_ms, user),) = screen.offline
        assert user == "kim"
        assert seen_ms - left_ms <= 1000
        leave = ops.events[-1][1]["leaves"][0]
        assert leave["cause"] == "signed out"

    simulated(body, nodes=2)


def test_lost_socket_turns_unconfirmed_at_once_and_offline_within_eleven_seconds() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1")
        await ms(5000)
        screen, ops = nodes[1].screen(PAK), nodes[1].screen(OPS)
        lost_ms = office.now_ms()
        nodes[0].drop("s1", "no pong")
        await ms(500)
        assert screen.users["kim"]["connectivity"] == "unconfirmed"
        assert (ops.users["kim"]["connectivity"], ops.users["kim"]["cause"]) == ("unconfirmed", "no pong")
        await ms(11_000)
        ((seen_ms, _),) = screen.offline
        assert GRACE_MS <= seen_ms - lost_ms <= 11_000
        assert ops.events[-1][1]["leaves"][0]["cause"] == "no pong"

    simulated(body, nodes=2)


def test_reconnect_within_the_grace_shows_nobody_offline_and_keeps_what_was_said() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        node.arrive("s1")
        node.feed.set_availability(session("s1"), "away")
        await ms(1000)
        screen, ops, own = node.screen(PAK), node.screen(OPS), node.screen(LEE)
        node.drop("s1")
        await ms(GRACE_MS - 1)
        node.arrive("s2")
        await ms(30_000)
        assert screen.offline == []
        assert screen.users["kim"]["connectivity"] == "online"
        assert ops.users["kim"]["cause"] == "resumed"
        assert own.users["kim"] | {"availability": "away", "devices": 1} == own.users["kim"]
        assert {join["availability"] for join in joins(own)} == {"away"}

    simulated(body)


def test_reconnect_to_another_node_within_the_grace_shows_nobody_offline() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1")
        await ms(1000)
        screen = nodes[1].screen(PAK)
        nodes[0].drop("s1")
        await ms(2000)
        nodes[1].arrive("s2")
        await ms(30_000)
        assert screen.offline == []
        assert [join["connectivity"] for join in joins(screen)] == ["unconfirmed", "online"]

    simulated(body, nodes=2)


def test_of_two_lost_devices_the_one_that_does_not_return_goes() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        for name in ("s1", "s2"):
            node.arrive(name)
            node.drop(name)
        await ms(1000)
        own = node.screen(LEE)
        node.arrive("s3")
        await ms(20_000)
        assert own.users["kim"]["devices"] == 1
        node.leave("s3")
        await ms(1000)
        assert own.users == {}

    simulated(body)


def test_socket_that_is_reported_lost_twice_has_one_grace() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        node.arrive("s1")
        screen = node.screen(PAK)
        lost_ms = office.now_ms()
        node.drop("s1", "no pong")
        await ms(GRACE_MS / 2)
        node.drop("s1", "broken")
        await ms(20_000)
        assert screen.offline == [(lost_ms + GRACE_MS, "kim")]
        node.arrive("s2")
        for _ in range(2):
            node.drop("s2")
        node.arrive("s3")
        await ms(20_000)
        assert set(screen.users) == {"kim"}

    simulated(body)


def test_sign_out_during_the_grace_ends_it() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        node.arrive("s1")
        node.drop("s1")
        await ms(1000)
        ops = node.screen(OPS)
        node.leave("s1", "revoked")
        await ms(1000)
        assert ops.users == {}
        assert ops.events[-1][1]["leaves"][0]["cause"] == "revoked"
        await ms(20_000)
        assert len(ops.events) == 1

    simulated(body)


def test_sessions_that_are_not_there_are_ignored() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        ops = node.screen(OPS)
        node.drop("never")
        node.leave("never")
        node.feed.set_availability(session("never"), "dnd")
        await ms(20_000)
        assert ops.events == []

    simulated(body)


# --------------------------------------------------------------------------------------------------- nodes that fail


def test_crashed_node_is_seen_within_ten_and_a_half_seconds() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1")
        await ms(5000)
        screen, ops = nodes[1].screen(PAK), nodes[1].screen(OPS)
        crashed_ms = office.now_ms()
        nodes[0].crash()
        await ms(11_000)
        ((seen_ms, _),) = screen.offline
        assert seen_ms - crashed_ms <= 10_500
        assert ops.events[-1][1]["leaves"][0]["cause"] == "node lost"

    for seed in range(10):
        simulated(body, nodes=2, seed=seed)


def test_partitioned_node_is_seen_in_time_knows_that_it_is_stale_and_is_back_within_six_seconds() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1", KIM)
        nodes[1].arrive("s2", PAK)
        await ms(5000)
        inside, outside = nodes[0].screen(LEE), nodes[1].screen(PAK)
        parted_ms = office.now_ms()
        nodes[0].link.is_down = True
        await ms(10_500)
        assert [user for _, user in outside.offline] == ["kim"]
        assert parted_ms <= inside.stale_since_ms - (office.clock.wall_ms() - office.now_ms()) <= parted_ms + 5000
        assert set(inside.users) == {"kim", "pak"}
        await ms(20_000)
        nodes[0].link.heal()
        await ms(6000)
        assert inside.stale_since_ms == 0
        assert set(inside.users) == set(outside.users) == {"kim", "pak"}
        assert len(set(nodes[0].link.incarnations)) == 2

    for seed in range(10):
        simulated(body, nodes=2, seed=seed)


def test_partition_shorter_than_the_lease_shows_nobody_offline() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1")
        await ms(5000)
        screen = nodes[1].screen(PAK)
        nodes[0].link.is_down = True
        nodes[0].arrive("s2", LEE)
        await ms(4000)
        nodes[0].link.heal()
        await ms(20_000)
        assert screen.offline == []
        assert set(screen.users) == {"kim", "lee"}
        assert len(nodes[0].link.incarnations) == 1

    for seed in range(10):
        simulated(body, nodes=2, seed=seed)


def test_process_that_was_stopped_for_longer_than_its_lease_shows_nobody_offline() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        node.arrive("s1")
        await ms(5000)
        screen = node.screen(PAK)
        office.world.stop_the_process(60_000)
        await ms(10_000)
        assert screen.offline == []
        assert set(screen.users) == {"kim"}

    for seed in range(10):
        simulated(body, seed=seed)


@pytest.mark.parametrize("stood_ms", [6_000, 8_500, 9_500, 12_000])
def test_store_that_stood_still_until_leases_ran_out_shows_nobody_offline(stood_ms: int) -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        for number, node in enumerate(nodes):
            node.arrive(f"s{number}", (KIM, PAK, LEE)[number])
        await ms(6000 + office.random.randrange(3000))
        screens = [node.screen(LEE) for node in nodes]
        for node in nodes:
            node.link.is_down = True
        await ms(stood_ms)
        for node in nodes:
            node.link.is_down = False
        # One that starts now has seen nothing of it.
        screens.append(office.node().screen(LEE))
        await ms(12_000)
        for screen in screens:
            assert screen.stale_since_ms == 0
            assert screen.offline == []
            assert set(screen.users) == {"kim", "pak", "lee"}

    for seed in range(10):
        simulated(body, nodes=3, seed=seed)


def test_rolling_restart_shows_nobody_offline() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1")
        await ms(5000)
        screen = nodes[1].screen(PAK)
        nodes[0].drop("s1", "restart")
        await nodes[0].feed.drain()
        nodes[0].crash()
        await ms(5000)
        assert screen.users["kim"]["connectivity"] == "unconfirmed"
        nodes[1].arrive("s2")
        await ms(30_000)
        assert screen.offline == []
        assert screen.users["kim"]["connectivity"] == "online"

    simulated(body, nodes=2)


def test_who_does_not_return_after_a_restart_goes_with_its_cause() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1")
        await ms(5000)
        ops = nodes[1].screen(OPS)
        drained_ms = office.now_ms()
        await nodes[0].feed.drain()
        nodes[0].crash()
        await ms(12_000)
        ((seen_ms, _),) = ops.offline
        assert GRACE_MS <= seen_ms - drained_ms <= GRACE_MS + 1_200
        assert ops.events[-1][1]["leaves"][0]["cause"] == "restart"

    simulated(body, nodes=2)


def test_drain_ends_although_the_store_is_away() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1")
        await ms(1000)
        nodes[0].link.is_down = True
        begun_ms = office.now_ms()
        await nodes[0].feed.drain()
        assert office.now_ms() - begun_ms <= 5000

    simulated(body)


# --------------------------------------------------------------------------------------------------- the store fails


def test_store_that_lost_its_content_shows_nobody_offline_and_is_whole_within_six_seconds() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1", KIM)
        nodes[1].arrive("s2", PAK)
        await ms(5000)
        screens = [node.screen(LEE) for node in nodes]
        office.shared.flush()
        await ms(100)
        assert all(screen.stale_since_ms > 0 for screen in screens)
        await ms(5900)
        for screen in screens:
            assert screen.stale_since_ms == 0
            assert screen.offline == []
            assert set(screen.users) == {"kim", "pak"}
        nodes[0].leave("s1")
        await ms(500)
        assert [set(screen.users) for screen in screens] == [{"pak"}, {"pak"}]

    for seed in range(10):
        simulated(body, nodes=2, seed=seed)


@pytest.mark.parametrize("after_ms", [100, 2_000, 4_300])
def test_store_that_loses_its_content_again_while_it_is_rebuilt_shows_nobody_offline(after_ms: int) -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1", KIM)
        nodes[1].arrive("s2", PAK)
        await ms(5000)
        screens = [node.screen(LEE) for node in nodes]
        office.shared.flush()
        await ms(after_ms)
        office.shared.flush()
        await ms(6000)
        for screen in screens:
            assert screen.stale_since_ms == 0
            assert screen.offline == []
            assert set(screen.users) == {"kim", "pak"}

    for seed in range(10):
        simulated(body, nodes=2, seed=seed)


def test_node_that_starts_while_the_store_is_rebuilt_says_nothing_for_sure_until_it_is() -> None:
    class Young(FlakyPresence):
        async def snapshot(self) -> PresenceState:
            return replace(await super().snapshot(), age_ms=office_of[self].now_ms() - flushed_ms[self])

    office_of: dict[Young, Office] = {}
    flushed_ms: dict[Young, int] = {}

    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1", KIM)
        await ms(5000)
        office.shared.flush()
        late = Node(office, "late")
        late.link = link = Young(office.shared)
        office_of[link], flushed_ms[link] = office, office.now_ms()
        office.shared.links.append(link)
        late.feed = PresenceFeed(link, office.clock, office.profile, node="late", rng=office.random)
        office.nodes.append(late)
        late.start()
        screen = late.screen(LEE)
        for _ in range(60):
            await ms(100)
            assert screen.stale_since_ms > 0 or set(screen.users) == {"kim"}
        assert screen.stale_since_ms == 0

    for seed in range(10):
        simulated(body, seed=seed)


def test_store_that_stands_still_while_it_is_rebuilt_shows_nobody_offline() -> None:
    class Stalling(FlakyPresence):
        goes_on = asyncio.Event()

        async def register(self, incarnation: str) -> None:
            await self.goes_on.wait()
            await super().register(incarnation)

        async def renew(self, incarnation: str) -> None:
            await self.goes_on.wait()
            await super().renew(incarnation)

        async def snapshot(self) -> PresenceState:
            await self.goes_on.wait()
            return await super().snapshot()

    async def body(office: Office, nodes: Sequence[Node]) -> None:
        goes_on = asyncio.Event()
        goes_on.set()
        for number, node in enumerate(nodes):
            node.crash()
            node.link = link = Stalling(office.shared)
            link.goes_on = goes_on
            office.shared.links.append(link)
            node.feed = PresenceFeed(link, office.clock, office.profile, node=f"n{number}", rng=office.random)
            node.start()
        nodes[0].arrive("s1", KIM)
        nodes[1].arrive("s2", PAK)
        await ms(5000)
        screens = [node.screen(LEE) for node in nodes]
        office.shared.flush()
        await ms(200)
        goes_on.clear()
        await ms(4000)
        goes_on.set()
        await ms(7500)
        for screen in screens:
            assert screen.stale_since_ms == 0
            assert screen.offline == []
            assert set(screen.users) == {"kim", "pak"}

    for seed in range(10):
        simulated(body, nodes=2, seed=seed)


def test_store_that_hangs_makes_the_feed_stale() -> None:
    class Hanging(FlakyPresence):
        is_hanging = False

        async def renew(self, incarnation: str) -> None:
            if self.is_hanging:
                await asyncio.sleep(3600)
            await super().renew(incarnation)

    async def scenario(world: World) -> None:
        async with office(world) as made:
            node = made.node()
            link = Hanging(made.shared)
            made.shared.links.append(link)
            node.crash()
            node.feed = PresenceFeed(link, made.clock, made.profile, node="n", rng=made.random)
            node.start()
            await ms(1000)
            assert node.feed.stale_since_ms == 0
            link.is_hanging = True
            await ms(5100)
            assert node.feed.stale_since_ms > 0
            link.is_hanging = False
            await ms(5000)
            assert node.feed.stale_since_ms == 0

    run(1, scenario)


def test_feed_is_stale_until_it_has_seen_the_store() -> None:
    async def scenario(world: World) -> None:
        async with office(world) as made:
            node = Node(made, "late")
            node.link.is_down = True
            made.nodes.append(node)
            screen = node.screen(KIM)
            node.start()
            await ms(3000)
            assert screen.stale_since_ms == node.feed.stats(2, KIM).stale_since_ms > 0
            node.link.heal()
            await ms(3000)
            assert screen.stale_since_ms == node.feed.stats(3, KIM).stale_since_ms == 0

    run(1, scenario)


def test_change_lost_on_the_way_is_found_by_the_next_one() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        screen = nodes[1].screen(PAK)
        nodes[1].link.is_deaf = True
        nodes[0].arrive("s1", KIM)
        await ms(1000)
        assert screen.users == {}
        nodes[1].link.is_deaf = False
        nodes[0].arrive("s2", LEE)
        await ms(1000)
        assert set(screen.users) == {"kim", "lee"}

    simulated(body, nodes=2)


def test_change_missed_while_the_store_was_away_is_found_without_another_one() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        screen = nodes[1].screen(PAK)
        nodes[1].link.is_down = True
        await ms(4000)
        nodes[0].arrive("s1")
        await ms(1000)
        # The link comes back and its subscription says nothing of a gap.
        nodes[1].link.is_down = False
        await ms(6000)
        assert set(screen.users) == {"kim"}

    simulated(body, nodes=2)


def test_changes_that_come_before_the_snapshot_wait_for_it() -> None:
    class Slow(FlakyPresence):
        snapshots = 0

        async def snapshot(self) -> PresenceState:
            self.snapshots += 1
            state = await super().snapshot()
            await asyncio.sleep(1)
            return state

    async def scenario(world: World) -> None:
        async with office(world) as made:
            first = made.node()
            await ms(100)
            link = Slow(made.shared)
            made.shared.links.append(link)
            late = Node(made, "late")
            late.feed = PresenceFeed(link, made.clock, made.profile, node="late", rng=made.random)
            made.nodes.append(late)
            screen = late.screen(PAK)
            late.start()
            for n in range(8):
                await ms(100)
                first.arrive(f"s{n}", replace(KIM, user=UserId(f"user{n}")))
            await ms(500)
            assert len(screen.users) == 8
            await ms(1500)
            assert (len(screen.users), screen.offline) == (8, [])

    run(1, scenario)


def test_snapshot_that_changes_have_overtaken_takes_nobody_away() -> None:
    class Slow(FlakyPresence):
        async def snapshot(self) -> PresenceState:
            state = await super().snapshot()
            await asyncio.sleep(1)
            return state

    async def scenario(world: World) -> None:
        async with office(world) as made:
            first = made.node()
            link = Slow(made.shared)
            made.shared.links.append(link)
            node = Node(made, "slow")
            node.feed = PresenceFeed(link, made.clock, made.profile, node="slow", rng=made.random)
            made.nodes.append(node)
            node.start()
            await ms(1500)
            screen = node.screen(PAK)
            link.doubt()
            await ms(500)
            first.arrive("s1")
            await ms(1500)
            assert (set(screen.users), screen.offline) == ({"kim"}, [])

    run(1, scenario)


def test_jumps_of_the_wall_clock_show_nobody_offline() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        nodes[0].arrive("s1")
        await ms(1000)
        screen = nodes[1].screen(PAK)
        for jump_ms in (3_600_000, -7_200_000):
            office.clock.jump_wall(jump_ms)
            await ms(20_000)
        assert screen.offline == []
        assert screen.stale_since_ms == 0

    simulated(body, nodes=2)


def test_large_node_registers_again_in_steps() -> None:
    sizes: list[int] = []

    class Counting(FlakyPresence):
        async def write(self, incarnation: str, writes: Sequence[DeviceWrite]) -> None:
            sizes.append(len(writes))
            await super().write(incarnation, writes)

    async def scenario(world: World) -> None:
        async with office(world) as made:
            link = Counting(made.shared)
            made.shared.links.append(link)
            node = Node(made, "large")
            node.feed = PresenceFeed(link, made.clock, made.profile, node="large", rng=made.random)
            made.nodes.append(node)
            node.start()
            for n in range(1200):
                node.arrive(f"s{n}", replace(KIM, user=UserId(f"user{n}")))
            await ms(1000)
            made.shared.flush()
            await ms(6000)
            assert len(node.feed.reply(1, KIM).users) == 1200
            assert max(sizes) == 500
            assert sum(sizes) == 2400

    run(1, scenario)


# ------------------------------------------------------------------------------------------------------- the feeds


def test_first_change_is_told_at_once_and_the_rest_of_a_moment_in_one_frame() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        screen = nodes[1].screen(PAK)
        begun_ms = office.now_ms()
        for n in range(50):
            nodes[0].arrive(f"s{n}", replace(KIM, user=UserId(f"user{n}")))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await ms(1000)
        assert len(screen.users) == 50
        assert [moment - begun_ms for moment, _ in screen.events] == [0, BATCH_MS]

    simulated(body, nodes=2)


def test_what_comes_soon_after_a_change_is_written_with_what_else_does() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        write, batches = node.link.write, []

        async def counted(incarnation: str, writes: Sequence[DeviceWrite]) -> None:
            batches.append((office.now_ms() - begun_ms, len(writes)))
            await write(incarnation, writes)

        node.link.write = counted  # type: ignore[method-assign]
        begun_ms = office.now_ms()
        for n in range(2 * GATHERING_MS):
            node.arrive(f"s{n}", replace(KIM, user=UserId(f"user{n}")))
            await ms(1)
        await ms(1000)
        assert [at_ms for at_ms, _ in batches] == [0, GATHERING_MS, 2 * GATHERING_MS]
        assert (batches[0][1], sum(number for _, number in batches)) == (1, 2 * GATHERING_MS)

    simulated(body)


def test_what_happens_and_is_undone_within_a_window_is_not_told() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        screen = node.screen(PAK)
        node.arrive("s1", LEE)
        await ms(10)
        node.arrive("s2", KIM)
        await ms(10)
        node.leave("s2")
        await ms(1000)
        assert len(screen.events) == 1

    simulated(body)


@pytest.mark.parametrize("granularity", list(Granularity))
def test_what_an_audience_cannot_see_shows_neither_in_versions_nor_in_time(granularity: Granularity) -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        node.arrive("s1", KIM)
        await ms(1000)
        own, across = node.screen(LEE), node.screen(PAK)
        version = across.version
        for state in ("idle", "away", "dnd"):
            node.feed.set_availability(session("s1"), state)
            await ms(30)
            node.arrive(f"device {state}", KIM)
            await ms(30)
        assert own.version > 1
        assert across.events == []
        # Within the own side's window: a change that both see comes at once to those who saw nothing before.
        node.feed.set_availability(session("s1"), "active")
        node.arrive("s2", PAK)
        changed_ms = office.now_ms()
        await ms(500)
        assert [(moment, frame["version"]) for moment, frame in across.events] == [(changed_ms, version + 1)]

    simulated(body, granularity=granularity)


def test_one_frame_is_encoded_once_for_all_who_see_the_same_in_the_same_format() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        first, second = node.screen(PAK), node.screen(replace(PAK, user=UserId("ri")))
        binary, own = node.screen(PAK, WireFormat.MSGPACK), node.screen(LEE)
        node.arrive("s1")
        await ms(10)
        assert first.raw[0] is second.raw[0]
        assert binary.users == first.users
        assert binary.raw[0] != first.raw[0] != own.raw[0]

    simulated(body)


def test_who_stops_watching_is_sent_nothing_more() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        screen = node.screen(PAK)
        node.feed.watch(screen)
        node.arrive("s1")
        await ms(1000)
        node.feed.unwatch(screen)
        node.feed.unwatch(screen)
        node.leave("s1")
        await ms(1000)
        assert len(screen.events) == 1

    simulated(body)


def test_watcher_who_changes_sides_is_told_nothing_more_of_the_first() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        node.arrive("s1", KIM)
        await ms(1000)
        screen = node.screen(LEE)
        screen.account = replace(LEE, delegation=NORTH)
        node.feed.set_availability(session("s1"), "dnd")
        await ms(1000)
        assert screen.users == {"kim": {"user": "kim", "delegation": "south", "connectivity": "online"}}
        node.arrive("s2", PAK)
        await ms(1000)
        assert screen.users["pak"]["availability"] == "active"

    simulated(body)


def test_watcher_whose_account_was_only_read_anew_goes_on() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        screen = node.screen(LEE)
        screen.account = replace(LEE, name="이 (renamed)")
        node.arrive("s1")
        await ms(1000)
        assert [frame["type"] for _, frame in screen.events] == ["presence_diff"]

    simulated(body)


def test_bot_is_shown_by_name_and_never_as_staff() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        node.arrive("s1", CLERK)
        await ms(1000)
        reply = node.feed.reply(7, PAK)
        assert [user.user for user in reply.users] == ["clerk"]
        stats = node.feed.stats(8, PAK)
        assert [(side.staffed, side.online) for side in stats.sides] == [(False, 0), (False, 0)]
        assert (reply.id, stats.id) == (7, 8)

    simulated(body)


def test_ops_are_not_shown_to_delegations() -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        (node,) = nodes
        screens = [node.screen(account) for account in (KIM, PAK)]
        ops = node.screen(OPS)
        node.arrive("s1", OPS)
        await ms(1000)
        assert all(screen.events == [] for screen in screens)
        assert set(ops.users) == {"ops"}

    simulated(body)


# ------------------------------------------------------------------------------------------------- all at once


class Truth:
    """Who really is where, while nodes fail and people come and go at random."""

    def __init__(self, office: Office, nodes: Sequence[Node]) -> None:
        self.office = office
        self.nodes = list(nodes)
        self.sessions: dict[str, tuple[Node, Account]] = {}
        self.made = 0
        self.people = [replace(KIM, user=UserId(f"s{n}")) for n in range(4)]
        self.people += [replace(PAK, user=UserId(f"n{n}")) for n in range(4)]

    def step(self, rng: random.Random) -> None:
        act = rng.choices(
            [self._arrive, self._drop, self._leave, self._say, self._part, self._heal, self._flush],
            [8, 4, 2, 6, 1, 2, 0.5],
        )[0]
        act(rng)

    def _arrive(self, rng: random.Random) -> None:
        self.made += 1
        node, account = rng.choice(self.nodes), rng.choice(self.people)
        self.sessions[f"x{self.made}"] = (node, account)
        node.arrive(f"x{self.made}", account)

    def _drop(self, rng: random.Random) -> None:
        if self.sessions:
            name = rng.choice(sorted(self.sessions))
            self.sessions.pop(name)[0].drop(name)

    def _leave(self, rng: random.Random) -> None:
        if self.sessions:
            name = rng.choice(sorted(self.sessions))
            self.sessions.pop(name)[0].leave(name)

    def _say(self, rng: random.Random) -> None:
        if self.sessions:
            name = rng.choice(sorted(self.sessions))
            self.sessions[name][0].feed.set_availability(session(name), rng.choice(["active", "idle", "away", "dnd"]))

    def _part(self, rng: random.Random) -> None:
        rng.choice(self.nodes).link.is_down = True

    def _heal(self, rng: random.Random) -> None:
        down = [node for node in self.nodes if node.link.is_down]
        if down:
            rng.choice(down).link.heal()

    def _flush(self, rng: random.Random) -> None:
        self.office.shared.flush()


@pytest.mark.parametrize("seed", range(12))
def test_after_any_faults_everybody_sees_the_truth_by_versions_without_gaps(seed: int) -> None:
    async def body(office: Office, nodes: Sequence[Node]) -> None:
        truth = Truth(office, nodes)
        screens = [node.screen(account) for node in nodes for account in (LEE, PAK, OPS)]
        for _ in range(150):
            truth.step(office.random)
            await ms(office.random.expovariate(1 / 300))
        for node in nodes:
            node.link.heal()
        await ms(GRACE_MS + 6000)
        there = {str(account.user) for _, account in truth.sessions.values()}
        for screen in screens:
            assert set(screen.users) == there
            assert {user["connectivity"] for user in screen.users.values()} <= {"online"}
            assert screen.stale_since_ms == 0
        for first, second in zip(screens[:3], screens[3:6], strict=True):
            assert (first.users, first.sides) == (second.users, second.sides)

    simulated(body, nodes=3, seed=seed)
