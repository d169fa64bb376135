import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from liaison.core.identifiers import NO_DELEGATION, DelegationId, Millis, SessionId, UserId
from liaison.core.rights import Account, Role
from liaison.office.session_table import BATCH_MS, REFRESH_MS, SessionTable
from liaison.protocol.codec import WireFormat
from liaison.protocol.frames import SessionInfo
from tests.office.screens import payload_of
from tests.virtual_time import World, run

KIM = Account(UserId("kim"), "김", DelegationId("south"), Role.OFFICIAL)
OPS = Account(UserId("ops"), "Ops", NO_DELEGATION, Role.OPS)
SINCE_MS = Millis(1000)


@dataclass
class Peer:
    address_class: str = "loopback"
    transport: str = "websocket"
    user_agent: str = "secret agent"


@dataclass
class Connection:
    waiting: int = 0
    looks: int = 0

    def buffered_bytes(self) -> int:
        self.looks += 1
        return self.waiting


@dataclass
class Session:
    id: SessionId
    account: Account = KIM
    client: str = "liaison-web"
    device: str = "desk"
    peer: Peer = field(default_factory=Peer)
    connection: Connection = field(default_factory=Connection)
    since_ms: Millis = SINCE_MS
    subscriptions: int = 0
    lag_messages: int = 0


class OpsPage:
    """A client of the table by the rules of the protocol."""

    def __init__(self, table: SessionTable, world: World, account: Account = OPS) -> None:
        self.account = account
        self.wire = WireFormat.JSON
        self.events: list[tuple[int, dict[str, Any]]] = []
        self._clock = world.clock
        reply = msgspec.json.decode(msgspec.json.encode(table.reply(1)))
        self.version = reply["version"]
        self.rows = {row["session"]: row for row in reply["sessions"]}
        table.watch(self)

    def send(self, frames: bytes, /) -> None:
        frame = msgspec.json.decode(payload_of(frames))
        self.events.append((self._clock.monotonic_ms(), frame))
        assert frame["from_version"] == self.version
        self.version = frame["version"]
        self.rows.update((row["session"], row) for row in frame["opened"])
        for session in frame["closed"]:
            del self.rows[session]


def simulated(body: Callable[[SessionTable, World], Awaitable[None]], *, seed: int = 1) -> None:
    async def scenario(world: World) -> None:
        table = SessionTable("n1")
        running = asyncio.get_running_loop().create_task(table.run())
        try:
            await body(table, world)
        finally:
            running.cancel()

    run(seed, scenario)


def session(name: str) -> Session:
    return Session(SessionId(name))


def ms(milliseconds: float) -> Awaitable[None]:
    return asyncio.sleep(milliseconds / 1000)


def test_snapshot_shows_what_ops_may_know_of_each_session() -> None:
    async def body(table: SessionTable, world: World) -> None:
        shown = session("s2")
        shown.connection.waiting, shown.subscriptions = 70, 3
        table.opened(shown)
        table.opened(session("s1"))
        reply = table.reply(5)
        assert (reply.id, [row.session for row in reply.sessions]) == (5, ["s1", "s2"])
        assert reply.sessions[1] == SessionInfo(
            session="s2",
            user="kim",
            delegation="south",
            role="official",
            client="liaison-web",
            device="desk",
            node="n1",
            transport="websocket",
            address_class="loopback",
            since_ms=1000,
            subscriptions=3,
            buffered_bytes=70,
        )

    simulated(body)


def test_watcher_is_told_what_opened_changed_and_closed() -> None:
    async def body(table: SessionTable, world: World) -> None:
        first, second = session("s1"), session("s2")
        table.opened(first)
        page = OpsPage(table, world)
        table.opened(second)
        await ms(BATCH_MS)
        assert set(page.rows) == {"s1", "s2"}
        second.subscriptions = 2
        table.changed(second)
        await ms(BATCH_MS)
        assert page.rows["s2"]["subscriptions"] == 2
        table.closed(first.id)
        await ms(BATCH_MS)
        assert set(page.rows) == {"s2"}
        assert [row.session for row in table.reply(2).sessions] == ["s2"]

    simulated(body)


