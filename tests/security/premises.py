"""A whole node on loopback with people of both sides in it, and clients that keep every byte they were sent."""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from liaison.adapters.memory_bus import MemoryBus
from liaison.adapters.memory_presence import MemoryPresence
from liaison.adapters.sql_contents import SqlContents
from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import Database, memory_database
from liaison.adapters.sql_log import SqlLog, SqlReadPositions
from liaison.adapters.sql_uploads import SqlUploads
from liaison.adapters.system_clock import SystemClock
from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.core.profile import Delegation, Granularity, OfficeProfile
from liaison.core.rights import Account, Channel, Role
from liaison.edges.metrics import Metrics
from liaison.edges.server import EdgeServer, listen
from liaison.edges.settings import EdgeSettings
from liaison.office.accounts import Accounts
from liaison.office.administration import AdministrationDepartment
from liaison.office.attachments import AttachmentStores
from liaison.office.office import Desks, Office, World
from liaison.office.presence import PresenceFeed
from liaison.office.record import RecordDepartment
from liaison.office.registry import Registry
from liaison.office.session_table import SessionTable
from liaison.office.settings import OfficeSettings
from liaison.ports.log import Log
from liaison.protocol.names import SUBPROTOCOL_JSON, WEBSOCKET_PATH
from tests.office.plain_passwords import PlainPasswords

PASSWORD = "correct horse battery"
SIDES = ("south", "north")
PATIENCE_S = 5.0

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


