"""Opens the office's database: files and their modes, settings, schema, and who may use which connection.

One connection writes and others read. Blocking work runs through what the caller gives: threads in production, on the
spot in a simulation.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from liaison.adapters.data_directory import DataDirectory
from liaison.adapters.sql_migrations import STEPS, Migrations
from liaison.adapters.sql_reader import GroupReader
from liaison.adapters.sql_writer import (
    GroupWriter,
    RunBlocking,
    StorageUnavailableError,
    Work,
    driver_of,
    storage_error,
)
from liaison.adapters.work_threads import WorkThreads

T = TypeVar("T")

# How long a statement waits for another process (a command beside the running server) before it is refused.
_BUSY_TIMEOUT_S: Final = 5.0
# Two, so that a long search does not hold up a page of history; more would only share the same disk.
_READERS: Final = 2

_SETTINGS: Final = (
    "PRAGMA journal_mode = WAL",
    # FULL, because NORMAL loses the last commits at a power cut, and an acknowledged message is never lost.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # The file may come from a backup that somebody else had in hand: its triggers and views get no dangerous functions.
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
    # The log file shrinks to this after it was checkpointed; without a limit it stays as large as it ever was.
    f"PRAGMA journal_size_limit = {64 << 20}",
    f"PRAGMA cache_size = -{32 << 10}",
)


class SchemaError(Exception):
    """The file is no database of ours, or of a version that this one doesn't know; it was not changed."""


class Database:
    """An open database: writes join in groups, reads see one moment each."""

    def __init__(
        self, writer: Connection, readers: Sequence[Connection], run_write: RunBlocking, run_read: RunBlocking
    ) -> None:
        """Use `open_database` or `memory_database`."""
        self._writer_connection: Final = writer
        self._reader: Final = GroupReader(readers, run_read)
        self._threads: tuple[WorkThreads, ...] = ()
        self._on_fatal: Callable[[str], None] = lambda _reason: None
        self._writer: Final = GroupWriter(writer, run_write, self._tell_fatal)

    def call_on_fatal(self, on_fatal: Callable[[str], None]) -> None:
        """Name who is told, once, that a COMMIT failed and nothing will be written any more: stop the process then."""
        self._on_fatal = on_fatal

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction shared with others; returns after its commit. See GroupWriter.write."""
        return await self._writer.write(work)

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads; everything it sees is of one moment, after all writes that have returned.

        Raises StorageUnavailableError.
        """
        return await self._reader.read(work)

    def epoch_now(self) -> int:
        """Give the epoch; blocking, before anything else is done."""
        (epoch,) = driver_of(self._writer_connection).execute("SELECT epoch FROM office").fetchone()
        return int(epoch)

    def begin_epoch(self, epoch: int) -> None:
        """Set the epoch; blocking, before anything else is done."""
        driver_of(self._writer_connection).execute("UPDATE office SET epoch = ?", (epoch,))

    async def close(self) -> None:
        """Finish what is being written, refuse the rest, close the files. Idempotent."""
        await self._writer.close()
        for threads in self._threads:
            threads.shutdown()
        self._reader.close()
        self._writer_connection.engine.dispose()

    def _tell_fatal(self, reason: str) -> None:
        self._on_fatal(reason)


def open_office(directory: DataDirectory) -> Database:
    """Open a data directory's database, and see to it that its epoch is none that was used before; blocking.

    A database that somebody put there by hand, or that is new because the old one was lost, begins an epoch of its own.

    Raises:
        SchemaError, StorageUnavailableError: as `open_database`.
        EpochMarkError: the noted epoch can't be read.
    """
    try:
        marked = directory.marked_epoch()
        if marked and not directory.database.exists():
            # Before the new one is made, whose first epoch was the lost one's too.
            marked += 1
            directory.mark_epoch(marked)
        database = open_database(directory.database)
        epoch = database.epoch_now()
        if epoch < marked:
            epoch = marked + 1
        if epoch > marked:
            # First the mark: if we stop in between, an epoch is skipped and none is used twice.
            directory.mark_epoch(epoch)
            database.begin_epoch(epoch)
    except OSError as error:
        raise StorageUnavailableError(f"cannot use {directory.epoch_mark}: {error.strerror}") from error
    return database


