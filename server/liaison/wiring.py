"""Puts the office together from its configuration: the only place that knows every concrete class.

`serving` is a whole node, and holds its data directory for itself if it has one; `back_office` is what a command needs,
also beside a running server. Either is there as a whole or raises, and leaves nothing open.

What only a node needs, or only an office with PostgreSQL or Redis, is imported where it is put together: a command
would spend more than half of its time on loading web servers and drivers.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import liaison
from liaison.adapters.argon2_passwords import Argon2Passwords
from liaison.adapters.data_directory import DataDirectory, EpochMarkError, InUseError
from liaison.adapters.file_contents import FileContents
from liaison.adapters.file_marks import FileMarks
from liaison.adapters.memory_bus import MemoryBus
from liaison.adapters.memory_presence import MemoryPresence
from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import SchemaError, open_office
from liaison.adapters.sql_log import SqlLog, SqlReadPositions
from liaison.adapters.sql_uploads import SqlUploads
from liaison.adapters.sql_writer import StorageUnavailableError
from liaison.adapters.system_clock import SystemClock
from liaison.config import Config, RedisSection, ServerSection
from liaison.core.profile import OfficeProfile
from liaison.office.accounts import Accounts
from liaison.office.administration import AdministrationDepartment
from liaison.office.attachments import AttachmentSettings, AttachmentStores
from liaison.office.dispatch_books import DispatchSettings
from liaison.office.dispatches import DispatchDepartment
from liaison.office.duty import DutyDepartment, DutySettings
from liaison.office.duty_rosters import Rosters
from liaison.office.founding import found_registers
from liaison.office.line_checks import LineCheckDepartment, LineCheckSettings
from liaison.office.office import Desks, Office, World
from liaison.office.presence import PresenceFeed
from liaison.office.record import RecordDepartment
from liaison.office.registers import Department
from liaison.office.registry import Registry
from liaison.office.session_table import SessionTable
from liaison.office.settings import OfficeSettings
from liaison.ports.bus import Bus
from liaison.ports.clock import Clock
from liaison.ports.directory import Directory, DirectoryUnavailableError
from liaison.ports.log import Log, LogUnavailableError, LogUnreadableError, ReadPositions
from liaison.ports.presence import PresenceStore

if TYPE_CHECKING:
    from liaison.adapters.postgres_lines import PostgresSettings
    from liaison.adapters.redis_site import Address, RedisSettings
    from liaison.edges.metrics import Metrics
    from liaison.edges.server import EdgeServer
    from liaison.edges.settings import EdgeSettings

_MIB: Final = 1024 * 1024

STATIC_DIRECTORY: Final = Path(liaison.__file__).parent / "static"


class CannotStart(Exception):
    """Nothing was started; the message says what stands in the way and what to do about it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A node that serves: `address` is where browsers and bots find it, as seen from this machine.

    `broken` is done, with the reason, once the database can't be trusted any more: leave the context then, and let a
    supervisor start anew.
    """

    address: str
    office: Office
    server: EdgeServer
    broken: asyncio.Future[str]


@dataclass(frozen=True, slots=True)
class BackOffice:
    """An office's data without its server, for the command line."""

    profile: OfficeProfile
    accounts: Accounts
    registry: Registry
    directory: Directory
    log: Log
    attachments: AttachmentStores
    clock: Clock


@asynccontextmanager
async def serving(config: Config, handed: Sequence[socket.socket] = ()) -> AsyncIterator[Running]:
    """Serve an office for as long as the context lasts. Leaving it closes; call `Office.drain` before.

    Sockets that listen already and were `handed` to this process take the place of host and port, and are closed with
    the rest. Raises CannotStart.
    """
    async with AsyncExitStack() as stack:
        try:
            running = await _start(stack, config, handed)
        except CannotStart as error:
            # Not raised in here, because the loops that run already would make a group of it.
            failure = error
        else:
            yield running
            return
    raise failure


