"""Reads that share a thread's turn while all readers are busy."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from liaison.adapters.sql_engine import connect
from liaison.adapters.sql_reader import MAX_SHARED, GroupReader
from liaison.adapters.sql_writer import StorageUnavailableError, driver_of

T = TypeVar("T")


class Turns:
    """Runs blocking work on the spot, but only when the test lets it."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        self.count += 1

        async def run() -> T:
            await self.gate.wait()
            return work()

        return run()


def number(value: int) -> Callable[[Connection], int]:
    def read(connection: Connection) -> int:
        (found,) = driver_of(connection).execute("SELECT ?", (value,)).fetchone()
        return int(found)

    return read


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def reader(turns: Turns) -> GroupReader:
    return GroupReader([connect(None)], turns)


async def test_what_waits_for_a_busy_reader_shares_its_next_turns(turns: Turns, reader: GroupReader) -> None:
    reads = [asyncio.ensure_future(reader.read(number(value))) for value in range(MAX_SHARED + 2)]
    await asyncio.sleep(0)
    assert turns.count == 1
    turns.gate.set()
    assert await asyncio.gather(*reads) == list(range(MAX_SHARED + 2))
    assert turns.count == 3
    assert await reader.read(number(7)) == 7


async def test_a_read_that_fails_fails_alone(turns: Turns, reader: GroupReader) -> None:
    def fail(_connection: Connection) -> int:
        raise LookupError("nothing there")

    def misspell(connection: Connection) -> object:
        return driver_of(connection).execute("SELEKT 1")

    works = (number(1), number(2), fail, misspell, number(3))
    reads = [asyncio.ensure_future(reader.read(work)) for work in works]
    turns.gate.set()
    first, second, failed, misspelt, third = await asyncio.gather(*reads, return_exceptions=True)
    assert (first, second, third) == (1, 2, 3)
    assert isinstance(failed, LookupError)
    assert isinstance(misspelt, StorageUnavailableError)
    assert await reader.read(number(7)) == 7


async def test_who_does_not_wait_any_more_takes_nothing_from_the_others(turns: Turns, reader: GroupReader) -> None:
    reads = [asyncio.ensure_future(reader.read(number(value))) for value in range(3)]
    await asyncio.sleep(0)
    reads[0].cancel()
    reads[1].cancel()
    turns.gate.set()
    assert await reads[2] == 2
    assert await reader.read(number(7)) == 7


async def test_what_waits_when_the_database_is_closed_is_refused(turns: Turns, reader: GroupReader) -> None:
    under_way, waits = (asyncio.ensure_future(reader.read(number(value))) for value in range(2))
    await asyncio.sleep(0)
    reader.close()
    with pytest.raises(StorageUnavailableError, match="closed"):
        await waits
    turns.gate.set()
    with pytest.raises(StorageUnavailableError, match="closed"):
        await under_way
    with pytest.raises(StorageUnavailableError, match="closed"):
        await reader.read(number(1))
