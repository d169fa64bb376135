"""Real Redis processes from the system's package, on free ports of loopback: single, under Sentinel, and as a cluster.

Each is stopped by its process id. Everything blocks for a short time and may be called with an event loop running.
"""

import atexit
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from liaison.adapters.redis_site import Address, Form, RedisSettings

_START_TIMEOUT_S: Final = 10.0
_CLUSTER_TIMEOUT_S: Final = 20.0


class RedisServer:
    """One server: start it, kill it, stop its process for a while, start it anew on its port. Nothing is kept."""

    def __init__(self, folder: Path, *settings: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.address = Address("127.0.0.1", self.port)
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._is_paused = False

    def start(self) -> None:
        """Start, and return once it answers."""
        command = [
            redis_server_program(),
            *("--port", str(self.port)),
            *("--bind", "127.0.0.1"),
            *("--dir", str(self._folder)),
            *("--save", ""),
            *("--appendonly", "no"),
            *self._settings,
        ]
        with (self._folder / f"redis-{self.port}.out").open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        self._wait_until_it_answers()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order, and whatever state it is in; a no-op when it isn't running."""
        if self._process is not None:
            self.resume()
            self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it do nothing: its sockets stay open, and nothing is answered."""
        self._signal(signal.SIGSTOP)
        self._is_paused = True

    def resume(self) -> None:
        """Undo `pause`; idempotent."""
        if self._is_paused:
            self._signal(signal.SIGCONT)
            self._is_paused = False

    def ask(self, *command: str) -> Any:
        """Run a command on a connection of its own."""
        with self.client() as client:
            return client.execute_command(*command)

    def client(self) -> Redis:
        """Give a client for tests, which tries once."""
        return Redis(host="127.0.0.1", port=self.port, socket_timeout=5, protocol=2, retry=Retry(NoBackoff(), 0))

    def settings(self, office: str = "office", **more: Any) -> RedisSettings:
        """Give what leads a node here."""
        return RedisSettings(office, Form.SINGLE, (self.address,), **more)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "not running"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        self._signal(number)
        assert self._process is not None
        self._process.wait(_START_TIMEOUT_S)
        self._process = None

    def _wait_until_it_answers(self) -> None:
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self.ask("PING")
                return
            except AuthenticationError:
                return
            except RedisError as error:
                if time.monotonic() > deadline_s:
                    self.stop()
                    out = (self._folder / f"redis-{self.port}.out").read_text()
                    raise AssertionError(f"redis-server did not start:\n{out}") from error
            time.sleep(0.01)


def redis_server_program() -> str:
    """Find the program, or fail with what to install."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("These tests need redis-server 7.0 or later; `.ci/system-packages` installs it.")
    return program


_shared: Final[list[RedisServer]] = []


def shared_redis() -> RedisServer:
    """Give a server for tests that don't harm it; started once for all of them, and empty."""
    if not _shared:
        stack = ExitStack()
        _shared.append(stack.enter_context(redis_server()))
        atexit.register(stack.close)
    _shared[0].ask("FLUSHALL")
    return _shared[0]


@contextmanager
def redis_server(*settings: str) -> Iterator[RedisServer]:
    """Run a single server."""
    with tempfile.TemporaryDirectory(prefix="liaison-redis-") as folder:
        server = RedisServer(Path(folder), *settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


class RedisUnderSentinel:
    """A primary, a replica, and one Sentinel that decides alone."""

    NAME: Final = "liaison"

    def __init__(self, primary: RedisServer, replica: RedisServer, sentinel: RedisServer) -> None:
        self.primary, self.replica, self.sentinel = primary, replica, sentinel

    def settings(self, office: str = "office") -> RedisSettings:
        """Give what leads a node here."""
        return RedisSettings(office, Form.SENTINEL, (self.sentinel.address,), primary_name=self.NAME)

    def primary_port(self) -> int:
        """Ask Sentinel where the primary is."""
        _, port = self.sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.NAME)
        return int(port)


@contextmanager
def redis_under_sentinel() -> Iterator[RedisUnderSentinel]:
    """Run a primary and a replica, level with each other and known to Sentinel."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liaison-redis-")))
        primary = RedisServer(folder)
        replica = RedisServer(folder, "--replicaof", f"127.0.0.1 {primary.port}", "--repl-diskless-sync-delay", "0")
        sentinel_port = free_port()
        file = folder / "sentinel.conf"
        file.write_text(
            f"port {sentinel_port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {RedisUnderSentinel.NAME} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {RedisUnderSentinel.NAME} 500\n"
            f"sentinel failover-timeout {RedisUnderSentinel.NAME} 3000\n"
        )
        sentinel = _SentinelServer(folder, file, sentinel_port)
        for server in (primary, replica):
            server.start()
            stack.callback(server.stop)
        _until(lambda: _is_level(replica), _START_TIMEOUT_S)
        sentinel.start()
        stack.callback(sentinel.stop)
        # It learns of the replica from the primary, and asks only every ten seconds.
        _until(lambda: bool(sentinel.ask("SENTINEL", "REPLICAS", RedisUnderSentinel.NAME)), _CLUSTER_TIMEOUT_S)
        yield RedisUnderSentinel(primary, replica, sentinel)


class _SentinelServer(RedisServer):
    """A Sentinel, which wants a file that it can write."""

    def __init__(self, folder: Path, file: Path, port: int) -> None:
        super().__init__(folder, port=port)
        self._file = file

    def start(self) -> None:
        command = [redis_server_program(), str(self._file), "--sentinel"]
        with (self._folder / f"redis-{self.port}.out").open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        self._wait_until_it_answers()


class RedisClusterServers:
    """Primaries that share the slots, and a replica of the first."""

    def __init__(self, primaries: Sequence[RedisServer], replica: RedisServer) -> None:
        self.primaries, self.replica = primaries, replica

    def settings(self, office: str = "office") -> RedisSettings:
        """Give what leads a node here; two addresses, so that one of them may be dead."""
        return RedisSettings(office, Form.CLUSTER, tuple(server.address for server in self.primaries[:2]))


@contextmanager
def redis_cluster() -> Iterator[RedisClusterServers]:
    """Run a cluster of three primaries and one replica, complete."""
    with ExitStack() as stack:
        servers = []
        for _ in range(4):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liaison-redis-")))
            server = RedisServer(
                folder,
                *("--cluster-enabled", "yes"),
                *("--cluster-node-timeout", "1000"),
                *("--cluster-replica-validity-factor", "0"),
                *("--repl-diskless-sync-delay", "0"),
                port=_free_cluster_port(),
            )
            server.start()
            stack.callback(server.stop)
            servers.append(server)
        *primaries, replica = servers
        slots = [range(5461), range(5461, 10923), range(10923, 16384)]
        for number, (server, owned) in enumerate(zip(primaries, slots, strict=True), 1):
            # Each a configuration of its own, or they would quarrel about it first.
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number))
            server.ask("CLUSTER", "ADDSLOTSRANGE", str(owned[0]), str(owned[-1]))
        for server in servers[1:]:
            server.ask("CLUSTER", "MEET", "127.0.0.1", str(servers[0].port))
        first_id = servers[0].ask("CLUSTER", "MYID").decode()
        _until(lambda: first_id in _nodes(replica), _CLUSTER_TIMEOUT_S)
        replica.ask("CLUSTER", "REPLICATE", first_id)
        _until(lambda: all(_is_complete(server) for server in servers), _CLUSTER_TIMEOUT_S)
        _until(lambda: _is_level(replica), _CLUSTER_TIMEOUT_S)
        yield RedisClusterServers(primaries, replica)


def _is_complete(server: RedisServer) -> bool:
    info = server.ask("CLUSTER", "INFO").decode()
    return "cluster_state:ok" in info and "cluster_known_nodes:4" in info and "slave" in _nodes(server)


def _nodes(server: RedisServer) -> str:
    return str(server.ask("CLUSTER", "NODES"))


def _is_level(replica: RedisServer) -> bool:
    with replica.client() as client:
        return bool(client.info("replication").get("master_link_status") == "up")


def _until(is_so: Any, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, "Redis did not come up"
        time.sleep(0.02)


def free_port() -> int:
    """Give a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_ports(number: int) -> int:
    """Give the first of so many ports in a row that nobody listens on and that no outgoing connection is given."""
    end = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        first = random.randrange(end - 10_000, end - number)
        with ExitStack() as stack, suppress(OSError):
            for port in range(first, first + number):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


def _free_cluster_port() -> int:
    # A cluster's nodes talk to each other on a second port, 10,000 above.
    while True:
        port = free_port()
        if port < 55_000:
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port + 10_000))
                except OSError:
                    continue
            return port
