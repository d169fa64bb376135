"""What becomes of appends when PostgreSQL or the way there fails: nothing acknowledged is lost, nothing is doubled."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import psycopg
import pytest

from liaison.adapters.postgres_engine import open_postgres
from liaison.adapters.postgres_lines import PostgresSettings
from liaison.adapters.postgres_log import PostgresLog, PostgresReadPositions
from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Draft, EntryKind, Repeated, Stored
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.ports.log import LogFullError, LogUnavailableError, UnknownOutcomeError
from tests.postgres_server import PostgresServer
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.system

GENERAL, WEATHER = ChannelId("joint/general"), ChannelId("joint/날씨")
KIM, SOUTH = UserId("kim"), DelegationId("south")
NOON = Millis(1_790_000_000_000)
PLENTY = 1 << 30


def says(key: str) -> Draft:
    return Draft(KIM, SOUTH, key, EntryKind.TEXT, f"“{key}” \\ {{}} '' \"quoted\", NULL")


@asynccontextmanager
async def log_at(settings: PostgresSettings) -> AsyncIterator[PostgresLog]:
    database = open_postgres(settings)
    try:
        yield PostgresLog(database)
    finally:
        await database.close()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may do harm to. What a killed process had written, the operating system still has."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[TcpProxy]:
    with TcpProxy(postgres_server.port, is_postgres=True) as opened:
        yield opened


@pytest.fixture
def settings(postgres_server: PostgresServer, proxy: TcpProxy) -> PostgresSettings:
    return PostgresSettings(postgres_server.url(port=proxy.port), postgres_server.furnished_office())


async def keys_on(log: PostgresLog) -> list[str]:
    """Give the channel's keys, and see to it that there is no gap and that each link covers the one before."""
    page = await log.read(GENERAL, after=0, limit=100_000, max_bytes=PLENTY)
    assert [entry.seq for entry in page.entries] == list(range(1, page.head + 1))
    link = GENESIS
    for entry in page.entries:
        link = link_of(link, GENERAL, entry.seq, entry.time_ms, entry.draft)
        assert entry.link == link
    return [entry.draft.key for entry in page.entries]


@dataclass
class Writers:
    """Some that write and write until they are stopped. What became of unknown they repeat, what was refused never."""

    log: PostgresLog
    prefix: str
    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    written: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def write(self, name: str) -> None:
        number = 0
        while not self.stopped.is_set():
            number += 1
            await self.send(f"{self.prefix}-{name}-{number}")

    async def send(self, key: str) -> None:
        is_first = True
        while True:
            try:
                appended = await self.log.append(GENERAL, [says(key)], NOON)
            except UnknownOutcomeError:
                self.outcomes["unknown"] += 1
                is_first = False
            except LogUnavailableError:
                self.outcomes["unavailable"] += 1
                if is_first:
                    self.refused.append(key)
                    return
                await asyncio.sleep(0.01)
            else:
                self.outcomes[type(appended.outcomes[0]).__name__] += 1
                self.acknowledged.append(key)
                async with self.written:
                    self.written.notify_all()
                return

    async def more(self, count: int) -> None:
        """Wait until so many more were acknowledged."""
        target = len(self.acknowledged) + count
        async with self.written:
            await self.written.wait_for(lambda: len(self.acknowledged) >= target)


@asynccontextmanager
async def writing(log: PostgresLog, prefix: str = "") -> AsyncIterator[Writers]:
    """Let eight write while the block lasts; behind it, all that was sent is acknowledged or refused."""
    crowd = Writers(log, prefix)
    async with asyncio.timeout(40), asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(crowd.write(str(number)))
        await crowd.more(50)
        yield crowd
        await crowd.more(50)
        crowd.stopped.set()


async def check(log: PostgresLog, *crowds: Writers) -> None:
    on_log = await keys_on(log)
    assert len(set(on_log)) == len(on_log), "doubled"
    assert {key for crowd in crowds for key in crowd.acknowledged} == set(on_log), "lost or invented"
    assert not {key for crowd in crowds for key in crowd.refused} & set(on_log), "refused and stored"


