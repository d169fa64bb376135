"""Threads that carry out blocking work for an event loop, with as little as possible between the two.

`run_in_executor` makes two futures, a lock, a condition and a chain of callbacks for each piece of work. On the way of
a message that comes alone that is a tenth of all; here one queue goes there and one callback back.
"""

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")
# What is to be done, and whose answer it is; None ends a thread.
_Order = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]] | None


class WorkThreads:
    """So many threads, which take work in the order of the calls; sql_writer.RunBlocking."""

    def __init__(self, threads: int, name: str) -> None:
        self._orders: Final[SimpleQueue[_Order]] = SimpleQueue()
        # Daemons: who never shuts them down must be able to end. They know the queue alone, so that they end with us.
        self._threads: Final = [
            Thread(target=_serve, args=(self._orders,), name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        self._stop: Final = weakref.finalize(self, _stop, self._orders, threads)
        for thread in self._threads:
            thread.start()

    def __call__(self, work: Callable[[], T], /) -> "asyncio.Future[T]":
        """Have `work` done, and give what it returns or raises.

        Cancellation: work that hasn't begun is not done, other work is done and its result dropped.

        Raises RuntimeError after `shutdown`.
        """
        if not self._stop.alive:
            raise RuntimeError("these threads were shut down")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._orders.put((loop, answer, work))
        return answer

    def shutdown(self) -> None:
        """Take no more, and return once everything taken is done; blocking, idempotent."""
        self._stop()
        for thread in self._threads:
            thread.join()


def _stop(orders: "SimpleQueue[_Order]", threads: int) -> None:
    for _ in range(threads):
        orders.put(None)


def _serve(orders: "SimpleQueue[_Order]") -> None:
    while (order := orders.get()) is not None:
        loop, answer, work = order
        if not answer.cancelled():
            value, error = _outcome(work)
            # When the loop is closed nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_tell, answer, value, error)
            del value, error
        # Until the next order comes, nothing of this one is to be kept.
        del order, loop, answer, work


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return work(), None
    # The thread's boundary: whatever it is, it belongs to the one who waits.
    except BaseException as error:  # noqa: BLE001
        return None, error


def _tell(answer: "asyncio.Future[T]", value: T | None, error: BaseException | None) -> None:
    if answer.done():  # Cancelled meanwhile.
        return
    if error is None:
        answer.set_result(cast(T, value))
    else:
        answer.set_exception(error)
