"""Export of a channel through the log's port."""

import pytest

from liaison.adapters.sql_engine import Database, memory_database
from liaison.adapters.sql_log import SqlLog
from liaison.core.entries import Draft, EntryKind, Page
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.transcript import verify
from liaison.office import transcript
from liaison.office.transcript import EpochChangedError, export_channel

GENERAL = ChannelId("joint/general")


async def log_with(database: Database, count: int) -> SqlLog:
    log = SqlLog(database)
    drafts = [Draft(UserId("kim"), DelegationId("south"), str(n), EntryKind.TEXT, f"글 {n}") for n in range(count)]
    await log.append(GENERAL, drafts, Millis(1))
    return log


async def exported(log: SqlLog) -> list[bytes]:
    return [line async for line in export_channel(log, GENERAL, exported_by="kim")]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
async def test_an_export_of_any_number_of_pages_is_whole(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "_PAGE_MESSAGES", 3)
    database = memory_database()
    lines = await exported(await log_with(database, count))
    assert len(lines) == count + 2
    assert verify(lines).seq == count
    await database.close()


async def test_what_is_written_during_an_export_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "_PAGE_MESSAGES", 2)
    database = memory_database()
    log = await log_with(database, 5)
    lines: list[bytes] = []
    async for line in export_channel(log, GENERAL, exported_by=""):
        late = Draft(UserId("kim"), DelegationId("south"), f"late {len(lines)}", EntryKind.TEXT, "늦은 글")
        await log.append(GENERAL, [late], Millis(2))
        lines.append(line)
    assert verify(lines).seq == 5
    await database.close()


async def test_a_restore_during_an_export_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class RestoredLog(SqlLog):
        async def read(self, channel: ChannelId, *, after: int, limit: int, max_bytes: int) -> Page:
            page = await super().read(channel, after=after, limit=limit, max_bytes=max_bytes)
            return Page(page.epoch + (after > 0), page.head, page.entries)

    monkeypatch.setattr(transcript, "_PAGE_MESSAGES", 2)
    database = memory_database()
    await log_with(database, 5)
    with pytest.raises(EpochChangedError):
        await exported(RestoredLog(database))
    await database.close()
