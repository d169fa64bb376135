"""The presence store over a real Redis that is emptied, restarted, stopped, fed garbage, and failed over."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.adapters import redis_presence
from liaison.adapters.memory_presence import MemoryPresence
from liaison.adapters.redis_presence import _claim
from liaison.adapters.system_clock import SystemClock
from liaison.core.identifiers import DelegationId, Millis, SessionId, UserId
from liaison.core.presence import GRACE_MS, LEASE_MS, MAX_USERS_PER_STEP, PRECEDENCE, Device, UserDevices, merge
from liaison.core.rights import Account, Role
from liaison.office.presence import PresenceFeed
from liaison.ports.presence import (
    DeviceWrite,
    FencedError,
    PresenceStore,
    PresenceUnavailableError,
    Put,
    Remove,
)
from tests.adapters.bus_listener import once
from tests.adapters.presence_follower import Followed, assert_begins_anew, device, fill
from tests.adapters.redis_nodes import HandClock, presence_at
from tests.hand_clock import HandClock as NodeClock
from tests.redis_server import RedisServer, redis_server, shared_redis
from tests.simulation.cluster import PROFILE

pytestmark = pytest.mark.system

CHANGES = "liaison:{office}:presence:changes"
KIM = Account(UserId("kim"), "Kim", DelegationId("south"), Role.OFFICIAL)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own, to be harmed."""
    with redis_server() as running:
        yield running


@pytest.fixture
async def followed(server: RedisServer) -> AsyncIterator[Followed]:
    async with presence_at(server.settings()) as store:
        yield Followed(store)


async def test_emptied_redis_begins_an_epoch_and_tells_everybody(server: RedisServer, followed: Followed) -> None:
    await fill(followed.store, "a", 3)
    before = (await followed.store.snapshot()).epoch
    server.ask("FLUSHALL")
    assert await followed.store.reap() == 0
    await once(lambda: followed.doubts > 0, 2)
    await assert_begins_anew(followed, before)


async def test_restarted_redis_begins_an_epoch(server: RedisServer, followed: Followed) -> None:
    await fill(followed.store, "a", 3)
    before = (await followed.store.snapshot()).epoch
    doubts = followed.doubts
    server.kill()
    began_s = time.monotonic()
    with pytest.raises(PresenceUnavailableError):
        await followed.store.snapshot()
    assert time.monotonic() - began_s < 2
    await once(lambda: not followed.store._subscriber.is_up, 1)
    server.start()
    await once(lambda: followed.store._subscriber.is_up, 3)
    # The loss, and the confirmation after it; the attempts in between have nothing to tell.
    assert followed.doubts == doubts + 2
    await assert_begins_anew(followed, before)


async def test_content_that_an_earlier_redis_wrote_is_not_believed(server: RedisServer, followed: Followed) -> None:
    await fill(followed.store, "a", 3)
    before = (await followed.store.snapshot()).epoch
    # As after a restart that loaded a file, or on a replica that was promoted.
    server.ask("HSET", "liaison:{office}:presence", "run_id", "0" * 40)
    await followed.store.reap()
    await once(lambda: followed.doubts > 0, 2)
    await assert_begins_anew(followed, before)
    left = {key.decode() for key in server.ask("KEYS", "liaison:*")}
    assert not {key for key in left if "user0" in key or key[-7:] == ":node:a"}