async def _start(stack: AsyncExitStack, config: Config, handed: Sequence[socket.socket]) -> Running:
    """Start everything, and leave to the stack what is to be closed. Raises CannotStart."""
    from liaison.edges.metrics import Metrics
    from liaison.edges.pages import BadBuild
    from liaison.edges.server import EdgeServer, prepare

    with _start_failures(BadBuild):
        # First the port and the folder, which another server may have: both are refused before anything is made.
        listeners = [stack.enter_context(listener) for listener in handed]
        for listener in listeners:
            prepare(listener)
        if not listeners:
            listeners = [stack.enter_context(_office_door(config.server))]
        own_metrics = config.metrics.port != 0
        metrics_listeners = (
            [stack.enter_context(_listening(config.metrics.host or "127.0.0.1", config.metrics.port, "metrics"))]
            if own_metrics and config.metrics.enabled
            else []
        )
        stores = await stack.enter_async_context(_stores(config))
        await found_registers(stores.directory, config.profile)
        passwords = Argon2Passwords()
        stack.callback(passwords.close)
        port = int(listeners[0].getsockname()[1])
        # Not for secrets: those come from the operating system.
        rng = random.Random(secrets.randbits(64))  # noqa: S311
        metrics = Metrics()
        ties = await stack.enter_async_context(_ties(config, metrics, rng))
        office = _office(config, stores, passwords, metrics, rng, ties)
        settings = _edge_settings(config, port)
        server = EdgeServer(office, settings, metrics, rng)
        await stack.enter_async_context(office.running())
        await stack.enter_async_context(server.serving(listeners, metrics_listeners=metrics_listeners))
    return Running(_address(config.server, port), office, server, stores.broken)


