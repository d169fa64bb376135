import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from liaison.adapters.memory_bus import MemoryBus
from liaison.core.identifiers import NO_DELEGATION, DelegationId, Millis, SessionId, UserId
from liaison.core.rights import Account, Role
from liaison.office.session_board import (
    BATCH_MS,
    GONE_MS,
    MAX_SHOWN,
    REFRESH_MS,
    SILENT_MS,
    WANTED_MS,
    SessionBoard,
)
from liaison.office.session_table import SessionTable
from liaison.ports.bus import MAX_SESSIONS, AnyHint, SessionsHint, SessionsWantedHint
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

    def __init__(self, board: SessionBoard, world: World, account: Account = OPS) -> None:
        self.account = account
        self.wire = WireFormat.JSON
        self.events: list[tuple[int, dict[str, Any]]] = []
        self._clock = world.clock
        reply = msgspec.json.decode(msgspec.json.encode(board.reply(1)))
        self.version = reply["version"]
        self.rows = {row["session"]: row for row in reply["sessions"]}
        self.nodes = reply["nodes"]
        board.watch(self)

    def send(self, frames: bytes, /) -> None:
        frame = msgspec.json.decode(payload_of(frames))
        self.events.append((self._clock.monotonic_ms(), frame))
        assert frame["from_version"] == self.version
        self.version = frame["version"]
        self.rows.update((row["session"], row) for row in frame["opened"])
        for session in frame["closed"]:
            del self.rows[session]
        self.nodes = frame.get("nodes", self.nodes)

    def states(self) -> dict[str, tuple[str, int]]:
        return {node["node"]: (node["state"], node["total"]) for node in self.nodes}


def simulated(body: Callable[[SessionTable, SessionBoard, World], Awaitable[None]], *, seed: int = 1) -> None:
    async def scenario(world: World) -> None:
        table = SessionTable("n1")
        board = SessionBoard(table, world.clock, MemoryBus().node())
        running = asyncio.get_running_loop().create_task(board.run())
        try:
            await body(table, board, world)
        finally:
            running.cancel()

    run(seed, scenario)


def session(name: str) -> Session:
    return Session(SessionId(name))


def ms(milliseconds: float) -> Awaitable[None]:
    return asyncio.sleep(milliseconds / 1000)


def test_snapshot_shows_what_ops_may_know_of_each_session() -> None:
    async def body(table: SessionTable, board: SessionBoard, world: World) -> None:
        shown = session("s2")
        shown.connection.waiting, shown.subscriptions = 70, 3
        table.opened(shown)
        table.opened(session("s1"))
        reply = board.reply(5)
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
    async def body(table: SessionTable, board: SessionBoard, world: World) -> None:
        first, second = session("s1"), session("s2")
        table.opened(first)
        page = OpsPage(board, world)
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
        assert [row.session for row in board.reply(2).sessions] == ["s2"]

    simulated(body)


def test_many_changes_of_a_moment_are_one_frame() -> None:
    async def body(table: SessionTable, board: SessionBoard, world: World) -> None:
        page = OpsPage(board, world)
        for n in range(500):
            table.opened(session(f"s{n}"))
        for n in range(100):
            table.closed(SessionId(f"s{n}"))
        await ms(1000)
        assert len(page.events) == 1
        assert len(page.rows) == 400
        assert page.events[0][1]["closed"] == []
        assert page.states() == {"n1": ("current", 400)}

    simulated(body)


def test_change_that_shows_nothing_new_is_not_told() -> None:
    async def body(table: SessionTable, board: SessionBoard, world: World) -> None:
        shown = session("s1")
        table.opened(shown)
        page = OpsPage(board, world)
        table.changed(shown)
        table.changed(session("never opened"))
        table.closed(SessionId("never opened"))
        await ms(10_000)
        assert page.events == []

    simulated(body)


