"""A real PostgreSQL of Debian's package, in a folder of its own on a free port; ended by its process id."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import psycopg

from liaison.adapters.postgres_engine import open_postgres
from liaison.adapters.postgres_lines import PostgresSettings

_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 20.0
PASSWORD: Final = "correct horse"
_PATTERN: Final = "liaison_pattern"

# Small and quick to start. What a test wants to see survive a crash of the machine sets fsync on.
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "dynamic_shared_memory_type": "mmap",
    "log_line_prefix": "'%m [%p] '",
}


class PostgresServer:
    """One server, for as many starts as a test likes. `with` makes, starts and at last removes it."""

    def __init__(self, settings: Mapping[str, str] = {}) -> None:
        self.port: Final = _free_port()
        self._settings: Final = {**_SETTINGS, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        # Not pytest's folder: the server doesn't run as root, and couldn't reach into it.
        self._folder: Final = Path(tempfile.mkdtemp(prefix="liaison-pg-"))
        self._account: Final = "postgres" if os.geteuid() == 0 else None
        self._offices = 0
        # The statements that make an office, in the namespace _PATTERN.
        self._furniture = ""

    @property
    def data(self) -> Path:
        return self._folder / "data"

    @property
    def folder(self) -> Path:
        """Where it may read and write, whoever it runs as."""
        return self._folder

    @property
    def journal(self) -> str:
        """What the server wrote about itself."""
        return (self._folder / "journal").read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def url(self, database: str = "postgres", *, port: int = 0, password: str = PASSWORD) -> str:
        """The way in, also through a proxy on another port; without a password if it is empty."""
        user = f"postgres:{quote(password)}" if password else "postgres"
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's own programs, such as pg_dump, on this server, and give what it prints."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        command = [str(_program(program)), *where, *arguments]
        finished = subprocess.run(command, check=True, timeout=60, env=environment, stdout=subprocess.PIPE)
        return finished.stdout.decode()

    def new_office(self) -> str:
        """Give the id of an office that has no namespace here yet."""
        self._offices += 1
        return f"test-{self._offices}"

    def furnished_office(self) -> str:
        """Give the id of a new office that is at the newest schema.

        It is a copy of one that took all the steps there, and takes a quarter of the time of taking them.
        """
        if not self._furniture:
            self._furniture = self._one_office()
        office = self.new_office()
        namespace = PostgresSettings(self.url(), office).namespace
        self.execute(self._furniture.replace(_PATTERN, namespace))
        return office

    def _one_office(self) -> str:
        settings = PostgresSettings(self.url(), _PATTERN.removeprefix("liaison_"))
        # A loop may run in this thread.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(open_postgres(settings).close())).result()
        statements = self.run("pg_dump", "--schema", settings.namespace, "--inserts", "--no-owner", "postgres")
        # Lines that begin so are for psql alone.
        return "\n".join(line for line in statements.splitlines() if not line.startswith("\\"))

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the superuser."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> Self:
        """Start, and return once it serves."""
        if not self.data.exists():
            self._make()
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "journal").open("ab") as journal:
            self._process = subprocess.Popen(
                [_program("postgres"), "-D", self.data, "-p", str(self.port), "-k", self._folder, *options],
                stdout=journal,
                stderr=journal,
                user=self._account,
                group=self._account,
                extra_groups=[] if self._account else None,
            )
        self._wait_until_it_serves()
        return self

    def stop(self) -> None:
        """End it in good order: sessions are cut off, what was committed is on disk."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it and all its processes at once, as a crash would."""
        if self._process is None:
            return
        # The children first of all stand still with their parent, so that none can act on its end.
        os.kill(self.pid, signal.SIGSTOP)
        for child in self.children():
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it and all its processes stand still until `resume`."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def children(self) -> list[int]:
        """The ids of its processes, one of which serves each connection."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._remove()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self) -> None:
        if self._account is not None:
            entry = pwd.getpwnam(self._account)
            os.chown(self._folder, entry.pw_uid, entry.pw_gid)
        password = self._folder / "password"
        password.write_text(PASSWORD)
        subprocess.run(
            [
                *(_program("initdb"), "-D", self.data, "-U", "postgres", f"--pwfile={password}"),
                *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
            ],
            check=True,
            capture_output=True,
            timeout=60,
            user=self._account,
            group=self._account,
            extra_groups=[] if self._account else None,
            cwd=self._folder,
        )

    def _wait_until_it_serves(self) -> None:
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while True:
            assert self._process is not None
            if self._process.poll() is not None:
                raise AssertionError(f"PostgreSQL did not start:\n{self.journal}")
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.02)
            else:
                return

    def _signal_all(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)
        for child in self.children():
            with suppress(ProcessLookupError):
                os.kill(child, number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(_STOP_TIMEOUT_S)


def _program(name: str) -> Path:
    """Debian keeps each version's programs apart and links only the client's."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1]
    anywhere = shutil.which(name)
    assert anywhere is not None, "the tests need PostgreSQL; `.ci/system-packages` installs it"
    return Path(anywhere)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