class TestFaults:
    async def test_killing_the_server_loses_nothing_acknowledged(self, own_server: PostgresServer) -> None:
        async with log_at(PostgresSettings(own_server.url(), "office")) as log:
            async with writing(log) as crowd:
                for _ in range(3):
                    await asyncio.to_thread(own_server.kill)
                    await asyncio.to_thread(own_server.start)
                    await crowd.more(50)
            await check(log, crowd)
        assert crowd.outcomes["unknown"] + crowd.outcomes["unavailable"] > 0

    async def test_a_terminated_backend_loses_and_doubles_nothing(
        self, postgres_server: PostgresServer, settings: PostgresSettings
    ) -> None:
        kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'liaison'"
        async with log_at(settings) as log:
            async with writing(log) as crowd:
                for _ in range(20):
                    await asyncio.to_thread(postgres_server.execute, kill)
                    await crowd.more(10)
            await check(log, crowd)

    async def test_resets_on_the_way_lose_and_double_nothing(self, proxy: TcpProxy, settings: PostgresSettings) -> None:
        async with log_at(settings) as log:
            async with writing(log) as crowd:
                for _ in range(20):
                    await asyncio.to_thread(proxy.reset)
                    await crowd.more(10)
            await check(log, crowd)

    async def test_replies_that_are_lost_after_commit_are_unknown_and_come_again_as_repeats(
        self, proxy: TcpProxy, settings: PostgresSettings
    ) -> None:
        async with log_at(settings) as log:
            async with writing(log) as crowd:
                for _ in range(5):
                    await asyncio.to_thread(proxy.lose_commit_replies)
                    assert await asyncio.to_thread(proxy.wait_for_lost_reply)
                    await crowd.more(20)
            await check(log, crowd)
        assert crowd.outcomes["unknown"] >= 5
        assert crowd.outcomes["Repeated"] >= 5

    async def test_two_nodes_that_write_to_one_channel_leave_no_gap_and_no_double(
        self, settings: PostgresSettings
    ) -> None:
        async with log_at(settings) as here, log_at(settings) as there:
            async with writing(here, "here") as one, writing(there, "there") as two:
                await one.more(200)
                await two.more(200)
            await check(here, one, two)