def test_buffered_bytes_are_looked_at_only_while_somebody_watches() -> None:
    async def body(table: SessionTable, board: SessionBoard, world: World) -> None:
        shown = session("s1")
        table.opened(shown)
        looks = shown.connection.looks
        await ms(60_000)
        assert shown.connection.looks == looks
        page = OpsPage(board, world)
        shown.connection.waiting = 4096
        await ms(REFRESH_MS + 1)
        assert page.rows["s1"]["buffered_bytes"] == 4096
        board.unwatch(page)
        await ms(REFRESH_MS + 1)
        looks = shown.connection.looks
        shown.connection.waiting = 8192
        await ms(60_000)
        assert shown.connection.looks == looks
        assert page.rows["s1"]["buffered_bytes"] == 4096

    simulated(body)


def test_reply_is_as_of_now_and_brings_earlier_watchers_to_the_same_version() -> None:
    async def body(table: SessionTable, board: SessionBoard, world: World) -> None:
        early = OpsPage(board, world)
        table.opened(session("s1"))
        late = OpsPage(board, world)
        assert early.rows == late.rows != {}
        assert early.version == late.version
        table.closed(SessionId("s1"))
        await ms(BATCH_MS)
        assert early.rows == late.rows == {}

    simulated(body)


def test_who_is_no_longer_ops_is_sent_nothing_more() -> None:
    async def body(table: SessionTable, board: SessionBoard, world: World) -> None:
        page = OpsPage(board, world)
        page.account = replace(OPS, role=Role.OFFICIAL)
        table.opened(session("s1"))
        await ms(10_000)
        assert page.events == []

    simulated(body)


def test_closed_sessions_leave_nothing_behind_while_nobody_watches() -> None:
    async def body(table: SessionTable, board: SessionBoard, world: World) -> None:
        for n in range(100):
            table.opened(session(f"s{n}"))
            table.closed(SessionId(f"s{n}"))
        assert (table._touched, table._told, table._sessions) == (set(), {}, {})

    simulated(body)


@pytest.mark.parametrize("seed", range(5))
def test_snapshot_and_differences_give_a_fresh_snapshot(seed: int) -> None:
    async def body(table: SessionTable, board: SessionBoard, world: World) -> None:
        page = OpsPage(board, world)
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
        shown = {row.session: row for row in board.reply(2).sessions}
        assert set(shown) == set(live)
        assert page.rows == msgspec.json.decode(msgspec.json.encode(shown))

    simulated(body, seed=seed)


class Node:
    """A node's end of an office: its table, its board, and a bus that may lose what the node should hear."""

    def __init__(self, name: str, bus: MemoryBus, world: World) -> None:
        self.table = SessionTable(name)
        self.bus = bus
        endpoint = bus.node()
        self.board = SessionBoard(self.table, world.clock, endpoint)
        self.is_deaf = False
        self.heard: list[SessionsHint] = []
        self.detach = endpoint.attach(self)
        self.running = asyncio.get_running_loop().create_task(self.board.run())

    def on_hint(self, hint: AnyHint) -> None:
        if self.is_deaf:
            return
        match hint:
            case SessionsWantedHint():
                self.board.noticed(hint.node)
                self.board.on_wanted(hint)
            case SessionsHint():
                self.heard.append(hint)
                self.board.on_sessions(hint)

    def on_doubt(self) -> None:
        pass

    def begin(self, *names: str, user: str = "kim") -> None:
        for name in names:
            self.table.opened(Session(SessionId(name), replace(KIM, user=UserId(user))))

    def stop(self) -> None:
        self.detach()
        self.running.cancel()


def with_nodes(body: Callable[[Node, Node, World], Awaitable[None]], *, seed: int = 1) -> None:
    async def scenario(world: World) -> None:
        bus = MemoryBus()
        here, there = Node("here", bus, world), Node("there", bus, world)
        # As the figures of each node do all the time, watched or not.
        here.board.noticed("there")
        there.board.noticed("here")
        try:
            await body(here, there, world)
        finally:
            here.running.cancel()
            there.running.cancel()

    run(seed, scenario)


