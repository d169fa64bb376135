"""What every presence store must do. An adapter joins by a factory in `FACTORIES`; the tests stay as they are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from liaison.adapters.memory_presence import MemoryPresence
from liaison.core.identifiers import DelegationId, Millis, SessionId, UserId
from liaison.core.presence import GRACE_MS, LEASE_MS, MAX_USERS_PER_STEP, Connectivity, Device
from liaison.core.rights import Role
from liaison.ports.presence import FencedError, PresenceChange, PresenceStore, Put, Remove
from tests.adapters.redis_nodes import HandClock, presence_at
from tests.redis_server import shared_redis


@dataclass
class Harness:
    """A store, and the power over its time."""

    store: PresenceStore
    advance: Callable[[int], Awaitable[None]]
    changes: list[PresenceChange]
    doubts: list[None]


class _Clock:
    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def monotonic_ms(self) -> Millis:
        return Millis(self.now_ms)

    def wall_ms(self) -> Millis:
        return Millis(self.now_ms + 1_600_000_000_000)


@asynccontextmanager
async def memory() -> AsyncIterator[Harness]:
    clock = _Clock()

    async def advance(ms: int) -> None:
        clock.now_ms += ms

    yield Harness(MemoryPresence(clock, epoch="e1"), advance, [], [])


@asynccontextmanager
async def redis() -> AsyncIterator[Harness]:
    server = shared_redis()
    clock = HandClock(server)

    async def advance(ms: int) -> None:
        clock.advance(ms)

    with clock.wound():
        async with presence_at(server.settings()) as store:
            yield Harness(store, advance, [], [])


FACTORIES = [memory, pytest.param(redis, marks=pytest.mark.system)]


@pytest.fixture(params=FACTORIES, ids=lambda factory: str(factory.__name__))
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    async with request.param() as made:
        stop = made.store.listen(made.changes.append, lambda: made.doubts.append(None))
        yield made
        stop()


async def settled(harness: Harness) -> None:
    """Wait until the listener has heard of everything that the store has."""
    goal = (await harness.store.snapshot()).version
    async with asyncio.timeout(5):
        while not (goal == 0 or (harness.changes and harness.changes[-1].version >= goal)):
            await asyncio.sleep(0)


def device(session: str, user: str = "kim", *, role: Role = Role.OFFICIAL) -> Device:
    return Device(SessionId(session), UserId(user), DelegationId("south"), role, "active", Millis(5))


def put(session: str, user: str = "kim", cause: str = "connected") -> Put:
    return Put(device(session, user), cause)


async def online(harness: Harness) -> dict[str, Connectivity]:
    return {name: user.connectivity for name, user in (await harness.store.snapshot()).users.items()}


async def test_devices_of_one_user_on_two_nodes_are_merged(harness: Harness) -> None:
    for node, session in (("a", "s1"), ("b", "s2")):
        await harness.store.register(node)
        await harness.store.write(node, [put(session)])
    state = await harness.store.snapshot()
    assert state.users[UserId("kim")].devices == (device("s1"), device("s2"))


async def test_user_is_there_until_the_last_device_is_removed(harness: Harness) -> None:
    await harness.store.register("a")
    await harness.store.write("a", [put("s1"), put("s2")])
    await harness.store.write("a", [Remove(SessionId("s1"), "closed")])
    assert await online(harness) == {"kim": Connectivity.ONLINE}
    await harness.store.write("a", [Remove(SessionId("s2"), "closed")])
    assert await online(harness) == {}


async def test_everything_of_a_device_comes_back(harness: Harness) -> None:
    await harness.store.register("a")
    sent = Device(SessionId("s1"), UserId("clerk"), DelegationId("north"), Role.BOT, "dnd", Millis(5), False)
    await harness.store.write("a", [Put(sent, "no pong")])
    (user,) = (await harness.store.snapshot()).users.values()
    assert (user.devices, user.role, user.delegation, user.cause) == ((sent,), Role.BOT, sent.delegation, "no pong")


async def test_changes_have_versions_without_gaps_and_lead_to_the_snapshot(harness: Harness) -> None:
    await harness.store.register("a")
    for n in range(5):
        await harness.store.write("a", [put(f"s{n}", f"user{n}")])
    await harness.store.write("a", [Remove(SessionId("s3"), "closed")])
    await settled(harness)
    state = await harness.store.snapshot()
    first = harness.changes[0].version
    assert [change.version for change in harness.changes] == list(range(first, state.version + 1))
    assert {change.epoch for change in harness.changes} == {state.epoch}
    known = {user.user: user for change in harness.changes for user in change.users}
    assert {name: user for name, user in known.items() if user.devices} == state.users


async def test_writes_of_one_call_are_one_change_with_the_last_cause(harness: Harness) -> None:
    await harness.store.register("a")
    await harness.store.write("a", [put("s1")])
    await settled(harness)
    await harness.store.write("a", [put("s2", cause="connected"), Remove(SessionId("s1"), "resumed")])
    await settled(harness)
    (user,) = harness.changes[-1].users
    assert len(harness.changes) == 2
    assert (user.cause, user.devices) == ("resumed", (device("s2"),))


async def test_write_that_changes_nothing_makes_no_version(harness: Harness) -> None:
    await harness.store.register("a")
    await harness.store.write("a", [put("s1")])
    before = await harness.store.snapshot()
    await harness.store.write("a", [put("s1", cause="said"), Remove(SessionId("never"), "closed")])
    await harness.store.write("a", [put("s9", "lee"), Remove(SessionId("s9"), "closed")])
    assert await harness.store.snapshot() == before


async def test_node_cannot_remove_the_device_of_another(harness: Harness) -> None:
    for node in ("a", "b"):
        await harness.store.register(node)
    await harness.store.write("a", [put("s1")])
    await harness.store.write("b", [Remove(SessionId("s1"), "closed")])
    assert await online(harness) == {"kim": Connectivity.ONLINE}


async def test_renewed_lease_lives_on(harness: Harness) -> None:
    await harness.store.register("a")
    await harness.store.write("a", [put("s1")])
    for _ in range(4):
        await harness.advance(LEASE_MS - 1000)
        await harness.store.renew("a")
    assert await harness.store.reap() == 0
    assert await online(harness) == {"kim": Connectivity.ONLINE}


async def test_lost_node_is_taken_apart_with_its_cause(harness: Harness) -> None:
    await harness.store.register("a")
    await harness.store.write("a", [put("s1")])
    await harness.advance(LEASE_MS)
    await harness.store.register("b")
    assert await harness.store.reap() == 1
    await settled(harness)
    assert await online(harness) == {}
    assert [(user.user, user.cause) for user in harness.changes[-1].users] == [("kim", "node lost")]
    assert await harness.store.reap() == 0


async def test_lost_lease_stays_lost_whether_or_not_it_was_reaped(harness: Harness) -> None:
    for is_reaped in (False, True):
        name = f"node-{is_reaped}"
        await harness.store.register(name)
        await harness.advance(LEASE_MS)
        if is_reaped:
            await harness.store.reap()
        with pytest.raises(FencedError):
            await harness.store.renew(name)
        with pytest.raises(FencedError):
            await harness.store.write(name, [put("s1")])
        with pytest.raises(FencedError):
            await harness.store.register(name)
    assert await online(harness) == {}


async def test_unknown_incarnation_is_fenced(harness: Harness) -> None:
    with pytest.raises(FencedError):
        await harness.store.renew("nobody")
    with pytest.raises(FencedError):
        await harness.store.write("nobody", [put("s1")])


async def test_registering_again_keeps_the_devices(harness: Harness) -> None:
    await harness.store.register("a")
    await harness.store.write("a", [put("s1")])
    await harness.store.register("a")
    assert await online(harness) == {"kim": Connectivity.ONLINE}


async def test_node_that_registers_again_before_it_is_reaped_shows_nobody_offline(harness: Harness) -> None:
    await harness.store.register("old")
    await harness.store.write("old", [put("s1")])
    await harness.advance(LEASE_MS)
    await harness.store.register("new")
    await harness.store.write("new", [put("s1", cause="resumed")])
    assert await harness.store.reap() == 1
    await settled(harness)
    assert await online(harness) == {"kim": Connectivity.ONLINE}
    assert all(user.devices for change in harness.changes for user in change.users)


async def test_large_node_is_taken_apart_in_steps(harness: Harness) -> None:
    await harness.store.register("a")
    users = MAX_USERS_PER_STEP + 20
    writes = [put(f"s{n}", f"user{n}") for n in range(users)]
    await harness.store.write("a", writes[:MAX_USERS_PER_STEP])
    await harness.store.write("a", writes[MAX_USERS_PER_STEP:])
    await harness.advance(LEASE_MS)
    assert await harness.store.reap() == MAX_USERS_PER_STEP
    assert len(await online(harness)) == 20
    assert await harness.store.reap() == 20
    assert await online(harness) == {}


async def test_orderly_end_leaves_people_unconfirmed_for_the_grace(harness: Harness) -> None:
    await harness.store.register("a")
    await harness.store.write("a", [put("s1")])
    await harness.store.unregister("a", grace_ms=GRACE_MS)
    assert await online(harness) == {"kim": Connectivity.UNCONFIRMED}
    await harness.advance(GRACE_MS - 1)
    assert await harness.store.reap() == 0
    await harness.advance(1)
    assert await harness.store.reap() == 1
    await settled(harness)
    assert await online(harness) == {}
    assert harness.changes[-1].users[0].cause == "restart"


async def test_who_moved_to_another_node_within_the_grace_never_goes_offline(harness: Harness) -> None:
    for node in ("a", "b"):
        await harness.store.register(node)
    await harness.store.write("a", [put("s1")])
    await harness.store.unregister("a", grace_ms=GRACE_MS)
    await harness.store.write("b", [put("s2")])
    for _ in range(2):
        await harness.advance(GRACE_MS // 2)
        await harness.store.renew("b")
    await harness.store.reap()
    await settled(harness)
    assert await online(harness) == {"kim": Connectivity.ONLINE}
    assert all(user.devices for change in harness.changes for user in change.users)


async def test_ended_incarnation_is_fenced_and_ending_it_again_is_a_no_op(harness: Harness) -> None:
    await harness.store.register("a")
    await harness.store.unregister("a", grace_ms=GRACE_MS)
    before = await harness.store.snapshot()
    await harness.store.unregister("a", grace_ms=10 * GRACE_MS)
    await harness.store.unregister("nobody", grace_ms=GRACE_MS)
    assert await harness.store.snapshot() == before
    with pytest.raises(FencedError):
        await harness.store.renew("a")
    with pytest.raises(FencedError):
        await harness.store.write("a", [put("s1")])


async def test_change_carries_when_it_happened(harness: Harness) -> None:
    await harness.store.register("a")
    await harness.store.write("a", [put("s1")])
    await harness.advance(1500)
    changed = Put(replace(device("s1"), availability="away"), "said")
    before = (await harness.store.snapshot()).users[UserId("kim")].changed_ms
    await harness.store.write("a", [changed])
    assert (await harness.store.snapshot()).users[UserId("kim")].changed_ms >= before + 1500


async def test_listener_that_stopped_hears_nothing_more(harness: Harness) -> None:
    heard: list[PresenceChange] = []
    stop = harness.store.listen(heard.append, lambda: None)
    stop()
    stop()
    await harness.store.register("a")
    await harness.store.write("a", [put("s1")])
    await settled(harness)
    assert len(harness.changes) == 1
    assert heard == []
