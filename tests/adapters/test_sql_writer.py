"""Group commit and its three outcomes, with faults put between the writer and SQLite."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from liaison.adapters.schema import READ_POSITION
from liaison.adapters.sql_engine import Database, connect, memory_database, migrate, open_database
from liaison.adapters.sql_log import SqlLog
from liaison.adapters.sql_writer import (
    GroupWriter,
    StorageUnavailableError,
    StorageUnknownError,
    driver_of,
)
from liaison.core.entries import Draft, EntryKind, Stored
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.ports.log import LogFullError, LogUnavailableError, UnknownOutcomeError

T = TypeVar("T")

GENERAL, WEATHER = ChannelId("joint/general"), ChannelId("joint/weather")
NOON = Millis(1_790_000_000_000)


class FaultyDriver(sqlite3.Connection):
    """SQLite's connection, but it fails once at statements that begin with `fail_at`, with `code`.

    With `after`, the statement is done and only its answer is lost.
    """

    fail_at = ""
    code = sqlite3.SQLITE_IOERR
    after = False

    def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
        if not self.fail_at or not sql.startswith(self.fail_at):
            return super().execute(sql, parameters)  # type: ignore[arg-type]
        self.fail_at = ""
        if self.after:
            super().execute(sql, parameters)  # type: ignore[arg-type]
        error = sqlite3.OperationalError("put in by the test")
        error.sqlite_errorcode = self.code
        raise error

    def commits(self) -> list[str]:
        """Have every statement that begins or ends a transaction written down from now on."""
        seen: list[str] = []
        self.set_trace_callback(
            lambda sql: seen.append(sql) if sql.split()[0] in ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT") else None
        )
        return seen


@pytest.fixture
async def database(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    real = sqlite3.connect

    def faulty(*args: object, **kwargs: object) -> sqlite3.Connection:
        return real(*args, factory=FaultyDriver, **kwargs)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", faulty)
    opened = memory_database()
    monkeypatch.undo()
    yield opened
    await opened.close()


@pytest.fixture
def driver(database: Database) -> FaultyDriver:
    found = driver_of(database._writer_connection)
    assert isinstance(found, FaultyDriver)
    return found


def says(text: str) -> Draft:
    return Draft(UserId("kim"), DelegationId("south"), text, EntryKind.TEXT, text)


def notes(user: str) -> Callable[[Connection], str]:
    def note(connection: Connection) -> str:
        connection.execute(READ_POSITION.insert().values(user_id=user, channel=GENERAL, seq=1))
        return user

    return note


async def noted(database: Database) -> set[str]:
    return await database.read(lambda connection: {row.user_id for row in connection.execute(READ_POSITION.select())})


async def head_of(log: SqlLog, channel: ChannelId) -> int:
    return (await log.heads([channel]))[channel].seq


class TestGroups:
    async def test_everything_that_waits_shares_one_commit(self, database: Database, driver: FaultyDriver) -> None:
        seen = driver.commits()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(database.write(notes(f"u{n}"))) for n in range(50)]
        assert [task.result() for task in tasks] == [f"u{n}" for n in range(50)]
        assert seen == ["BEGIN IMMEDIATE", "COMMIT"]

    async def test_what_comes_during_a_commit_goes_with_the_next(self) -> None:
        landed: list[asyncio.Event] = []
        runs: list[int] = []

        async def held_up(work: Callable[[], T]) -> T:
            runs.append(len(runs))
            landed.append(asyncio.Event())
            await landed[-1].wait()
            return work()

        connection = connect(None)
        migrate(connection, None)
        writer = GroupWriter(connection, held_up, pytest.fail)
        async with asyncio.TaskGroup() as group:
            group.create_task(writer.write(notes("first")))
            while not landed:
                await asyncio.sleep(0)
            late = [group.create_task(writer.write(notes(f"late-{n}"))) for n in range(5)]
            await asyncio.sleep(0)
            landed[0].set()
            while len(landed) < 2:
                await asyncio.sleep(0)
            landed[1].set()
        assert all(task.done() for task in late)
        assert runs == [0, 1]
        connection.engine.dispose()

    async def test_work_that_fails_takes_nothing_else_of_its_group_with_it(self, database: Database) -> None:
        def fails_half_way(connection: Connection) -> None:
            notes("half")(connection)
            raise KeyError("mine")

        results = await asyncio.gather(
            database.write(notes("a")),
            database.write(fails_half_way),
            database.write(notes("b")),
            return_exceptions=True,
        )
        assert results[0] == "a"
        assert isinstance(results[1], KeyError)
        assert results[2] == "b"
        assert await noted(database) == {"a", "b"}

    async def test_an_append_that_cannot_be_stored_leaves_other_channels_alone(
        self, database: Database, driver: FaultyDriver
    ) -> None:
        log = SqlLog(database)
        driver.execute(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON message WHEN NEW.text = 'bad'"
            " BEGIN SELECT RAISE(ABORT, 'put in by the test'); END"
        )
        results = await asyncio.gather(
            log.append(GENERAL, [says("bad")], NOON),
            log.append(WEATHER, [says("good")], NOON),
            return_exceptions=True,
        )
        assert isinstance(results[0], LogUnavailableError)
        assert (await head_of(log, GENERAL), await head_of(log, WEATHER)) == (0, 1)


class TestDefiniteRefusals:
    async def test_a_failure_to_begin_is_definitely_not_stored(self, database: Database, driver: FaultyDriver) -> None:
        log = SqlLog(database)
        driver.fail_at = "BEGIN"
        with pytest.raises(LogUnavailableError):
            await log.append(GENERAL, [says("a")], NOON)
        assert await head_of(log, GENERAL) == 0

    async def test_a_failure_on_the_way_to_commit_is_definitely_not_stored(
        self, database: Database, driver: FaultyDriver
    ) -> None:
        def head_cannot_move(action: int, table: str | None, *_: object) -> int:
            denied = (action, table) == (sqlite3.SQLITE_UPDATE, "channel_head")
            return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

        log = SqlLog(database)
        driver.set_authorizer(head_cannot_move)
        with pytest.raises(LogUnavailableError):
            await log.append(GENERAL, [says("a")], NOON)
        driver.set_authorizer(None)
        assert (await log.read(GENERAL, after=0, limit=9, max_bytes=1000)).entries == ()
        (outcome,) = (await log.append(GENERAL, [says("a")], NOON)).outcomes
        assert isinstance(outcome, Stored), "the key is free for another try"

    async def test_no_room_is_refused_reads_go_on_and_room_ends_it(
        self, database: Database, driver: FaultyDriver
    ) -> None:
        log = SqlLog(database)
        (pages,) = driver.execute("PRAGMA page_count").fetchone()
        driver.execute(f"PRAGMA max_page_count = {pages + 2}").close()
        stored = 0

        async def fill() -> None:
            nonlocal stored
            for _ in range(100):
                await log.append(GENERAL, [says(f"{stored} " + "긴 글" * 1000)], NOON)
                stored += 1

        with pytest.raises(LogFullError):
            await fill()
        assert len((await log.read(GENERAL, after=0, limit=99, max_bytes=1 << 20)).entries) == stored
        driver.execute("PRAGMA max_page_count = 100000").close()
        await log.append(GENERAL, [says("room")], NOON)
        assert await head_of(log, GENERAL) == stored + 1

    async def test_no_room_at_commit_is_definite_too_and_nothing_is_stored(
        self, database: Database, driver: FaultyDriver
    ) -> None:
        log = SqlLog(database)
        driver.fail_at, driver.code = "COMMIT", sqlite3.SQLITE_FULL
        with pytest.raises(LogFullError):
            await log.append(GENERAL, [says("a")], NOON)
        assert await head_of(log, GENERAL) == 0
        await log.append(GENERAL, [says("a")], NOON)
        assert await head_of(log, GENERAL) == 1

    async def test_check_says_when_there_is_no_room_to_commit(self, database: Database, driver: FaultyDriver) -> None:
        log = SqlLog(database)
        await log.check()
        driver.fail_at, driver.code = "COMMIT", sqlite3.SQLITE_FULL
        with pytest.raises(LogFullError):
            await log.check()

    async def test_a_database_that_another_process_holds_is_unavailable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("liaison.adapters.sql_engine._BUSY_TIMEOUT_S", 0.01)
        database = open_database(tmp_path / "office.db")
        log = SqlLog(database)
        other = sqlite3.connect(tmp_path / "office.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogUnavailableError, match="locked"):
            await log.append(GENERAL, [says("a")], NOON)
        assert await head_of(log, GENERAL) == 0
        other.execute("ROLLBACK")
        other.close()
        await log.append(GENERAL, [says("a")], NOON)
        await database.close()

    async def test_a_closed_database_refuses(self) -> None:
        database = memory_database()
        await database.close()
        with pytest.raises(StorageUnavailableError):
            await database.write(notes("a"))
        with pytest.raises(StorageUnavailableError):
            await database.read(lambda connection: None)


class TestUnknownOutcomes:
    @pytest.mark.parametrize("after", [True, False])
    async def test_an_error_of_commit_itself_is_unknown_and_ends_all_writing(
        self, database: Database, driver: FaultyDriver, after: bool
    ) -> None:
        reasons: list[str] = []
        database.call_on_fatal(reasons.append)
        log = SqlLog(database)
        await log.append(WEATHER, [says("before")], NOON)
        driver.fail_at, driver.code, driver.after = "COMMIT", sqlite3.SQLITE_IOERR, after
        results = await asyncio.gather(
            log.append(GENERAL, [says("a")], NOON), log.append(WEATHER, [says("b")], NOON), return_exceptions=True
        )
        assert [type(result) for result in results] == [UnknownOutcomeError, UnknownOutcomeError]
        assert reasons == ["put in by the test"]
        with pytest.raises(LogUnavailableError, match="COMMIT failed"):
            await log.append(GENERAL, [says("c")], NOON)
        with pytest.raises(LogUnavailableError):
            await log.check()
        assert reasons == ["put in by the test"]
        assert await head_of(log, WEATHER) == (2 if after else 1), "reads go on, whichever way it went"

    async def test_what_waited_behind_a_failed_commit_is_definitely_not_stored(
        self, database: Database, driver: FaultyDriver
    ) -> None:
        log = SqlLog(database)
        driver.fail_at = "COMMIT"
        first = asyncio.create_task(log.append(GENERAL, [says("a")], NOON))
        # One turn to begin waiting, one to take off: the next comes while the first is under way.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second = asyncio.create_task(log.append(WEATHER, [says("b")], NOON))
        results = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(result) for result in results] == [UnknownOutcomeError, LogUnavailableError]

    async def test_closing_waits_for_what_is_under_way_and_refuses_the_rest(self) -> None:
        started, go_on = asyncio.Event(), asyncio.Event()

        async def held_up(work: Callable[[], T]) -> T:
            started.set()
            await go_on.wait()
            return work()

        connection = connect(None)
        migrate(connection, None)
        writer = GroupWriter(connection, held_up, pytest.fail)
        under_way = asyncio.create_task(writer.write(notes("a")))
        await started.wait()
        waiting = asyncio.create_task(writer.write(notes("b")))
        await asyncio.sleep(0)
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0)
        assert not closing.done()
        go_on.set()
        assert await under_way == "a"
        with pytest.raises(StorageUnavailableError, match="closed"):
            await waiting
        await closing
        connection.engine.dispose()

    async def test_an_answer_that_is_lost_after_commit_is_unknown_and_the_next_append_goes_on(self) -> None:
        lose = False

        async def unreliable(work: Callable[[], T]) -> T:
            result = work()
            if lose:
                raise ConnectionError("put in by the test")
            return result

        run: Callable[[Callable[[], T]], Awaitable[T]] = unreliable
        database = memory_database(run)
        log = SqlLog(database)
        await log.append(GENERAL, [says("a")], NOON)
        lose = True
        with pytest.raises(UnknownOutcomeError):
            await log.append(GENERAL, [says("b")], NOON)
        lose = False
        assert await head_of(log, GENERAL) == 2, "it had been stored"
        await database.close()

    async def test_a_cancelled_writer_leaves_no_doubt_that_it_does_not_know(self) -> None:
        flights: list[asyncio.Future[object]] = []

        def cancellable(work: Callable[[], T]) -> Awaitable[T]:
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            flights.append(future)  # type: ignore[arg-type]
            return future

        connection = connect(None)
        migrate(connection, None)
        writer = GroupWriter(connection, cancellable, pytest.fail)
        waiting = asyncio.ensure_future(writer.write(notes("a")))
        while not flights:
            await asyncio.sleep(0)
        flights[0].cancel()
        with pytest.raises(StorageUnknownError):
            await waiting
        connection.engine.dispose()
