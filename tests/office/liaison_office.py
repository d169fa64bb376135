"""Offices over one database in which two heads suspend, resume and approve, on virtual time."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from liaison.adapters.memory_bus import MemoryBus
from liaison.adapters.memory_presence import MemoryPresence
from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import memory_database
from liaison.adapters.sql_log import SqlLog, SqlReadPositions
from liaison.adapters.sql_writer import driver_of
from liaison.core.entries import Entry
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.register_channels import ADMINISTRATION
from liaison.core.rights import Account, Channel, Credential, CredentialKind, Role, digest_of
from liaison.office.accounts import Accounts
from liaison.office.administration import AdministrationDepartment
from liaison.office.attachments import AttachmentStores
from liaison.office.founding import found_registers
from liaison.office.office import Desks, Office, World
from liaison.office.presence import PresenceFeed
from liaison.office.registers import Department
from liaison.office.registry import Registry
from liaison.office.session_table import SessionTable
from liaison.office.sessions import Peer
from liaison.office.settings import OfficeSettings
from liaison.ports.directory import Secrets
from liaison.ports.log import Log
from liaison.protocol.codec import WireFormat
from liaison.protocol.commands import AnyCommand
from liaison.protocol.errors import LiaisonError
from liaison.protocol.frames import Command
from tests import virtual_time
from tests.office.dispatch_office import BrittleLog
from tests.office.doubles import RARELY_MS, Wire
from tests.office.plain_passwords import PlainPasswords
from tests.office.whole_office import Seat
from tests.simulation.cluster import PROFILE
from tests.simulation.silence import SilentObserver

SIDES = ("south", "north")
ROLES = {"head": Role.HEAD, "deputy": Role.HEAD, "bot": Role.BOT}
PEOPLE = (*(f"{side}-{name}" for side in SIDES for name in ("1", "2", "head", "deputy", "bot")), "ops")
GENERAL = "joint/general"
COMMANDS: Mapping[str, type[Command]] = {str(kind.__struct_config__.tag): kind for kind in AnyCommand.__args__}
Departments = Sequence[Callable[[Office], Department]]
LIFE_MS = 120_000


class LiaisonOffice:
    """What outlives a node: the database. `office` is the node that is asked."""

    def __init__(self, world: virtual_time.World, departments: Departments = (AdministrationDepartment,)) -> None:
        self._world = world
        self._departments = departments
        self.clock = world.clock
        self.database = memory_database(world.run_blocking)
        self.directory = SqlDirectory(self.database, world.clock)
        self.log = SqlLog(self.database)
        self.bus = MemoryBus()
        self.presence = MemoryPresence(world.clock, epoch="p")
        # Of the nodes that begin from now on.
        self.attachments: AttachmentStores | None = None
        self.settings = OfficeSettings()
        self.office: Office
        self.brittle: BrittleLog
        self._keys = iter(range(10**9))

    def set_departments(self, departments: Departments) -> None:
        """Let the nodes that begin from now on have these."""
        self._departments = departments

    async def move_in(self) -> None:
        await found_registers(self.directory, PROFILE)
        for name in (GENERAL, "joint/weather", "south/general", "north/general"):
            await self.directory.add_channel(Channel(ChannelId(name), "일반", "General"), {}, actor="test")
        for name in PEOPLE:
            side, _, kind = name.partition("-")
            role = Role.OPS if name == "ops" else ROLES.get(kind, Role.OFFICIAL)
            account = Account(UserId(name), name, DelegationId("" if name == "ops" else side), role)
            await self.directory.add_account(account, Secrets("", ""), actor="test")
            credential = Credential(
                digest_of(secret_of(name)), account.user, CredentialKind.TOKEN, "test", Millis(0), Millis(2**50)
            )
            await self.directory.add_credential(credential, actor="test")

    @asynccontextmanager
    async def node(self, name: str = "n1", log: Log | None = None) -> AsyncIterator[Office]:
        """Run a node, by its own way to the log; the last one that was begun is the one that is asked."""
        world, rng = self._world, random.Random(name)
        registry = Registry(self.directory, world.clock, poll_ms=RARELY_MS)
        desks = Desks(
            registry=registry,
            accounts=Accounts(self.directory, registry, PlainPasswords(), PROFILE, world.clock, rng.randbytes),
            presence=PresenceFeed(self.presence, world.clock, PROFILE, node=name, rng=rng),
            session_table=SessionTable(name),
            departments=self._departments,
        )
        self.brittle = BrittleLog(log or self.log)
        ports = World(
            log=self.brittle,
            reads=SqlReadPositions(self.database),
            directory=self.directory,
            bus=self.bus.node(),
            clock=world.clock,
            observer=SilentObserver(),
            rng=rng,
            attachments=self.attachments,
        )
        office = Office(name, PROFILE, self.settings, ports, desks)
        async with office.running():
            self.office = office
            yield office

    async def ask(self, user: str, type_: str, **fields: Any) -> Any:
        """Carry a command out for a user and give the reply as plain values. Raises LiaisonError."""
        return await self.ask_at(self.office, user, type_, **fields)

    async def ask_at(self, office: Office, user: str, type_: str, **fields: Any) -> Any:
        """Ask one node; see `ask`."""
        if "key" in COMMANDS[type_].__struct_fields__:
            fields.setdefault("key", f"key {next(self._keys)}")
        command = msgspec.convert({"type": type_, "id": 1, **fields}, COMMANDS[type_])
        return msgspec.to_builtins(await office.execute(office.authenticate(secret_of(user)), command))

    async def refused(self, user: str, type_: str, **fields: Any) -> str:
        """Give the error that answers a command."""
        try:
            reply = await self.ask(user, type_, **fields)
        except LiaisonError as error:
            return error.code.wire_name
        raise AssertionError(reply)

    async def propose(self, head: str, kind: str, /, **fields: Any) -> dict[str, Any]:
        """Propose something for the next two minutes, and give the proposal."""
        expires_ms = self.clock.wall_ms() + LIFE_MS
        reply = await self.ask(head, "propose", subject={"kind": kind, **fields}, expires_ms=expires_ms)
        proposal: dict[str, Any] = reply["proposal"]
        return proposal

    async def approve(self, user: str, proposal: dict[str, Any]) -> dict[str, Any]:
        reply = await self.ask(user, "approve_proposal", proposal=proposal["proposal"], digest=proposal["digest"])
        after: dict[str, Any] = reply["proposal"]
        return after

    async def agree(self, kind: str, /, **fields: Any) -> dict[str, Any]:
        """Let both heads approve something."""
        proposal = await self.propose("south-head", kind, **fields)
        await self.approve("south-head", proposal)
        return await self.approve("north-head", proposal)

    async def suspend(self, user: str = "south-head", channel: str = GENERAL, **fields: Any) -> str:
        """Suspend a channel and give the suspension's name."""
        words = {"authority": "남측 대표", "reason": "협의가 필요합니다", **fields}
        reply = await self.ask(user, "suspend_channel", channel=channel, **words)
        return str(reply["suspension"])

    async def say(self, user: str, text: str, channel: str = GENERAL, **fields: Any) -> Any:
        return await self.ask(user, "publish", channel=channel, text=text, **fields)

    async def texts(self, channel: str = GENERAL) -> list[str]:
        """Give what the log holds of a channel: texts, and other entries by their kind."""
        page = await self.log.read(ChannelId(channel), after=0, limit=10_000, max_bytes=1 << 30)
        return [entry.draft.text or entry.draft.kind.value for entry in page.entries]

    async def entries(self, channel: str = ADMINISTRATION) -> list[Entry]:
        page = await self.log.read(ChannelId(channel), after=0, limit=10_000, max_bytes=1 << 30)
        return list(page.entries)

    async def events(self) -> list[str]:
        """Give the events of the administration log."""
        return [msgspec.json.decode(entry.draft.data)["event"] for entry in await self.entries()]

    async def begin_epoch(self, epoch: int) -> None:
        """Let the database say that it was restored."""
        await self.database.write(
            lambda connection: driver_of(connection).execute("UPDATE office SET epoch = ?", (epoch,)).close()
        )

    async def connect(self, user: str, office: Office | None = None) -> Seat:
        wire = Wire()
        session = (office or self.office).open_session(wire, WireFormat.MSGPACK, "", Peer("loopback", "test"))
        seat = Seat(wire, session)
        reply = await seat.ask("connect", token=secret_of(user))
        assert reply["type"] == "reply", reply
        return seat


def secret_of(user: str) -> str:
    return "lsn_" + user.replace("-", "_").ljust(43, "x")


async def until(is_so: Callable[[], object], within_s: float = 5.0) -> None:
    """Let virtual time pass until something is so."""
    async with asyncio.timeout(within_s):
        while not is_so():
            await asyncio.sleep(0.01)


def in_liaison_office(
    scenario: Callable[[LiaisonOffice], Awaitable[None]], departments: Departments = (AdministrationDepartment,)
) -> None:
    """Run a scenario in an office of one node, to begin with."""

    async def scene(world: virtual_time.World) -> None:
        whole = LiaisonOffice(world, departments)
        await whole.move_in()
        async with whole.node():
            await scenario(whole)

    virtual_time.run(1, scene)
