import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from liaison.adapters.work_threads import WorkThreads


@pytest.fixture
def threads() -> Iterator[WorkThreads]:
    threads = WorkThreads(1, "work")
    yield threads
    threads.shutdown()


async def test_work_is_done_in_another_thread_and_in_the_order_of_the_calls(threads: WorkThreads) -> None:
    done: list[int] = []

    def work(number: int) -> str:
        done.append(number)
        return threading.current_thread().name

    names = await asyncio.gather(*[threads(lambda number=number: work(number)) for number in range(100)])  # type: ignore[misc]
    assert done == list(range(100))
    assert set(names) == {"work-0"}


async def test_what_work_raises_is_raised_and_the_thread_goes_on(threads: WorkThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        await threads(lambda: 1 / 0)
    assert await threads(lambda: "still here") == "still here"


async def test_several_threads_work_at_the_same_time() -> None:
    threads = WorkThreads(2, "work")
    both = threading.Barrier(2, timeout=5)
    await asyncio.gather(threads(both.wait), threads(both.wait))
    threads.shutdown()


async def test_work_that_is_cancelled_before_it_began_is_not_done(threads: WorkThreads) -> None:
    go, done = threading.Event(), []
    first = threads(go.wait)
    second = asyncio.ensure_future(threads(lambda: done.append("second")))
    third = threads(lambda: done.append("third"))
    second.cancel()
    go.set()
    await first
    await third
    assert done == ["third"]


async def test_work_that_is_cancelled_under_way_is_done_and_its_result_dropped(threads: WorkThreads) -> None:
    begun, go, done = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        go.wait()
        done.append("all of it")

    waiter = asyncio.ensure_future(threads(work))
    begun.wait()
    waiter.cancel()
    go.set()
    await threads(lambda: None)
    assert done == ["all of it"]


async def test_after_a_shutdown_what_was_taken_is_done_and_nothing_more_is_taken() -> None:
    threads = WorkThreads(1, "work")
    taken = [threads(lambda number=number: number) for number in range(10)]  # type: ignore[misc]
    threads.shutdown()
    threads.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        threads(lambda: None)
    assert await asyncio.gather(*taken) == list(range(10))


async def test_threads_that_nobody_shut_down_end_with_their_owner() -> None:
    threads = WorkThreads(1, "work")
    await threads(lambda: None)
    (thread,) = threads._threads
    del threads
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


async def test_nothing_of_a_piece_of_work_is_kept_once_it_is_done(threads: WorkThreads) -> None:
    class Result:
        pass

    result = await threads(Result)
    gone = threading.Event()
    weakref.finalize(result, gone.set)
    del result
    # What woke this task up still has the answer in hand until the loop turns.
    await asyncio.sleep(0)
    assert gone.wait(5)
