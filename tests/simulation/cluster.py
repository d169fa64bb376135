"""Nodes of one office over one database, with every port a liar: the real server core, in virtual time."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from liaison.adapters.memory_presence import MemoryPresence
from liaison.adapters.sql_directory import SqlDirectory
from liaison.core.entries import Draft, Entry, HeldDraft, Page
from liaison.core.identifiers import ChannelId, DelegationId, Millis
from liaison.core.position import Position
from liaison.core.profile import Delegation, Granularity, OfficeProfile
from liaison.office.accounts import Accounts
from liaison.office.administration import AdministrationDepartment
from liaison.office.office import Desks, Office, World
from liaison.office.presence import PresenceFeed
from liaison.office.registry import Registry
from liaison.office.session_table import SessionTable
from liaison.office.settings import OfficeSettings
from liaison.ports.bus import AnyHint, BusListener, NodeHint, StatisticsHint
from liaison.ports.clock import Clock
from liaison.ports.directory import DirectoryUnavailableError
from liaison.ports.log import Appended, Log, LogFullError, LogUnavailableError, ReadPositions, UnknownOutcomeError
from liaison.protocol.frames import Command, Reply
from tests.simulation.silence import NobodysPasswords, SilentObserver

T = TypeVar("T")

_RESTARTED_AFTER_S: Final = 1.0


class NodeLostError(Exception):
    """The node died; nobody knows what became of what it was asked."""


PROFILE = OfficeProfile(
    "공동연락사무소",
    "Joint liaison office",
    "Asia/Seoul",
    (
        Delegation(DelegationId("north"), "북측", "North side", "#0f766e", "Asia/Pyongyang"),
        Delegation(DelegationId("south"), "남측", "South side", "#6d28d9", "Asia/Seoul"),
    ),
    Granularity.NAMED,
)


@dataclass
class Weather:
    """How bad the world is at the moment; shared by all nodes."""

    p_append_fails: float = 0.03
    log_stalled_until: float = 0.0
    log_full: bool = False
    p_hint_lost: float = 0.1
    p_hint_twice: float = 0.05
    bus_is_down: bool = False
    # Appends that are on their way now: a fault that strikes meanwhile is worth more than one that doesn't.
    in_flight: int = 0
    # The sender may never hear of a refusal: its link can break before the answer.
    on_refused: Callable[[ChannelId, Sequence[Draft]], None] = lambda _channel, _drafts: None


class StormyLog:
    """A node's way to the log: slow, sometimes refused, sometimes with a reply that is lost after COMMIT."""

    def __init__(self, log: Log, weather: Weather, rng: random.Random) -> None:
        self._log, self._weather, self._rng = log, weather, rng

    async def _travel(self) -> None:
        loop = asyncio.get_running_loop()
        delay = self._rng.expovariate(1 / 0.002)
        if self._rng.random() < 0.02:
            delay += self._rng.random() * 0.3
        await asyncio.sleep(delay)
        while self._weather.log_stalled_until > loop.time():
            await asyncio.sleep(self._weather.log_stalled_until - loop.time() + 0.001)

    async def append(
        self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
    ) -> Appended:
        self._weather.in_flight += 1
        try:
            await self._travel()
            full = self._weather.log_full
            if full or self._rng.random() < self._weather.p_append_fails / 3:
                self._weather.on_refused(channel, drafts)
                raise LogFullError("the disk is full") if full else LogUnavailableError("the database is away")
            if self._rng.random() < self._weather.p_append_fails / 3:
                raise UnknownOutcomeError
            try:
                appended = await self._log.append(channel, drafts, now_ms, expect_head=expect_head)
            except LogUnavailableError:
                self._weather.on_refused(channel, drafts)
                raise
            await self._travel()
            if self._rng.random() < self._weather.p_append_fails / 3:
                raise UnknownOutcomeError
            return appended
        finally:
            self._weather.in_flight -= 1

    async def heads(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Position]:
        return await self._read(lambda: self._log.heads(channels))

    async def read(self, channel: ChannelId, *, after: int, limit: int, max_bytes: int) -> Page:
        # Small pages, so that a backlog takes many.
        return await self._read(lambda: self._log.read(channel, after=after, limit=min(limit, 7), max_bytes=max_bytes))

    async def read_before(self, channel: ChannelId, *, before: int, limit: int, max_bytes: int) -> Page:
        return await self._read(lambda: self._log.read_before(channel, before=before, limit=limit, max_bytes=max_bytes))

    async def entry(self, channel: ChannelId, seq: int) -> Entry | None:
        return await self._read(lambda: self._log.entry(channel, seq))

    async def withdrawn(self, channel: ChannelId, seq: int) -> bool:
        return await self._read(lambda: self._log.withdrawn(channel, seq))

    async def signed_heads(self, channel: ChannelId, *, before: int | None, limit: int) -> Sequence[Entry]:
        return await self._read(lambda: self._log.signed_heads(channel, before=before, limit=limit))

    async def suspended(self, channels: Sequence[ChannelId]) -> frozenset[ChannelId]:
        return await self._read(lambda: self._log.suspended(channels))

    async def held(self, channel: ChannelId, *, after: int, limit: int) -> Sequence[HeldDraft]:
        return await self._read(lambda: self._log.held(channel, after=after, limit=limit))

    async def search(
        self, query: str, channels: Sequence[ChannelId], *, before_ms: Millis | None, limit: int
    ) -> tuple[Sequence[Entry], bool]:
        return await self._read(lambda: self._log.search(query, channels, before_ms=before_ms, limit=limit))

    async def check(self) -> None:
        await self._log.check()

    async def _read(self, work: Callable[[], Awaitable[T]]) -> T:
        await self._travel()
        if self._rng.random() < self._weather.p_append_fails / 6:
            raise LogUnavailableError("the database is away")
        result = await work()
        await self._travel()
        return result


