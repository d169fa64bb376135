"""Listening to Redis' sharded pub/sub so that nothing is ever lost in silence.

A subscription that was confirmed anew, a server that fell silent, and a way that leads nowhere although the connection
looks well are all told as a doubt. Whoever listens then asks the truth for what it missed.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from liaison.adapters.redis_site import CALL_TIMEOUT_S, REDIS_FAILURES, RedisSite, answered, raise_if_cancelled

_journal = structlog.get_logger(__name__)

# Begins every probe. No hint and no change begins with it: 0xc1 is the one byte that msgpack never uses, nor does JSON.
PROBE_MARK: Final = b"\xc1probe:"
# Between two attempts to connect: soon enough that the fast path is back within two seconds of Redis' return, and with
# jitter, because every node finds out at the same moment.
_RETRY_S: Final = (0.1, 0.5)
_CHANNELS_PER_COMMAND: Final = 500


@dataclass(frozen=True, slots=True)
class Liveness:
    """When a subscription counts as dead, in seconds."""

    # A stopped Redis raises nothing: only an answer that is missing tells.
    ping_interval_s: float = 2.0
    silent_after_s: float = 5.0
    # A message of our own that goes round shows what no PING can: that messages arrive. /readyz is to say so in 10 s.
    probe_interval_s: float = 3.0
    deaf_after_s: float = 8.0


class _DeadError(Exception):
    """The connection is to be given up, though nothing was raised."""


@dataclass(slots=True)
class _Following:
    """One channel that is wanted. `settled` is set once it is confirmed, or known not to be for the moment."""

    line: "_Line"
    is_confirmed: bool = False
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class RedisSubscriber:
    """Follows channels. `on_message(channel, payload)` and `on_doubt()` are called on the loop and must not raise.

    `probe` is a name of this subscriber alone. Use it within `async with subscriber.running():`.
    """

    def __init__(
        self,
        site: RedisSite,
        rng: random.Random,
        *,
        probe: str,
        on_message: Callable[[str, bytes], None],
        on_doubt: Callable[[], None],
        liveness: Liveness = Liveness(),
    ) -> None:
        self.site = site
        self.rng = rng
        self.liveness = liveness
        self.probe = PROBE_MARK + probe.encode()
        self.following: dict[str, _Following] = {}
        self._on_message = on_message
        self._on_doubt = on_doubt
        self._lines: dict[str, _Line] = {}
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def is_up(self) -> bool:
        """Whether messages can be expected: every connection stands, is confirmed and has heard itself lately."""
        return bool(self._lines) and all(line.is_up for line in self._lines.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Stay connected while the context lasts; what was followed before is confirmed, or known to fail, at entry."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            await self.try_to_rehome()
            for following in self.following.values():
                self._start(following.line)
            try:
                for channel in list(self.following):
                    await self.settled(channel)
                yield
            finally:
                self._tasks = None
                for line in self._lines.values():
                    line.stop()

    def follow(self, channel: str) -> None:
        """Follow a channel from its confirmation on; idempotent. `settled` waits for that."""
        if channel not in self.following:
            line = self._line_of(channel)
            following = self.following[channel] = _Following(line)
            following.is_confirmed = line.want(channel)
            if following.is_confirmed or line.is_lost:
                following.settled.set()

    async def settled(self, channel: str) -> bool:
        """Wait until a followed channel is confirmed (True), or can't be for now: then a doubt tells when it is."""
        following = self.following.get(channel)
        if following is None:
            return False
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await following.settled.wait()
        except TimeoutError:
            # From here on nobody waits, so its confirmation is to be told.
            following.settled.set()
        return following.is_confirmed

    def leave(self, channel: str) -> None:
        """Follow no more; idempotent."""
        following = self.following.pop(channel, None)
        if following is not None:
            following.line.drop(channel)
            self._end_unused()

    # --- called by the lines --------------------------------------------------------------------------------------

    def on_payload(self, channel: str, payload: bytes) -> None:
        """A message came on a channel, perhaps one that was left meanwhile."""
        if channel in self.following:
            self._on_message(channel, payload)

    def on_confirmed(self, channel: str, *, is_expected: bool) -> None:
        """A subscription stands from now on; unless somebody has waited for it, something may have been lost."""
        following = self.following.get(channel)
        if following is None:
            return
        is_awaited = is_expected and not following.settled.is_set()
        following.is_confirmed = True
        following.settled.set()
        if not is_awaited:
            self._on_doubt()

    def on_lost(self, line: "_Line") -> None:
        """A connection is gone, or couldn't be made."""
        for following in self.following.values():
            if following.line is line:
                following.is_confirmed = False
                following.settled.set()

    def doubt(self) -> None:
        """Something may have been lost."""
        self._on_doubt()

    async def try_to_rehome(self) -> None:
        """In a cluster, move every channel to the server that has its slot now, if anybody there can tell."""
        if not self.site.is_cluster:
            return
        try:
            await answered(self.site.learn_homes())
        except REDIS_FAILURES as error:
            _journal.debug("cluster unknown", reason=str(error))
            return
        for channel, following in self.following.items():
            line = self._line_of(channel)
            if line is not following.line:
                following.line.drop(channel)
                following.line = line
                following.is_confirmed = False
                line.want(channel)
        self._end_unused()

    def _end_unused(self) -> None:
        for home, line in list(self._lines.items()):
            if not line.wanted:
                del self._lines[home]
                line.stop()

    def _line_of(self, channel: str) -> "_Line":
        try:
            home = self.site.home_of(channel)
        except REDIS_FAILURES:
            # The cluster isn't known, or in pieces. Any line will do: it fails, and finds the right one then.
            home = next(iter(self._lines), str(self.site.settings.addresses[0]))
        line = self._lines.get(home)
        if line is None:
            line = self._lines[home] = _Line(self, home)
            self._start(line)
        return line

    def _start(self, line: "_Line") -> None:
        if self._tasks is not None and line.task is None:
            line.task = self._tasks.create_task(line.run(), name=f"redis subscription {line.home}")