async def test_stopped_redis_is_unavailable_within_the_deadline(server: RedisServer, followed: Followed) -> None:
    await fill(followed.store, "a", 1)
    server.pause()
    began_s = time.monotonic()
    results = await asyncio.gather(
        followed.store.renew("a"),
        followed.store.register("b"),
        followed.store.write("a", []),
        followed.store.unregister("a", grace_ms=1),
        followed.store.reap(),
        followed.store.snapshot(),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [PresenceUnavailableError] * 6
    assert time.monotonic() - began_s < 2.6
    server.resume()
    await followed.store.snapshot()


async def test_scripts_that_redis_has_forgotten_are_sent_again(server: RedisServer, followed: Followed) -> None:
    for _ in range(2):
        server.ask("SCRIPT", "FLUSH")
        await fill(followed.store, "a", 1)
        await followed.store.renew("a")
    assert len((await followed.store.snapshot()).users) == 1


async def test_garbage_among_changes_is_counted_and_ignored(server: RedisServer, followed: Followed) -> None:
    rng = random.Random(3)
    foreign = [b"", b"{}", b'["e",1,[["kim"]]]', b'["e",-1,[]]', b"[" * 50_000, rng.randbytes(2_000_000)]
    foreign += [rng.randbytes(rng.randrange(1, 50)) for _ in range(50)]
    for payload in foreign:
        await followed.store._site.client.execute_command("SPUBLISH", CHANGES, payload)
    await fill(followed.store, "a", 1)
    await once(lambda: bool(followed.changes), 2)
    assert [change.version for change in followed.changes] == [1]
    assert followed.store.garbage == len(foreign)


async def test_store_full_of_something_else_is_unavailable_and_no_crash(
    server: RedisServer, followed: Followed
) -> None:
    await fill(followed.store, "a", 1)
    server.ask("HSET", "liaison:{office}:presence:users", "user0", "no JSON")
    with pytest.raises(PresenceUnavailableError, match="no presence"):
        await followed.store.snapshot()
    server.ask("SET", "liaison:{office}:presence:leases", "a text")
    with pytest.raises(PresenceUnavailableError):
        await followed.store.renew("a")


async def test_subscription_that_was_cut_is_a_doubt(server: RedisServer, followed: Followed) -> None:
    assert server.ask("CLIENT", "KILL", "TYPE", "pubsub") == 1
    await once(lambda: followed.doubts >= 2, 3)
    await fill(followed.store, "a", 1)
    await once(lambda: bool(followed.changes), 2)


async def test_offices_that_share_a_redis_see_nothing_of_each_other() -> None:
    server = shared_redis()
    async with presence_at(server.settings("ours")) as ours, presence_at(server.settings("theirs")) as theirs:
        heard = Followed(theirs)
        await fill(ours, "a", 2)
        await fill(theirs, "a", 1, first=7)
        assert list((await theirs.snapshot()).users) == ["user7"]
        await once(lambda: bool(heard.changes), 2)
        assert len(heard.changes) == 1


claims = st.builds(
    Device,
    st.just(SessionId("s1")),
    st.just(UserId("kim")),
    st.just(DelegationId("south")),
    st.just(Role.OFFICIAL),
    st.sampled_from(PRECEDENCE),
    st.integers(0, 2**53 - 1).map(Millis),
    st.booleans(),
)


@given(claims, claims)
def test_the_claim_that_counts_is_the_one_that_the_core_would_choose(one: Device, other: Device) -> None:
    stronger = one if _claim(one) > _claim(other) else other
    assert merge([one], [other]) == (stronger,)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_the_state_is_that_of_the_store_in_memory(seed: int) -> None:
    """Random steps of three nodes on both stores; the snapshots agree, and the changes lead to them."""
    rng = random.Random(seed)
    server = shared_redis()
    redis_clock, clock = HandClock(server), NodeClock()
    memory = MemoryPresence(clock, epoch="m")
    with redis_clock.wound():
        async with presence_at(server.settings()) as store:
            followed = Followed(store)
            mirror: dict[UserId, UserDevices] = {}
            for step in range(150):
                outcomes = []
                act = _random_step(rng)
                ms = rng.choice((0, 0, 0, 500, LEASE_MS // 2))
                redis_clock.advance(ms)
                clock.advance(ms)
                for each in (store, memory):
                    try:
                        outcomes.append(await act(each))
                    except FencedError:
                        outcomes.append("fenced")
                assert outcomes[0] == outcomes[1], step
                ours, theirs = await store.snapshot(), await memory.snapshot()
                assert _without_time(ours.users) == _without_time(theirs.users), step
                assert ours.version == theirs.version
            ours = await store.snapshot()
            await once(lambda: bool(followed.changes) and followed.changes[-1].version == ours.version, 5)
            for change in followed.changes:
                mirror.update({user.user: user for user in change.users})
            assert {name: user for name, user in mirror.items() if user.devices} == ours.users


def _random_step(rng: random.Random) -> Callable[[PresenceStore], Awaitable[object]]:
    """Give something to do with either store."""
    node = f"node{rng.randrange(3)}-{rng.randrange(4)}"
    what = rng.choices(("register", "renew", "write", "unregister", "reap"), (3, 4, 8, 1, 3))[0]
    if what == "write":
        writes: list[DeviceWrite] = []
        for _ in range(rng.randrange(1, 5)):
            user = rng.choice(("kim", "lee", "nam"))
            session = f"{user}{rng.randrange(3)}"
            if rng.random() < 0.35:
                writes.append(Remove(SessionId(session), rng.choice(("closed", "no pong"))))
            else:
                put = device(session, user, rng.choice(PRECEDENCE), confirmed=rng.random() < 0.8)
                writes.append(Put(put, rng.choice(("connected", "said"))))
        return lambda store: store.write(node, writes)
    if what == "unregister":
        return lambda store: store.unregister(node, grace_ms=GRACE_MS)
    if what == "reap":
        return lambda store: store.reap()
    if what == "renew":
        return lambda store: store.renew(node)
    return lambda store: store.register(node)


def _without_time(users: Mapping[UserId, UserDevices]) -> dict[UserId, tuple[object, ...]]:
    return {name: (user.devices, user.role, user.delegation, user.cause) for name, user in users.items()}


@pytest.mark.alone
async def test_costs_of_a_large_office_are_measured() -> None:
    async with presence_at(shared_redis().settings()) as store:
        users = 10_000
        began_s = time.perf_counter()
        await fill(store, "a", users)
        filled_s = time.perf_counter()
        assert len((await store.snapshot()).users) == users
        read_s = time.perf_counter()
        await store.unregister("a", grace_ms=0)
        steps_ms = []
        while True:
            step_s = time.perf_counter()
            taken = await store.reap()
            steps_ms.append((time.perf_counter() - step_s) * 1000)
            if taken < MAX_USERS_PER_STEP:
                break
        assert (await store.snapshot()).users == {}
        print(
            f"\n10,000 users: written in {(filled_s - began_s) / users * 1e6:.0f} µs each,"
            f" read in {(read_s - filled_s) * 1000:.0f} ms, taken apart in {len(steps_ms)} steps of"
            f" {max(steps_ms):.0f} ms at most"
        )
        assert max(steps_ms) < 500


@pytest.mark.slow
async def test_people_of_a_lost_node_are_offline_for_the_others_within_ten_and_a_half_seconds() -> None:
    settings = shared_redis().settings()
    async with AsyncExitStack() as stack:
        lost = Followed(await stack.enter_async_context(presence_at(settings)))
        store = await stack.enter_async_context(presence_at(settings))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        feed = PresenceFeed(store, SystemClock(), PROFILE, node="watcher", rng=random.Random(1))
        stack.callback(tasks.create_task(feed.run()).cancel)
        await lost.store.register("lost")
        await lost.store.write("lost", [Put(device("s1"), "connected")])
        began_s = time.monotonic()
        await once(lambda: _is_seen(feed), 8)
        await once(lambda: not _is_seen(feed), 12)
        took_s = time.monotonic() - began_s
        print(f"\nA lost node's people were offline after {took_s:.2f} s")
        # Its lease was renewed last at the beginning, so it can't be sooner than the lease runs out.
        assert LEASE_MS / 1000 - 0.1 < took_s <= 10.5
        await once(lambda: len(lost.changes) == 2, 1)
        assert [(user.user, user.cause) for user in lost.changes[-1].users] == [("kim", "node lost")]


def _is_seen(feed: PresenceFeed) -> bool:
    reply = feed.reply(1, KIM)
    return not reply.stale_since_ms and "kim" in {user.user for user in reply.users}


async def test_reaping_that_waited_while_redis_stood_still_takes_nobody_apart(
    server: RedisServer, followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(followed.store, "a", 2)
    now_ms = int(await followed.store._run(redis_presence._NOW))
    server.ask("ZADD", "liaison:{office}:presence:leases", str(now_ms - 1), "a")

    class _AskedBefore(redis_presence._Script):
        async def run(self, client: Any, key: str, arguments: Sequence[str | int]) -> Any:
            return int(await super().run(client, key, arguments)) - 2_500

    with monkeypatch.context() as patch:
        patch.setattr(redis_presence, "_NOW", _AskedBefore(redis_presence._NOW.text))
        assert await followed.store.reap() == 0
    assert len((await followed.store.snapshot()).users) == 2
    assert await followed.store.reap() == 2


@pytest.mark.parametrize(("lived_ms", "is_young"), [(3_000, True), (60_000, False)])
async def test_an_epoch_that_stood_still_while_it_was_written_down_counts_as_new(
    server: RedisServer, followed: Followed, lived_ms: int, is_young: bool
) -> None:
    await fill(followed.store, "a", 1)
    now_ms = int(await followed.store._run(redis_presence._NOW))
    stood_ms = 20_000
    server.ask(
        "HSET",
        "liaison:{office}:presence",
        *("began_ms", str(now_ms - stood_ms - lived_ms), "seen_ms", str(now_ms - stood_ms)),
    )
    age_ms = (await followed.store.snapshot()).age_ms
    assert (age_ms < 1_000) is is_young
    assert ((await followed.store.snapshot()).age_ms < 1_000) is is_young
