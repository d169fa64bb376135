"""Single troubles, measured: how long something takes when one thing fails and all else is well.

Each scenario works on a site that is well, leaves it well, and gives figures with the bounds that are promised.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.torture.check import check
from tests.torture.history_file import HistoryFile, RecordedHistory
from tests.torture.roaming_client import Door, Latencies, RoamingClient
from tests.torture.run import finish, living, make_clients, percentile, talking, until
from tests.torture.site import Site

_SPOKEN_EVERY_S: Final = 0.04
# Faster than any poll could be, and so by Redis.
_BY_REDIS_MS: Final = 60.0
_SIDE_BY_SIDE: Final = 50
_SHORT_OUTAGE_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, and the most that it may be."""

    name: str
    value: float
    bound: float

    @property
    def is_kept(self) -> bool:
        return self.value <= self.bound

    def __str__(self) -> str:
        return f"{self.name:60} {self.value:10.2f} of {self.bound:g}{'' if self.is_kept else '   TOO MUCH'}"


def hold(figures: Sequence[Figure]) -> None:
    """Assert that all bounds are kept, and show them."""
    print()
    for figure in figures:
        print(f"  {figure}")
    assert all(figure.is_kept for figure in figures)


async def redis_killed(whole_site: Site, history: HistoryFile) -> list[Figure]:
    """Kill Redis under a speaker and a listener at two nodes, and start it again."""
    async with _seats(whole_site, history, "killed", 2) as (speaker, listener):
        channel = speaker.channels[0]
        await _speak(speaker, channel, 1.0)
        await asyncio.to_thread(whole_site.redis.kill)
        listener.latencies = Latencies.none()
        await _speak(speaker, channel, 6.0)
        await _heard(speaker, listener)
        polled = percentile(listener.latencies.seen, 0.99)
        await asyncio.to_thread(whole_site.redis.start)
        back_s = time.monotonic()
        listener.latencies = Latencies.none()
        while len(listener.latencies.seen) < 5 or max(listener.latencies.seen[-5:]) > _BY_REDIS_MS:
            await _speak(speaker, channel, _SPOKEN_EVERY_S)
        # The five that prove it took a fifth of a second themselves.
        back_s = time.monotonic() - back_s - 5 * _SPOKEN_EVERY_S
    return [
        Figure("Redis killed: delivery by polling, p99 (ms)", polled, 500),
        Figure("Redis back: delivery by Redis again after (s)", back_s, 2),
    ]


async def last_hint_lost(whole_site: Site, history: HistoryFile) -> list[Figure]:
    """Lose the hint about the last message on its way to the listener's node: nothing else will tell of it."""
    worst_s = 0.0
    async with _seats(whole_site, history, "hint", 2) as (speaker, listener):
        channel = speaker.channels[0]
        way = whole_site.nodes[1].to_redis
        for _ in range(3):
            await _speak(speaker, channel, 0.5)
            await _heard(speaker, listener)
            await asyncio.to_thread(way.stall)
            speaker.say(channel)
            worst_s = max(worst_s, await _heard(speaker, listener))
            await asyncio.to_thread(way.flow)
        assert worst_s * 1000 > _BY_REDIS_MS, "no hint was lost, so nothing was measured"
    return [Figure("last hint lost: found after (s)", worst_s, 2)]


async def node_killed(whole_site: Site, history: HistoryFile) -> list[Figure]:
    """Kill a node whose people don't come back, and see what ops at another node are told."""
    lost = whole_site.nodes[0]
    token = await asyncio.to_thread(whole_site.ops_token)
    ops = RoamingClient("ops", token, [whole_site.nodes[1].door], [], history)
    people = await asyncio.to_thread(_seated_at, whole_site, history, "lost", [lost.door] * 4)
    async with living([*people, ops]):
        for one in people:
            one.is_away = True
        began_s = time.monotonic()
        await asyncio.to_thread(lost.server.kill)
        users = {one.user for one in people}
        await until(lambda: users <= {user for _, user, _ in ops.departures}, 20, "those of the dead node are gone")
        took_s = max(at_s for at_s, user, _ in ops.departures if user in users) - began_s
        causes = {cause for _, user, cause in ops.departures if user in users}
        for one in people:
            one.is_away = False
        await asyncio.to_thread(lost.start)
    assert causes == {"node lost"}, causes
    return [Figure("node killed: its people offline elsewhere after (s)", took_s, 10.5)]


