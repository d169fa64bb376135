"""Group reads: what is asked for while all readers are busy shares the next turn of a thread.

Handing work to a thread and its result back costs 60 to 100 µs, whatever is read; while thousands of clients come back
at once that is more than the reading. A read that finds a reader free goes alone and at once.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from liaison.adapters.sql_writer import (
    RunBlocking,
    StorageError,
    StorageUnavailableError,
    Work,
    driver_of,
    storage_error,
)

T = TypeVar("T")

# A page of history takes 0.1 to 1 ms: whoever shares a turn with a dozen of them waits little longer than in a queue.
MAX_SHARED: Final = 16


@dataclass(slots=True)
class _Job:
    """A read that waits. Exactly one of `value` and `error` holds once it was run."""

    work: Work[object]
    waiter: asyncio.Future[object]
    value: object = None
    error: Exception | None = None


class GroupReader:
    """The connections of a database that only read, as the event loop sees them."""

    def __init__(self, readers: Sequence[Connection], run: RunBlocking) -> None:
        self._idle: Final = deque(readers)
        self._free = len(readers)
        self._run: Final = run
        self._waiting: deque[_Job] = deque()
        self._flights: set[asyncio.Future[None]] = set()

    async def read(self, work: Work[T]) -> T:
        """Run `work`; everything it sees is of one moment, after all writes that have returned.

        What it raises comes out here, the driver's errors as StorageUnavailableError.
        """
        if self._free:
            self._free -= 1
            try:
                return await self._run(lambda: self._now(lambda reader: _result(work, reader)))
            finally:
                self._free += 1
                self._share_next()
        job = _Job(cast("Work[object]", work), asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        return cast(T, await job.waiter)

    def close(self) -> None:
        """Close the files, once no thread reads any more; what waits is refused."""
        while self._idle:
            self._idle.popleft().engine.dispose()
        self._refuse(self._waiting)
        self._waiting.clear()

    def _share_next(self) -> None:
        if not self._waiting or not self._free:
            return
        jobs = [self._waiting.popleft() for _ in range(min(MAX_SHARED, len(self._waiting)))]
        self._free -= 1
        try:
            flight = asyncio.ensure_future(self._run(lambda: self._now(lambda reader: _run_all(jobs, reader))))
        except RuntimeError:  # The threads are shut down.
            self._free += 1
            self._refuse(jobs)
            return
        self._flights.add(flight)
        flight.add_done_callback(lambda landed: self._land(jobs, landed))

    def _land(self, jobs: Sequence[_Job], landed: asyncio.Future[None]) -> None:
        self._flights.discard(landed)
        self._free += 1
        failure = StorageUnavailableError("the reading was broken off") if landed.cancelled() else landed.exception()
        for job in jobs:
            if job.waiter.done():  # Cancelled meanwhile.
                continue
            error = job.error or failure
            if error is None:
                job.waiter.set_result(job.value)
            else:
                job.waiter.set_exception(error)
        self._share_next()

    @staticmethod
    def _refuse(jobs: Iterable[_Job]) -> None:
        for job in jobs:
            if not job.waiter.done():
                job.waiter.set_exception(_closed())

    def _now(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a reader, within one transaction; blocking."""
        try:
            reader = self._idle.popleft()
        except IndexError as error:
            raise _closed() from error
        driver = driver_of(reader)
        try:
            driver.execute("BEGIN")
            try:
                return work(reader)
            finally:
                if driver.in_transaction:
                    driver.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise storage_error(error) from error
        finally:
            self._idle.append(reader)


def _closed() -> StorageError:
    return StorageUnavailableError("the database is closed")


def _result(work: Work[T], reader: Connection) -> T:
    try:
        return work(reader)
    except (sqlite3.Error, DBAPIError) as error:
        raise storage_error(error) from error


def _run_all(jobs: Sequence[_Job], reader: Connection) -> None:
    for job in jobs:
        try:
            job.value = _result(job.work, reader)
        # The outermost boundary of a job: whatever it raises belongs to the one who waits for it, not to the others.
        except Exception as error:  # noqa: BLE001
            job.error = error