class TestOneOutcomeOfThree:
    async def test_a_connection_that_was_lost_while_idle_is_made_anew_and_nobody_notices(
        self, proxy: TcpProxy, settings: PostgresSettings
    ) -> None:
        async with log_at(settings) as log:
            await log.append(GENERAL, [says("a")], NOON)
            await log.heads([GENERAL])
            proxy.reset()
            assert isinstance((await log.append(GENERAL, [says("b")], NOON)).outcomes[0], Stored)
            assert (await log.heads([GENERAL]))[GENERAL].seq == 2

    async def test_a_lost_reply_is_unknown_and_was_stored(self, proxy: TcpProxy, settings: PostgresSettings) -> None:
        async with log_at(settings) as log:
            await log.append(GENERAL, [says("a")], NOON)
            proxy.lose_commit_replies()
            with pytest.raises(UnknownOutcomeError, match="lost at COMMIT"):
                await log.append(GENERAL, [says("b")], NOON)
            assert (await log.append(GENERAL, [says("b")], NOON)).outcomes == (Repeated(2, NOON),)

    async def test_a_server_that_is_away_definitely_stores_nothing_and_is_found_again(
        self, proxy: TcpProxy, settings: PostgresSettings
    ) -> None:
        async with log_at(settings) as log:
            await log.append(GENERAL, [says("a")], NOON)
            proxy.refuse()
            proxy.reset()
            for attempt in (
                lambda: log.append(GENERAL, [says("b")], NOON),
                lambda: log.heads([GENERAL]),
                log.check,
                lambda: log.search("b", [GENERAL], before_ms=None, limit=1),
            ):
                with pytest.raises(LogUnavailableError):
                    await attempt()
            proxy.accept()
            await log.check()
            assert await keys_on(log) == ["a"]

    async def test_one_that_says_nothing_is_waited_for_no_longer_than_the_bound(
        self, proxy: TcpProxy, settings: PostgresSettings
    ) -> None:
        async with log_at(replace(settings, statement_timeout_s=0.2, connect_timeout_s=2)) as log:
            await log.append(GENERAL, [says("a")], NOON)
            await log.heads([GENERAL])
            proxy.stall()
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            results = await asyncio.gather(
                log.append(GENERAL, [says("b")], NOON),
                *(log.heads([GENERAL]) for _ in range(9)),
                return_exceptions=True,
            )
            # COMMIT went along with the append, so that nobody knows; the rest only asked.
            assert type(results[0]) is UnknownOutcomeError
            assert {type(result) for result in results[1:]} == {LogUnavailableError}
            assert loop.time() - began_s < 8, "twice the statement's bound, and a new connection's"
            proxy.flow()
            await log.append(GENERAL, [says("b")], NOON)
            assert await keys_on(log) == ["a", "b"]

    async def test_no_room_is_told_apart(self, settings: PostgresSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        async with log_at(settings) as log:
            await log.append(GENERAL, [says("a")], NOON)
            self.fail_inserts(settings, "RAISE disk_full")
            with pytest.raises(LogFullError):
                await log.append(GENERAL, [says("b")], NOON)
            self.fail_inserts(settings, "RETURN NEW")
            await log.append(GENERAL, [says("b")], NOON)
            assert await keys_on(log) == ["a", "b"]

    async def test_a_deadlock_is_tried_again_once(self, settings: PostgresSettings) -> None:
        async with log_at(settings) as log:
            await log.append(GENERAL, [says("a")], NOON)
            # A sequence goes on also when a transaction is taken back.
            self.execute(settings, "CREATE SEQUENCE tries")
            self.fail_inserts(settings, "IF nextval('tries') = 1 THEN RAISE deadlock_detected; END IF; RETURN NEW")
            assert isinstance((await log.append(GENERAL, [says("b")], NOON)).outcomes[0], Stored)
            self.fail_inserts(settings, "RAISE deadlock_detected")
            with pytest.raises(LogUnavailableError):
                await log.append(GENERAL, [says("c")], NOON)
            assert await keys_on(log) == ["a", "b"]

    @pytest.mark.parametrize(("text", "error"), [("half \ud800", UnicodeEncodeError), ("nul \0", LogUnavailableError)])
    async def test_what_postgres_can_not_hold_is_refused_and_holds_nobody_up(
        self, settings: PostgresSettings, text: str, error: type[Exception]
    ) -> None:
        async with log_at(settings) as log:
            await log.append(GENERAL, [says("a")], NOON)
            with pytest.raises(error):
                await log.append(GENERAL, [replace(says("b"), text=text)], NOON)
            await log.append(GENERAL, [says("c")], NOON)
            assert await keys_on(log) == ["a", "c"]

    async def test_a_warning_at_commit_is_unknown(self, settings: PostgresSettings) -> None:
        """So does the server tell that the wait for its standby was broken off; it commits all the same."""
        async with log_at(settings) as log:
            await log.append(GENERAL, [says("a")], NOON)
            self.fail_inserts(settings, "RAISE WARNING 'put in by the test'; RETURN NEW")
            with pytest.raises(UnknownOutcomeError, match="warned"):
                await log.append(GENERAL, [says("b")], NOON)

    async def test_a_node_that_stands_still_within_an_append_holds_the_others_up_for_seconds_only(
        self, settings: PostgresSettings
    ) -> None:
        async with log_at(settings) as log:
            await log.append(GENERAL, [says("a")], NOON)
            stuck = self.connection(settings)
            stuck.execute("SET idle_in_transaction_session_timeout = '300ms'")
            stuck.execute("BEGIN")
            stuck.execute("SELECT 1 FROM channel_head FOR UPDATE")
            waiting = asyncio.create_task(log.append(GENERAL, [says("b")], NOON))
            assert (await log.heads([GENERAL]))[GENERAL].seq == 1, "nobody who reads waits"
            assert isinstance((await waiting).outcomes[0], Stored)
            stuck.close()

    def fail_inserts(self, settings: PostgresSettings, body: str) -> None:
        """Let the server do this for every row that is to go into the log."""
        self.execute(
            settings,
            f"CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;"
            " CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION fail()",
        )

    def execute(self, settings: PostgresSettings, statement: str) -> None:
        with self.connection(settings) as connection:
            connection.execute(statement.encode())

    def connection(self, settings: PostgresSettings) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(settings.url, autocommit=True, options=f"-c search_path={settings.namespace}")


class TestReadPositions:
    async def test_moves_at_once_by_two_nodes_end_at_the_furthest(self, settings: PostgresSettings) -> None:
        databases = [open_postgres(settings) for _ in range(2)]
        here, there = map(PostgresReadPositions, databases)
        users = [UserId(f"u{n}") for n in range(20)]
        await asyncio.gather(
            *((here, there)[seq % 2].move(user, GENERAL, seq) for seq in range(1, 11) for user in reversed(users))
        )
        for user in users:
            assert await here.of(user) == {GENERAL: 10}
        for database in databases:
            await database.close()

    async def test_one_that_stays_where_it_is_writes_nothing(
        self, postgres_server: PostgresServer, settings: PostgresSettings
    ) -> None:
        database = open_postgres(settings)
        positions = PostgresReadPositions(database)
        await positions.move(KIM, GENERAL, 5)
        row = f"SELECT xmin, xmax FROM {settings.namespace}.read_position"
        before = postgres_server.execute(row)
        assert await positions.move(KIM, GENERAL, 5) == 5
        assert postgres_server.execute(row) == before
        await database.close()
