"""Group commit: everything that waits to be written while one transaction commits shares the next one.

A piece that fails takes nothing else with it: the transaction begins again, then with a savepoint around each piece.
What became of a piece is one of three things and never guessed: stored, definitely not stored, unknown.
(PROTOCOL.md §5.1)

    StorageError
    ├── StorageUnavailableError    definitely not stored; trying again may help
    │   └── StorageFullError       because there is no room
    └── StorageUnknownError        COMMIT was begun and nothing is known
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

T = TypeVar("T")
Work = Callable[[Connection], T]


class StorageError(Exception):
    """The database did not do what was asked."""


class StorageUnavailableError(StorageError):
    """Definitely not stored, or not read; trying again may help."""


class StorageFullError(StorageUnavailableError):
    """Definitely not stored, because there is no room; reads go on."""


class StorageUnknownError(StorageError):
    """COMMIT was begun and nothing is known: stored or not."""


class RunBlocking(Protocol):
    """Runs blocking work where it holds up nobody: in a thread, or in a simulation on the spot."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Start the work, one piece after the other in the order of the calls."""
        ...


class Transactions(Protocol):
    """Where work on tables runs, on whatever database: sql_engine's on SQLite, postgres_engine's on PostgreSQL."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction, and return after its commit; see the classes for what it raises."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads; everything it sees is of one moment, after all writes that have returned."""
        ...


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Give the driver's own connection, for statements that run so often that SQLAlchemy's share of them counts."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def storage_error(error: sqlite3.Error | DBAPIError) -> StorageUnavailableError:
    """Translate a driver's error from before COMMIT, when all is still certain."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return StorageFullError("the disk is full")
    return StorageUnavailableError(str(cause))


def _told(error: Exception) -> Exception:
    if isinstance(error, sqlite3.Error | DBAPIError) and not isinstance(error, IntegrityError):
        return storage_error(error)
    return error


@dataclass(slots=True)
class _Job:
    """A piece of work and who waits for it. Exactly one of `value` and `error` holds once the transaction is over."""

    work: Work[object]
    waiter: asyncio.Future[object]
    value: object = None
    error: Exception | None = None


class _TransactionLostError(Exception):
    """SQLite took the whole transaction back, as it may on a full disk; nothing of it is stored."""

    def __init__(self, reason: StorageError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Transaction:
    """Runs jobs in one transaction on one connection; blocking."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Final = connection
        self._driver: Final = driver_of(connection)

    def run(self, jobs: Sequence[_Job]) -> str:
        """Run and commit the jobs, and write down what became of each.

        Gives the reason when the COMMIT itself failed, else an empty string. Raises nothing.
        """
        try:
            self._run_all(jobs)
        except sqlite3.Error as error:
            self._fail(jobs, storage_error(error))
            return ""
        except _TransactionLostError as lost:
            self._fail(jobs, lost.reason)
            return ""
        return self._commit(jobs)

    def _run_all(self, jobs: Sequence[_Job]) -> None:
        self._driver.execute("BEGIN IMMEDIATE")
        # Nearly always nothing fails, and a savepoint makes the search index write out what it gathered: a hundred
        # appends to as many channels take three times as long with one around each.
        for job in jobs:
            self._run_one(job)
            if job.error is not None:
                break
        else:
            return
        self._driver.execute("ROLLBACK")
        self._driver.execute("BEGIN IMMEDIATE")
        for job in jobs:
            self._driver.execute("SAVEPOINT job")
            self._run_one(job)
            if job.error is not None:
                self._driver.execute("ROLLBACK TO job")
            self._driver.execute("RELEASE job")

    def _run_one(self, job: _Job) -> None:
        job.error = None
        try:
            job.value = job.work(self._connection)
        # The outermost boundary of a job: whatever it raises belongs to the one who waits for it, not to the others.
        except Exception as error:
            job.error = _told(error)
            if not self._driver.in_transaction:
                lost = job.error if isinstance(job.error, StorageError) else StorageUnavailableError(str(error))
                raise _TransactionLostError(lost) from error

    def _commit(self, jobs: Sequence[_Job]) -> str:
        try:
            self._driver.execute("COMMIT")
        except sqlite3.Error as error:
            # In WAL mode the pages are written at COMMIT, the one that makes them count last, and before any fsync. So
            # no room for them means for certain that nothing is stored. A failed fsync has another code.
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                self._fail(jobs, storage_error(error))
                return ""
            self._fail(jobs, StorageUnknownError(f"COMMIT failed: {error}"))
            return str(error) or type(error).__name__
        return ""

    def _fail(self, jobs: Sequence[_Job], error: StorageError) -> None:
        with suppress(sqlite3.Error):
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK")
        for job in jobs:
            job.error = error


