"""An event loop whose time is a number: it jumps to the next timer, so that hours pass in milliseconds.

Everything runs in one thread and takes its randomness from one seed, so the same seed gives the same history. There is
no real input or output: code under test reaches the world through ports, and here their fakes live on this loop.
"""

import asyncio
import random
import selectors
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Executor
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, TypeVarTuple, Unpack

from liaison.core.identifiers import Millis

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Far from zero, so that a mix-up of the two clocks shows: 2018-09-14 10:30 UTC, the day the office opened.
WALL_START_MS: Final = 1_536_921_000_000
# Code that does this much without time passing will never let it pass.
MAX_TURNS_AT_ONE_MOMENT: Final = 100_000


class NothingCanAdvance(Exception):
    """The scenario waits for something that can never happen: no timer, no callback, or no end of them, is left."""


class VirtualClock:
    """ports.clock.Clock on a virtual loop. `jump_wall` moves the wall's clock, as an administrator would."""

    def __init__(self, loop: "_VirtualLoop") -> None:
        self._loop = loop
        self._wall_offset_ms = WALL_START_MS

    def monotonic_ms(self) -> Millis:
        return Millis(self._loop.now_ns // 1_000_000)

    def wall_ms(self) -> Millis:
        return Millis(self._loop.now_ns // 1_000_000 + self._wall_offset_ms)

    def jump_wall(self, by_ms: int) -> None:
        """Set the wall's clock forwards or (negative) back; the monotonic one goes on as before."""
        self._wall_offset_ms += by_ms


class World:
    """What a scenario gets: the clock, the one source of randomness, and a stand-in for threads."""

    def __init__(self, loop: "_VirtualLoop", seed: int) -> None:
        self._loop = loop
        self.clock = VirtualClock(loop)
        self.random = random.Random(seed)

    def stop_the_process(self, for_ms: int) -> None:
        """Let time pass while nothing at all runs, as SIGSTOP or a suspended machine does."""
        self._loop.skip(for_ms * 1_000_000)

    async def run_blocking(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what a thread would do, inline, one turn of the loop later: a caller must bear being suspended here."""
        await asyncio.sleep(0)
        return function(*args, **kwargs)


def run(seed: int, scenario: Callable[[World], Coroutine[Any, Any, T]], *, limit_s: float = 86_400) -> T:
    """Run `scenario(world)` to its end under virtual time and give its result.

    Raises:
        NothingCanAdvance: it waits for what can't happen, spins without letting time pass, or passed `limit_s`.
        Exception: its own, or the first that a callback or task raised with nobody to receive it.
    """
    loop = _VirtualLoop(limit_s)
    world = World(loop, seed)
    unhandled: list[Mapping[str, Any]] = []
    loop.set_exception_handler(lambda _, context: unhandled.append(context))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(scenario(world))
    if unhandled:
        context = unhandled[0]
        raise context.get("exception") or RuntimeError(context["message"])
    return result


class _Selector(selectors.BaseSelector):
    """Instead of waiting for sockets, lets the loop's time jump."""

    def __init__(self, limit_ns: int) -> None:
        self.now_ns = 0
        self._limit_ns = limit_ns
        self._turns_at_this_moment = 0
        self._registered: dict[FileDescriptorLike, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingCanAdvance("no timer and no callback is left")
        step_ns = max(0, round(timeout * 1_000_000_000))
        self._turns_at_this_moment = 0 if step_ns else self._turns_at_this_moment + 1
        if self._turns_at_this_moment > MAX_TURNS_AT_ONE_MOMENT:
            raise NothingCanAdvance(f"{MAX_TURNS_AT_ONE_MOMENT} turns of the loop, and no time has passed")
        if self.now_ns + step_ns > self._limit_ns:
            raise NothingCanAdvance(f"the scenario has not ended after {self._limit_ns / 1e9:g} s of its time")
        self.now_ns += step_ns
        return []

    def register(self, fileobj: "FileDescriptorLike", events: int, data: Any = None) -> selectors.SelectorKey:
        if self._registered:
            raise RuntimeError("there is no real input or output under virtual time")
        # The loop's own pipe for waking it up from other threads, of which there are none.
        key = selectors.SelectorKey(fileobj, -1, events, data)
        self._registered[fileobj] = key
        return key

    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        return self._registered.pop(fileobj)

    def get_map(self) -> "Mapping[FileDescriptorLike, selectors.SelectorKey]":
        return self._registered


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, limit_s: float) -> None:
        self._jumping = _Selector(round(limit_s * 1_000_000_000))
        self._thread = threading.get_ident()
        super().__init__(self._jumping)

    @property
    def now_ns(self) -> int:
        return self._jumping.now_ns

    def skip(self, by_ns: int) -> None:
        self._jumping.now_ns += by_ns

    def time(self) -> float:
        return self._jumping.now_ns / 1_000_000_000

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        if threading.get_ident() != self._thread:
            raise RuntimeError("a thread's order of events is nobody's to repeat: use World.run_blocking")
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]  # typeshed gives a Future; what callers do is await it.
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> Awaitable[T]:
        raise RuntimeError("there are no threads under virtual time: use World.run_blocking")
