"""ports.attachments, kept by every adapter: contents in files and databases, uploads and what the log names."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from liaison.adapters.attachment_spool import PIECE_BYTES, Spooled
from liaison.adapters.file_contents import FileContents
from liaison.adapters.postgres_engine import PostgresDatabase, open_postgres
from liaison.adapters.postgres_lines import PostgresSettings
from liaison.adapters.postgres_log import PostgresLog
from liaison.adapters.sql_contents import SqlContents
from liaison.adapters.sql_engine import Database, memory_database, open_database
from liaison.adapters.sql_log import SqlLog
from liaison.adapters.sql_uploads import SqlUploads
from liaison.core.attachments import data_of
from liaison.core.dispatch_register import Content, Record, encode
from liaison.core.entries import Draft, EntryKind, Precedence
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.ports.attachments import (
    AttachmentsFullError,
    AttachmentsUnavailableError,
    Contents,
    MissingContentError,
    QuotaReachedError,
    Upload,
    Uploads,
)
from liaison.ports.log import Log
from liaison.protocol.frames import Attachment
from tests.hand_clock import HandClock
from tests.memory_contents import MemoryContents
from tests.postgres_server import PostgresServer

GENERAL, DESK = ChannelId("joint/general"), ChannelId("south/desk")
KIM, RI = UserId("kim"), UserId("ri")
SOUTH, NORTH = DelegationId("south"), DelegationId("north")
PLENTY = 1 << 40
BIG = bytes(range(256)) * 4096 + b"end"


@dataclass
class Stores:
    contents: Contents
    uploads: Uploads
    log: Log
    clock: HandClock
    folder: Path


def sql_stores(database: Database | PostgresDatabase, folder: Path, contents: Contents | None = None) -> Stores:
    clock = HandClock()
    log: Log = SqlLog(database) if isinstance(database, Database) else PostgresLog(database)
    return Stores(contents or SqlContents(database, folder, clock), SqlUploads(database), log, clock, folder)


# Those that write to a file of their own first; the simulation's has none.
SPOOLING = ["memory", "file", pytest.param("postgres", marks=pytest.mark.system)]
spooling_only = pytest.mark.parametrize("stores", SPOOLING, indirect=True)


@pytest.fixture(params=["dictionary", *SPOOLING])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    database: Database | PostgresDatabase
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        database = open_postgres(PostgresSettings(server.url(), server.furnished_office()))
        yield sql_stores(database, tmp_path / "incoming")
    elif request.param == "file":
        database = open_database(tmp_path / "office.db")
        clock = HandClock()
        found = sql_stores(database, tmp_path / "a" / "incoming", FileContents(tmp_path / "a", clock))
        yield replace(found, clock=clock)
    elif request.param == "dictionary":
        database, clock = memory_database(), HandClock()
        yield replace(sql_stores(database, tmp_path / "none", MemoryContents(clock)), clock=clock)
    else:
        database = memory_database()
        yield sql_stores(database, tmp_path / "incoming")
    await database.close()


async def put(contents: Contents, content: bytes) -> str:
    async with contents.incoming() as incoming:
        for at in range(0, len(content), 100_000):
            await incoming.write(content[at : at + 100_000])
        await incoming.keep()
        assert incoming.size_bytes == len(content)
        return incoming.sha256


async def get(contents: Contents, sha256: str) -> bytes:
    return b"".join([piece async for piece in contents.read(sha256)])


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


# ------------------------------------------------------------------------------------------------------------ contents


@pytest.mark.parametrize("content", [b"x", BIG, bytes(PIECE_BYTES), bytes(2 * PIECE_BYTES)])
async def test_a_content_comes_back_as_it_was_kept_by_its_hash(stores: Stores, content: bytes) -> None:
    sha256 = await put(stores.contents, content)
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert await get(stores.contents, sha256) == content
    assert left_over(stores.folder) == []


async def test_what_is_not_kept_is_nowhere_whatever_ends_it(stores: Stores) -> None:
    async with stores.contents.incoming() as incoming:
        await incoming.write(b"half")
        sha256 = incoming.sha256

    async def break_off() -> None:
        async with stores.contents.incoming() as broken:
            await broken.write(b"half")
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        await break_off()
    with pytest.raises(MissingContentError):
        await get(stores.contents, sha256)
    assert await stores.contents.kept_before(Millis(1 << 50)) == []
    assert left_over(stores.folder) == []


async def test_a_content_that_is_there_can_be_kept_again_also_by_many_at_once(stores: Stores) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(put(stores.contents, BIG))
    sha256 = await put(stores.contents, BIG)
    assert await get(stores.contents, sha256) == BIG
    assert list(await stores.contents.kept_before(Millis(1 << 50))) == [sha256]


async def test_only_what_is_old_is_removed_and_who_keeps_it_again_makes_it_young(stores: Stores) -> None:
    old, renewed = await put(stores.contents, b"old"), await put(stores.contents, b"renewed")
    stores.clock.advance(10_000)
    before_ms = Millis(stores.clock.wall_ms() - 5000)
    young = await put(stores.contents, b"young")
    assert sorted(await stores.contents.kept_before(before_ms)) == sorted([old, renewed])
    # Between the list and the removal somebody uploads it again.
    await put(stores.contents, b"renewed")
    assert [await stores.contents.remove(each, before_ms) for each in (old, renewed, young)] == [True, False, False]
    with pytest.raises(MissingContentError):
        await get(stores.contents, old)
    assert await get(stores.contents, renewed) == b"renewed"
    assert await get(stores.contents, young) == b"young"
    assert not await stores.contents.remove(old, before_ms)
    assert await put(stores.contents, b"old") == old
    assert await get(stores.contents, old) == b"old"


@spooling_only
async def test_what_a_process_left_half_written_is_cleared_away_once_it_is_old(stores: Stores) -> None:
    stores.folder.mkdir(parents=True, exist_ok=True)
    for name, age_s in (("dead", 10), ("alive", 0)):
        path = stores.folder / name
        path.write_bytes(b"half")
        moment = stores.clock.wall_ms() / 1000 - age_s
        os.utime(path, (moment, moment))
    await stores.contents.kept_before(Millis(stores.clock.wall_ms() - 5000))
    assert left_over(stores.folder) == ["alive"]


@spooling_only
@pytest.mark.parametrize("failing", ["write", "fsync"])
async def test_a_full_disk_is_said_and_nothing_is_left(
    stores: Stores, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with stores.contents.incoming() as incoming:
        assert isinstance(incoming, Spooled)
        if failing == "write":
            monkeypatch.setattr(incoming, "_file", type("Full", (), {"write": full, "close": lambda _: None})())
            with pytest.raises(AttachmentsFullError):
                await incoming.write(b"x")
        else:
            await incoming.write(b"x")
            monkeypatch.setattr(os, "fsync", full)
            with pytest.raises(AttachmentsFullError):
                await incoming.keep()
    monkeypatch.undo()
    assert left_over(stores.folder) == []
    assert await stores.contents.kept_before(Millis(1 << 50)) == []


async def test_a_folder_that_cant_be_used_is_told_from_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    contents = FileContents(tmp_path / "file", HandClock())
    with pytest.raises(AttachmentsUnavailableError):
        async with contents.incoming():
            pass


@pytest.mark.parametrize("name", ["", "../office.db", "AB" * 32, "ab" * 31, "ab" * 32 + "\n"])
async def test_no_name_but_a_hash_is_ever_opened(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no hash"):
        await get(FileContents(tmp_path, HandClock()), name)


# ------------------------------------------------------------------------------------------------------------- uploads


def upload(number: int = 1, *, channel: ChannelId = GENERAL, user: UserId = KIM, size_bytes: int = 100) -> Upload:
    side = SOUTH if user == KIM else NORTH
    return Upload(channel, user, side, f"{number:064x}", "application/pdf", size_bytes)


def named(uploaded: Upload, name: str = "보고서.pdf") -> Attachment:
    return Attachment(uploaded.sha256, name, uploaded.media_type, uploaded.size_bytes)


async def say(stores: Stores, *attachments: Attachment, channel: ChannelId = GENERAL, key: str = "k") -> None:
    draft = Draft(KIM, SOUTH, key, EntryKind.TEXT, text="x", data=data_of(attachments))
    await stores.log.append(channel, [draft], stores.clock.wall_ms())


async def test_who_uploaded_something_may_name_it_there_and_nobody_else_nowhere_else(stores: Stores) -> None:
    mine, now_ms = upload(), stores.clock.wall_ms()
    await stores.uploads.add(mine, now_ms, quota_bytes=PLENTY)
    claim = stores.uploads.claim
    assert await claim(GENERAL, KIM, [named(mine), named(upload(2))], now_ms) == [upload(2).sha256]
    assert await claim(GENERAL, KIM, [named(mine)], now_ms) == []
    assert await claim(GENERAL, RI, [named(mine)], now_ms) == [mine.sha256]
    assert await claim(DESK, KIM, [named(mine)], now_ms) == [mine.sha256]
    # Nor with another size or type than it has.
    for other in (replace(mine, size_bytes=101), replace(mine, media_type="image/png")):
        assert await claim(GENERAL, KIM, [named(other)], now_ms) == [mine.sha256]


async def test_a_channel_has_what_its_log_names_and_nothing_else(stores: Stores) -> None:
    mine, now_ms = upload(), stores.clock.wall_ms()
    await stores.uploads.add(mine, now_ms, quota_bytes=PLENTY)
    find = stores.uploads.find
    assert await find(GENERAL, RI, mine.sha256) is None
    # Who brought it sees it before it is named, still without a name.
    assert await find(GENERAL, KIM, mine.sha256) == named(mine, "")
    await say(stores, named(upload(2), "다른 것.pdf"), named(mine), key="k1")
    assert await find(GENERAL, RI, mine.sha256) == named(mine)
    assert await find(DESK, KIM, mine.sha256) is None
    assert await find(ChannelId("south/none"), KIM, mine.sha256) is None
    await say(stores, named(mine, "새 이름.pdf"), key="k2")
    assert await find(GENERAL, RI, mine.sha256) == named(mine, "새 이름.pdf")
    assert await find(GENERAL, RI, "%") is None


async def test_a_text_that_quotes_an_attachment_gives_nobody_anything(stores: Stores) -> None:
    quoted = data_of([named(upload())])
    drafts = [
        Draft(KIM, SOUTH, "k1", EntryKind.TEXT, text=quoted),
        Draft(KIM, SOUTH, "k2", EntryKind.DISPATCH, data=encode(Record("drafted", "x", content=Content(quoted)))),
        Draft(KIM, SOUTH, "k3", EntryKind.ADMINISTRATION, data=quoted),
    ]
    await stores.log.append(GENERAL, drafts, stores.clock.wall_ms())
    assert await stores.uploads.find(GENERAL, RI, upload().sha256) is None


async def test_a_dispatchs_text_names_what_is_attached_to_it(stores: Stores) -> None:
    record = encode(Record("drafted", "x", content=Content("본문", attachments=(named(upload()),))))
    draft = Draft(KIM, SOUTH, "k", EntryKind.DISPATCH, data=record)
    await stores.log.append(DESK, [draft], stores.clock.wall_ms())
    assert await stores.uploads.find(DESK, KIM, upload().sha256) == named(upload())


async def test_what_is_held_is_named_only_once_it_is_released_but_never_forgotten(stores: Stores) -> None:
    now_ms = stores.clock.wall_ms()
    await stores.uploads.add(upload(), now_ms, quota_bytes=PLENTY)
    await stores.log.append(GENERAL, [Draft(RI, NORTH, "s", EntryKind.SUSPENSION)], now_ms)
    await say(stores, named(upload()))
    assert await stores.uploads.find(GENERAL, RI, upload().sha256) is None
    later = Millis(now_ms + 1)
    assert await stores.uploads.forget_unused(later) == 0
    assert await stores.uploads.needed([upload().sha256]) == {upload().sha256}
    await stores.log.append(GENERAL, [Draft(RI, NORTH, "r", EntryKind.RESUMPTION)], now_ms)
    assert await stores.uploads.find(GENERAL, RI, upload().sha256) == named(upload())
    assert await stores.uploads.forget_unused(later) == 0


async def test_life_safety_in_a_suspended_channel_names_at_once(stores: Stores) -> None:
    now_ms = stores.clock.wall_ms()
    await stores.log.append(GENERAL, [Draft(RI, NORTH, "s", EntryKind.SUSPENSION)], now_ms)
    data = data_of([named(upload())])
    urgent = Draft(KIM, SOUTH, "k", EntryKind.TEXT, text="x", precedence=Precedence.LIFE_SAFETY, data=data)
    await stores.log.append(GENERAL, [urgent], now_ms)
    assert await stores.uploads.find(GENERAL, RI, upload().sha256) == named(upload())


async def test_old_uploads_that_nothing_names_are_forgotten_and_no_others(stores: Stores) -> None:
    uploads, began_ms = stores.uploads, stores.clock.wall_ms()
    for number in (1, 2, 3):
        await uploads.add(upload(number), began_ms, quota_bytes=PLENTY)
    # The same content elsewhere, where nothing names it.
    await uploads.add(upload(2, channel=DESK), began_ms, quota_bytes=PLENTY)
    await say(stores, named(upload(2)))
    later = Millis(began_ms + 10_000)
    await uploads.claim(GENERAL, KIM, [named(upload(3))], later)
    assert await uploads.forget_unused(Millis(began_ms + 5000)) == 2
    assert await uploads.claim(GENERAL, KIM, [named(upload(number)) for number in (1, 2, 3)], later) == [
        upload(1).sha256
    ]
    assert await uploads.claim(DESK, KIM, [named(upload(2))], later) == [upload(2).sha256]
    assert await uploads.needed([upload(number).sha256 for number in (1, 2, 3, 4)]) == {
        upload(2).sha256,
        upload(3).sha256,
    }


async def test_what_only_an_entry_names_is_needed_also_without_an_upload(stores: Stores) -> None:
    """As after a restore whose backup was made before the upload was noted."""
    await say(stores, named(upload()))
    assert await stores.uploads.needed([upload().sha256, upload(2).sha256]) == {upload().sha256}


async def test_a_sides_quota_counts_each_of_its_contents_once_and_nothing_of_the_other_side(stores: Stores) -> None:
    uploads, now_ms = stores.uploads, stores.clock.wall_ms()
    await uploads.add(upload(1), now_ms, quota_bytes=200)
    await uploads.add(upload(1, channel=DESK), now_ms, quota_bytes=200)
    await uploads.add(upload(1), now_ms, quota_bytes=200)
    await uploads.add(upload(1, user=RI), now_ms, quota_bytes=200)
    assert (await uploads.used_bytes(SOUTH), await uploads.used_bytes(NORTH)) == (100, 100)
    await uploads.add(upload(2), now_ms, quota_bytes=200)
    with pytest.raises(QuotaReachedError):
        await uploads.add(upload(3, size_bytes=1), now_ms, quota_bytes=200)
    assert await uploads.used_bytes(SOUTH) == 200
    assert await uploads.claim(GENERAL, KIM, [named(upload(3, size_bytes=1))], now_ms) == [upload(3).sha256]
    await uploads.add(upload(3, user=RI, size_bytes=1), now_ms, quota_bytes=200)


async def test_many_who_upload_at_once_dont_pass_the_quota_together(stores: Stores) -> None:
    async def one(number: int) -> bool:
        try:
            await stores.uploads.add(upload(number), stores.clock.wall_ms(), quota_bytes=300)
        except QuotaReachedError:
            return False
        return True

    async with asyncio.TaskGroup() as tasks:
        tried = [tasks.create_task(one(number)) for number in range(8)]
    assert sum(task.result() for task in tried) == 3
    assert await stores.uploads.used_bytes(SOUTH) == 300


async def test_an_index_answers_what_a_channel_has(stores: Stores) -> None:
    """Without it, each download would read the whole channel."""
    await say(stores, named(upload()))
    if isinstance(stores.log, SqlLog):
        database = stores.log._database
        plan = await database.read(
            lambda connection: connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN SELECT data FROM message JOIN channel_head ON number = channel_number"
                " WHERE channel = 'joint/general' AND instr(data, '\"attachments\":[{') > 0 ORDER BY seq DESC"
            ).all()
        )
        assert "ix_message_attachments" in str(plan)