class _Line:
    """One connection to one server, made anew for as long as it takes."""

    def __init__(self, owner: RedisSubscriber, home: str) -> None:
        self.home = home
        self.wanted: set[str] = set()
        self.task: asyncio.Task[None] | None = None
        self._owner = owner
        self._is_stopped = False
        self._is_connected = False
        self._is_deaf = False
        # Since a connection was lost or couldn't be made, until one stands.
        self.is_lost = False
        # What Redis was asked for on this connection, and how many of its answers are still due for each channel.
        self._asked: set[str] = set()
        self._due: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._heard_at_s = 0.0
        self._echo_at_s = 0.0

    @property
    def is_up(self) -> bool:
        return self._is_connected and not self._seems_deaf

    @property
    def _seems_deaf(self) -> bool:
        # By the clock, too, because a probe that hangs must not put off the finding.
        echo_age_s = asyncio.get_running_loop().time() - self._echo_at_s
        return self._is_deaf or echo_age_s > self._owner.liveness.deaf_after_s

    def want(self, channel: str) -> bool:
        """Ask Redis for a channel; True when it was followed until a moment ago, and so still is."""
        self.wanted.add(channel)
        self._changed.set()
        return self._is_connected and channel in self._asked and channel not in self._due

    def drop(self, channel: str) -> None:
        self.wanted.discard(channel)
        self._changed.set()

    def stop(self) -> None:
        self._is_stopped = True
        if self.task is not None:
            self.task.cancel()
            self.task = None

    async def run(self) -> None:
        """Stay connected until stopped."""
        # Cancelled alone wouldn't do: a group of tasks that fails while it is cancelled tells of the failure only.
        while not self._is_stopped:
            try:
                await self._live()
            except* (*REDIS_FAILURES, _DeadError) as errors:
                self._lose(errors)
            except* Exception as errors:  # noqa: BLE001
                # The task's outermost boundary. Nothing depends on hearing from Redis, so a fault in listening, ours or
                # the library's, must not end the node.
                _journal.exception("Redis subscription failed", server=self.home, exc_info=errors)
                self._lose(errors)
            await asyncio.sleep(self._owner.rng.uniform(*_RETRY_S))
            await self._owner.try_to_rehome()

    def _lose(self, errors: BaseExceptionGroup[Exception]) -> None:
        # Once for each loss, not for each attempt.
        if not self.is_lost:
            _journal.warning("Redis subscription lost", server=self.home, reason=str(errors.exceptions[0]))
            self.is_lost = True
        was_connected, self._is_connected = self._is_connected, False
        self._asked.clear()
        self._due.clear()
        self._owner.on_lost(self)
        # Not for each attempt: there is nothing new to lose.
        if was_connected:
            self._owner.doubt()

    async def _live(self) -> None:
        async with self._owner.site.connection(self.home) as connection:
            self._heard_at_s = self._echo_at_s = asyncio.get_running_loop().time()
            await answered(self._ask(connection))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(connection))
                tasks.create_task(self._keep_asking(connection))
                tasks.create_task(self._ping(connection))
                tasks.create_task(self._send_probes())

    # --- asking ---------------------------------------------------------------------------------------------------

    async def _keep_asking(self, connection: Any) -> None:
        while True:
            await self._changed.wait()
            await answered(self._ask(connection))

    async def _ask(self, connection: Any) -> None:
        """Bring Redis' idea of what we follow in line with ours."""
        self._changed.clear()
        gone, new = self._asked - self.wanted, self.wanted - self._asked
        self._asked = set(self.wanted)
        self._due.update(gone)
        self._due.update(new)
        # A cluster takes one slot in a command.
        step = 1 if self._owner.site.is_cluster else _CHANNELS_PER_COMMAND
        for channels in _batched(sorted(gone), step):
            await _send(connection, "SUNSUBSCRIBE", *channels)
        for channels in _batched(sorted(new), step):
            await _send(connection, "SSUBSCRIBE", *channels)

    async def _ping(self, connection: Any) -> None:
        while True:
            await asyncio.sleep(self._owner.liveness.ping_interval_s)
            await answered(_send(connection, "PING"))

    # --- listening ------------------------------------------------------------------------------------------------

    async def _listen(self, connection: Any) -> None:
        loop = asyncio.get_running_loop()
        silent_after_s = self._owner.liveness.silent_after_s
        while True:
            # What is in the buffer already comes without giving way to the others, so give way now and then.
            for _ in range(100):
                message = await connection.read_response(timeout=silent_after_s / 5, disconnect_on_error=False)
                if message is None:
                    break
                self._heard_at_s = loop.time()
                self._take(message)
            else:
                await asyncio.sleep(0)
            raise_if_cancelled()
            if loop.time() - self._heard_at_s > silent_after_s:
                raise _DeadError(f"no byte for {silent_after_s:g} s")

    def _take(self, message: object) -> None:
        match message:
            case [b"smessage", bytes(channel), bytes(data)]:
                if data.startswith(PROBE_MARK):
                    self._take_probe(data)
                else:
                    self._owner.on_payload(channel.decode(), data)
            case [b"ssubscribe" | b"sunsubscribe" as kind, bytes(channel), int()]:
                self._take_answer(channel.decode(), is_subscribed=kind == b"ssubscribe")
            case _:
                # The answer to a PING: that it came is all it says.
                pass

    def _take_probe(self, data: bytes) -> None:
        if data == self._owner.probe:
            was_deaf, self._is_deaf = self._seems_deaf, False
            self._echo_at_s = asyncio.get_running_loop().time()
            if was_deaf:
                # Nobody knows since when it hears.
                self._owner.doubt()

    def _take_answer(self, channel: str, *, is_subscribed: bool) -> None:
        is_expected = self._due[channel] > 0
        self._due[channel] -= 1
        if self._due[channel] <= 0:
            del self._due[channel]
        if not is_subscribed and not is_expected:
            raise _DeadError(f"the slot of {channel} has moved")
        if not self._due:
            self._is_connected = True
            self.is_lost = False
        if is_subscribed and channel not in self._due:
            self._owner.on_confirmed(channel, is_expected=is_expected)

    # --- hearing oneself ------------------------------------------------------------------------------------------

    async def _send_probes(self) -> None:
        loop = asyncio.get_running_loop()
        liveness = self._owner.liveness
        while True:
            if loop.time() - self._echo_at_s > liveness.deaf_after_s:
                if not self._is_deaf:
                    _journal.error("deaf to Redis: connected, but nothing arrives", server=self.home)
                self._is_deaf = True
                # A connection made anew is the only thing that may help; it counts as deaf until it hears itself.
                raise _DeadError(f"deaf for {liveness.deaf_after_s:g} s")
            await self._send_probe()
            await asyncio.sleep(min(liveness.probe_interval_s, self._echo_at_s + liveness.deaf_after_s - loop.time()))

    async def _send_probe(self) -> None:
        channel = next(iter(self._asked), None)
        if channel is None:
            # Nothing is followed here, so nothing can be missed.
            self._echo_at_s = asyncio.get_running_loop().time()
            return
        try:
            await answered(self._owner.site.client.execute_command("SPUBLISH", channel, self._owner.probe))
        except REDIS_FAILURES as error:
            # The echo will be missing, and that is what counts.
            _journal.debug("probe failed", server=self.home, reason=str(error))


async def _send(connection: Any, *command: str) -> None:
    # One that is closed would be opened again by sending, and follow nothing.
    if not connection.is_connected:
        raise _DeadError("closed")
    await connection.send_command(*command, check_health=False)


def _batched(channels: list[str], size: int) -> Iterator[list[str]]:
    """Give runs of at most `size`."""
    for start in range(0, len(channels), size):
        yield channels[start : start + size]
