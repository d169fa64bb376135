"""Those who come to the same place share what was read and encoded there, and nobody gets less than is there."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from liaison.core.position import Position
from liaison.office.log_pages import PAGE_ENTRIES, PAGES_KEPT, LogPages
from liaison.ports.log import LogUnavailableError
from liaison.protocol.codec import WireFormat
from tests.office.doubles import CHANNEL, ListLog
from tests.virtual_time import World, run


def with_pages(scenario: Callable[[ListLog, LogPages], Awaitable[None]]) -> None:
    async def scene(_world: World) -> None:
        log = ListLog()
        await scenario(log, LogPages(log))

    run(1, scene)


def test_a_place_is_read_and_encoded_once_for_all_who_come_there_together_and_later() -> None:
    async def scenario(log: ListLog, pages: LogPages) -> None:
        log.fill(50)
        together = await asyncio.gather(*(pages.after(CHANNEL, 10, head=Position(1, 50)) for _ in range(20)))
        later = await pages.after(CHANNEL, 10, head=Position(1, 50))
        assert log.reads == 1
        assert {page.last_seq for page in (*together, later)} == {50}
        assert {id(page.frames(WireFormat.MSGPACK)) for page in (*together, later)} == {
            id(later.frames(WireFormat.MSGPACK))
        }
        assert later.frames(WireFormat.JSON) != later.frames(WireFormat.MSGPACK)

    with_pages(scenario)


def test_a_page_that_ended_with_the_log_is_read_again_once_there_is_more_and_a_whole_one_never() -> None:
    async def scenario(log: ListLog, pages: LogPages) -> None:
        log.fill(PAGE_ENTRIES + 20)
        await pages.after(CHANNEL, PAGE_ENTRIES, head=Position(1, PAGE_ENTRIES + 20))
        await pages.after(CHANNEL, 0, head=Position(1, PAGE_ENTRIES + 20))
        log.fill(5)
        short = await pages.after(CHANNEL, PAGE_ENTRIES, head=Position(1, PAGE_ENTRIES + 25))
        whole = await pages.after(CHANNEL, 0, head=Position(1, PAGE_ENTRIES + 25))
        assert (short.last_seq, whole.last_seq, log.reads) == (PAGE_ENTRIES + 25, PAGE_ENTRIES, 3)

    with_pages(scenario)


def test_the_part_of_a_page_up_to_a_place_holds_and_sends_nothing_beyond_it() -> None:
    async def scenario(log: ListLog, pages: LogPages) -> None:
        log.fill(10)
        page = await pages.after(CHANNEL, 0, head=Position(1, 10))
        part = page.up_to(4)
        assert (len(part), part.last_seq, part.is_whole) == (4, 4, False)
        assert page.frames(WireFormat.MSGPACK).startswith(part.frames(WireFormat.MSGPACK))
        assert page.up_to(10) is page
        assert not page.up_to(0)

    with_pages(scenario)


def test_another_epoch_is_another_place() -> None:
    async def scenario(log: ListLog, pages: LogPages) -> None:
        log.fill(10)
        await pages.after(CHANNEL, 0, head=Position(1, 10))
        log.restore(3)
        # The office has not noticed yet, and what it still has is of before.
        assert (await pages.after(CHANNEL, 0, head=Position(1, 10))).epoch == 1
        # What comes of a place of an epoch that is over is told, and not kept for it.
        assert (await pages.after(CHANNEL, 1, head=Position(1, 10))).epoch == 2
        assert (await pages.after(CHANNEL, 0, head=Position(2, 3))).last_seq == 3
        reads = log.reads
        assert (await pages.after(CHANNEL, 1, head=Position(1, 10))).epoch == 2
        assert log.reads == reads + 1

    with_pages(scenario)


def test_what_a_read_raises_is_raised_for_all_who_wait_for_it_and_the_next_one_reads() -> None:
    async def scenario(log: ListLog, pages: LogPages) -> None:
        log.fill(10)
        log.read_failures.append(LogUnavailableError("gone"))
        places = (pages.after(CHANNEL, 0, head=Position(1, 10)) for _ in range(3))
        outcomes = await asyncio.gather(*places, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["gone"] * 3
        assert (await pages.after(CHANNEL, 0, head=Position(1, 10))).last_seq == 10

    with_pages(scenario)


def test_who_waits_for_the_read_of_one_who_leaves_reads_for_themselves() -> None:
    async def scenario(log: ListLog, pages: LogPages) -> None:
        log.fill(10)
        log.read_gate.clear()
        leaves = asyncio.ensure_future(pages.after(CHANNEL, 0, head=Position(1, 10)))
        stays = asyncio.ensure_future(pages.after(CHANNEL, 0, head=Position(1, 10)))
        await log.read_began.wait()
        await asyncio.sleep(0)
        leaves.cancel()
        log.read_gate.set()
        assert (await stays).last_seq == 10
        with pytest.raises(asyncio.CancelledError):
            await leaves

    with_pages(scenario)


def test_only_so_many_pages_are_kept_and_those_that_were_wanted_last() -> None:
    async def scenario(log: ListLog, pages: LogPages) -> None:
        log.fill(PAGES_KEPT + 2)
        head = Position(1, PAGES_KEPT + 2)
        for cursor in range(PAGES_KEPT):
            await pages.after(CHANNEL, cursor, head=head)
        await pages.after(CHANNEL, 0, head=head)
        await pages.after(CHANNEL, PAGES_KEPT, head=head)
        reads = log.reads
        await pages.after(CHANNEL, 0, head=head)
        assert log.reads == reads
        await pages.after(CHANNEL, 1, head=head)
        assert log.reads == reads + 1

    with_pages(scenario)
