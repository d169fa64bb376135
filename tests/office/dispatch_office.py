"""Offices over one database in which dispatches go back and forth, on virtual time; a log that breaks when told to."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import msgspec

from liaison.adapters.memory_bus import MemoryBus
from liaison.adapters.memory_presence import MemoryPresence
from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import Database, memory_database
from liaison.adapters.sql_log import SqlLog, SqlReadPositions
from liaison.core.entries import Draft, Entry
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.register_channels import DISPATCHES, own_dispatches, register_channels
from liaison.core.rights import Account, Credential, CredentialKind, Membership, Role, digest_of
from liaison.office.accounts import Accounts
from liaison.office.dispatch_books import DispatchSettings
from liaison.office.dispatches import DispatchDepartment
from liaison.office.founding import found_registers
from liaison.office.office import Desks, Office, World
from liaison.office.presence import PresenceFeed
from liaison.office.registry import Registry
from liaison.office.session_table import SessionTable
from liaison.office.settings import OfficeSettings
from liaison.ports.clock import Clock
from liaison.ports.directory import Secrets
from liaison.ports.log import Appended, Log, UnknownOutcomeError
from liaison.ports.marks import Marks
from liaison.protocol import dispatch_frames
from liaison.protocol.frames import Command
from tests import virtual_time
from tests.memory_marks import MemoryMarks
from tests.office.doubles import RARELY_MS
from tests.office.plain_passwords import PlainPasswords
from tests.simulation.cluster import PROFILE
from tests.simulation.silence import SilentObserver

SIDES = ("south", "north")
ROLES = {"head": Role.HEAD, "bot": Role.BOT}
PEOPLE = (*(f"{side}-{name}" for side in SIDES for name in ("1", "2", "head", "bot")), "ops")
COMMANDS: Mapping[str, type[Command]] = {
    str(kind.__struct_config__.tag): kind for kind in dispatch_frames.DispatchCommand.__args__
}

LETTER: Mapping[str, Any] = {
    "subject": "댐 방류 통보",
    "body": "수문 3개를 18:00에 엽니다.",
    "signatory": "남측 연락대표",
    "rank": "서기관",
    "addressee": "북측 연락대표",
}
ITEMS: Sequence[Mapping[str, str]] = (
    {"kind": "figure", "label": "수문", "value": "3"},
    {"kind": "time", "label": "시각", "value": "18:00"},
)


# Of all offices together: after a restore, an old key would be a repeat.
_KEYS = count()


class BrittleLog:
    """Breaks at the append after `left` more: before or after COMMIT, and then for good, as a node that dies does."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.left: int | None = None
        self.commits = False
        self.appends = 0

    async def append(
        self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
    ) -> Appended:
        self.appends += 1
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                if self.left == -1 and self.commits:
                    await self._log.append(channel, drafts, now_ms, expect_head=expect_head)
                raise UnknownOutcomeError
        return await self._log.append(channel, drafts, now_ms, expect_head=expect_head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class DispatchOffice:
    """What outlives a node: the database and the marks. `office` is the node that is asked."""

    def __init__(self, clock: Clock, database: Database, marks: Marks, settings: DispatchSettings) -> None:
        self.clock = clock
        self._settings = settings
        self.database = database
        self.directory = SqlDirectory(database, clock)
        self.log = SqlLog(database)
        self._marks = marks
        self.bus = MemoryBus()
        self.office: Office
        self.brittle: BrittleLog

    async def move_in(self) -> None:
        south, north = (delegation.id for delegation in PROFILE.delegations)
        await found_registers(self.directory, PROFILE)
        for name in PEOPLE:
            side, _, kind = name.partition("-")
            role = Role.OPS if name == "ops" else ROLES.get(kind, Role.OFFICIAL)
            account = Account(UserId(name), f"이름 {name}", DelegationId("" if name == "ops" else side), role)
            await self.directory.add_account(account, Secrets("", ""), actor="test")
            digest, forever = digest_of(secret_of(name)), Millis(2**50)
            credential = Credential(digest, account.user, CredentialKind.TOKEN, "test", Millis(0), forever)
            await self.directory.add_credential(credential, actor="test")
            if role is Role.BOT:
                for channel in (DISPATCHES, own_dispatches(account.delegation)):
                    await self.directory.set_membership(channel, account.user, Membership(), actor="test")
        assert set(register_channels((south, north))) <= set((await self.directory.load()).channels)

    @asynccontextmanager
    async def node(self, name: str = "n1", log: Log | None = None) -> AsyncIterator[Office]:
        """Run a node, by its own way to the log; the last one that was begun is the one that is asked."""
        clock, rng = self.clock, random.Random(1)
        registry = Registry(self.directory, clock, poll_ms=RARELY_MS)
        presence = PresenceFeed(MemoryPresence(clock, epoch="p"), clock, PROFILE, node=name, rng=rng)
        desks = Desks(
            registry=registry,
            accounts=Accounts(self.directory, registry, PlainPasswords(), PROFILE, clock, rng.randbytes),
            presence=presence,
            session_table=SessionTable(name),
            departments=[lambda office: DispatchDepartment(office, self._marks, self._settings)],
        )
        self.brittle = BrittleLog(log or self.log)
        ports = World(
            log=self.brittle,
            reads=SqlReadPositions(self.database),
            directory=self.directory,
            bus=self.bus.node(),
            clock=clock,
            observer=SilentObserver(),
            rng=rng,
        )
        office = Office(name, PROFILE, OfficeSettings(), ports, desks)
        async with office.running():
            self.office = office
            yield office

    async def ask(self, user: str, type_: str, **fields: Any) -> Any:
        """Carry a command out for a user and give the reply as plain values. Raises LiaisonError."""
        if "key" in COMMANDS[type_].__struct_fields__:
            fields.setdefault("key", f"key {next(_KEYS)}")
        return await ask(self.office, user, type_, **fields)

    async def step(self, user: str, type_: str, name: str, **fields: Any) -> Any:
        """Carry a step out as somebody who has looked just now, and give the dispatch's line after it."""
        if "revision" not in fields:
            viewer = user if user != "ops" else "south-1"
            fields["revision"] = (await self.ask(viewer, "dispatch", dispatch=name))["dispatch"]["revision"]
        return (await self.ask(user, f"dispatch_{type_}", dispatch=name, **fields))["dispatch"]

    async def draft(self, side: str = "south", **fields: Any) -> str:
        """Draft as the first official of a side, and give the id."""
        reply = await self.ask(f"{side}-1", "dispatch_draft", **{**LETTER, **fields})
        return str(reply["dispatch"]["dispatch"])

    async def tender(self, side: str = "south", **fields: Any) -> str:
        """Draft, clear and tender; give the number."""
        name = await self.draft(side, **fields)
        await self.step(f"{side}-2", "clear", name)
        return str((await self.step(f"{side}-1", "tender", name))["number"])

    async def entries(self, channel: ChannelId = DISPATCHES) -> list[Entry]:
        """Give everything that stands in a register."""
        page = await self.log.read(channel, after=0, limit=10_000, max_bytes=1 << 30)
        return list(page.entries)

    async def events(self, channel: ChannelId = DISPATCHES) -> list[tuple[str, str]]:
        """Give the dispatch and the event of each entry of a register."""
        records = [msgspec.json.decode(entry.draft.data) for entry in await self.entries(channel)]
        return [(record["dispatch"], record["event"]) for record in records]


async def ask(office: Office, user: str, type_: str, **fields: Any) -> Any:
    """Ask one node; see DispatchOffice.ask."""
    command = msgspec.convert({"type": type_, "id": 1, **fields}, COMMANDS[type_])
    return msgspec.to_builtins(await office.execute(office.authenticate(secret_of(user)), command))


def secret_of(user: str) -> str:
    return "lsn_" + user.replace("-", "_").ljust(43, "x")


def in_dispatch_office(
    scenario: Callable[[DispatchOffice], Awaitable[None]],
    settings: DispatchSettings | None = None,
    marks: Marks | None = None,
) -> None:
    """Run a scenario in an office of one node, to begin with."""

    async def scene(world: virtual_time.World) -> None:
        database = memory_database(world.run_blocking)
        whole = DispatchOffice(world.clock, database, marks or MemoryMarks(), settings or DispatchSettings())
        await whole.move_in()
        async with whole.node():
            await scenario(whole)

    virtual_time.run(1, scene)
