"""A whole node on loopback: the real office over SQLite in memory, behind the real edges; on both event loops."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest
import uvloop

from liaison.adapters.memory_bus import MemoryBus
from liaison.adapters.memory_presence import MemoryPresence
from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import memory_database
from liaison.adapters.sql_log import SqlLog, SqlReadPositions
from liaison.adapters.system_clock import SystemClock
from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.core.profile import Delegation, Granularity, OfficeProfile
from liaison.core.rights import Account, Channel, Role
from liaison.edges.metrics import Metrics
from liaison.edges.server import EdgeServer, listen
from liaison.edges.settings import EdgeSettings
from liaison.office.accounts import Accounts
from liaison.office.office import Desks, Office, World
from liaison.office.presence import PresenceFeed
from liaison.office.registry import Registry
from liaison.office.session_table import SessionTable
from liaison.office.settings import OfficeSettings
from tests.office.plain_passwords import PlainPasswords

PROFILE = OfficeProfile(
    "공동연락사무소",
    "Joint liaison office",
    "Asia/Seoul",
    (
        Delegation(DelegationId("south"), "남측", "South side", "#6d28d9", "Asia/Seoul"),
        Delegation(DelegationId("north"), "북측", "North side", "#0f766e", "Asia/Pyongyang"),
    ),
    Granularity.NAMED,
)
PASSWORD = "correct horse battery"
ORIGIN = "http://liaison.test:8000"


# Where transports are touched, the two event loops differ.
BOTH_LOOPS = frozenset(
    {"test_server.py", "test_socket_protocol.py", "test_stream_protocol.py", "test_tls.py", "test_websocket.py"}
)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    uv = {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop, **uv} if item.path.name in BOTH_LOOPS else uv


@dataclass
class Node:
    """A node that serves: where it is, what is in it, and tokens of two bots, one of each side."""

    port: int
    office: Office
    server: EdgeServer
    metrics: Metrics
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bearer(self, bot: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[bot]}"}


def make_office(metrics: Metrics) -> Office:
    clock = SystemClock()
    rng = random.Random(7)
    database = memory_database()
    directory = SqlDirectory(database, clock)
    registry = Registry(directory, clock)
    world = World(
        log=SqlLog(database),
        reads=SqlReadPositions(database),
        directory=directory,
        bus=MemoryBus().node(),
        clock=clock,
        observer=metrics,
        rng=rng,
    )
    desks = Desks(
        registry=registry,
        accounts=Accounts(directory, registry, PlainPasswords(), PROFILE, clock, rng.randbytes),
        presence=PresenceFeed(MemoryPresence(clock, epoch="p"), clock, PROFILE, node="n1", rng=rng),
        session_table=SessionTable("n1"),
    )
    return Office("n1", PROFILE, OfficeSettings(), world, desks)


async def seed(node: Node) -> None:
    """Two officials and a bot of each side, ops, and a channel of each kind."""
    accounts = node.office.accounts
    for channel in ("joint/general", "south/general", "north/general"):
        await accounts.create_channel(Channel(ChannelId(channel), "일반", "General"), by="test")
    for side in ("south", "north"):
        for number in (1, 2):
            account = Account(UserId(f"{side}-{number}"), f"{side} {number}", DelegationId(side), Role.OFFICIAL)
            await accounts.add_person(account, PASSWORD, by="test")
        bot = Account(UserId(f"{side}-bot"), f"{side} bot", DelegationId(side), Role.BOT)
        login = await accounts.create_token(
            bot, ["joint/general", f"{side}/general"], read_only=False, lifetime_ms=3_600_000, by="test"
        )
        node.tokens[f"{side}-bot"] = login.secret
    ops = Account(UserId("ops"), "ops", DelegationId(""), Role.OPS)
    await accounts.add_person(ops, PASSWORD, by="test")


@pytest.fixture
def settings(tmp_path: Path) -> EdgeSettings:
    return EdgeSettings(
        allowed_origins=frozenset({ORIGIN}), static_directory=tmp_path / "static", connects_per_address_per_s=0
    )


@pytest.fixture
async def node(settings: EdgeSettings) -> AsyncIterator[Node]:
    metrics = Metrics()
    office = make_office(metrics)
    server = EdgeServer(office, settings, metrics, random.Random(3))
    listener = listen("127.0.0.1", 0)
    node = Node(listener.getsockname()[1], office, server, metrics)
    async with office.running():
        await seed(node)
        async with server.serving([listener]):
            yield node


@pytest.fixture
async def http(node: Node) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(node.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
def with_settings(settings: EdgeSettings) -> Callable[..., EdgeSettings]:
    return lambda **changes: replace(settings, **changes)
