"""Hints and presence on a primary under Sentinel and on a cluster, when a primary is killed."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from liaison.adapters.redis_bus import BUCKETS, RedisBus
from liaison.core.identifiers import ChannelId
from liaison.ports.bus import NodeHint
from tests.adapters.bus_listener import once, typing
from tests.adapters.presence_follower import Followed, assert_begins_anew, fill
from tests.adapters.redis_nodes import Pair, a_pair, presence_at
from tests.redis_server import RedisUnderSentinel, redis_cluster, redis_under_sentinel

pytestmark = pytest.mark.system


class TestSentinel:
    async def test_primary_that_was_killed_is_replaced(self) -> None:
        with redis_under_sentinel() as site:
            await self._survives_a_failover(site)

    @staticmethod
    async def _survives_a_failover(site: RedisUnderSentinel) -> None:
        async with AsyncExitStack() as stack:
            pair = await a_pair(stack, site.settings())
            await pair.goes_through()
            store = await stack.enter_async_context(presence_at(site.settings()))
            presence = Followed(store)
            await fill(store, "a", 3)
            before = (await store.snapshot()).epoch
            site.primary.kill()
            await once(lambda: not pair.there.is_up, timeout_s=2)
            took_s = await once(lambda: site.primary_port() == site.replica.port, timeout_s=12)
            await once(lambda: pair.here.is_up and pair.there.is_up, timeout_s=4)
            await pair.goes_through()
            await once(lambda: store._subscriber.is_up, timeout_s=4)
            # What the replica has may be short of what was written.
            await assert_begins_anew(presence, before)
            print(f"\nSentinel named the new primary after {took_s:.1f} s")


class TestCluster:
    async def test_hints_pass_in_every_bucket_also_after_a_primary_was_killed(self) -> None:
        with redis_cluster() as site:
            async with AsyncExitStack() as stack:
                pair = await a_pair(stack, site.settings())
                channels = self._channels_of_many_buckets(pair.there)
                async with asyncio.TaskGroup() as tasks:
                    for channel in channels:
                        tasks.create_task(pair.there.subscribe(channel))
                await self._all_pass(pair, channels)
                # Presence lives in one slot: enough to see that its scripts and their channel keep to it.
                presence = Followed(await stack.enter_async_context(presence_at(site.settings())))
                await fill(presence.store, "a", 2)
                await presence.store.unregister("a", grace_ms=0)
                assert await presence.store.reap() == 2
                await once(lambda: [change.version for change in presence.changes] == [1, 2, 3], 2)
                assert len(pair.there._subscriber._lines) == 3
                site.primaries[0].kill()
                await once(lambda: not pair.there.is_up, timeout_s=3)
                await once(lambda: pair.here.is_up and pair.there.is_up, timeout_s=15)
                await self._all_pass(pair, channels)

    @staticmethod
    def _channels_of_many_buckets(bus: RedisBus) -> list[ChannelId]:
        channels = [ChannelId(f"joint/room-{number}") for number in range(60)]
        names = {bus._names.of(channel) for channel in channels}
        assert 40 < len(names) <= BUCKETS
        return channels

    @staticmethod
    async def _all_pass(pair: Pair, channels: list[ChannelId]) -> None:
        """Say something in each, again while it isn't heard: after a failover the sender finds its way by an error."""
        missing = set(channels)
        for _ in range(20):
            pair.listener.hints.clear()
            for channel in missing:
                pair.here.publish(typing(channel))
            await asyncio.sleep(0.1)
            missing -= {hint.channel for hint in pair.listener.hints if not isinstance(hint, NodeHint)}
            if not missing:
                return
        raise AssertionError(f"not heard in {sorted(missing)}")
