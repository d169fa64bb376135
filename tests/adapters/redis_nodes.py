"""A node's ends of Redis for tests, open and connected; and the power over an office's time."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Final
from unittest import mock

from liaison.adapters import redis_presence
from liaison.adapters.redis_bus import RedisBus
from liaison.adapters.redis_presence import RedisPresence
from liaison.adapters.redis_site import RedisSettings, RedisSite
from liaison.adapters.redis_subscriber import Liveness
from liaison.ports.bus import ReadHint
from tests.adapters.bus_listener import GENERAL, KIM, SOUTH, Listener
from tests.redis_server import RedisServer

REAL: Final = Liveness()


class HandClock:
    """Redis' time as presence sees it, moved by hand: the scripts are the real ones but for where they ask."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._server.ask("SET", "hand-clock", "1600000000")
        self._server.ask("SET", "hand-clock-us", "0")

    def advance(self, ms: int) -> None:
        s, us = (int(self._server.ask("GET", name)) for name in ("hand-clock", "hand-clock-us"))
        s, us = divmod(s * 1_000_000 + us + ms * 1000, 1_000_000)
        self._server.ask("MSET", "hand-clock", str(s), "hand-clock-us", str(us))

    @staticmethod
    @contextmanager
    def wound() -> Iterator[None]:
        """Let the scripts look at this clock."""
        with ExitStack() as stack:
            for name in ("_REGISTER", "_RENEW", "_WRITE", "_UNREGISTER", "_REAP", "_SNAPSHOT"):
                text = getattr(redis_presence, name).text
                by_hand = text.replace("redis.call('TIME')", "redis.call('MGET', 'hand-clock', 'hand-clock-us')")
                assert by_hand != text
                script = redis_presence._Script(by_hand)
                stack.enter_context(mock.patch.object(redis_presence, name, script))
            yield


@asynccontextmanager
async def bus_at(settings: RedisSettings, liveness: Liveness = REAL) -> AsyncIterator[RedisBus]:
    site = RedisSite(settings)
    bus = RedisBus(site, random.Random(1), node=secrets.token_hex(8), liveness=liveness)
    async with site.open(), bus.running():
        yield bus


@asynccontextmanager
async def presence_at(settings: RedisSettings, liveness: Liveness = REAL) -> AsyncIterator[RedisPresence]:
    site = RedisSite(settings)
    store = RedisPresence(site, random.Random(), node=secrets.token_hex(8), liveness=liveness)
    async with site.open(), store.running():
        yield store


class Pair:
    """Two nodes of an office; `there` follows the joint channel."""

    def __init__(self, here: RedisBus, there: RedisBus) -> None:
        self.here, self.there = here, there
        self.speaker, self.listener = Listener(here), Listener(there)

    async def goes_through(self, timeout_s: float = 5) -> None:
        """Say something, again and again, until it is heard."""
        async with asyncio.timeout(timeout_s):
            hint = ReadHint(GENERAL, KIM, SOUTH, secrets.randbelow(2**50))
            while hint not in self.listener.hints:
                self.here.publish(hint)
                await asyncio.sleep(0.02)


async def a_pair(stack: AsyncExitStack, settings: RedisSettings, liveness: Liveness = REAL) -> Pair:
    here, there = [await stack.enter_async_context(bus_at(settings, liveness)) for _ in range(2)]
    pair = Pair(here, there)
    await there.subscribe(GENERAL)
    return pair
