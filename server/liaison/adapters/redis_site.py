"""The Redis that the nodes of an office share: one server, a primary that Sentinel names, or a cluster.

Nothing here retries for long: a call ends within `CALL_TIMEOUT_S`, and whoever made it knows what to do about it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeVar

import redis.exceptions
import structlog
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

_journal = structlog.get_logger(__name__)

T = TypeVar("T")

# A stopped Redis raises nothing, so every call has a deadline; two attempts fit into a lease of presence.
CALL_TIMEOUT_S: Final = 2.0
CONNECT_TIMEOUT_S: Final = 1.0
# Sharded pub/sub, and scripts that write after they asked for the time.
OLDEST_VERSION: Final = (7, 0)

# Everything by which redis-py says that a call failed. It never leaves the adapters.
REDIS_FAILURES: Final = (RedisError, RedisClusterException, OSError, TimeoutError)

# What uvloop says, by a RuntimeError, when something is written to a connection that was reset before anybody read from
# it. asyncio's own loop only warns there, so redis-py lets it through as it comes.
_CLOSED: Final = "the handler is closed"


def raise_if_cancelled(*, since: int = 0) -> None:
    """Be cancelled after all, when the task was asked to more often than `since`.

    redis-py can swallow a cancellation that strikes while it connects.
    """
    if cancellations() > since:
        raise asyncio.CancelledError


def cancellations() -> int:
    """Give how often the current task was asked to end."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


async def answered(call: Awaitable[T]) -> T:
    """Await a call to Redis for CALL_TIMEOUT_S at most; a cancellation is never swallowed.

    Raises one of REDIS_FAILURES.
    """
    before = cancellations()
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await call
    except RuntimeError as error:
        if _CLOSED not in str(error):
            raise
        raise redis.exceptions.ConnectionError(str(error)) from error
    finally:
        raise_if_cancelled(since=before)


class RedisRefusedError(Exception):
    """This Redis can't serve the office; the message says what is wrong and which setting to look at."""


