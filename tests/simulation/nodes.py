"""Nodes of one office that crash and come back, and people who insist: what the simulations of the registers share."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from liaison.office.office import Office
from liaison.ports.log import Log, LogUnavailableError
from liaison.protocol.errors import LiaisonError
from tests.simulation.cluster import StormyLog, Weather

T = TypeVar("T")
RunNode = Callable[[str, Log], AbstractAsyncContextManager[Office]]


@dataclass(eq=False)
class Node:
    """A node that is up; `rng` is what its own way to the log is made of."""

    office: Office
    rng: random.Random
    stop: asyncio.Event
    life: "asyncio.Future[Any]"
    calls: set["asyncio.Task[Any]"] = field(default_factory=set)


class StormyNodes:
    """Those that are up now, in `up`. `run` gives the context in which a node of that name lives, by its own log."""

    def __init__(self, run: RunNode, log: Log, weather: Weather, rng: random.Random) -> None:
        self._run, self._log, self._weather, self._rng = run, log, weather, rng
        self._born = 0
        self.up: Final[list[Node]] = []

    async def begin(self) -> Node:
        """Bring one up, as often as it takes: whoever supervises a node that can't read its registers tries again."""
        while True:
            self._born += 1
            rng = random.Random(self._rng.randrange(2**32))
            node = await self._start(rng)
            if node is not None:
                self.up.append(node)
                return node
            await asyncio.sleep(1)

    async def _start(self, rng: random.Random) -> Node | None:
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()

        async def live() -> None:
            async with self._run(f"n{self._born}", StormyLog(self._log, self._weather, rng)) as office:
                found.set_result(office)
                await stop.wait()

        life: asyncio.Future[Any] = asyncio.get_running_loop().create_task(live())
        await asyncio.wait([life, found], return_when=asyncio.FIRST_COMPLETED)
        if found.done():
            return Node(found.result(), rng, stop, life)
        assert isinstance(life.exception(), LogUnavailableError), life.exception()
        return None

    async def crash(self, node: Node) -> None:
        """End one at once: whoever waits for an answer gets none, wherever their command was."""
        self.up.remove(node)
        for task in (*node.calls, node.life):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await node.life

    async def crash_all(self) -> None:
        """End every one."""
        for node in list(self.up):
            await self.crash(node)

    async def storm(self, seconds: float) -> int:
        """Crash nodes, fill the log's disk and stall it, again and again; give how many faults there were."""
        loop = asyncio.get_running_loop()
        until, faults = loop.time() + seconds, 0
        while loop.time() < until:
            await asyncio.sleep(self._rng.expovariate(1 / 0.8))
            faults += 1
            match self._rng.choice(("crash", "crash", "full", "stall")):
                case "crash":
                    await self.crash(self._rng.choice(self.up))
                    await self.begin()
                case "full":
                    self._weather.log_full = True
                    loop.call_later(self._rng.uniform(0.1, 0.6), setattr, self._weather, "log_full", False)
                case _:
                    self._weather.log_stalled_until = loop.time() + self._rng.uniform(0, 0.6)
        return faults

    async def insist(self, ask: Callable[[Office], Awaitable[T]], rng: random.Random) -> T:
        """Ask the same, at whatever node is up, until there is an answer that is final. Raises LiaisonError if not so.

        A node that dies over it, and a refusal that says it is temporary, are no final answers.
        """
        while True:
            if not self.up:
                await asyncio.sleep(rng.uniform(0.5, 3))
                continue
            node = rng.choice(self.up)

            async def call(office: Office = node.office) -> T:
                return await ask(office)

            task = asyncio.get_running_loop().create_task(call())
            node.calls.add(task)
            try:
                await asyncio.wait({task})
            finally:
                node.calls.discard(task)
                task.cancel()
            if task.cancelled():
                continue
            try:
                return task.result()
            except LiaisonError as error:
                if not error.code.value.temporary:
                    raise
            await asyncio.sleep(rng.uniform(0.05, 0.3))
