"""Starts the servers that are measured: ours as it is deployed, and peers; each pinned to one core."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from liaison.adapters.data_directory import DataDirectory
from liaison.adapters.postgres_engine import open_postgres
from liaison.adapters.postgres_lines import PostgresSettings
from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import open_office
from liaison.adapters.system_clock import SystemClock
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.rights import Account, Channel, Credential, CredentialKind, Membership, Role, digest_of
from liaison.ports.directory import Secrets
from tests.postgres_server import PASSWORD, PostgresServer
from tests.redis_server import RedisServer

HERE: Final = Path(__file__).parent
PEERS: Final = HERE / "peers"
RAW: Final = ("--mode", "raw")
SERVER_CORE: Final = 0
GENERATOR_CORE: Final = 1
CHANNEL_PREFIX: Final = "joint/bench-"
CONNECTIONS_PER_USER: Final = 10
OFFICE: Final = "office"

_QUIET: Final = """
[log]
level = "warning"
"""
# Only rates are raised, because one address plays a thousand people here; every check stays on.
CONFIG: Final = f"""
[limits]
connects_per_address_per_s = 100000
commands_per_s = 100000
commands_burst = 100000
user_publishes_per_s = 100000
user_publishes_burst = 100000
{_QUIET}"""


@dataclass(frozen=True)
class Target:
    """A server that is up: where, which process, and how the generator speaks to it."""

    name: str
    port: str
    pid: str
    generator_options: tuple[str, ...]


def free_port() -> int:
    """Give a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Seats:
    """Who connects to our server: `subscribers`, then `publishers`, dealt out to the channels one after the other."""

    subscribers: int
    publishers: int
    channels: int = 1
    follows: int = 1

    @property
    def users(self) -> int:
        """How many accounts that takes; connection number N belongs to user N modulo this."""
        return -(-(self.subscribers + self.publishers) // CONNECTIONS_PER_USER)

    def members(self) -> list[set[int]]:
        """Give the users of each channel: nobody is a member of what they don't use."""
        members: list[set[int]] = [set() for _ in range(self.channels)]
        for number in range(self.subscribers):
            for step in range(self.follows):
                members[(number + step) % self.channels].add(number % self.users)
        for number in range(self.publishers):
            members[number % self.channels].add((self.subscribers + number) % self.users)
        return members


@contextmanager
def liaison(seats: Seats, *, raises_rates: bool = True) -> Iterator[Target]:
    """Our server on a fresh office with enough accounts, each message committed with fsync before it is delivered."""
    with _folder() as data:
        tokens = asyncio.run(_found_here(data, seats))
        (data / "liaison.toml").write_text(CONFIG if raises_rates else _QUIET)
        with _node(data, data / "liaison.toml", _options(data, tokens)) as target:
            yield target


@dataclass(frozen=True, slots=True)
class Site:
    """Several nodes of one office as one target, and what they share."""

    target: Target
    postgres_pid: int
    redis_pid: int


@contextmanager
def liaison_nodes(seats: Seats, nodes: int) -> Iterator[Site]:
    """Several of our nodes over PostgreSQL, which commits with fsync, and Redis; all of it on the servers' core."""
    with _folder() as data, PostgresServer({"fsync": "on", "shared_buffers": "128MB"}) as postgres:
        redis = RedisServer(data)
        redis.start()
        try:
            redis_pid = int(redis.ask("INFO", "server")["process_id"])
            for pid in (redis_pid, postgres.pid):
                os.sched_setaffinity(pid, {SERVER_CORE})
            (data / "password").write_text(PASSWORD)
            (data / "password").chmod(0o600)
            url = postgres.url(password="")
            config = f'{CONFIG}\n[postgres]\nurl = "{url}"\npassword_file = "password"\n'
            config += f'\n[redis]\nurl = "redis://127.0.0.1:{redis.port}"\n'
            (data / "liaison.toml").write_text(config)
            tokens = asyncio.run(_found_at(PostgresSettings(url, OFFICE, password=PASSWORD), seats))
            options = _options(data, tokens)
            with ExitStack() as stack:
                targets = [
                    stack.enter_context(_node(data / f"n{number}", data / "liaison.toml", options))
                    for number in range(nodes)
                ]
                ports = ",".join(target.port for target in targets)
                pids = ",".join(target.pid for target in targets)
                yield Site(Target("liaison", ports, pids, options), postgres.pid, redis_pid)
        finally:
            redis.stop()


def _options(data: Path, tokens: list[str]) -> tuple[str, ...]:
    (data / "tokens").write_text("\n".join(tokens))
    return ("--mode", "liaison", "--tokens", str(data / "tokens"), "--channel-prefix", CHANNEL_PREFIX)


@contextmanager
def _node(data: Path, config: Path, options: tuple[str, ...]) -> Iterator[Target]:
    port = free_port()
    command = [sys.executable, "-m", "liaison", "serve", "--config", str(config)]
    command += ["--data", str(data), "--port", str(port)]
    with _process("liaison", command, port, options) as target:
        yield target


@contextmanager
def epoll(*, coalesces: bool) -> Iterator[Target]:
    """The limit: C on epoll, which checks and stores nothing."""
    with _folder() as folder:
        program = folder / "epoll_fanout"
        subprocess.run(["cc", "-O2", "-o", program, PEERS / "epoll_fanout.c"], check=True)
        port = free_port()
        command = [str(program), str(port), *(["coalesce"] if coalesces else [])]
        with _process("C epoll", command, port, RAW) as target:
            yield target


@contextmanager
def python_peer(name: str, script: str, mode: str = "raw") -> Iterator[Target]:
    """A peer that runs on this Python: a script of peers/ with its port as argument."""
    port = free_port()
    with _process(name, [sys.executable, str(PEERS / script), str(port)], port, ("--mode", mode)) as target:
        yield target


@contextmanager
def node_peer(name: str, script: str, mode: str = "raw") -> Iterator[Target]:
    """A peer that runs on Node, with the packages of peers/node/package-lock.json."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise FileNotFoundError("node and npm")
    if not (PEERS / "node" / "node_modules").exists():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=PEERS / "node", check=True, stdout=subprocess.DEVNULL)
    port = free_port()
    with _process(name, [node, str(PEERS / "node" / script), str(port)], port, ("--mode", mode)) as target:
        yield target


@contextmanager
def nats() -> Iterator[Target]:
    """NATS with its WebSocket listener; core publish and subscribe, which stores nothing."""
    program = _installed("nats-server")
    port, native_port = free_port(), free_port()
    settings = (
        f'host: "127.0.0.1"\nport: {native_port}\nwebsocket {{ host: "127.0.0.1", port: {port}, no_tls: true }}\n'
    )
    # A slow generator must not be thrown out as a slow consumer: the default would close it after 10 s or 64 MB.
    settings += 'max_pending: 1GB\nwrite_deadline: "60s"\n'
    with _folder() as folder:
        (folder / "nats.conf").write_text(settings)
        with _process("NATS", [program, "-c", str(folder / "nats.conf")], port, ("--mode", "nats")) as target:
            yield target


@contextmanager
def mosquitto() -> Iterator[Target]:
    """Mosquitto with its WebSocket listener, quality of service 0, no persistence."""
    program = _installed("mosquitto")
    port = free_port()
    settings = f"listener {port} 127.0.0.1\nprotocol websockets\nallow_anonymous true\npersistence false\n"
    # It drops what a client is behind by; unlimited, so that the run is about cost and not about loss.
    settings += "max_queued_messages 0\nmax_queued_bytes 0\nset_tcp_nodelay true\nlog_type error\n"
    with _folder() as folder:
        (folder / "mosquitto.conf").write_text(settings)
        command = [program, "-c", str(folder / "mosquitto.conf")]
        with _process("mosquitto", command, port, ("--mode", "mqtt")) as target:
            yield target


def _installed(program: str) -> str:
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise FileNotFoundError(f"{program} (Debian's package of that name)")
    return found


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="liaison-bench-") as folder:
        yield Path(folder)


async def _found_here(data: Path, seats: Seats) -> list[str]:
    database = open_office(DataDirectory(data))
    try:
        return await _found_office(SqlDirectory(database, SystemClock()), seats)
    finally:
        await database.close()


async def _found_at(settings: PostgresSettings, seats: Seats) -> list[str]:
    database = open_postgres(settings)
    try:
        return await _found_office(SqlDirectory(database, SystemClock()), seats)
    finally:
        await database.close()


async def _found_office(directory: SqlDirectory, seats: Seats) -> list[str]:
    tokens, users = [], []
    for number in range(seats.users):
        side = DelegationId("south" if number % 2 else "north")
        user = UserId(f"{side}-bench-{number}")
        await directory.add_account(Account(user, user, side, Role.BOT), Secrets("", ""), actor="bench")
        secret = "lsn_" + secrets.token_urlsafe(32)
        credential = Credential(
            digest_of(secret), user, CredentialKind.TOKEN, "bench", Millis(0), Millis(4_102_444_800_000)
        )
        await directory.add_credential(credential, actor="bench")
        tokens.append(secret)
        users.append(user)
    for number, members in enumerate(seats.members()):
        channel = ChannelId(f"{CHANNEL_PREFIX}{number}")
        memberships = {users[member]: Membership() for member in sorted(members)}
        await directory.add_channel(Channel(channel, channel, channel, open_to_all=False), memberships, actor="bench")
    return tokens


@contextmanager
def _process(name: str, command: list[str], port: int, options: tuple[str, ...]) -> Iterator[Target]:
    pinned = ["taskset", "--cpu-list", str(SERVER_CORE), *command]
    # Ours may speak: what it journals is a finding. The peers greet at length.
    journal = None if name == "liaison" else subprocess.DEVNULL
    process = subprocess.Popen(pinned, stdout=subprocess.DEVNULL, stderr=journal)
    try:
        _wait_for(port, process)
        yield Target(name, str(port), str(process.pid), options)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the server does not listen after 30 s")