def test_many_changes_of_a_moment_are_one_frame() -> None:
    async def body(table: SessionTable, world: World) -> None:
        page = OpsPage(table, world)
        for n in range(500):
            table.opened(session(f"s{n}"))
        for n in range(100):
            table.closed(SessionId(f"s{n}"))
        await ms(1000)
        assert len(page.events) == 1
        assert len(page.rows) == 400
        assert page.events[0][1]["closed"] == []

    simulated(body)


def test_change_that_shows_nothing_new_is_not_told() -> None:
    async def body(table: SessionTable, world: World) -> None:
        shown = session("s1")
        table.opened(shown)
        page = OpsPage(table, world)
        table.changed(shown)
        table.changed(session("never opened"))
        table.closed(SessionId("never opened"))
        await ms(10_000)
        assert page.events == []

    simulated(body)


def test_buffered_bytes_are_looked_at_only_while_somebody_watches() -> None:
    async def body(table: SessionTable, world: World) -> None:
        shown = session("s1")
        table.opened(shown)
        looks = shown.connection.looks
        await ms(60_000)
        assert shown.connection.looks == looks
        page = OpsPage(table, world)
        shown.connection.waiting = 4096
        await ms(REFRESH_MS + 1)
        assert page.rows["s1"]["buffered_bytes"] == 4096
        table.unwatch(page)
        await ms(REFRESH_MS + 1)
        looks = shown.connection.looks
        shown.connection.waiting = 8192
        await ms(60_000)
        assert shown.connection.looks == looks
        assert page.rows["s1"]["buffered_bytes"] == 4096

    simulated(body)


def test_reply_is_as_of_now_and_brings_earlier_watchers_to_the_same_version() -> None:
    async def body(table: SessionTable, world: World) -> None:
        early = OpsPage(table, world)
        table.opened(session("s1"))
        late = OpsPage(table, world)
        assert early.rows == late.rows != {}
        assert early.version == late.version
        table.closed(SessionId("s1"))
        await ms(BATCH_MS)
        assert early.rows == late.rows == {}

    simulated(body)


def test_who_is_no_longer_ops_is_sent_nothing_more() -> None:
    async def body(table: SessionTable, world: World) -> None:
        page = OpsPage(table, world)
        page.account = replace(OPS, role=Role.OFFICIAL)
        table.opened(session("s1"))
        await ms(10_000)
        assert page.events == []

    simulated(body)


def test_closed_sessions_leave_nothing_behind_while_nobody_watches() -> None:
    async def body(table: SessionTable, world: World) -> None:
        for n in range(100):
            table.opened(session(f"s{n}"))
            table.closed(SessionId(f"s{n}"))
        assert (table._touched, table._told, table._sessions) == (set(), {}, {})

    simulated(body)


@pytest.mark.parametrize("seed", range(5))
def test_snapshot_and_differences_give_a_fresh_snapshot(seed: int) -> None:
    async def body(table: SessionTable, world: World) -> None:
        page = OpsPage(table, world)
        live: dict[str, Session] = {}
        for n in range(300):
            match world.random.randrange(4):
                case 0 | 1:
                    live[f"s{n}"] = session(f"s{n}")
                    table.opened(live[f"s{n}"])
                case 2 if live:
                    table.closed(live.pop(world.random.choice(sorted(live))).id)
                case 3 if live:
                    changed = live[world.random.choice(sorted(live))]
                    changed.subscriptions += 1
                    changed.connection.waiting = world.random.randrange(1000)
                    table.changed(changed)
            await ms(world.random.expovariate(1 / 100))
        await ms(REFRESH_MS + BATCH_MS)
        shown = {row.session: row for row in table.reply(2).sessions}
        assert set(shown) == set(live)
        assert page.rows == msgspec.json.decode(msgspec.json.encode(shown))

    simulated(body, seed=seed)
