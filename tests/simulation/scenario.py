"""One run: clients that write, a nemesis that breaks things, healing, and what the checker says of it."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from liaison.adapters.memory_presence import MemoryPresence
from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import memory_database
from liaison.adapters.sql_log import SqlLog, SqlReadPositions
from liaison.core.entries import Draft
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.register_channels import ADMINISTRATION, is_register
from liaison.core.rights import Account, Channel, Credential, CredentialKind, Role, digest_of
from liaison.office.sessions import Peer, Session
from liaison.ports.clock import Clock
from liaison.ports.directory import Secrets
from liaison.ports.log import Log, ReadPositions
from liaison.protocol.codec import WireFormat
from liaison.protocol.errors import LiaisonError
from tests import virtual_time
from tests.simulation.checker import STALL_S, FinalState, LogRow, violations
from tests.simulation.clients import Client
from tests.simulation.cluster import LossyBus, Node, Storage, Weather
from tests.simulation.deliberation import Deliberation, StuckError
from tests.simulation.history import History
from tests.simulation.links import Link

JOINT_CHANNELS = ("joint/general", "joint/weather")
CHANNELS = (*JOINT_CHANNELS, "south/desk")
# After the storm both heads must come to an end of what they have begun.
PATIENCE_S = 30.0
FAULTS = (
    "node crash",
    "link reset",
    "half-open link",
    "stalled link",
    "reset storm",
    "bus outage",
    "hint loss",
    "log stall",
    "log full",
    "somebody away",
)


@dataclass(frozen=True)
class Plan:
    """How large and how long. `wrap_log` and `soften` are for mutants: what is put wrong on purpose."""

    nodes: int = 2
    people_a_side: int = 3
    fault_every_s: float = 0.8
    storm_s: float = 30.0
    heal_s: float = 15.0
    messages_per_s: float = 2.25
    wrap_log: Callable[[Log], Log] = lambda log: log


@dataclass
class Outcome:
    """What a run came to."""

    violations: list[str]
    history: History
    acknowledged: int
    faults: Counter[str] = field(default_factory=Counter)
    hit_in_flight: int = 0
    suspensions: int = 0
    held: int = 0


def _secret_of(user: str) -> str:
    return "lsn_" + f"{user:_<43}"


class Surroundings(Protocol):
    """What a run takes from the world around it: virtual_time.World, or the real one."""

    @property
    def clock(self) -> Clock: ...

    @property
    def random(self) -> random.Random: ...


@dataclass(frozen=True)
class Stores:
    """What all nodes read and write."""

    log: Log
    reads: ReadPositions
    directory: SqlDirectory


def simulate(seed: int, plan: Plan | None = None) -> Outcome:
    """Run one seed under virtual time."""

    async def scenario(world: virtual_time.World) -> Outcome:
        database = memory_database(world.run_blocking)
        stores = Stores(SqlLog(database), SqlReadPositions(database), SqlDirectory(database, world.clock))
        outcome = await run_in(world, plan or Plan(), lambda: stores)
        await database.close()
        return outcome

    return virtual_time.run(seed, scenario, limit_s=600)


async def run_in(world: Surroundings, plan: Plan, open_stores: Callable[[], Stores]) -> Outcome:
    """Run once on a database with no office in it yet; each node gets its own way there."""
    return await _Run(world, plan, open_stores).run()


class _Run:
    def __init__(self, world: Surroundings, plan: Plan, open_stores: Callable[[], Stores]) -> None:
        self._world, self._plan, self._rng = world, plan, world.random
        self._open_stores = open_stores
        self._presence = MemoryPresence(world.clock, epoch="simulated")
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._weather = Weather(on_refused=self._note_refused)
        self._bus = LossyBus(self._weather, self._rng)
        self._history = History()
        self._faults: Counter[str] = Counter()
        self._hit = 0
        self._nodes: list[Node] = []
        self._links: dict[Node, list[Link]] = {}
        self._clients: list[Client] = []
        self._born = 0
        self._suspensions = 0

    async def run(self) -> Outcome:
        # The journal tells what the history tells, and costs more than the run.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        stores = self._open_stores()
        await self._found_office(stores.directory)
        for _ in range(self._plan.nodes):
            await self._new_node()
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(client.run(self._dial)) for client in self._clients]
            writing = [tasks.create_task(self._write(client)) for client in self._clients]
            deliberating = tasks.create_task(self._deliberate())
            await self._storm()
            for task in writing:
                task.cancel()
            await self._heal(deliberating)
            final = await self._final_state(self._plan.wrap_log(stores.log))
            for task in running:
                task.cancel()
        for node in self._nodes:
            await node.stop()
        broken = violations(self._history.events, final)
        broken += [complaint for client in self._clients for complaint in client.complaints]
        acknowledged = sum(event["kind"] == "ack" for event in self._history.events)
        held = sum(event["kind"] == "held" for event in self._history.events)
        return Outcome(broken, self._history, acknowledged, self._faults, self._hit, self._suspensions, held)

    def _note_refused(self, channel: ChannelId, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            self._history.note(self._loop.time(), "refused", client=draft.sender, channel=channel, key=draft.key)

    async def _found_office(self, directory: SqlDirectory) -> None:
        for side in ("north", "south"):
            for number in range(1, self._plan.people_a_side + 1):
                user = UserId(f"{side}-{number}")
                account = Account(user, user, DelegationId(side), Role.HEAD if number == 1 else Role.OFFICIAL)
                await directory.add_account(account, Secrets("", ""), actor="simulation")
        for name in (*CHANNELS, ADMINISTRATION):
            await directory.add_channel(Channel(ChannelId(name), name, name), {}, actor="simulation")
        rights = await directory.load()
        for user in sorted(rights.accounts):
            secret = _secret_of(user)
            credential = Credential(
                digest_of(secret), user, CredentialKind.TOKEN, "simulation", Millis(0), Millis(10**14)
            )
            await directory.add_credential(credential, actor="simulation")
            seed = self._rng.randrange(2**32)
            mine = [str(channel) for channel in rights.channels_of(user) if not is_register(channel)]
            self._clients.append(Client(user, secret, mine, random.Random(seed), self._history))

    async def _new_node(self) -> Node:
        self._born += 1
        stores = self._open_stores()
        storage = Storage(self._plan.wrap_log(stores.log), stores.reads, stores.directory, self._presence)
        clock, seed = self._world.clock, self._rng.randrange(2**32)
        node = Node(f"node-{self._born}", storage, self._bus, self._weather, clock, seed)
        await node.start()
        self._nodes.append(node)
        self._links[node] = []
        return node

    def _dial(self, link: Link, _secret: str) -> Session | None:
        up = [node for node in self._nodes if node.is_up]
        if not up:
            return None
        node = self._rng.choice(up)
        try:
            session = node.office.open_session(link, WireFormat.MSGPACK, "", Peer("loopback", "simulation"))
        except LiaisonError:
            return None
        self._links[node].append(link)
        return session

    async def _write(self, client: Client) -> None:
        while True:
            await asyncio.sleep(self._rng.expovariate(self._plan.messages_per_s))
            client.say(self._rng.choice(list(client.cursors)))

    async def _deliberate(self) -> None:
        heads = [_secret_of(f"{side}-1") for side in ("north", "south")]
        rng = random.Random(self._rng.randrange(2**32))
        deliberation = Deliberation(lambda: [node for node in self._nodes if node.is_up], heads, self._world.clock, rng)
        try:
            await deliberation.run(JOINT_CHANNELS, self._loop.time() + self._plan.storm_s)
        except StuckError as error:
            self._history.note(self._loop.time(), "stuck", client="", reason=str(error))
        self._suspensions = deliberation.suspended

    # --- the nemesis ----------------------------------------------------------------------------------------------

    async def _storm(self) -> None:
        until = self._loop.time() + self._plan.storm_s
        while self._loop.time() < until:
            await asyncio.sleep(self._rng.expovariate(1 / self._plan.fault_every_s))
            fault = self._rng.choice(FAULTS)
            self._faults[fault] += 1
            self._hit += self._weather.in_flight > 0
            self._history.note(self._loop.time(), "fault", client="", fault=fault)
            await self._inflict(fault)

    async def _inflict(self, fault: str) -> None:
        rng, weather = self._rng, self._weather
        links = [link for node in self._nodes for link in self._links[node] if link.is_open]
        match fault:
            case "node crash":
                await self._crash(rng.choice(self._nodes))
            case "link reset" if links:
                rng.choice(links).break_off(None, "broken")
            case "half-open link" if links:
                rng.choice(links).go_half_open()
            case "stalled link" if links:
                rng.choice(links).stall(rng.uniform(0.5, STALL_S))
            case "reset storm":
                for link in links:
                    link.break_off(None, "broken")
            case "bus outage" if not weather.bus_is_down:
                self._bus.go_down()
                self._loop.call_later(rng.uniform(0.3, 5), self._bus.come_back)
            case "hint loss":
                weather.p_hint_lost = rng.choice([0, 0.1, 0.5, 0.9])
                weather.p_hint_twice = rng.choice([0, 0.1, 0.3])
            case "log stall":
                weather.log_stalled_until = self._loop.time() + rng.uniform(0, 1.5)
            case "log full":
                weather.log_full = True
                self._loop.call_later(rng.uniform(0.1, 1), setattr, weather, "log_full", False)
            case "somebody away":
                rng.choice(self._clients).away_until = self._loop.time() + rng.uniform(1, 20)
            case _:
                pass

    async def _crash(self, node: Node) -> None:
        node.is_up = False
        for link in self._links.pop(node):
            link.vanish()
        self._nodes.remove(node)
        await node.stop()
        await asyncio.sleep(self._rng.uniform(0.1, 2))
        await self._new_node()

    async def _heal(self, deliberating: asyncio.Task[None]) -> None:
        weather = self._weather
        if weather.bus_is_down:
            self._bus.come_back()
        # Half of all hints stay lost, so that convergence can't lean on them.
        weather.p_append_fails, weather.p_hint_lost, weather.log_full = 0.0, 0.5, False
        for client in self._clients:
            client.away_until = 0.0
        try:
            # What is suspended is resumed first: only then is there nothing left to come.
            async with asyncio.timeout(PATIENCE_S):
                await deliberating
        except TimeoutError:
            self._history.note(self._loop.time(), "stuck", client="", reason="too slow")
        await asyncio.sleep(self._plan.heal_s)

    # --- the end --------------------------------------------------------------------------------------------------

    async def _final_state(self, log: Log) -> FinalState:
        rows: list[LogRow] = []
        for channel in sorted({channel for client in self._clients for channel in client.cursors}):
            after = 0
            while page := (await log.read(ChannelId(channel), after=after, limit=200, max_bytes=1 << 20)).entries:
                for entry in page:
                    draft = entry.draft
                    rows.append(LogRow(channel, entry.seq, draft.sender, draft.key, draft.text))
                after = page[-1].seq
        return FinalState(
            rows=rows,
            cursors={client.user: dict(client.cursors) for client in self._clients},
            held={client.user: sum(map(len, client.held.values())) for client in self._clients},
            outboxes={client.user: sum(map(len, client.outbox.values())) for client in self._clients},
            online=frozenset(client.user for client in self._clients if client.is_connected),
            shown_online={
                client.user: frozenset(user for user, state in (client.presence or {}).items() if state == "online")
                for client in self._clients
            },
        )