class CountingLog(SqlLog):
    """Counts what it is asked: the same code path asks the same number of times."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.calls: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        if name in _QUESTIONS:
            self.calls[name] += 1
        return super().__getattribute__(name)


_QUESTIONS = frozenset(name for name in vars(Log) if not name.startswith("_"))


@dataclass
class Premises:
    """A node that serves, the secrets of everybody in it, and what its log was asked."""

    port: int
    office: Office
    log: CountingLog
    server: EdgeServer
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def sign_in(self, user: str) -> None:
        login = await self.office.accounts.login(user, PASSWORD, "", "test")
        self.secrets[user] = login.secret

    @asynccontextmanager
    async def client(self, user: str) -> AsyncIterator["Client"]:
        """Give a connected client of `user`."""
        async with self.socket() as socket:
            client = Client(user, socket)
            reader = asyncio.create_task(client.read())
            try:
                await client.ask({"type": "connect", "token": self.secrets[user]})
                yield client
            finally:
                reader.cancel()
                with suppress(asyncio.CancelledError):
                    await reader

    def socket(self) -> connect:
        return connect(
            f"ws://127.0.0.1:{self.port}{WEBSOCKET_PATH}",
            subprotocols=[Subprotocol(SUBPROTOCOL_JSON)],
            compression=None,
            proxy=None,
        )

    @asynccontextmanager
    async def http(self, user: str) -> AsyncIterator[aiohttp.ClientSession]:
        headers = {"Authorization": f"Bearer {self.secrets[user]}"}
        async with aiohttp.ClientSession(self.url, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield session


class Client:
    """One socket of one user. `received` is every payload as it came, in order."""

    def __init__(self, user: str, socket: ClientConnection) -> None:
        self.user = user
        self.socket = socket
        self.received: list[str] = []
        self.close_code: int | None = None
        self.closed = asyncio.Event()
        self._replies: dict[int, asyncio.Future[str]] = {}
        self._next_id = 1_000_000

    async def read(self) -> None:
        try:
            async for payload in self.socket:
                assert isinstance(payload, str)
                self.received.append(payload)
                frame = json.loads(payload)
                waiting = self._replies.pop(frame.get("id", 0), None)
                if waiting is not None:
                    waiting.set_result(payload)
        except ConnectionClosed:
            pass
        self.close_code = self.socket.close_code
        self.closed.set()

    async def ask_raw(self, command: Mapping[str, Any]) -> str:
        """Send a command and give its answer as it came. Ids are all of one length, so that answers can be compared."""
        self._next_id += 1
        number = self._next_id
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._replies[number] = waiting
        await self.socket.send(json.dumps({**command, "id": number}, ensure_ascii=False))
        async with asyncio.timeout(PATIENCE_S):
            return await waiting

    async def ask(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Send a command that must be granted."""
        answer: dict[str, Any] = json.loads(await self.ask_raw(command))
        assert answer["type"] == "reply", answer
        return answer

    async def seen(self, type_: str, **fields: object) -> None:
        """Wait for a push of this type with these fields."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.pushes(type_, **fields):
                await asyncio.sleep(0.005)

    def pushes(self, type_: str, **fields: object) -> list[dict[str, Any]]:
        frames = [json.loads(payload) for payload in self.received]
        return [
            frame
            for frame in frames
            if frame["type"] == type_ and all(frame.get(name) == value for name, value in fields.items())
        ]


_REFERENCE = re.compile(r'"ref":"[a-z0-9]{8}"')
_ID = re.compile(r'"id":\d+')


def comparable(answer: str) -> str:
    """Give an answer without the two things that differ between any two answers."""
    return _ID.sub('"id":0', _REFERENCE.sub('"ref":""', answer))


@asynccontextmanager
async def open_premises(static: Path, *, office_settings: OfficeSettings | None = None) -> AsyncIterator[Premises]:
    """Serve an office with three officials and a bot of each side, ops, and a channel for all of them."""
    clock = SystemClock()
    rng = random.Random(7)
    database = memory_database()
    directory = SqlDirectory(database, clock)
    registry = Registry(directory, clock)
    metrics = Metrics()
    log = CountingLog(database)
    world = World(
        log=log,
        reads=SqlReadPositions(database),
        directory=directory,
        bus=MemoryBus().node(),
        clock=clock,
        observer=metrics,
        rng=rng,
        attachments=AttachmentStores(SqlContents(database, static / "incoming", clock), SqlUploads(database)),
    )
    desks = Desks(
        registry=registry,
        accounts=Accounts(directory, registry, PlainPasswords(), PROFILE, clock, rng.randbytes),
        presence=PresenceFeed(MemoryPresence(clock, epoch="p"), clock, PROFILE, node="n1", rng=rng),
        session_table=SessionTable("n1"),
        # Looks once, at the start: later its own questions to the log would be counted with those of a command.
        departments=[
            partial(AdministrationDepartment, look_every_s=86_400),
            partial(RecordDepartment, office_id="office"),
        ],
    )
    office = Office("n1", PROFILE, office_settings or OfficeSettings(), world, desks)
    settings = EdgeSettings(
        allowed_origins=frozenset({"http://liaison.test"}), static_directory=static, connects_per_address_per_s=0
    )
    server = EdgeServer(office, settings, metrics, random.Random(3))
    listener = listen("127.0.0.1", 0)
    premises = Premises(listener.getsockname()[1], office, log, server)
    async with office.running():
        await _move_in(premises)
        async with server.serving([listener]):
            yield premises


async def _move_in(premises: Premises) -> None:
    accounts = premises.office.accounts
    await accounts.create_channel(Channel(ChannelId("joint/general"), "전체", "General"), by="test")
    for side in SIDES:
        for number in (1, 2, 3):
            account = Account(UserId(f"{side}-{number}"), f"{side} {number}", DelegationId(side), Role.OFFICIAL)
            await accounts.add_person(account, PASSWORD, by="test")
            await premises.sign_in(account.user)
        bot = Account(UserId(f"{side}-bot"), f"{side} bot", DelegationId(side), Role.BOT)
        login = await accounts.create_token(bot, ["joint/general"], read_only=False, lifetime_ms=3_600_000, by="test")
        premises.secrets[bot.user] = login.secret
    ops = Account(UserId("ops"), "ops", DelegationId(""), Role.OPS)
    await accounts.add_person(ops, PASSWORD, by="test")
    await premises.sign_in("ops")


async def open_desk(premises: Premises, side: str) -> str:
    """Open a channel of two of a side's officials, from which the third has just been removed."""
    accounts = premises.office.accounts
    name = f"{side}/desk"
    await accounts.create_channel(
        Channel(ChannelId(name), "실무", "Desk", open_to_all=False), [f"{side}-1", f"{side}-2", f"{side}-3"], by="test"
    )
    await accounts.remove_member(name, f"{side}-3", by="test")
    return name


def other(side: str) -> str:
    return "north" if side == "south" else "south"


def strangers(side: str) -> list[str]:
    """Give everybody who is no member of that side's desk, nor of its direct channel."""
    return [f"{other(side)}-1", f"{other(side)}-bot", "ops", f"{side}-3", f"{side}-bot"]
