"""A whole node on loopback: the real office over SQLite in memory, behind the real edges; on both event loops.

What needs nothing but the port asks for `site`, and is tried against four workers on one port too.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
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
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.profile import Delegation, Granularity, OfficeProfile
from liaison.core.rights import Account, Channel, Credential, CredentialKind, Role, digest_of
from liaison.edges.metrics import Metrics
from liaison.edges.server import EdgeServer, listen
from liaison.edges.settings import EdgeSettings
from liaison.office.accounts import Accounts
from liaison.office.office import Desks, Office, World
from liaison.office.presence import PresenceFeed
from liaison.office.registry import Registry
from liaison.office.session_table import SessionTable
from liaison.office.settings import OfficeSettings
from liaison.ports.directory import Directory, Secrets
from liaison.wiring import BackOffice
from tests.live_server import LiveServer
from tests.office.plain_passwords import PlainPasswords
from tests.postgres_server import PostgresServer
from tests.system.shared_stores import settings_of_workers

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
WORKERS = 4
# At least as many as there are tests that write to one.
_ROOMS = 50


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
class Site:
    """An office as it is from outside: its port, tokens of a bot of each side, and channels that nobody has used."""

    port: int
    tokens: dict[str, str] = field(default_factory=dict)
    unused: Iterator[str] = field(default_factory=lambda: iter(("joint/general",)))

    @cached_property
    def channel(self) -> str:
        """A channel that no other test writes to."""
        return next(self.unused)

    @property
    def room(self) -> str:
        """The path of the channel."""
        return f"/api/v1/channels/{self.channel}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bearer(self, bot: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[bot]}"}


@dataclass(kw_only=True)
class Node(Site):
    """A node that serves, and what is in it."""

    office: Office
    server: EdgeServer
    metrics: Metrics


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
    node.tokens |= await furnish(node.office.accounts, ["joint/general"])


async def furnish(accounts: Accounts, rooms: Sequence[str]) -> dict[str, str]:
    """Make the people and channels, with these joint channels; give the bots' tokens."""
    tokens = {}
    for channel in (*rooms, "south/general", "north/general"):
        await accounts.create_channel(Channel(ChannelId(channel), "일반", "General"), by="test")
    for side in ("south", "north"):
        for number in (1, 2):
            account = Account(UserId(f"{side}-{number}"), f"{side} {number}", DelegationId(side), Role.OFFICIAL)
            await accounts.add_person(account, PASSWORD, by="test")
        bot = Account(UserId(f"{side}-bot"), f"{side} bot", DelegationId(side), Role.BOT)
        login = await accounts.create_token(
            bot, [*rooms, f"{side}/general"], read_only=False, lifetime_ms=3_600_000, by="test"
        )
        tokens[f"{side}-bot"] = login.secret
    ops = Account(UserId("ops"), "ops", DelegationId(""), Role.OPS)
    await accounts.add_person(ops, PASSWORD, by="test")
    return tokens


async def appoint(directory: Directory) -> dict[str, str]:
    """Let in a head, a clerk and a guest of each side, whom no other test signs out, and ops, who are there."""
    secrets = {"ops": "lsn_ops".ljust(47, "x")}
    for side in ("south", "north"):
        for name, role in (("head", Role.HEAD), ("clerk", Role.OFFICIAL), ("guest", Role.OFFICIAL)):
            account = Account(UserId(f"{side}-{name}"), f"{side} {name}", DelegationId(side), role)
            await directory.add_account(account, Secrets("", ""), actor="test")
            secrets[account.user] = f"lsn_{side}_{name}".ljust(47, "x")
    for user, secret in secrets.items():
        credential = Credential(digest_of(secret), UserId(user), CredentialKind.TOKEN, "test", Millis(0), Millis(2**50))
        await directory.add_credential(credential, actor="test")
    return secrets


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
    node = Node(listener.getsockname()[1], office=office, server=server, metrics=metrics)
    async with office.running():
        await seed(node)
        async with server.serving([listener]):
            yield node


@pytest.fixture(scope="session")
def sites_of_workers(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Callable[[], Site]]:
    """Four processes on one port, over PostgreSQL and Redis: the same for all tests, to each a channel of its own."""
    server = LiveServer(
        tmp_path_factory.mktemp("workers") / "data",
        {
            **settings_of_workers(postgres_server, WORKERS),
            "LIAISON_SERVER__ALLOWED_ORIGINS": ORIGIN,
            "LIAISON_LIMITS__CONNECTS_PER_ADDRESS_PER_S": "0",
        },
        is_seeded=True,
    )
    rooms = [f"joint/room-{number}" for number in range(_ROOMS)]

    async def fill(office: BackOffice) -> dict[str, str]:
        return await furnish(office.accounts, rooms) | await appoint(office.directory)

    tokens = server.administer(fill)
    with server:
        unused = iter(rooms)
        yield lambda: Site(server.port, tokens, unused)


@pytest.fixture(params=["one_node", pytest.param("four_workers", marks=pytest.mark.system)])
def site(request: pytest.FixtureRequest) -> Site:
    if request.param == "four_workers":
        found = request.getfixturevalue("sites_of_workers")()
    else:
        found = request.getfixturevalue("node")
    assert isinstance(found, Site)
    return found


@pytest.fixture
async def http(request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession]:
    is_site = "site" in request.fixturenames
    served = request.getfixturevalue("site" if is_site else "node")
    # A connection for each request: over one that is kept, all would go to the same of several workers.
    one_each = aiohttp.TCPConnector(force_close=is_site)
    async with aiohttp.ClientSession(served.url, connector=one_each, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
def with_settings(settings: EdgeSettings) -> Callable[..., EdgeSettings]:
    return lambda **changes: replace(settings, **changes)
