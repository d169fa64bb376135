"""The bus over Redis' pub/sub: hints between the nodes of an office. (ports.bus.Bus)

Publishing never waits: hints queue, and one task sends them in pipelines. When Redis is slow or away the oldest are
dropped. That needs no notice to anybody, because every node polls the log's heads besides: a hint that was lost is
found by the next poll, and the newest ones, which are kept, say where the heads are.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import structlog

from liaison.adapters.redis_hints import GarbageError, HeadMoved, decode_hint, encode_hint
from liaison.adapters.redis_site import REDIS_FAILURES, RedisSite, answered
from liaison.adapters.redis_subscriber import Liveness, RedisSubscriber
from liaison.core.identifiers import ChannelId
from liaison.ports.bus import AnyHint, BusListener, NodeHint

_journal = structlog.get_logger(__name__)

# In a cluster a channel's hints go through one of so many of Redis' channels. Each must be subscribed by itself, on the
# server that has it, so their number bounds what a reconnect costs; more would separate offices' channels no better.
BUCKETS: Final = 512
# What waits while Redis is away: some seconds of a busy office. Older hints are worth nothing.
_MAX_QUEUED_HINTS: Final = 4096
_MAX_QUEUED_BYTES: Final = 16 * 1024 * 1024
# A pipeline that holds everything would make one slow reply out of many quick ones.
_MAX_PIPELINE_HINTS: Final = 128
_MAX_PIPELINE_BYTES: Final = 1024 * 1024
_RETRY_S: Final = (0.1, 0.5)


@dataclass(slots=True)
class BusCounts:
    """What became of hints at this node: `garbage` is what arrived and was none."""

    published: int = 0
    dropped: int = 0
    received: int = 0
    garbage: int = 0


class RedisBus:
    """One node's end of the bus. `node` is a name that no other process has, in no other life either.

    Use it within `async with bus.running():`.
    """

    def __init__(
        self,
        site: RedisSite,
        rng: random.Random,
        *,
        node: str,
        liveness: Liveness = Liveness(),  # noqa: B008 - immutable
    ) -> None:
        self.counts = BusCounts()
        self._site = site
        self._rng = rng
        self._node = node
        self._names = _Names(site)
        self._listener: BusListener | None = None
        # By the name of Redis' channel: what of it is wanted.
        self._channels: dict[str, set[ChannelId]] = {}
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued_bytes = 0
        self._is_filled = asyncio.Event()
        self._subscriber = RedisSubscriber(
            site, rng, probe=f"bus:{node}", on_message=self._on_message, on_doubt=self._on_doubt, liveness=liveness
        )
        self._subscriber.follow(self._names.directory)

    @property
    def is_up(self) -> bool:
        return self._subscriber.is_up

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be connected while the context lasts; entering waits, for a short time, until this node can hear."""
        async with asyncio.TaskGroup() as tasks, self._subscriber.running():
            sending = tasks.create_task(self._send_queued(), name="redis bus sender")
            try:
                yield
            finally:
                sending.cancel()

    def attach(self, listener: BusListener) -> Callable[[], None]:
        if self._listener is not None:
            raise RuntimeError("somebody listens at this node already")
        self._listener = listener

        def detach() -> None:
            if self._listener is listener:
                self._listener = None
                for name in list(self._channels):
                    self._leave(name)

        return detach

    def publish(self, hint: AnyHint) -> None:
        encoded = encode_hint(self._node, hint)
        name = self._names.directory if isinstance(hint, NodeHint) else self._names.of(hint.channel)
        self._queue.append((name, encoded))
        self._queued_bytes += len(encoded)
        while len(self._queue) > _MAX_QUEUED_HINTS or self._queued_bytes > _MAX_QUEUED_BYTES:
            _, oldest = self._queue.popleft()
            self._queued_bytes -= len(oldest)
            self.counts.dropped += 1
        self._is_filled.set()

    async def subscribe(self, channel: ChannelId) -> None:
        name = self._names.of(channel)
        self._channels.setdefault(name, set()).add(channel)
        self._subscriber.follow(name)
        await self._subscriber.settled(name)

    def unsubscribe(self, channel: ChannelId) -> None:
        name = self._names.of(channel)
        wanted = self._channels.get(name, set())
        wanted.discard(channel)
        if not wanted:
            self._leave(name)

    def _leave(self, name: str) -> None:
        self._channels.pop(name, None)
        self._subscriber.leave(name)

    # --- what arrives ---------------------------------------------------------------------------------------------

    def _on_message(self, name: str, payload: bytes) -> None:
        try:
            received = decode_hint(payload)
            hint = received.hint
            is_for_all = name == self._names.directory
            if is_for_all != isinstance(hint, NodeHint):
                raise GarbageError("on the wrong channel")
            if not isinstance(hint, NodeHint) and self._names.of(hint.channel) != name:
                raise GarbageError("about another channel")
        except GarbageError as error:
            self._count_garbage(name, error)
            return
        if received.node == self._node or self._listener is None:
            return
        self.counts.received += 1
        if isinstance(hint, NodeHint) or hint.channel in self._channels.get(name, ()):
            if isinstance(hint, HeadMoved):
                self._listener.on_doubt()
            else:
                self._listener.on_hint(hint)

    def _count_garbage(self, name: str, error: GarbageError) -> None:
        self.counts.garbage += 1
        # At 1, 2, 4, 8 …: a flood of it must not become a flood in the journal.
        if self.counts.garbage & (self.counts.garbage - 1) == 0:
            _journal.warning("garbage on the bus", channel=name, reason=str(error), count=self.counts.garbage)

    def _on_doubt(self) -> None:
        if self._listener is not None:
            self._listener.on_doubt()

    # --- sending --------------------------------------------------------------------------------------------------

    async def _send_queued(self) -> None:
        while True:
            await self._is_filled.wait()
            batch = self._take_batch()
            try:
                await answered(self._send(batch))
            except REDIS_FAILURES as error:
                # Whether some of it arrived is unknown, and it doesn't matter.
                await self._drop(batch, error)
            except Exception as error:  # noqa: BLE001  The task's boundary: no fault in sending hints may end the node.
                _journal.exception("sending hints failed")
                await self._drop(batch, error)
            else:
                self.counts.published += len(batch)

    async def _drop(self, batch: list[tuple[str, bytes]], error: Exception) -> None:
        self.counts.dropped += len(batch)
        _journal.debug("hints dropped", hints=len(batch), reason=str(error))
        await asyncio.sleep(self._rng.uniform(*_RETRY_S))

    def _take_batch(self) -> list[tuple[str, bytes]]:
        batch: list[tuple[str, bytes]] = []
        size = 0
        while self._queue and len(batch) < _MAX_PIPELINE_HINTS and size < _MAX_PIPELINE_BYTES:
            item = self._queue.popleft()
            size += len(item[1])
            batch.append(item)
        self._queued_bytes -= size
        if not self._queue:
            self._is_filled.clear()
        return batch

    async def _send(self, batch: list[tuple[str, bytes]]) -> None:
        if len(batch) == 1:
            await self._site.client.execute_command("SPUBLISH", *batch[0])
            return
        pipeline = self._site.client.pipeline(transaction=False)
        for name, payload in batch:
            pipeline.execute_command("SPUBLISH", name, payload)
        await pipeline.execute()


class _Names:
    """What Redis' channels are called: everything of an office begins with its id, for many may share one Redis."""

    def __init__(self, site: RedisSite) -> None:
        self._is_cluster = site.is_cluster
        self._prefix = f"liaison:{site.settings.office}:bus:"
        self.directory: Final = f"{self._prefix}directory"

    def of(self, channel: ChannelId) -> str:
        """Give the channel that carries the hints of one of ours."""
        if self._is_cluster:
            return f"{self._prefix}{crc32(channel.encode()) % BUCKETS}"
        return f"{self._prefix}of:{channel}"
