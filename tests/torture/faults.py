"""The faults, each of which hits real processes: what it does, how long it lasts, and how it is undone.

A fault is chosen by the seed and strikes when a publish is under way. Two lanes strike at once, one at the nodes and
their clients, one at the stores and the ways to them, so that troubles overlap as they do in bad nights. Once in a run
both rest, and a backup that was made beside the running office is brought back.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.torture.heads import Heads
from tests.torture.history_file import HistoryFile
from tests.torture.roaming_client import RoamingClient
from tests.torture.site import Node, Site

_PAUSE_S: Final = (0.3, 1.5)
_MOMENT_TIMEOUT_S: Final = 2.0
# How long something stands still or is cut off, mostly; one time in four for longer than a lease or a poll of it lasts.
_SHORT_S: Final = (0.3, 3.0)
_LONG_S: Final = (3.0, 12.0)
# A restore brings back what was there so long before, and comes after a third of the run, or what it lets be made good
# and read again would be the most of a long one.
_BACKUP_AGE_S: Final = 30.0
_BEFORE_BACKUP_S: Final = 60.0
RESTORE: Final = "backup restored"
DISK_FULL: Final = "disk full"
# A clock that was never set, one that a daemon corrects, and one of another zone; tokens of the run live for a day.
_JUMPS_S: Final = (-12 * 3600.0, -600.0, -2.0, 2.0, 600.0, 12 * 3600.0)


@dataclass
class Nemesis:
    """Strikes for as long as it is told to; `kinds` and `in_flight` count what it has done."""

    site: Site
    clients: Sequence[RoamingClient]
    heads: Heads
    history: HistoryFile
    rng: random.Random
    kinds: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)

    async def strike(self, seconds: float) -> None:
        """Strike in both lanes for so long, with a restore in between, and undo everything that can be undone."""
        stores = {name: fault for name, fault in AT_STORES.items() if name != DISK_FULL or self.site.disk is not None}
        lanes = [_Lane(faults, random.Random(self.rng.getrandbits(64)), []) for faults in (AT_NODES, stores)]
        before_s, aging_s = min(_BEFORE_BACKUP_S, seconds / 3), min(_BACKUP_AGE_S, seconds / 3)
        await self._strike(lanes, before_s)
        backup = await asyncio.to_thread(self.site.back_up)
        await self._strike(lanes, aging_s)
        await self._restore(backup)
        await self._strike(lanes, seconds - before_s - aging_s)

    async def _strike(self, lanes: Sequence["_Lane"], seconds: float) -> None:
        ends_s = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for lane in lanes:
                tasks.create_task(self._strike_in(lane, ends_s))
        await asyncio.to_thread(self.site.heal)

    async def _strike_in(self, lane: "_Lane", ends_s: float) -> None:
        while time.monotonic() < ends_s:
            name = lane.choose()
            await self._wait_for_a_publish()
            await lane.faults[name](Blow(self, name, lane.rng))
            await asyncio.sleep(lane.rng.uniform(*_PAUSE_S))

    async def _restore(self, backup: Path) -> None:
        """Do as RUNBOOK.md says: stop all nodes, bring the backup back, begin an epoch, start the nodes."""
        channels = sorted({channel for client in self.clients for channel in client.channels})
        await self._wait_for_a_publish()
        blow = Blow(self, RESTORE, self.rng)
        blow.begin()
        codes = await asyncio.gather(*[asyncio.to_thread(node.server.stop) for node in self.site.nodes])
        for node, code in zip(self.site.nodes, codes, strict=True):
            if code:
                blow.note_died(node)
        before = await asyncio.to_thread(self.site.rows, channels)
        epoch = await asyncio.to_thread(self.site.restore, backup)
        kept = Counter(row.channel for row in await asyncio.to_thread(self.site.rows, channels))
        self.history.note(time.monotonic(), "restored", epoch=epoch, kept=dict(kept))
        for row in before:
            if row.seq > kept[row.channel]:
                self.history.note(time.monotonic(), "lost_row", **asdict(row))
        await asyncio.gather(*[asyncio.to_thread(node.start) for node in self.site.nodes])
        blow.over()

    async def _wait_for_a_publish(self) -> None:
        until_s = time.monotonic() + _MOMENT_TIMEOUT_S
        while not self.publishes_in_flight() and time.monotonic() < until_s:
            await asyncio.sleep(0.002)

    def publishes_in_flight(self) -> int:
        """How many publishes were sent and have no answer."""
        return sum(len(client.in_flight) for client in self.clients)


@dataclass
class _Lane:
    """Faults of which one strikes at a time."""

    faults: Mapping[str, "Fault"]
    rng: random.Random
    waiting: list[str]

    def choose(self) -> str:
        """Give each kind once before any comes again: chance alone would leave some out of a short run."""
        if not self.waiting:
            self.waiting = self.rng.sample(list(self.faults), len(self.faults))
        return self.waiting.pop()


@dataclass
class Blow:
    """One fault as it happens."""

    nemesis: Nemesis
    name: str
    rng: random.Random
    _node: str = ""

    @property
    def site(self) -> Site:
        return self.nemesis.site

    def node(self) -> Node:
        """Choose a node to suffer."""
        chosen = self.rng.choice(list(self.site.nodes))
        self._node = chosen.name
        return chosen

    def duration_s(self, short: tuple[float, float] = _SHORT_S, long: tuple[float, float] = _LONG_S) -> float:
        """Choose how long it lasts."""
        return self.rng.uniform(*(long if self.rng.random() < 0.25 else short))

    def some_clients(self) -> list[RoamingClient]:
        """Choose a third of the clients."""
        clients = list(self.nemesis.clients)
        return self.rng.sample(clients, max(1, len(clients) // 3))

    def begin(self) -> None:
        """Note it, at the moment in which it strikes."""
        in_flight = self.nemesis.publishes_in_flight()
        self.nemesis.kinds[self.name] += 1
        self.nemesis.in_flight[self.name] += in_flight > 0
        self._note("fault", in_flight=in_flight)

    def over(self) -> None:
        """Note that it was undone."""
        self._note("fault_over")

    async def for_a_while(self, strike: Callable[[], Any], undo: Callable[[], Any], seconds: float) -> None:
        """Strike, wait, undo."""
        self.begin()
        await asyncio.to_thread(strike)
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(undo)
        self.over()

    async def at_once(self, strike: Callable[[], Any]) -> None:
        """Strike; there is nothing to undo."""
        self.begin()
        await asyncio.to_thread(strike)
        self.over()

    def note_died(self, node: Node) -> None:
        """Note that a process had ended by itself."""
        self.nemesis.history.note(time.monotonic(), "died", node=node.name)

    def _note(self, kind: str, **facts: int) -> None:
        self.nemesis.history.note(time.monotonic(), kind, fault=self.name, node=self._node, **facts)


Fault = Callable[[Blow], Awaitable[None]]

# ------------------------------------------------------------------------------------------------ nodes and clients


async def _kill_node(blow: Blow) -> None:
    node = blow.node()
    blow.begin()
    if not node.server.is_running:
        blow.note_died(node)
    await asyncio.to_thread(node.server.kill)
    await asyncio.sleep(blow.duration_s())
    await asyncio.to_thread(node.start)
    blow.over()


async def _stop_node(blow: Blow) -> None:
    node = blow.node()
    await blow.for_a_while(node.pause, node.resume, blow.duration_s())


async def _restart_node(blow: Blow) -> None:
    node = blow.node()
    blow.begin()
    await _in_good_order(blow, node)
    blow.over()


async def _rolling_restart(blow: Blow) -> None:
    blow.begin()
    for node in blow.site.nodes:
        await _in_good_order(blow, node)
    blow.over()


async def _in_good_order(blow: Blow, node: Node) -> None:
    if not node.server.is_running:
        blow.note_died(node)
    code = await asyncio.to_thread(node.server.stop)
    if code:
        blow.note_died(node)
    await asyncio.to_thread(node.start)


async def _reset_clients(blow: Blow) -> None:
    blow.begin()
    for client in blow.some_clients():
        client.break_off()
    blow.over()


async def _slow_clients(blow: Blow) -> None:
    clients = blow.some_clients()
    blow.begin()
    for client in clients:
        client.stop_reading()
    await asyncio.sleep(blow.duration_s())
    for client in clients:
        client.read_on()
    blow.over()


async def _half_open_clients(blow: Blow) -> None:
    node = blow.node()
    await blow.for_a_while(node.back_door.stall, node.back_door.flow, blow.duration_s())


async def _jump_clock(blow: Blow) -> None:
    clock, jump_s = blow.node().clock, blow.rng.choice(_JUMPS_S)
    await blow.for_a_while(lambda: clock.jump(jump_s), lambda: clock.jump(0), blow.duration_s())


async def _suspend_channel(blow: Blow) -> None:
    nemesis = blow.nemesis
    channel = blow.rng.choice(sorted({channel for client in nemesis.clients for channel in client.channels}))
    blow.begin()
    key = f"storm-{nemesis.kinds[blow.name]}"
    suspension = await nemesis.heads.suspend(channel, key)
    await asyncio.sleep(blow.rng.uniform(*_SHORT_S))
    await nemesis.heads.resume(channel, suspension, key)
    blow.over()


AT_NODES: Final[Mapping[str, Fault]] = {
    "node killed": _kill_node,
    "node stopped": _stop_node,
    "node restarted": _restart_node,
    "rolling restart": _rolling_restart,
    "clients reset": _reset_clients,
    "clients slow": _slow_clients,
    "clients half-open": _half_open_clients,
    "clock jumped": _jump_clock,
    "channel suspended": _suspend_channel,
}

# ---------------------------------------------------------------------------------------------- stores and the ways


async def _kill_redis(blow: Blow) -> None:
    await blow.for_a_while(blow.site.redis.kill, blow.site.redis.start, blow.duration_s())


async def _stop_redis(blow: Blow) -> None:
    await blow.for_a_while(blow.site.redis.pause, blow.site.redis.resume, blow.duration_s())


async def _kill_subscriptions(blow: Blow) -> None:
    await blow.at_once(lambda: blow.site.redis.ask("CLIENT", "KILL", "TYPE", "pubsub"))


async def _flush_redis(blow: Blow) -> None:
    await blow.at_once(lambda: blow.site.redis.ask("FLUSHALL"))


async def _kill_postgres(blow: Blow) -> None:
    await blow.for_a_while(blow.site.postgres.kill, blow.site.postgres.start, blow.duration_s((0.0, 1.0), (1.0, 4.0)))


async def _stop_postgres(blow: Blow) -> None:
    await blow.for_a_while(blow.site.postgres.pause, blow.site.postgres.resume, blow.duration_s())


async def _terminate_backends(blow: Blow) -> None:
    await blow.at_once(
        lambda: blow.site.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    )


async def _delay_postgres(blow: Blow) -> None:
    delay_s = blow.rng.uniform(0.005, 0.08)

    def set_delay(seconds: float) -> None:
        for node in blow.site.nodes:
            node.to_postgres.delay(seconds)

    await blow.for_a_while(lambda: set_delay(delay_s), lambda: set_delay(0), blow.rng.uniform(1, 3))


async def _stall_postgres(blow: Blow) -> None:
    way = blow.node().to_postgres
    await blow.for_a_while(way.stall, way.flow, blow.duration_s())


async def _reset_postgres(blow: Blow) -> None:
    await blow.at_once(blow.node().to_postgres.reset)


async def _lose_commit_replies(blow: Blow) -> None:
    way = blow.node().to_postgres
    blow.begin()
    await asyncio.to_thread(way.lose_commit_replies, blow.rng.randint(1, 3))
    await asyncio.to_thread(way.wait_for_lost_reply, 3.0)
    await asyncio.sleep(0.3)
    await asyncio.to_thread(way.lose_commit_replies, 0)
    blow.over()


async def _cut_from_redis(blow: Blow) -> None:
    way = blow.node().to_redis
    await blow.for_a_while(way.stall, way.flow, blow.duration_s())


async def _reset_redis(blow: Blow) -> None:
    await blow.at_once(blow.node().to_redis.reset)


async def _partition_node(blow: Blow) -> None:
    node = blow.node()

    def cut() -> None:
        node.to_redis.stall()
        node.to_postgres.stall()

    def join() -> None:
        node.to_redis.flow()
        node.to_postgres.flow()

    await blow.for_a_while(cut, join, blow.duration_s())


async def _fill_disk(blow: Blow) -> None:
    disk = blow.site.disk
    assert disk is not None, "left out where there is none"
    await blow.for_a_while(disk.fill, disk.empty, blow.duration_s())


AT_STORES: Final[Mapping[str, Fault]] = {
    "Redis killed": _kill_redis,
    "Redis stopped": _stop_redis,
    "subscriptions killed": _kill_subscriptions,
    "Redis flushed": _flush_redis,
    "PostgreSQL killed": _kill_postgres,
    "PostgreSQL stopped": _stop_postgres,
    "backends terminated": _terminate_backends,
    "PostgreSQL delayed": _delay_postgres,
    "way to PostgreSQL stalled": _stall_postgres,
    "way to PostgreSQL reset": _reset_postgres,
    "reply to COMMIT lost": _lose_commit_replies,
    "node cut from Redis": _cut_from_redis,
    "way to Redis reset": _reset_redis,
    "node partitioned": _partition_node,
    DISK_FULL: _fill_disk,
}