class Form(Enum):
    """How the Redis is run."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """What proves who is who; empty strings are the system's authorities, and no certificate of our own."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Where the Redis is. `addresses` are of the server, of the Sentinels, or of some nodes of the cluster.

    `office` is the id that separates offices that share one Redis. Empty strings: Redis' default user, no password.
    """

    office: str
    form: Form
    addresses: tuple[Address, ...]
    primary_name: str = ""
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"{self.form.value} Redis at {', '.join(map(str, self.addresses))}"


class RedisSite:
    """The connections of one node. `async with site.open():` around everything that uses it."""

    def __init__(self, settings: RedisSettings) -> None:
        self.settings: Final = settings
        self._sentinel: Sentinel | None = None
        self._client: Redis | RedisCluster | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hold the connections, which are made when they are needed first, and close them in the end."""
        self._client = self._make_client()
        try:
            yield
        finally:
            await self._client.aclose()
            self._client = None
            if self._sentinel is not None:
                await self._sentinel.aclose()
                self._sentinel = None

    @property
    def client(self) -> Any:
        """The client for commands; redis-py's own types don't say which of its methods are coroutines."""
        assert self._client is not None, "the site is not open"
        return self._client

    @property
    def is_cluster(self) -> bool:
        """Whether channels live on different servers."""
        return self.settings.form is Form.CLUSTER

    def home_of(self, channel: str) -> str:
        """Name the server that `channel` belongs to; "" where there is only one.

        Raises one of REDIS_FAILURES when the cluster isn't known yet or nobody serves the slot.
        """
        if not isinstance(self._client, RedisCluster):
            return ""
        node = self._client.get_node_from_key(channel)
        if node is None:
            raise RedisClusterException(f"nobody serves the slot of {channel}")
        return str(node.name)

    async def learn_homes(self) -> None:
        """Ask the cluster anew who serves what; a no-op elsewhere. Raises one of REDIS_FAILURES."""
        if isinstance(self._client, RedisCluster):
            await self._client.initialize()
            await self._client.nodes_manager.initialize()

    @asynccontextmanager
    async def connection(self, home: str) -> AsyncIterator[Any]:
        """Give a connection of its own to the server of this name; raises one of REDIS_FAILURES.

        It is redis-py's `Connection` and not its `PubSub`, which connects anew in silence when one of several tasks
        that use it sees a failure, while the others are still reading.
        """
        client = self._make_subscriber(home)
        try:
            pool: Any = client.connection_pool
            yield await answered(pool.get_connection())
        finally:
            # With its pool, and so with the connection.
            await client.aclose(close_connection_pool=True)

    async def check(self) -> None:
        """Prove that this Redis can serve the office, once, before anything is started. Raises RedisRefusedError."""
        where = str(self.settings)
        try:
            if isinstance(self._client, RedisCluster):
                await answered(self._client.initialize())
                info = await answered(self._client.info(target_nodes=self._client.get_default_node()))
            else:
                info = await answered(self.client.info())
        except AuthenticationError as error:
            raise RedisRefusedError(
                f"{where} refuses us: {error}; look at redis.username and redis.password_file"
            ) from error
        except NoPermissionError as error:
            raise RedisRefusedError(f"{where}: {error}; deploy/redis.conf has the rights that are needed") from error
        except MasterNotFoundError as error:
            raise RedisRefusedError(
                f"{where}: no primary named {self.settings.primary_name!r} is known there; look at redis.sentinels and"
                " redis.primary_name"
            ) from error
        except REDIS_FAILURES as error:
            raise RedisRefusedError(_in_words(where, error)) from error
        problem = unfit_because(info, self.settings.form)
        if problem:
            raise RedisRefusedError(f"{where} {problem}")
        if info.get("maxmemory") and info.get("maxmemory_policy") != "noeviction":
            _journal.warning("Redis may evict presence", policy=info["maxmemory_policy"], wanted="noeviction")

    # --- making clients -------------------------------------------------------------------------------------------

    def _make_client(self) -> Redis | RedisCluster:
        settings = self.settings
        # Once more, because a connection that was idle while Redis restarted is only found out by using it. What we
        # send can be repeated: scripts are idempotent, and a hint may come twice.
        options = {**self._options(), "retry": Retry(NoBackoff(), 1)}
        if settings.form is Form.CLUSTER:
            nodes = [ClusterNode(address.host, address.port) for address in settings.addresses]
            return RedisCluster(startup_nodes=nodes, **options)
        if settings.form is Form.SENTINEL:
            return self._primary(options)
        return self._to(settings.addresses[0], options)

    def _make_subscriber(self, home: str) -> Redis:
        # Never a retry: redis-py would connect and subscribe anew in silence, and what came in between is lost.
        options = {**self._options(), "retry": Retry(NoBackoff(), 0)}
        if self.settings.form is Form.SENTINEL:
            return self._primary(options)
        if not home:
            return self._to(self.settings.addresses[0], options)
        host, _, port = home.rpartition(":")
        return self._to(Address(host.strip("[]"), int(port)), options)

    def _primary(self, options: dict[str, Any]) -> Redis:
        settings = self.settings
        if self._sentinel is None:
            sentinel_options = {
                **options,
                "username": settings.sentinel_username or None,
                "password": settings.sentinel_password or None,
                "retry": Retry(NoBackoff(), 0),
            }
            addresses = [(address.host, address.port) for address in settings.addresses]
            self._sentinel = Sentinel(addresses, sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
        primary: Redis = self._sentinel.master_for(settings.primary_name, db=settings.database, **options)
        return primary

    def _to(self, address: Address, options: dict[str, Any]) -> Redis:
        return Redis(host=address.host, port=address.port, db=self.settings.database, **options)

    def _options(self) -> dict[str, Any]:
        settings = self.settings
        options: dict[str, Any] = {
            "username": settings.username or None,
            "password": settings.password or None,
            "socket_timeout": CALL_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            # Version 2 of Redis' protocol: it is what every fork speaks, and its replies to a PING among
            # subscriptions are plain.
            "protocol": 2,
            # It would introduce itself by a command that needs a right of its own, and that 7.0 doesn't know.
            "driver_info": None,
            "client_name": f"liaison-{settings.office}",
        }
        if settings.tls is not None:
            options |= {
                "ssl": True,
                "ssl_ca_certs": settings.tls.ca_file or None,
                "ssl_certfile": settings.tls.cert_file or None,
                "ssl_keyfile": settings.tls.key_file or None,
                "ssl_cert_reqs": "required",
                "ssl_check_hostname": True,
            }
        return options


def unfit_because(info: dict[str, Any], form: Form) -> str:
    """Say, from what INFO tells, why a server can't serve an office; "" when it can."""
    version = str(info.get("redis_version", "0"))
    if _version(version) < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        return f"is version {version}, and liaison needs {oldest} or later"
    is_cluster = info.get("redis_mode") == "cluster" or bool(info.get("cluster_enabled"))
    if is_cluster and form is not Form.CLUSTER:
        return "is a node of a cluster; name the cluster's nodes in redis.cluster"
    if not is_cluster and form is Form.CLUSTER:
        return "is no cluster; name a single server in redis.url"
    if info.get("redis_mode") == "sentinel":
        return "is a Sentinel; name it in redis.sentinels"
    if info.get("role") == "slave" and form is Form.SINGLE:
        return "is a replica; name its primary, or let Sentinel find it by redis.sentinels"
    return ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in text.split(".")[:2])


def _in_words(where: str, error: BaseException) -> str:
    if isinstance(error, ResponseError):
        return f"{where} answers: {error}"
    # A deadline that passed has no text of its own.
    reason = str(error) or "no answer in time"
    return f"{where} can't be reached: {reason}; look at redis.url, redis.sentinels or redis.cluster, and redis.tls"
