"""Opens an office's place in a PostgreSQL that many offices and nodes may share, and runs transactions there.

Each office has a namespace of its own (`liaison_<office>`), made and upgraded by whichever node comes first.

Upgrades while other nodes run: a step of migrations/ only adds, and what it adds has defaults, so that a node of the
version before goes on working, and may also start. Two steps ahead it may not.

What became of a transaction is never guessed. An error before COMMIT was sent: definitely not stored. An error that the
server reports and survives is its word that the transaction was taken back. The connection lost once COMMIT was sent,
or a warning instead of an error (a wait for the standby that was broken off): unknown.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import DBAPIError, IntegrityError

from liaison.adapters.postgres_lines import Driver, Line, Lines, PostgresSettings, may_retry, postgres_error
from liaison.adapters.sql_engine import SchemaError
from liaison.adapters.sql_migrations import STEPS, Migrations
from liaison.adapters.sql_writer import StorageUnavailableError, StorageUnknownError, Work
from liaison.core.identifiers import Millis

T = TypeVar("T")

# array_to_tsvector refuses empty words since 14, and 13 is out of its makers' care.
_MIN_VERSION: Final = 140_000

# Advisory locks by (one of these, hash of the namespace): others may use the same database.
_MIGRATION_LOCK: Final = 0x4C49_0001
_WRITE_LOCK: Final = 0x4C49_0002
_LOCK: Final = "SELECT pg_advisory_xact_lock(%s, hashtext(current_setting('search_path')))"

# 2024-01-01 UTC. Seconds since then fit the column until 2092.
_EPOCHS_BEGAN_MS: Final = 1_704_067_200_000

_OFFICE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class PostgresDatabase:
    """An office's database: transactions for the directory here, and lines for the log beside it."""

    def __init__(self, settings: PostgresSettings, remarks: Sequence[str]) -> None:
        """Use `open_postgres`."""
        # What an operator should know and what a server's journal is for; nothing that stands in the way.
        self.remarks: Final = tuple(remarks)
        self.appends: Final = Lines(settings, 1, "postgres-append")
        self.moves: Final = Lines(settings, 1, "postgres-move")
        self.reads: Final = Lines(settings, settings.readers, "postgres-read")
        self._directory: Final = Lines(settings, 1, "postgres-directory")

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; of all nodes' transactions begun here, one is under way at a time.

        `work` must neither begin nor end transactions, and may run twice, of which the first is rolled back. What it
        raises comes out here, and then nothing is stored; only the driver's errors other than IntegrityError come out
        as StorageUnavailableError.
        Cancellation: it may or may not be stored.

        Raises:
            StorageUnknownError: COMMIT was sent and nothing is known.
            StorageUnavailableError, StorageFullError: definitely not stored.
        """

        def transact(line: Line) -> T:
            connection = line.sql
            line.driver.execute("BEGIN")
            line.driver.execute(_LOCK, (_WRITE_LOCK,))
            return work(connection)

        return await self._directory.start(lambda line: in_transaction(line, transact, _commit))

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads; everything it sees is of one moment, after all writes that have returned.

        Raises StorageUnavailableError.
        """

        def look(line: Line) -> T:
            connection = line.sql
            line.driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                return work(connection)
            finally:
                line.roll_back()

        return await self._directory.read(look)

    async def close(self) -> None:
        """Finish what is under way, refuse the rest, close the connections. Idempotent."""
        for lines in (self.appends, self.moves, self.reads, self._directory):
            await asyncio.to_thread(lines.close)


def in_transaction(line: Line, work: Callable[[Line], T], commit: Callable[[Line, T], None]) -> T:
    """Run `work`, which begins a transaction, then `commit`, which sends COMMIT and perhaps more before it.

    `work` may run twice. Raises what it raises, the driver's errors translated; see the module's text for which.
    """
    for may_try_again in (True, False):
        was_open = not line.is_lost
        try:
            result = work(line)
        except IntegrityError:
            line.roll_back()
            raise
        except (psycopg.Error, DBAPIError) as error:
            line.roll_back()
            if may_try_again and may_retry(error, line, was_open=was_open):
                continue
            raise postgres_error(error) from error
        except BaseException:
            line.roll_back()
            raise
        line.take_warning()
        try:
            commit(line, result)
        except psycopg.Error as error:
            if line.is_lost:
                line.close()
                raise StorageUnknownError(f"the connection was lost at COMMIT: {error}") from error
            line.roll_back()
            if may_try_again and may_retry(error, line, was_open=True):
                continue
            raise postgres_error(error) from error
        except BaseException:
            # Before COMMIT was sent: what can't be written in UTF-8, for one.
            line.roll_back()
            raise
        if line.take_warning():
            raise StorageUnknownError("the server warned at COMMIT: it may not survive a failover")
        return result
    raise AssertionError("the second try returns or raises")


def _commit(line: Line, _result: object) -> None:
    line.driver.execute("COMMIT")


# ------------------------------------------------------------------------------------------------------------- opening


def open_postgres(settings: PostgresSettings, *, create: bool = True, steps: Path = STEPS) -> PostgresDatabase:
    """Open the office's namespace, brought to our schema where needed; blocking. Close it with `close`.

    Any number of nodes may do so at once. With `create` an office that isn't there yet is begun.

    Raises:
        SchemaError: the office isn't there, or not ours, or of a schema that this version can't work with.
        StorageUnavailableError: the server can't be reached, lets us not in, is too old or would not keep a promise.
    """
    line = _first_line(settings)
    try:
        _check_server(line.driver, settings)
        if not create and not _has_tables(line.driver):
            raise _no_office(settings)
        remarks = [*_doubts(line.driver), *_migrate(line, settings, Migrations(steps))]
    except (psycopg.Error, DBAPIError) as error:
        raise StorageUnavailableError(f"{settings.place}: {postgres_error(error)}") from error
    finally:
        line.close()
    return PostgresDatabase(settings, remarks)