@asynccontextmanager
async def back_office(config: Config, *, create: bool) -> AsyncIterator[BackOffice]:
    """Open an office's data for one command. A server that runs beside it knows of changes within half a second.

    With `create` an office that isn't there yet is begun. Raises CannotStart.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        with _start_failures():
            stores = await stack.enter_async_context(_stores(config, is_node=False, create=create))
            passwords = Argon2Passwords()
            stack.callback(passwords.close)
            registry = Registry(stores.directory, clock)
            await registry.start()
        accounts = Accounts(stores.directory, registry, passwords, config.profile, clock, secrets.token_bytes)
        yield BackOffice(config.profile, accounts, registry, stores.directory, stores.log, stores.attachments, clock)


@dataclass(frozen=True, slots=True)
class _Stores:
    """What an office keeps; `broken` as in Running."""

    log: Log
    reads: ReadPositions
    directory: Directory
    attachments: AttachmentStores
    broken: asyncio.Future[str]


@asynccontextmanager
async def _stores(config: Config, *, is_node: bool = True, create: bool = True) -> AsyncIterator[_Stores]:
    """Open PostgreSQL where there is one, else the data directory, which a node holds for itself."""
    broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    clock = SystemClock()
    data = DataDirectory(config.data_directory)
    if config.postgres.is_used:
        from liaison.adapters.postgres_engine import open_postgres
        from liaison.adapters.postgres_log import PostgresLog, PostgresReadPositions
        from liaison.adapters.sql_contents import SqlContents

        shared = await asyncio.to_thread(open_postgres, postgres_settings(config), create=create)
        if is_node:
            import structlog

            for remark in shared.remarks:
                structlog.get_logger(__name__).warning(remark)
        try:
            # Nothing breaks this for good: the server itself ends when a write to its disk fails, and comes back.
            contents = SqlContents(shared, data.attachments / "incoming", clock)
            attachments = AttachmentStores(contents, SqlUploads(shared))
            directory = SqlDirectory(shared, clock)
            yield _Stores(PostgresLog(shared), PostgresReadPositions(shared), directory, attachments, broken)
        finally:
            await shared.close()
        return
    if not create and not data.database.is_file():
        raise CannotStart(f"there is no office in {data.path}; name its folder by --data or in the configuration")
    with data.lock() if is_node else nullcontext():
        database = open_office(data)
        database.call_on_fatal(broken.set_result)
        try:
            attachments = AttachmentStores(FileContents(data.attachments, clock), SqlUploads(database))
            directory = SqlDirectory(database, clock)
            yield _Stores(SqlLog(database), SqlReadPositions(database), directory, attachments, broken)
        finally:
            await database.close()


def postgres_settings(config: Config) -> PostgresSettings:
    """Give what the configuration says of PostgreSQL; it must say something."""
    from liaison.adapters.postgres_lines import PostgresSettings

    postgres = config.postgres
    return PostgresSettings(
        postgres.url,
        config.office.id,
        password=postgres.password.value,
        readers=postgres.readers,
        connect_timeout_s=postgres.connect_timeout_s,
        statement_timeout_s=postgres.statement_timeout_s,
    )


@dataclass(frozen=True, slots=True)
class _Ties:
    """What ties the nodes of an office together."""

    bus: Bus
    presence: PresenceStore


@asynccontextmanager
async def _ties(config: Config, metrics: Metrics, rng: random.Random) -> AsyncIterator[_Ties]:
    """Give the ties of one node: over Redis where there is one, else in memory. Raises CannotStart."""
    if not config.redis.is_used:
        from liaison.adapters.presence_note import leave_note, take_note

        clock, note = SystemClock(), DataDirectory(config.data_directory).presence_note
        presence_here = MemoryPresence(clock, epoch=secrets.token_hex(8), inherited=take_note(note, clock.wall_ms()))
        yield _Ties(MemoryBus().node(), presence_here)
        leave_note(note, presence_here.devices(), clock.wall_ms())
        return
    from liaison.adapters.redis_bus import RedisBus
    from liaison.adapters.redis_presence import RedisPresence
    from liaison.adapters.redis_site import RedisRefusedError, RedisSite

    site = RedisSite(redis_settings(config.office.id, config.redis))
    # Not the node's name: two processes may have the same by mistake, and each must tell its own hints from others'.
    name = secrets.token_hex(8)
    bus, presence = RedisBus(site, rng, node=name), RedisPresence(site, rng, node=name)
    metrics.watch_counts("liaison_bus_hints_total", lambda: asdict(bus.counts))
    async with site.open():
        with _start_failures(RedisRefusedError):
            await site.check()
        async with bus.running(), presence.running():
            yield _Ties(bus, presence)


def redis_settings(office: str, redis: RedisSection) -> RedisSettings:
    """Give what the configuration says of Redis; it must say something."""
    from liaison.adapters.redis_site import Form, RedisSettings, Tls

    tls = Tls(redis.ca_file, redis.cert_file, redis.key_file) if redis.tls else None
    url = urlsplit(redis.url)
    if redis.sentinels:
        form, addresses = Form.SENTINEL, tuple(map(_redis_address, redis.sentinels))
    elif redis.cluster:
        form, addresses = Form.CLUSTER, tuple(map(_redis_address, redis.cluster))
    else:
        form, addresses = Form.SINGLE, (_redis_address(url.netloc),)
    return RedisSettings(
        office,
        form,
        addresses,
        primary_name=redis.primary_name,
        database=int(url.path.removeprefix("/") or 0),
        username=redis.username,
        password=redis.password.value,
        sentinel_username=redis.sentinel_username,
        sentinel_password=redis.sentinel_password.value,
        tls=tls,
    )


def _redis_address(text: str) -> Address:
    from liaison.adapters.redis_site import Address

    parts = urlsplit(f"//{text}")
    return Address(parts.hostname or "", parts.port or 6379)


def _office(
    config: Config,
    stores: _Stores,
    passwords: Argon2Passwords,
    metrics: Metrics,
    rng: random.Random,
    ties: _Ties,
) -> Office:
    clock = SystemClock()
    profile = config.profile
    node = config.server.node or socket.gethostname()
    registry = Registry(stores.directory, clock)
    world = World(
        log=stores.log,
        reads=stores.reads,
        directory=stores.directory,
        bus=ties.bus,
        clock=clock,
        observer=metrics,
        rng=rng,
        attachments=stores.attachments if config.attachments.enabled else None,
    )
    desks = Desks(
        registry=registry,
        accounts=Accounts(stores.directory, registry, passwords, profile, clock, secrets.token_bytes),
        presence=PresenceFeed(ties.presence, clock, profile, node=node, rng=rng),
        session_table=SessionTable(node),
        departments=_departments(config),
    )
    return Office(node, profile, _office_settings(config), world, desks)


def _departments(config: Config) -> list[Callable[[Office], Department]]:
    marks = FileMarks(DataDirectory(config.data_directory).marks)
    dispatches = DispatchSettings(repeat_every_ms=int(config.dispatches.repeat_every_s * 1000))
    line_checks = LineCheckSettings(
        config.line_check_schedule,
        config.line_checks.texts,
        answer_within_ms=int(config.line_checks.answer_within_s * 1000),
    )
    duty = DutySettings(config.desk_hours, alarm_after_s=config.duty.alarm_after_s)
    return [
        lambda office: DispatchDepartment(office, marks, dispatches),
        AdministrationDepartment,
        lambda office: LineCheckDepartment(office, line_checks, Rosters(office).on_duty),
        lambda office: DutyDepartment(office, duty),
        lambda office: RecordDepartment(office, config.office.id),
    ]


def _office_settings(config: Config) -> OfficeSettings:
    limits, attachments = config.limits, config.attachments
    return OfficeSettings(
        commands_per_s=limits.commands_per_s,
        commands_burst=limits.commands_burst,
        user_publishes_per_s=limits.user_publishes_per_s,
        user_publishes_burst=limits.user_publishes_burst,
        sessions_per_user=limits.sessions_per_user,
        poll_interval_s=limits.poll_interval_s,
        drain_reconnects_per_s=limits.drain_reconnects_per_s,
        drain_timeout_s=limits.drain_timeout_s,
        has_other_nodes=config.redis.is_used,
        attachments=AttachmentSettings(
            max_bytes=attachments.max_mib * _MIB,
            side_quota_bytes=attachments.side_quota_mib * _MIB,
            keep_unused_ms=attachments.keep_unused_h * 3_600_000,
        ),
    )


def _edge_settings(config: Config, port: int) -> EdgeSettings:
    from liaison.edges.settings import EdgeSettings

    server, metrics = config.server, config.metrics
    return EdgeSettings(
        allowed_origins=frozenset(server.allowed_origins) or default_origins(server.host, port),
        static_directory=STATIC_DIRECTORY,
        uses_tls=server.uses_tls,
        trusted_proxies=tuple(map(ip_network, server.trusted_proxies)),
        metrics_token=metrics.token.value,
        serves_metrics=metrics.enabled and not metrics.port,
        connects_per_address_per_s=config.limits.connects_per_address_per_s,
    )


def default_origins(host: str, port: int) -> frozenset[str]:
    """Give the origins of a browser on this machine, when no other was named."""
    own = {host} if host not in ("0.0.0.0", "::") else {socket.gethostname().lower()}  # noqa: S104 - compared, not bound
    if _is_local(host):
        own |= {"127.0.0.1", "localhost"}
    return frozenset(f"http://{_in_url(name)}:{port}" for name in own)


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _address(server: ServerSection, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)  # noqa: S104 - compared, not bound
    return f"http://{_in_url(host)}:{port}"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _office_door(server: ServerSection) -> AbstractContextManager[socket.socket]:
    return _listening(server.host, server.port, "server", reuse_port=server.reuse_port)


@contextmanager
def shared_port(server: ServerSection) -> Iterator[int]:
    """Keep the port that several workers are to share, chosen now if none is set, while the context lasts.

    Nothing is accepted here. Raises CannotStart.
    """
    from liaison.edges.server import bind

    with _taken(partial(bind, server.host, server.port, reuse_port=True), server.host, server.port, "server") as held:
        yield int(held.getsockname()[1])


def _listening(
    host: str, port: int, section: str, *, reuse_port: bool = False
) -> AbstractContextManager[socket.socket]:
    from liaison.edges.server import listen

    return _taken(partial(listen, host, port, reuse_port=reuse_port), host, port, section)


@contextmanager
def _taken(take: Callable[[], socket.socket], host: str, port: int, section: str) -> Iterator[socket.socket]:
    try:
        listener = take()
    except OSError as error:
        reason = error.strerror or error
        option = " (--host, --port)" if section == "server" else ""
        raise CannotStart(
            f"cannot listen on {host}:{port}: {reason}; choose another {section}.host or {section}.port{option}"
        ) from error
    with listener:
        yield listener


@contextmanager
def _start_failures(*more: type[Exception]) -> Iterator[None]:
    """Turn what can stand in the way of a start into one sentence; `more` is what only this part of it raises."""
    expected: tuple[type[Exception], ...] = (
        InUseError,
        SchemaError,
        EpochMarkError,
        StorageUnavailableError,
        DirectoryUnavailableError,
        LogUnavailableError,
        LogUnreadableError,
        *more,
    )
    try:
        yield
    except expected as error:
        raise CannotStart(str(error)) from error
    except OSError as error:
        raise CannotStart(f"{error.filename or 'the data directory'}: {error.strerror or os.strerror(0)}") from error
