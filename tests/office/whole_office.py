"""The whole office on virtual time, over a log that can be held up and connections that keep what they were sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from liaison.adapters.memory_bus import MemoryBus
from liaison.adapters.memory_presence import MemoryPresence
from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import memory_database
from liaison.adapters.sql_log import SqlReadPositions
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.rights import Account, Channel, Credential, CredentialKind, Role, digest_of
from liaison.office.accounts import Accounts
from liaison.office.office import Desks, Office, World
from liaison.office.presence import PresenceFeed
from liaison.office.registry import Registry
from liaison.office.session_table import SessionTable
from liaison.office.sessions import Peer, Session
from liaison.office.settings import OfficeSettings
from liaison.ports.directory import Secrets
from liaison.protocol.codec import WireFormat
from tests import virtual_time
from tests.office.doubles import ListLog, Wire
from tests.office.plain_passwords import PlainPasswords
from tests.simulation.cluster import PROFILE
from tests.simulation.silence import SilentObserver

CHANNELS = ("joint/general", "south/general", "north/general")
PEOPLE = ("south-1", "south-2", "north-1", "north-2")
BOTS = ("south-bot", "north-bot")


def secret_of(user: str) -> str:
    return "lsn_" + user.replace("-", "_").ljust(43, "x")


class WholeOffice:
    """Two officials and a bot of each side, ops, and a channel of each kind."""

    def __init__(self, world: virtual_time.World, settings: OfficeSettings) -> None:
        self.world = world
        self.clock = world.clock
        self.log = ListLog()
        database = memory_database(world.run_blocking)
        self.directory = SqlDirectory(database, world.clock)
        registry = Registry(self.directory, world.clock)
        presence = PresenceFeed(
            MemoryPresence(world.clock, epoch="p"), world.clock, PROFILE, node="n1", rng=world.random
        )
        desks = Desks(
            registry=registry,
            accounts=Accounts(self.directory, registry, PlainPasswords(), PROFILE, world.clock, world.random.randbytes),
            presence=presence,
            session_table=SessionTable("n1"),
        )
        ports = World(
            log=self.log,
            reads=SqlReadPositions(database),
            directory=self.directory,
            bus=MemoryBus().node(),
            clock=world.clock,
            observer=SilentObserver(),
            rng=world.random,
        )
        self.office = Office("n1", PROFILE, settings, ports, desks)

    async def move_in(self) -> None:
        for name in CHANNELS:
            await self.directory.add_channel(Channel(ChannelId(name), "일반", "General"), {}, actor="test")
        accounts = [
            *(Account(UserId(name), name, DelegationId(name.partition("-")[0]), Role.OFFICIAL) for name in PEOPLE),
            *(Account(UserId(name), name, DelegationId(name.partition("-")[0]), Role.BOT) for name in BOTS),
            Account(UserId("ops"), "ops", DelegationId(""), Role.OPS),
        ]
        for account in accounts:
            await self.directory.add_account(account, Secrets("", ""), actor="test")
            credential = Credential(
                digest=digest_of(secret_of(account.user)),
                user=account.user,
                kind=CredentialKind.TOKEN,
                label="test",
                created_ms=Millis(0),
                expires_ms=Millis(2**50),
            )
            await self.directory.add_credential(credential, actor="test")

    def open(self, secret: str = "") -> "Seat":
        """Give a session that hasn't connected yet."""
        wire = Wire()
        return Seat(wire, self.office.open_session(wire, WireFormat.MSGPACK, secret, Peer("loopback", "test")))

    async def connect(self, user: str) -> "Seat":
        seat = self.open()
        reply = await seat.ask("connect", token=secret_of(user))
        assert reply["type"] == "reply", reply
        return seat


class Seat:
    """A client's session with the connection under it."""

    def __init__(self, wire: Wire, session: Session) -> None:
        self.wire = wire
        self.session = session
        self._next_id = 0

    def send(self, type_: str, **fields: Any) -> int:
        self._next_id += 1
        self.session.receive(msgspec.msgpack.encode({"type": type_, "id": self._next_id, **fields}), is_text=False)
        return self._next_id

    def answer(self, number: int) -> dict[str, Any] | None:
        return next((frame for frame in self.wire.frames if frame.get("id") == number), None)

    async def ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        number = self.send(type_, **fields)
        for _ in range(1000):
            found = self.answer(number)
            if found is not None:
                return found
            await asyncio.sleep(0.001)
        raise AssertionError(f"no answer to {type_}")

    @property
    def errors(self) -> list[str]:
        return [frame["name"] for frame in self.wire.of("error")]

    @property
    def close_code(self) -> int | None:
        return None if self.wire.closed_with is None else int(self.wire.closed_with[0])


def in_office(scenario: Callable[[WholeOffice], Awaitable[None]], settings: OfficeSettings | None = None) -> None:
    """Run a scenario in an office on virtual time."""

    async def scene(world: virtual_time.World) -> None:
        whole = WholeOffice(world, settings or OfficeSettings())
        await whole.move_in()
        async with whole.office.running():
            await scenario(whole)

    virtual_time.run(1, scene)