async def short_outages(whole_site: Site, history: HistoryFile, reconnects: int) -> list[Figure]:
    """Let people lose their line for less than eight seconds, again and again: nobody may be shown offline."""
    channels = ["joint/outages"]
    people = await asyncio.to_thread(make_clients, whole_site, history, _SIDE_BY_SIDE, channels, "outage")
    rng = random.Random(reconnects)

    async def come_and_go(one: RoamingClient, times: int) -> None:
        for _ in range(times):
            one.is_away = True
            one.break_off()
            await asyncio.sleep(rng.uniform(0, 7))
            one.is_away = False
            await one.connected.wait()
            await asyncio.sleep(rng.uniform(0, 0.5))

    async with living(people):
        async with asyncio.TaskGroup() as tasks:
            for one in people:
                tasks.create_task(come_and_go(one, reconnects // _SIDE_BY_SIDE))
        # Longer than the grace: whoever had only been kept in it would be shown offline now.
        await asyncio.sleep(11)
        # Whoever was away for longer, because the machine was slow, may be shown offline, and proves nothing.
        short = [one for one in people if max(one.outages_s) < _SHORT_OUTAGE_S]
        outages = sum(len(one.outages_s) for one in short)
        users = {one.user for one in short}
        shown = sum(user in users for one in people for user in one.seen_off)
    assert outages >= 0.8 * reconnects, "the machine is too slow for this"
    return [Figure(f"{outages} outages of up to 8 s: shown offline", shown, 0)]


async def rolling_restart(whole_site: Site, history_path: Path, messages_per_s: float) -> list[Figure]:
    """Restart all nodes in good order, one after the other, under load."""
    channels = [f"joint/rolling-{number}" for number in range(4)]
    with HistoryFile(history_path) as history:
        people = await asyncio.to_thread(make_clients, whole_site, history, 20, channels, "rolling")
        async with living(people):
            async with talking(people, messages_per_s):
                for node in whole_site.nodes:
                    await asyncio.sleep(1)
                    assert await asyncio.to_thread(node.server.stop) == 0
                    await asyncio.to_thread(node.start)
                await asyncio.sleep(1)
            away_s = [outage_s for one in people for outage_s in one.outages_s]
            await finish(whole_site, people, history)
    verdict = await asyncio.to_thread(check, RecordedHistory(history_path))
    assert verdict.acked >= 3 * messages_per_s
    assert away_s, "nobody had to move, so nothing was measured"
    for one in verdict.broken[:10]:
        print(f"  broken: {one}")
    return [
        Figure(f"rolling restart at {messages_per_s:g} messages/s: promises broken", len(verdict.broken), 0),
        Figure("rolling restart: back after, p99 (s)", percentile(away_s, 0.99), 5),
    ]


async def across_nodes(whole_site: Site, history: HistoryFile, messages_per_s: float, bound_ms: float) -> list[Figure]:
    """Let people at all nodes talk, and measure how long after it was written each message is seen elsewhere."""
    doors = [node.door for node in whole_site.nodes] * 3
    people = await asyncio.to_thread(_seated_at, whole_site, history, "across", doors, 3)
    together = Latencies.none()
    async with living(people):
        async with talking(people, messages_per_s):
            await asyncio.sleep(1)
            for one in people:
                one.latencies = together
            await asyncio.sleep(5)
        await until(lambda: not any(one.outbox for one in people), 20, "all is said")
    name = f"across nodes at {messages_per_s:g} messages/s:"
    return [
        Figure(f"{name} acknowledged, p99 (ms)", percentile(together.acked, 0.99), bound_ms),
        Figure(f"{name} seen, p99 (ms)", percentile(together.seen, 0.99), bound_ms),
    ]


async def across_nodes_at_pace(whole_site: Site, folder: Path) -> list[Figure]:
    """Run `across_nodes` as it is promised; the site is to be straight."""
    with HistoryFile(folder / "across.jsonl") as history:
        return await across_nodes(whole_site, history, 1000, 50)


async def all_scenarios(whole_site: Site, folder: Path) -> list[Figure]:
    """Run everything else, in its long form."""
    with HistoryFile(folder / "scenarios.jsonl") as history:
        return [
            *await redis_killed(whole_site, history),
            *await last_hint_lost(whole_site, history),
            *await node_killed(whole_site, history),
            *await rolling_restart(whole_site, folder / "rolling.jsonl", 500),
            *await short_outages(whole_site, history, 1000),
        ]


@asynccontextmanager
async def _seats(
    whole_site: Site, history: HistoryFile, prefix: str, number: int
) -> AsyncIterator[Sequence[RoamingClient]]:
    """Let people live, each at the next node and nowhere else, who share one channel."""
    doors = [node.door for node in whole_site.nodes[:number]]
    people = await asyncio.to_thread(_seated_at, whole_site, history, prefix, doors)
    async with living(people):
        yield people


def _seated_at(
    whole_site: Site, history: HistoryFile, prefix: str, doors: Sequence[Door], channels: int = 1
) -> list[RoamingClient]:
    names = [f"joint/{prefix}-{number}" for number in range(channels)]
    users = [f"{prefix}-{number}" for number in range(len(doors))]
    tokens = whole_site.tokens(users, names)
    return [
        RoamingClient(user, tokens[user], [door], [names[place * channels // len(doors)]], history)
        for place, (user, door) in enumerate(zip(users, doors, strict=True))
    ]


async def _speak(speaker: RoamingClient, channel: str, seconds: float) -> None:
    for _ in range(max(1, round(seconds / _SPOKEN_EVERY_S))):
        speaker.say(channel)
        await asyncio.sleep(_SPOKEN_EVERY_S)


async def _heard(speaker: RoamingClient, listener: RoamingClient) -> float:
    """Wait until the listener has everything; give how long that took, in seconds."""
    return await until(
        lambda: not speaker.outbox and speaker.cursors == listener.cursors, 10, "the listener has everything"
    )
