"""Connections to PostgreSQL: each with a thread at a time, made anew when lost, and never waited for without a bound.

Blocking connections in threads and not psycopg's own asyncio: the directory's statements are SQLAlchemy's and need a
thread anyhow, so there is one kind of connection to reason about; and a transaction that holds a channel's head isn't
held any longer because the event loop is busy.
"""

import asyncio
import os
import select
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from liaison.adapters.sql_writer import StorageFullError, StorageUnavailableError
from liaison.adapters.work_threads import WorkThreads

T = TypeVar("T")
Driver = psycopg.Connection[TupleRow]

# A node that stands still in the middle of an append holds its channels' heads; the server ends it after this, and the
# others go on.
_IDLE_IN_TRANSACTION_S: Final = 3
# Of those who wait for a head that is held like that, none is refused.
_LOCK_TIMEOUT_S: Final = 5

_DISK_FULL: Final = psycopg.errors.DiskFull.sqlstate
# The whole transaction was taken back because of what others did, or because the connection went away.
_WORTH_A_RETRY: Final = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """How to reach the database; `office` names the namespace that holds everything of ours.

    `readers` is how many pages of history and searches are looked up at a time.
    """

    url: str = field(repr=False)
    office: str
    password: str = field(default="", repr=False)
    readers: int = 4
    connect_timeout_s: int = 5
    statement_timeout_s: float = 10.0

    @property
    def namespace(self) -> str:
        """The PostgreSQL schema of this office; an id has no underscores, so no two offices share one."""
        return f"liaison_{self.office.replace('-', '_')}"

    @property
    def place(self) -> str:
        """Where the database is, for messages; without the password. Raises psycopg.ProgrammingError."""
        parts = conninfo_to_dict(self.url)
        host, port = parts.get("host", "the local socket"), parts.get("port", 5432)
        return f"PostgreSQL at {host}:{port}, database {parts.get('dbname', parts.get('user', 'postgres'))!r}"


def connect(settings: PostgresSettings) -> Driver:
    """Give a connection in autocommit; blocking, bounded by the timeouts. Raises psycopg.Error."""
    given = conninfo_to_dict(settings.url)
    session = {
        "search_path": settings.namespace,
        "statement_timeout": int(settings.statement_timeout_s * 1000),
        "lock_timeout": _LOCK_TIMEOUT_S * 1000,
        "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION_S * 1000,
        # The head is read after it was locked, by a statement of its own: only so does it show what others committed.
        "default_transaction_isolation": "read\\ committed",
        # Every statement of ours looks things up by an index. A plan that was made while a table was small would go
        # through all of it, and is kept.
        "enable_seqscan": "off",
        "jit": "off",
    }
    ours: dict[str, object] = {
        "connect_timeout": settings.connect_timeout_s,
        "application_name": "liaison",
        # After a failover a list of hosts in the URL leads to the one that takes writes.
        "target_session_attrs": "read-write",
        # Half a minute until a dead network is noticed by an idle connection, ten seconds by one with something sent.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 4,
        "tcp_user_timeout": 10_000,
    }
    options = f"{given.pop('options', '') or ''} " + " ".join(f"-c {name}={value}" for name, value in session.items())
    if settings.password:
        given["password"] = settings.password
    parameters = {**ours, **given, "options": options.strip()}
    driver = psycopg.connect(autocommit=True, prepare_threshold=0, **parameters)  # type: ignore[arg-type]
    # A node runs few statements and all of them all the time.
    driver.prepared_max = 200
    return driver