class GroupWriter:
    """The one writer of a database, as the event loop sees it."""

    def __init__(self, connection: Connection, run: RunBlocking, on_fatal: Callable[[str], None]) -> None:
        """`on_fatal` is told, on the event loop and once, why nothing can be written any more."""
        self._transaction: Final = Transaction(connection)
        self._run: Final = run
        self._on_fatal: Final = on_fatal
        self._waiting: list[_Job] = []
        self._flight: asyncio.Future[str] | None = None
        self._start: asyncio.Handle | None = None
        self._refusal = ""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction that it shares with others, and return after the commit.

        `work` must neither begin nor end transactions, and may run twice, of which the first is rolled back. What it
        raises comes out here, and then nothing of it is stored; only the driver's errors other than IntegrityError come
        out as StorageUnavailableError.
        Cancellation: it may or may not be stored.

        Raises:
            StorageUnknownError: COMMIT was begun and nothing is known.
            StorageUnavailableError, StorageFullError: definitely not stored.
        """
        if self._refusal:
            raise StorageUnavailableError(self._refusal)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Job(work, waiter))  # type: ignore[arg-type] # a future of any type waits here
        if self._flight is None and self._start is None:
            # Not now: everything else that this turn of the loop brings shall come along.
            self._start = loop.call_soon(self._take_off)
        return await waiter

    async def close(self) -> None:
        """Wait for what is being written, and refuse everything else."""
        self._refusal = self._refusal or "the database is closed"
        self._refuse_waiting()
        if self._flight is not None:
            await asyncio.wait([self._flight])

    def _take_off(self) -> None:
        self._start = None
        jobs, self._waiting = self._waiting, []
        if not jobs:
            return
        try:
            flight = asyncio.ensure_future(self._run(lambda: self._transaction.run(jobs)))
        except RuntimeError as error:  # The threads are shut down: nothing was begun.
            for job in jobs:
                job.error = StorageUnavailableError(str(error))
                _answer(job)
            return
        self._flight = flight
        flight.add_done_callback(lambda landed: self._land(jobs, landed))

    def _land(self, jobs: Sequence[_Job], landed: asyncio.Future[str]) -> None:
        self._flight = None
        lost = landed.cancelled() or landed.exception()
        for job in jobs:
            if lost:
                job.error = StorageUnknownError(f"the answer to COMMIT was lost: {lost}")
            _answer(job)
        reason = "" if lost else landed.result()
        if reason:
            # After a failed fsync SQLite goes on acknowledging what may never reach the disk.
            self._refusal = f"stopped after COMMIT failed: {reason}"
            self._refuse_waiting()
            self._on_fatal(reason)
        elif self._waiting:
            self._take_off()

    def _refuse_waiting(self) -> None:
        jobs, self._waiting = self._waiting, []
        for job in jobs:
            job.error = StorageUnavailableError(self._refusal)
            _answer(job)


def _answer(job: _Job) -> None:
    if job.waiter.done():  # Cancelled meanwhile.
        return
    if job.error is None:
        job.waiter.set_result(job.value)
    else:
        job.waiter.set_exception(job.error)
