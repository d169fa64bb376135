"""The real `liaison serve` as a process, over a data directory with the demonstration's people and channels in it."""

import asyncio
import atexit
import json
import os
import random
import shutil
import signal
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from liaison.cli.demo_office import demo_passwords, furnish
from liaison.config import Config, load_config
from liaison.core.identifiers import DelegationId, UserId
from liaison.core.rights import Account, Role
from liaison.protocol.names import WEBSOCKET_PATH
from liaison.wiring import BackOffice, back_office
from tests import forked_liaison
from tests.forked_liaison import ForkedProcess

T = TypeVar("T")

_SERVER_SOURCES: Final = Path(__file__).resolve().parents[1] / "server"
_START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 20.0
_LIFETIME_MS: Final = 24 * 3600 * 1000
# A new token is known to a running server within half a second.
_TOKEN_TIMEOUT_S: Final = 3.0


class LiveServer:
    """One server on one port of loopback, for as many starts as a test likes. `with` starts and stops it.

    People: `south-head`, `south-1` … `south-4`, the same for north, and `ops`; channels `joint/general`,
    `joint/weather`, `joint/crossings`, `south/desk`, `north/desk`; no messages. `settings` are environment variables
    such as LIAISON_LIMITS__SESSIONS_PER_USER. `host` is an address of loopback, and `port` one
    that is free; 0 lets the kernel choose. `program` is what Python runs, for a
    version of liaison that doesn't exist yet. Everything blocks, and may be called with an event loop running.
    """

    def __init__(
        self,
        data_dir: Path,
        settings: Mapping[str, str] = {},
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        is_seeded: bool = False,
        program: Sequence[str] = ("-m", "liaison"),
    ) -> None:
        self.data_dir = data_dir
        self.host = host
        # Kept between starts, so that clients find the server where it was.
        self.port = port or free_port(host)
        self.journal = data_dir.with_name(data_dir.name + ".journal")
        self._settings = dict(settings)
        self._process: ForkedProcess | None = None
        self._passwords = demo_passwords(random.Random(1))
        self._is_seeded = is_seeded
        self._program = program

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.port}{WEBSOCKET_PATH}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def config(self) -> Config:
        return load_config(None, self._settings, {"data.directory": str(self.data_dir)})

    def password_of(self, user: str) -> str:
        """The password of one of the demonstration's people."""
        return self._passwords[user]

    def token(self, name: str, delegation: str, channels: Sequence[str], *, read_only: bool = False) -> str:
        """Make a bot and a token for it; a running server knows it when this returns."""
        self.seed()

        async def create(office: BackOffice) -> str:
            bot = Account(UserId(name), name, DelegationId(delegation), Role.BOT)
            login = await office.accounts.create_token(
                bot, channels, read_only=read_only, lifetime_ms=_LIFETIME_MS, by="test"
            )
            return login.secret

        token = self.administer(create)
        if self._process is not None:
            self._wait_until_known(token)
        return token

    def administer(self, work: Callable[[BackOffice], Coroutine[Any, Any, T]]) -> T:
        """Do something with the office's data beside the server, as a command of the command line would."""

        async def run() -> T:
            async with back_office(self.config, create=True) as office:
                return await work(office)

        # A thread of its own: the caller's may be running an event loop.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, run()).result()

    def start(self) -> Self:
        """Start, and return once it serves."""
        self.seed()
        arguments = ["serve", "--json", "--data", str(self.data_dir), "--host", self.host, "--port", str(self.port)]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LIAISON_")},
            **self._settings,
            "PYTHONPATH": str(_SERVER_SOURCES),
        }
        with self.journal.open("ab") as journal:
            self._process = forked_liaison.start(
                self._program, arguments, environment=environment, stderr=journal.fileno()
            )
        line = self._process.stdout.readline()
        if not line:
            self.wait(_START_TIMEOUT_S)
            raise AssertionError(f"the server did not start:\n{self.journal.read_text()}")
        assert json.loads(line)["address"] == self.url
        return self

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it in good order (SIGTERM), and give its exit code; a no-op, 0, when it isn't running."""
        return self._end(signal.SIGTERM)

    def restart(self) -> Self:
        """Stop in good order, and start again."""
        self.stop()
        return self.start()

    @property
    def is_running(self) -> bool:
        """Whether it was started and hasn't ended, by a signal or by itself."""
        return self._process is not None and self._process.poll() is None

    def wait(self, timeout_s: float = _STOP_TIMEOUT_S) -> int:
        """Wait until it has ended by itself, and give its exit code."""
        process, self._process = self._process, None
        assert process is not None, "not started"
        code = process.wait(timeout_s)
        process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nothing is to be left running; whether it ends in good order is for the tests of that.
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        return self.wait()

    def seed(self) -> None:
        """Put the people and channels in, if they aren't there yet; starting does so too."""
        if self._is_seeded:
            return

        async def seed(office: BackOffice) -> None:
            await furnish(office.accounts, office.registry, self._passwords)

        if self.config.postgres.is_used or self.data_dir.exists():
            self.administer(seed)
        else:
            shutil.copytree(_seeded_folder(), self.data_dir)
        self._is_seeded = True

    def _wait_until_known(self, token: str) -> None:
        request = urllib.request.Request(f"{self.url}/api/v1/channels", headers={"Authorization": f"Bearer {token}"})
        deadline_s = time.monotonic() + _TOKEN_TIMEOUT_S
        while True:
            try:
                with urllib.request.urlopen(request):
                    return
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 401 or time.monotonic() > deadline_s:
                    raise
            time.sleep(0.05)


@cache
def _seeded_folder() -> Path:
    """Give a data directory as seeding leaves it, made once a process: ten slow hashes are as good as a thousand."""
    folder = tempfile.TemporaryDirectory(prefix="liaison-seeded-")
    atexit.register(folder.cleanup)
    template = LiveServer(Path(folder.name) / "data")
    template.data_dir.mkdir(mode=0o700)
    template.seed()
    return template.data_dir


def free_port(host: str = "127.0.0.1") -> int:
    """Choose a port that nothing listens at."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
