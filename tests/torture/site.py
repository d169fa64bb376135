"""A whole site of real processes: three nodes, PostgreSQL, Redis, and a misbehaving proxy on every way between them.

Each node has its own address of loopback (where the system has several), its own way to PostgreSQL, its own way to
Redis and a second door for clients, so that one node alone can be cut off. A stalled proxy is a partition: nothing
comes through, and nobody is told.
"""

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from liaison.adapters.postgres_engine import begin_epoch
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.rights import Account, Channel, Role
from liaison.protocol.names import WEBSOCKET_PATH
from liaison.wiring import BackOffice, postgres_settings
from tests.live_server import LiveServer
from tests.postgres_server import PASSWORD, PostgresServer
from tests.redis_server import RedisServer, redis_server
from tests.simulation.checker import LogRow
from tests.tcp_proxy import TcpProxy
from tests.torture.heads import Heads
from tests.torture.roaming_client import Door
from tests.torture.shifted_clock import ShiftedClock
from tests.torture.small_disk import SmallDisk, tables_on_a_small_disk

OFFICE: Final = "torture"
NODES: Final = {"n1": "127.0.0.2", "n2": "127.0.0.3", "n3": "127.0.0.4"}
_START_TIMEOUT_S: Final = 60.0
# A running node knows within half a second what was changed beside it.
_KNOWN_AFTER_S: Final = 1.0
_LIFETIME_MS: Final = 24 * 3600 * 1000


class Node:
    """One server process, and the ways to it and from it."""

    def __init__(
        self,
        name: str,
        server: LiveServer,
        clock: ShiftedClock,
        to_postgres: TcpProxy,
        to_redis: TcpProxy,
        door: TcpProxy,
    ) -> None:
        self.name = name
        self.server = server
        self.clock = clock
        self.to_postgres = to_postgres
        self.to_redis = to_redis
        self.back_door = door
        self.is_paused = False

    @property
    def door(self) -> Door:
        """The way straight to it."""
        return Door(self.name, self.server.ws_url)

    @property
    def proxied_door(self) -> Door:
        """The way through `back_door`."""
        return Door(self.name, f"ws://127.0.0.1:{self.back_door.port}{WEBSOCKET_PATH}")

    def pause(self) -> None:
        """Let the process stand still: its sockets stay open, and nothing is answered."""
        os.kill(self.server.pid, signal.SIGSTOP)
        self.is_paused = True

    def resume(self) -> None:
        """Undo `pause`; idempotent."""
        if self.is_paused:
            os.kill(self.server.pid, signal.SIGCONT)
            self.is_paused = False

    def start(self) -> None:
        """Start until it serves, as a supervisor would: while a store is away a node refuses to."""
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self.server.start()
                return
            except AssertionError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.3)

    def heal(self) -> None:
        """Let everything through again."""
        self.resume()
        self.clock.jump(0)
        for way in (self.to_postgres, self.to_redis, self.back_door):
            way.delay(0)
            way.accept()
            way.flow()
        self.to_postgres.lose_commit_replies(0)