def test_sessions_of_every_node_are_shown_with_the_node_they_are_at_and_go_when_they_end() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        here.begin("s1")
        there.begin("s2", "s3")
        page = OpsPage(here.board, world)
        assert page.states() == {"here": ("current", 1), "there": ("asked", 0)}
        await ms(2 * BATCH_MS + 10)
        assert {name: row["node"] for name, row in page.rows.items()} == {"s1": "here", "s2": "there", "s3": "there"}
        assert page.states() == {"here": ("current", 1), "there": ("current", 2)}
        there.begin("s4")
        there.table.closed(SessionId("s2"))
        await ms(2 * BATCH_MS + 10)
        assert set(page.rows) == {"s1", "s3", "s4"}

    with_nodes(body)


def test_own_sessions_that_another_node_was_told_of_are_shown_to_who_watches_here_later() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        here.begin("s1")
        there.begin("s2")
        earlier = OpsPage(there.board, world)
        await ms(2 * BATCH_MS + 10)
        assert set(earlier.rows) == {"s1", "s2"}
        page = OpsPage(here.board, world)
        await ms(2 * BATCH_MS + 10)
        assert {name: row["node"] for name, row in page.rows.items()} == {"s1": "here", "s2": "there"}

    with_nodes(body)


def test_nodes_tell_each_other_nothing_while_nobody_watches() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        there.begin("s1")
        await ms(60_000)
        assert not here.heard
        page = OpsPage(here.board, world)
        await ms(1_000)
        assert here.heard
        here.board.unwatch(page)
        await ms(WANTED_MS + REFRESH_MS)
        here.heard.clear()
        there.begin("s2")
        await ms(60_000)
        assert not here.heard

    with_nodes(body)


def test_what_was_lost_on_the_way_is_told_anew_within_one_refresh() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        there.begin("s1")
        page = OpsPage(here.board, world)
        await ms(1_000)
        here.is_deaf = True
        there.begin("s2")
        there.table.closed(SessionId("s1"))
        await ms(BATCH_MS + 10)
        here.is_deaf = False
        assert set(page.rows) == {"s1"}
        # Nothing else happens there: it is the sign of life that shows the gap.
        await ms(REFRESH_MS + 2 * BATCH_MS + 10)
        assert set(page.rows) == {"s2"}
        assert page.states()["there"] == ("current", 1)

    with_nodes(body)


def test_what_changed_while_a_node_was_told_nothing_is_not_taken_for_known() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        there.begin("s1")
        page = OpsPage(here.board, world)
        await ms(1_000)
        # Deaf both ways: the wish lapses there, and what changes meanwhile is told to nobody.
        there.is_deaf = here.is_deaf = True
        await ms(WANTED_MS + REFRESH_MS)
        assert page.states()["there"] == ("silent", 1)
        there.begin("s2")
        await ms(REFRESH_MS)
        there.is_deaf = here.is_deaf = False
        await ms(2 * REFRESH_MS)
        assert set(page.rows) == {"s1", "s2"}
        assert page.states()["there"] == ("current", 2)

    with_nodes(body)


def test_node_that_does_not_answer_is_named_and_keeps_what_it_said_last_until_it_counts_as_gone() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        there.begin("s1")
        page = OpsPage(here.board, world)
        await ms(1_000)
        last_ms = world.clock.wall_ms()
        there.stop()
        await ms(SILENT_MS + 2 * REFRESH_MS)
        assert page.states()["there"] == ("silent", 1)
        since_ms = next(node["silent_since_ms"] for node in page.nodes if node["node"] == "there")
        assert abs(since_ms - last_ms) <= 1_000
        assert set(page.rows) == {"s1"}
        await ms(GONE_MS)
        assert (set(page.rows), set(page.states())) == (set(), {"here"})

    with_nodes(body)


def test_node_that_never_told_anything_is_named_too() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        there.stop()
        page = OpsPage(here.board, world)
        await ms(SILENT_MS + REFRESH_MS)
        assert page.states()["there"] == ("silent", 0)

    with_nodes(body)