def postgres_error(error: psycopg.Error | DBAPIError) -> StorageUnavailableError:
    """Translate a driver's error from before COMMIT was sent, when all is still certain."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    text = next(iter(str(cause).splitlines()), type(cause).__name__)
    if isinstance(cause, psycopg.Error) and cause.sqlstate == _DISK_FULL:
        return StorageFullError(text)
    return StorageUnavailableError(text)


class Line:
    """One connection, for one thread at a time; opened when it is first needed and again after it was lost."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings: Final = settings
        self._driver: Driver | None = None
        self._socket: socket.socket | None = None
        self._sql: Connection | None = None
        self._warned = False

    @property
    def driver(self) -> Driver:
        """The open connection; blocking. Raises psycopg.Error."""
        if self._driver is None:
            driver = connect(self._settings)
            driver.add_notice_handler(self._on_notice)
            # A descriptor of its own, so that `abort` can't hit one that was closed and given to somebody else.
            self._socket = socket.socket(fileno=os.dup(driver.fileno()))
            self._driver = driver
        return self._driver

    @property
    def sql(self) -> Connection:
        """The same connection as SQLAlchemy sees it; it begins and ends no transactions. Raises psycopg.Error."""
        if self._sql is None:
            driver = self.driver
            engine = create_engine(
                "postgresql+psycopg://",
                creator=lambda: driver,
                poolclass=StaticPool,
                isolation_level="AUTOCOMMIT",
                pool_reset_on_return=None,
                use_native_hstore=False,
            )
            self._sql = engine.connect()
        return self._sql

    @property
    def is_lost(self) -> bool:
        """Whether nothing more will come of the present connection."""
        return self._driver is None or self._driver.broken or self._driver.closed

    @property
    def is_quiet(self) -> bool:
        """Whether it is open, and the server hasn't said anything unasked: mostly that it is going."""
        if self._socket is None or self.is_lost:
            return False
        listener = select.poll()
        listener.register(self._socket, select.POLLIN)
        return not listener.poll(0)

    def take_warning(self) -> bool:
        """Say whether the server warned of something since this was last asked."""
        warned, self._warned = self._warned, False
        return warned

    def roll_back(self) -> None:
        """End what was begun, if anything was; when that can't be done, give the connection up."""
        try:
            if self._driver is not None and not self._driver.broken:
                self._driver.rollback()
        except psycopg.Error:
            self.close()
        if self.is_lost:
            self.close()

    def close(self) -> None:
        """Close; the next use opens another. Idempotent."""
        if self._sql is not None:
            # It would end a transaction of its own making first, which fails on a connection that was lost.
            with suppress(DBAPIError):
                self._sql.close()
        if self._driver is not None:
            with suppress(psycopg.Error):
                self._driver.close()
        if self._socket is not None:
            self._socket.close()
        self._driver = self._socket = self._sql = None

    def abort(self) -> None:
        """Cut the connection from another thread: whoever waits for it gets an error at once."""
        cut = self._socket
        if cut is not None:
            with suppress(OSError):
                cut.shutdown(socket.SHUT_RDWR)

    def _on_notice(self, notice: psycopg.errors.Diagnostic) -> None:
        self._warned = self._warned or notice.severity_nonlocalized == "WARNING"


class Lines:
    """Some connections with as many threads. Work waits its turn for a free one."""

    def __init__(self, settings: PostgresSettings, count: int, name: str) -> None:
        # Twice a statement's own bound: the server is to say what was wrong, this is for when it says nothing.
        self._patience_s: Final = 2 * settings.statement_timeout_s
        self._idle: Final = deque(Line(settings) for _ in range(count))
        self._threads: Final = WorkThreads(count, name)

    def start(self, work: Callable[[Line], T]) -> "asyncio.Future[T]":
        """Run blocking work on a line; one that takes too long is cut off and then raises what the driver says.

        Cancelling the future ends nothing that has begun. The future raises what `work` raises, or
        StorageUnavailableError when it never got its turn.

        Raises StorageUnavailableError: the lines are closed.
        """
        turn = _Turn()
        try:
            answer = self._threads(lambda: self._on_a_line(work, turn))
        except RuntimeError as error:  # Shut down.
            raise StorageUnavailableError("the database is closed") from error
        bound = asyncio.get_running_loop().call_later(self._patience_s, _cut, answer, turn)
        answer.add_done_callback(lambda _answer: bound.cancel())
        return answer

    async def read(self, work: Callable[[Line], T]) -> T:
        """Run work that changes nothing; once more when the connection was lost. Raises StorageUnavailableError."""
        return await self.start(lambda line: _twice(line, work))

    def close(self) -> None:
        """Wait for what was begun or waits, and close; blocking. Idempotent."""
        self._threads.shutdown()
        for line in self._idle:
            line.close()

    def _on_a_line(self, work: Callable[[Line], T], turn: "_Turn") -> T:
        if not turn.take():
            raise StorageUnavailableError("nobody waits for this any more")
        line = self._idle.popleft()
        turn.line = line
        try:
            return work(line)
        finally:
            turn.line = None
            self._idle.append(line)


class _Turn:
    """A piece of work's turn, which either its thread takes or whoever gives it up: never both, in whatever thread."""

    def __init__(self) -> None:
        self.line: Line | None = None
        """The line that it works on, while it does."""
        self._taken: Final = Lock()

    def take(self) -> bool:
        """Take it; False when it is gone."""
        return self._taken.acquire(blocking=False)


def _cut(answer: "asyncio.Future[T]", turn: _Turn) -> None:
    if answer.done():
        return
    if turn.take():
        answer.set_exception(StorageUnavailableError("the database doesn't answer"))
    elif (line := turn.line) is not None:
        line.abort()


def _twice(line: Line, work: Callable[[Line], T]) -> T:
    was_open = not line.is_lost
    try:
        return work(line)
    except (psycopg.Error, DBAPIError) as error:
        line.roll_back()
        if not may_retry(error, line, was_open=was_open):
            raise postgres_error(error) from error
    try:
        return work(line)
    except (psycopg.Error, DBAPIError) as error:
        line.roll_back()
        raise postgres_error(error) from error


def may_retry(error: psycopg.Error | DBAPIError, line: Line, *, was_open: bool) -> bool:
    """Whether trying once more at once may help: a connection had been lost meanwhile, or others were in the way."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, _WORTH_A_RETRY) or (was_open and line.is_lost)
