"""The demonstration's registers hold what an office would have made of it."""

import asyncio
from collections.abc import Sequence
from functools import reduce

from liaison.adapters.sql_engine import memory_database
from liaison.adapters.sql_log import SqlLog
from liaison.cli.demo_office import write_rosters
from liaison.cli.demo_registers import write_registers
from liaison.core import administration, duty
from liaison.core.dispatch_register import Book, fold
from liaison.core.entries import Entry
from liaison.core.identifiers import ChannelId, DelegationId, Millis
from liaison.core.register_channels import ADMINISTRATION, DISPATCHES, own_dispatches, own_duty
from tests.simulation.cluster import PROFILE

_PLENTY = 1 << 20
_NOW_MS = Millis(1_795_480_000_000)


async def _registers() -> tuple[Book, Book, administration.Affairs]:
    database = memory_database()
    log = SqlLog(database)

    async def entries(channel: ChannelId) -> Sequence[Entry]:
        found = (await log.read(channel, after=0, limit=100, max_bytes=_PLENTY)).entries
        times = [entry.time_ms for entry in found]
        # Nothing of it is to come, and nothing stands behind what came later.
        assert times == sorted(times)
        assert times[-1] <= _NOW_MS
        return found

    # Twice: an office that is opened again gets nothing more.
    for _ in range(2):
        await write_registers(log, "Asia/Seoul", _NOW_MS)
    own = reduce(fold, await entries(own_dispatches(DelegationId("south"))), Book(is_joint=False))
    joint = reduce(fold, await entries(DISPATCHES), Book(is_joint=True))
    affairs = reduce(administration.fold, await entries(ADMINISTRATION), administration.NOTHING)
    await database.close()
    return own, joint, affairs


def test_each_register_has_something_to_see() -> None:
    own, joint, affairs = asyncio.run(_registers())
    assert sorted(each.state.value for each in own.dispatches.values()) == ["draft", "numbered", "numbered"]
    assert {number: each.state.value for number, each in joint.dispatches.items()} == {
        "south-2026-0001": "closed",
        "north-2026-0001": "awaiting_read_back",
        "south-2026-0002": "tendered",
        "north-2026-0002": "tendered",
    }
    assert affairs.suspensions.keys() == {ChannelId("joint/crossings")}
    assert [proposal.state.value for proposal in affairs.proposals.values()] == ["approved_by_one", "approved_by_one"]


def test_each_side_has_a_roster_and_a_shift_that_was_handed_over() -> None:
    async def scene() -> None:
        database = memory_database()
        log = SqlLog(database)
        for _ in range(2):
            await write_rosters(log, PROFILE, _NOW_MS)
        for delegation in PROFILE.delegations:
            page = await log.read(own_duty(delegation.id), after=0, limit=100, max_bytes=_PLENTY)
            assert len(page.entries) == 3
            book = reduce(duty.fold, page.entries, duty.DutyBook())
            assert book.roster is not None
            assert (book.holder, book.open) == (f"{delegation.id}-1", "")
        await database.close()

    asyncio.run(scene())