class Site:
    """Everything that serves; `steward` works on the office's data past all proxies. `disk` is that of the tables."""

    def __init__(
        self,
        nodes: Sequence[Node],
        postgres: PostgresServer,
        redis: RedisServer,
        steward: LiveServer,
        disk: SmallDisk | None,
    ) -> None:
        self.nodes = nodes
        self.postgres = postgres
        self.redis = redis
        self.steward = steward
        self.disk = disk

    def tokens(self, users: Sequence[str], channels: Sequence[str]) -> dict[str, str]:
        """Make channels, and bots of the two sides in turn who may use them all; give the bots' tokens."""

        async def create(office: BackOffice) -> dict[str, str]:
            for channel in channels:
                if ChannelId(channel) not in office.registry.rights.channels:
                    await office.accounts.create_channel(Channel(ChannelId(channel), channel, channel), by="test")
            tokens = {}
            for number, user in enumerate(users):
                bot = Account(UserId(user), user, DelegationId(("south", "north")[number % 2]), Role.BOT)
                login = await office.accounts.create_token(
                    bot, channels, read_only=False, lifetime_ms=_LIFETIME_MS, by="test"
                )
                tokens[user] = login.secret
            return tokens

        tokens = self.steward.administer(create)
        time.sleep(_KNOWN_AFTER_S)
        return tokens

    def ops_token(self) -> str:
        """Give a way in for ops, who are told the causes of departures."""

        async def sign_in(office: BackOffice) -> str:
            login = await office.accounts.login("ops", self.steward.password_of("ops"), "", "127.0.0.1")
            return login.secret

        secret = self.steward.administer(sign_in)
        time.sleep(_KNOWN_AFTER_S)
        return secret

    def heads(self) -> Heads:
        """Let the heads of both sides in, at all nodes."""

        async def sign_in(office: BackOffice) -> dict[str, str]:
            secrets = {}
            for side in ("south", "north"):
                user = f"{side}-head"
                login = await office.accounts.login(user, self.steward.password_of(user), "", "127.0.0.1")
                secrets[side] = login.secret
            return secrets

        secrets = self.steward.administer(sign_in)
        time.sleep(_KNOWN_AFTER_S)
        return Heads(secrets, [node.server.url for node in self.nodes])

    def rows(self, channels: Sequence[str]) -> list[LogRow]:
        """Read the whole log of these channels from PostgreSQL."""

        async def read(office: BackOffice) -> list[LogRow]:
            rows: list[LogRow] = []
            for channel in channels:
                last = 0
                while entries := (
                    await office.log.read(ChannelId(channel), after=last, limit=1000, max_bytes=1 << 24)
                ).entries:
                    last = entries[-1].seq
                    rows.extend(
                        LogRow(channel, one.seq, one.draft.sender, one.draft.key, one.draft.text) for one in entries
                    )
            return rows

        return self.steward.administer(read)

    def back_up(self) -> Path:
        """Write a backup beside the running nodes, as of one moment."""
        file = self.postgres.folder / "office.dump"
        file.unlink(missing_ok=True)
        self.postgres.run(
            "pg_dump",
            "--schema",
            self._namespace,
            "--format",
            "custom",
            "--compress",
            "0",
            "--file",
            str(file),
            "postgres",
        )
        return file

    def restore(self, backup: Path) -> int:
        """Put a backup in the place of everything, while no node runs, and give the epoch that begins."""
        self.postgres.execute(f"DROP SCHEMA {self._namespace} CASCADE")
        self.postgres.run("pg_restore", "--exit-on-error", "--dbname", "postgres", str(backup))
        return begin_epoch(postgres_settings(self.steward.config), Millis(time.time_ns() // 1_000_000))

    @property
    def _namespace(self) -> str:
        return postgres_settings(self.steward.config).namespace

    def heal(self) -> None:
        """Let everything run and everything through again."""
        if self.disk is not None:
            self.disk.empty()
        self.redis.resume()
        for node in self.nodes:
            node.heal()

    def journals(self) -> str:
        """What the nodes wrote about themselves."""
        return "\n".join(node.server.journal.read_text(errors="replace") for node in self.nodes)


@contextmanager
def site(*, fsync: bool = False, is_straight: bool = False) -> Iterator[Site]:
    """Run a site. With `fsync` PostgreSQL waits for the disk: nothing here takes the power away, so it needn't.

    With `is_straight` the nodes reach the stores past their proxies, which share the harness's interpreter with all
    clients: what is measured in milliseconds would be theirs.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liaison-torture-")))
        settings = {"fsync": "on" if fsync else "off", "max_connections": "100", "log_min_messages": "fatal"}
        postgres = stack.enter_context(PostgresServer(settings))
        disk = stack.enter_context(tables_on_a_small_disk(postgres))
        redis = stack.enter_context(redis_server())
        steward = LiveServer(folder / "steward", _settings(postgres.url(password="")))
        # A first look makes the people; the nodes find them there.
        steward.administer(_nothing)
        steward.token("first", "south", ["joint/general"])
        nodes = [stack.enter_context(_node(folder, name, postgres, redis, is_straight=is_straight)) for name in NODES]
        with ThreadPoolExecutor(len(nodes)) as threads:
            list(threads.map(Node.start, nodes))
        yield Site(nodes, postgres, redis, steward, disk)


async def _nothing(office: BackOffice) -> None:
    pass


@contextmanager
def _node(
    folder: Path, name: str, postgres: PostgresServer, redis: RedisServer, *, is_straight: bool
) -> Iterator[Node]:
    host = _bindable(NODES[name])
    with (
        TcpProxy(postgres.port, is_postgres=True) as to_postgres,
        TcpProxy(redis.port) as to_redis,
    ):
        settings = {
            **_settings(postgres.url(port=postgres.port if is_straight else to_postgres.port, password="")),
            "LIAISON_REDIS__URL": f"redis://127.0.0.1:{redis.port if is_straight else to_redis.port}",
            "LIAISON_SERVER__NODE": name,
            # All clients come from one address, and catch up as fast as they can.
            "LIAISON_LIMITS__CONNECTS_PER_ADDRESS_PER_S": "0",
            "LIAISON_LIMITS__COMMANDS_PER_S": "2000",
            "LIAISON_LIMITS__COMMANDS_BURST": "4000",
            "LIAISON_LIMITS__USER_PUBLISHES_PER_S": "2000",
            "LIAISON_LIMITS__USER_PUBLISHES_BURST": "4000",
            "LIAISON_LOG__LEVEL": "warning",
            "LIAISON_LOG__FORMAT": "json",
        }
        clock = ShiftedClock(folder, name)
        server = LiveServer(folder / name, settings, host=host, is_seeded=True, program=clock.program)
        with TcpProxy(server.port, target_host=host) as door:
            node = Node(name, server, clock, to_postgres, to_redis, door)
            try:
                yield node
            finally:
                node.resume()
                server.kill()


def _bindable(host: str) -> str:
    """Give this address of loopback, or the usual one where there is no other (macOS)."""
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return "127.0.0.1"
    return host


def _settings(postgres_url: str) -> dict[str, str]:
    return {
        "LIAISON_OFFICE__ID": OFFICE,
        "LIAISON_POSTGRES__URL": postgres_url,
        "LIAISON_POSTGRES__PASSWORD": PASSWORD,
    }