def open_database(path: Path) -> Database:
    """Open a database file, made or brought to our schema where needed; blocking. Close it with `Database.close`.

    The folder and the files are for their owner only. Before an existing file is upgraded, a copy is put beside it.

    Raises:
        SchemaError: the file is not ours or too new.
        StorageUnavailableError: it can't be opened or written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite would make the file by the umask; its -wal and -shm take the mode of the file itself.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StorageUnavailableError(f"cannot open {path}: {error.strerror}") from error
    try:
        writer = connect(path)
        migrate(writer, path)
        readers = [connect(path, query_only=True) for _ in range(_READERS)]
    except (sqlite3.Error, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise SchemaError(f"{path} is not a database of liaison") from error
        raise storage_error(error) from error
    write_thread = WorkThreads(1, "database-writer")
    read_threads = WorkThreads(_READERS, "database-reader")
    database = Database(writer, readers, write_thread, read_threads)
    database._threads = (write_thread, read_threads)  # noqa: SLF001 # closed with what uses them
    return database


def memory_database(run_blocking: RunBlocking | None = None) -> Database:
    """Give a database that lives as long as it is open: for tests and simulations.

    Its work runs one piece at a time through `run_blocking`, by default on the spot, where it needs no thread.
    """
    connection = connect(None)
    driver_of(connection).deserialize(_new_office())
    run = run_blocking or run_inline
    return Database(connection, [connection], run, run)


@cache
def _new_office() -> bytes:
    connection = connect(None)
    migrate(connection, None)
    try:
        return driver_of(connection).serialize()
    finally:
        connection.engine.dispose()


async def run_inline(work: Callable[[], T]) -> T:
    """Run blocking work on the spot: the event loop stands still meanwhile, and every run is like the last."""
    return work()


def connect(path: Path | None, *, query_only: bool = False) -> Connection:
    """Give a connection with our settings, None being a database in memory. Raises sqlite3.Error.

    SQLAlchemy begins and ends no transactions on it; `GroupWriter` and `Database.read` do. One thread at a time.
    """
    target = ":memory:" if path is None else str(path)
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(
            target, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
        ),
        poolclass=StaticPool,
        isolation_level="AUTOCOMMIT",
    )
    connection = engine.connect()
    driver = driver_of(connection)
    for setting in _SETTINGS:
        driver.execute(setting).close()
    if query_only:
        driver.execute("PRAGMA query_only = ON")
    return connection


def migrate(connection: Connection, path: Path | None) -> None:
    """Bring the schema to our version, in one transaction. Raises SchemaError."""
    migrations = Migrations(STEPS)
    current = migrations.revision_of(connection)
    if current == migrations.head:
        return
    if current is not None and current not in migrations.known:
        raise SchemaError(
            f"the database has schema {current}, this version of liaison knows those up to {migrations.head}:"
            " install the version that wrote it, or restore a backup from before its upgrade"
        )
    driver = driver_of(connection)
    if current is None and driver.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        raise SchemaError(f"{path} holds tables of something else")
    if current is not None and path is not None:
        _copy_aside(driver, path.with_name(f"{path.name}.before-upgrade-from-{current}"))
    driver.execute("BEGIN EXCLUSIVE")
    try:
        migrations.upgrade(connection)
    except BaseException:
        driver.execute("ROLLBACK")
        raise
    driver.execute("COMMIT")


def _copy_aside(driver: sqlite3.Connection, target: Path) -> None:
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    copy = sqlite3.connect(target)
    try:
        driver.backup(copy)
    finally:
        copy.close()