def test_whoever_asks_once_is_answered_the_moment_that_each_node_has_told() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        there.begin("s1")
        here.board.reply(1)
        # Beside the beat in which the nodes tell.
        await ms(100)
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(here.board.settled())
        assert here.heard
        assert world.clock.monotonic_ms() <= BATCH_MS + 10
        assert [info.session for info in here.board.reply(2).sessions] == ["s1"]

    with_nodes(body)


def test_silent_node_is_waited_for_no_longer_than_it_deserves() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        there.stop()
        here.board.reply(1)
        began_ms = world.clock.monotonic_ms()
        await here.board.settled()
        assert world.clock.monotonic_ms() - began_ms <= SILENT_MS + 10

    with_nodes(body)


def test_node_that_said_it_would_leave_is_not_missed() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        there.begin("s1")
        page = OpsPage(here.board, world)
        there.board.leave()
        await ms(REFRESH_MS + 1_000)
        there.table.closed(SessionId("s1"))
        await ms(1_000)
        there.stop()
        await ms(SILENT_MS + REFRESH_MS)
        assert (set(page.rows), set(page.states())) == (set(), {"here"})

    with_nodes(body)


def test_node_that_starts_anew_is_taken_as_it_is_now() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        there.begin("s1", "s2")
        page = OpsPage(here.board, world)
        await ms(1_000)
        there.stop()
        again = Node("there", there.bus, world)
        again.begin("s3")
        await ms(2 * REFRESH_MS)
        again.running.cancel()
        assert set(page.rows) == {"s3"}

    with_nodes(body)


def test_of_too_many_sessions_the_most_telling_are_shown_and_whoever_is_looked_for() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        there.begin(*(f"s{number}" for number in range(10_000)))
        there.begin("wanted", user="pak")
        slow = session("slow")
        slow.lag_messages = 7
        there.table.opened(slow)
        there.begin(*(f"t{number}" for number in range(100)))
        page = OpsPage(here.board, world)
        await ms(REFRESH_MS)
        assert page.states()["there"] == ("current", 10_102)
        assert len(page.rows) == MAX_SHOWN // 2
        assert "slow" in page.rows
        assert "wanted" not in page.rows
        assert max(len(hint.opened) for hint in here.heard) <= MAX_SESSIONS
        here.board.reply(2, user="pak")
        await ms(REFRESH_MS + 1_000)
        assert "wanted" in page.rows
        assert len(page.rows) == MAX_SHOWN // 2 + 1

    with_nodes(body)


def test_node_speaks_for_itself_alone() -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        here.begin("s1")
        page = OpsPage(here.board, world)
        await ms(1_000)
        (mine,) = here.board.reply(2).sessions
        here.board.on_sessions(SessionsHint("evil", 1, 2, 1, (mine,), ("s1",), is_whole=True, is_leaving=False))
        await ms(BATCH_MS)
        assert set(page.rows) == {"s1"}
        here.board.on_sessions(SessionsHint("here", 1, 2, 0, (), ("s1",), is_whole=True, is_leaving=False))
        await ms(BATCH_MS)
        assert set(page.rows) == {"s1"}

    with_nodes(body)


@pytest.mark.parametrize("seed", range(5))
def test_the_page_comes_to_what_is_so_however_much_is_lost_on_the_way(seed: int) -> None:
    async def body(here: Node, there: Node, world: World) -> None:
        page = OpsPage(here.board, world)
        live: dict[str, Node] = {}
        for number in range(200):
            here.is_deaf, there.is_deaf = world.random.random() < 0.2, world.random.random() < 0.2
            if live and world.random.random() < 0.4:
                name = world.random.choice(sorted(live))
                live.pop(name).table.closed(SessionId(name))
            else:
                node = world.random.choice((here, there))
                live[f"s{number}"] = node
                node.begin(f"s{number}")
            await ms(world.random.expovariate(1 / 200))
        here.is_deaf = there.is_deaf = False
        await ms(3 * REFRESH_MS)
        assert {name: row["node"] for name, row in page.rows.items()} == {
            name: node.table.node for name, node in live.items()
        }

    with_nodes(body, seed=seed)