class LossyBus:
    """Hints between nodes: each delayed on its own, so reordered; lost, doubled, and gone altogether for a while."""

    def __init__(self, weather: Weather, rng: random.Random) -> None:
        self._weather, self._rng = weather, rng
        self._nodes: list[BusNode] = []

    def node(self) -> "BusNode":
        """Give a node's endpoint."""
        node = BusNode(self, self._weather)
        self._nodes.append(node)
        return node

    def send(self, sender: "BusNode", hint: AnyHint) -> None:
        if isinstance(hint, StatisticsHint):
            # Figures for ops, on which nothing that is promised leans; they would only stir the dice of every seed.
            return
        loop = asyncio.get_running_loop()
        for node in self._nodes:
            if node is sender or self._weather.bus_is_down:
                continue
            for _ in range(1 + (self._rng.random() < self._weather.p_hint_twice)):
                if self._rng.random() >= self._weather.p_hint_lost:
                    loop.call_later(self._rng.expovariate(1 / 0.005), node.receive, hint)

    def drop(self, node: "BusNode") -> None:
        self._nodes.remove(node)

    def go_down(self) -> None:
        """Every subscription is lost."""
        self._weather.bus_is_down = True
        for node in self._nodes:
            node.lose_subscriptions()

    def come_back(self) -> None:
        """Subscriptions are renewed, each confirmation a doubt."""
        self._weather.bus_is_down = False
        for node in self._nodes:
            node.renew_subscriptions()


class BusNode:
    """ports.bus.Bus for one node."""

    def __init__(self, bus: LossyBus, weather: Weather) -> None:
        self._bus, self._weather = bus, weather
        self._listener: BusListener | None = None
        self._wanted: set[ChannelId] = set()
        self._confirmed: set[ChannelId] = set()

    @property
    def is_up(self) -> bool:
        return not self._weather.bus_is_down

    def attach(self, listener: BusListener) -> Callable[[], None]:
        self._listener = listener

        def detach() -> None:
            self._listener = None
            self._bus.drop(self)

        return detach

    def publish(self, hint: AnyHint) -> None:
        self._bus.send(self, hint)

    async def subscribe(self, channel: ChannelId) -> None:
        self._wanted.add(channel)
        await asyncio.sleep(0.002)
        if not self._weather.bus_is_down and channel in self._wanted:
            self._confirmed.add(channel)

    def unsubscribe(self, channel: ChannelId) -> None:
        self._wanted.discard(channel)
        self._confirmed.discard(channel)

    def receive(self, hint: AnyHint) -> None:
        wanted = isinstance(hint, NodeHint) or hint.channel in self._confirmed
        if self._listener is not None and wanted:
            self._listener.on_hint(hint)

    def lose_subscriptions(self) -> None:
        self._confirmed.clear()

    def renew_subscriptions(self) -> None:
        self._confirmed = set(self._wanted)
        if self._listener is not None:
            self._listener.on_doubt()


@dataclass(frozen=True)
class Storage:
    """What all nodes share."""

    log: Log
    reads: ReadPositions
    directory: SqlDirectory
    presence: MemoryPresence


class Node:
    """One server process: start it, then crash it or stop it in order."""

    def __init__(self, name: str, storage: Storage, bus: LossyBus, weather: Weather, clock: Clock, seed: int) -> None:
        self.name = name
        rng = random.Random(seed)
        self.bus = bus.node()
        registry = Registry(storage.directory, clock)
        world = World(
            log=StormyLog(storage.log, weather, rng),
            reads=storage.reads,
            directory=storage.directory,
            bus=self.bus,
            clock=clock,
            observer=SilentObserver(),
            rng=rng,
        )
        desks = Desks(
            registry=registry,
            accounts=Accounts(storage.directory, registry, NobodysPasswords(), PROFILE, clock, rng.randbytes),
            presence=PresenceFeed(storage.presence, clock, PROFILE, node=name, rng=rng),
            session_table=SessionTable(name),
            departments=[AdministrationDepartment],
        )
        self.office = Office(name, PROFILE, OfficeSettings(), world, desks)
        self.is_up = False
        self._requests: set[asyncio.Task[Reply]] = set()
        self._life: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Come up, as often as it takes: a node that can't read the database ends, and is started again."""
        up = asyncio.Event()

        async def live() -> None:
            while True:
                try:
                    async with self.office.running():
                        self.is_up = True
                        up.set()
                        await asyncio.Event().wait()
                except (LogUnavailableError, DirectoryUnavailableError):
                    await asyncio.sleep(_RESTARTED_AFTER_S)

        self._life = asyncio.get_running_loop().create_task(live(), name=self.name)
        await up.wait()

    async def ask(self, secret: str, command: Command) -> Reply:
        """Carry out one command, as over HTTP. Raises LiaisonError, or NodeLostError when the node dies over it."""
        actor = self.office.authenticate(secret)
        request = asyncio.get_running_loop().create_task(self.office.execute(actor, command), name=f"{self.name} asked")
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)
        await asyncio.wait([request])
        if request.cancelled():
            raise NodeLostError
        return request.result()

    async def stop(self) -> None:
        """End every task, at once. A crash cuts the links first, so that nobody hears of it."""
        self.is_up = False
        for request in self._requests:
            request.cancel()
        assert self._life is not None
        self._life.cancel()
        with suppress(asyncio.CancelledError):
            await self._life