def begin_epoch(settings: PostgresSettings, now_ms: Millis) -> int:
    """Begin an epoch that never was, and give it: to be done after a restore to an earlier moment; blocking.

    The database can't know which epochs were begun after the moment that it was brought back to. So the new one is the
    number of seconds since 2024, which is above every epoch that any earlier restore began. (PROTOCOL.md §5.2)

    Raises as open_postgres.
    """
    seconds = max(0, now_ms - _EPOCHS_BEGAN_MS) // 1000
    line = _first_line(settings)
    try:
        with line.driver.transaction():
            # Appends that are under way end first, and later ones see the new epoch.
            line.driver.execute("LOCK TABLE channel_head IN EXCLUSIVE MODE")
            row = line.driver.execute(
                "UPDATE office SET epoch = greatest(epoch + 1, %s) RETURNING epoch", (seconds,)
            ).fetchone()
    except psycopg.errors.UndefinedTable as error:
        raise _no_office(settings) from error
    except psycopg.Error as error:
        raise StorageUnavailableError(f"{settings.place}: {postgres_error(error)}") from error
    finally:
        line.close()
    assert row is not None, "the office has one row"
    return int(row[0])


def _first_line(settings: PostgresSettings) -> Line:
    if _OFFICE_NAME.fullmatch(settings.office) is None:
        raise SchemaError(f"{settings.office!r} can't name a namespace: use a-z, 0-9 and -, up to 32")
    try:
        conninfo_to_dict(settings.url)
    except psycopg.ProgrammingError as error:
        raise StorageUnavailableError(
            "postgres.url can't be read; one looks like postgresql://liaison@db.example:5432/liaison"
        ) from error
    line = Line(settings)
    try:
        line.driver.execute("SELECT")
    except psycopg.Error as error:
        line.close()
        # libpq writes a line for each address it tried, and hints below them.
        reason = str(error).splitlines()[0].removeprefix("connection failed: ")
        raise StorageUnavailableError(f"cannot use {settings.place}: {reason}") from error
    return line


def _no_office(settings: PostgresSettings) -> SchemaError:
    return SchemaError(f"there is no office {settings.office!r} in {settings.place}; office.id is its name")


def _check_server(driver: Driver, settings: PostgresSettings) -> None:
    if driver.info.server_version < _MIN_VERSION:
        raise StorageUnavailableError(
            f"{settings.place} is version {driver.info.server_version // 10_000}; liaison needs 14 or later"
        )
    if _setting(driver, "server_encoding") != "UTF8":
        raise StorageUnavailableError(f"{settings.place} is not in UTF8: create it with ENCODING 'UTF8'")
    if _setting(driver, "synchronous_commit") == "off":
        raise StorageUnavailableError(
            f"{settings.place} has synchronous_commit off and would lose acknowledged messages at a crash; set it to on"
        )


def _doubts(driver: Driver) -> Iterator[str]:
    if _setting(driver, "fsync") == "off":
        yield "PostgreSQL runs with fsync off: a power cut loses acknowledged messages"
    if _setting(driver, "synchronous_commit") == "local" and _setting(driver, "synchronous_standby_names"):
        yield "PostgreSQL has synchronous_commit local: a failover to the standby may lose acknowledged messages"


def _setting(driver: Driver, name: str) -> object:
    row = driver.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None, "an unknown setting raises"
    return row[0]


def _migrate(line: Line, settings: PostgresSettings, migrations: Migrations) -> list[str]:
    driver = line.driver
    # Nodes that start at once come one after the other here.
    with driver.transaction():
        driver.execute(_LOCK, (_MIGRATION_LOCK,))
        _make_namespace(driver, settings.namespace)
    # Only now, because SQLAlchemy asks once and for all where it is.
    connection = line.sql
    driver.execute("BEGIN")
    driver.execute(_LOCK, (_MIGRATION_LOCK,))
    current = migrations.revision_of(connection)
    if current is None and _has_tables(driver):
        raise SchemaError(f"the namespace {settings.namespace} in {settings.place} holds tables of something else")
    remarks = []
    if current is not None and current not in migrations.known:
        _check_newer(current, migrations.head, settings)
        remarks.append(f"the schema is {current}, one step ahead of this version of liaison")
    elif current != migrations.head:
        migrations.upgrade(connection)
        remarks.append(f"upgraded the schema from {current or 'nothing'} to {migrations.head}")
    driver.execute("COMMIT")
    return remarks


def _make_namespace(driver: Driver, namespace: str) -> None:
    # IF NOT EXISTS would ask for the right to create one, also where an administrator has done it for us.
    there = driver.execute("SELECT to_regnamespace(%s) IS NOT NULL", (namespace,)).fetchone()
    if there != (True,):
        driver.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(namespace)))


def _has_tables(driver: Driver) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema())"
    return driver.execute(query).fetchone() == (True,)


def _check_newer(current: str, head: str, settings: PostgresSettings) -> None:
    """Let a node of one step before in: that step only added. Revisions are numbers with leading zeros."""
    if current.isdecimal() and head.isdecimal() and int(current) == int(head) + 1:
        return
    raise SchemaError(
        f"{settings.place} has schema {current} in {settings.namespace}, this version of liaison knows those up to"
        f" {head}: install the version that wrote it"
    )
