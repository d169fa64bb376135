"""Backup beside a running server, and restore into epochs that never were."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from liaison.adapters import sql_backup
from liaison.adapters.data_directory import DataDirectory, InUseError
from liaison.adapters.sql_backup import BackupError, back_up, restore
from liaison.adapters.sql_engine import open_office
from liaison.adapters.sql_log import SqlLog
from liaison.core.entries import Draft, EntryKind, Held, HeldDraft, Precedence, Repeated
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.position import Position

GENERAL = ChannelId("joint/general")


def silent(_done: int, _total: int) -> None:
    """Show no progress."""


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path / "data")


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


async def write(directory: DataDirectory, *texts: str) -> Position:
    database = open_office(directory)
    log = SqlLog(database)
    for text in texts:
        draft = Draft(UserId("kim"), DelegationId("south"), text, EntryKind.TEXT, text)
        await log.append(GENERAL, [draft], Millis(1))
    head = (await log.heads([GENERAL]))[GENERAL]
    await database.close()
    return head


async def texts_in(directory: DataDirectory) -> list[str]:
    database = open_office(directory)
    page = await SqlLog(database).read(GENERAL, after=0, limit=1000, max_bytes=1 << 20)
    await database.close()
    return [entry.draft.text for entry in page.entries]


async def test_a_restored_backup_holds_what_was_there_in_a_higher_epoch(directory: DataDirectory, backup: Path) -> None:
    await write(directory, "a", "b")
    back_up(directory, backup, silent)
    assert await write(directory, "c") == Position(1, 3)
    restored = restore(directory, backup, stamp="now", progress=silent)
    assert restored.epoch == 2
    assert await write(directory) == Position(2, 2)
    assert await texts_in(directory) == ["a", "b"]


async def test_the_chain_goes_on_after_a_restore(directory: DataDirectory, backup: Path) -> None:
    await write(directory, "a")
    back_up(directory, backup, silent)
    restore(directory, backup, stamp="now", progress=silent)
    assert await write(directory, "b") == Position(2, 2)
    assert await texts_in(directory) == ["a", "b"]


async def test_restoring_the_same_backup_again_and_again_never_repeats_an_epoch(
    directory: DataDirectory, backup: Path
) -> None:
    await write(directory, "a")
    back_up(directory, backup, silent)
    epochs = [restore(directory, backup, stamp=str(n), progress=silent).epoch for n in range(3)]
    directory.database.unlink()
    epochs.append(restore(directory, backup, stamp="lost", progress=silent).epoch)
    assert epochs == sorted(set(epochs))
    assert min(epochs) > 1


async def test_what_a_restore_replaces_is_kept_whole(directory: DataDirectory, backup: Path) -> None:
    await write(directory, "a")
    back_up(directory, backup, silent)
    # A server that was killed leaves its last commits in the -wal.
    database = open_office(directory)
    await SqlLog(database).append(
        GENERAL, [Draft(UserId("kim"), DelegationId("south"), "b", EntryKind.TEXT, "b")], Millis(1)
    )
    restored = restore(directory, backup, stamp="2026-11-24", progress=silent)
    await database.close()
    assert restored.kept == directory.path / "office.db.before-restore-2026-11-24"
    with closing(sqlite3.connect(restored.kept)) as kept:
        assert kept.execute("SELECT text FROM message").fetchall() == [("a",), ("b",)]
    assert await texts_in(directory) == ["a"]


async def test_a_damaged_database_is_replaced_and_kept_too(directory: DataDirectory, backup: Path) -> None:
    await write(directory, "a")
    back_up(directory, backup, silent)
    directory.database.write_bytes(b"damaged" * 1000)
    restored = restore(directory, backup, stamp="now", progress=silent)
    assert restored.epoch == 2
    assert restored.kept is not None
    assert restored.kept.read_bytes() == b"damaged" * 1000
    assert await texts_in(directory) == ["a"]


async def test_the_last_commits_of_a_damaged_database_do_not_slip_into_the_restored_one(
    directory: DataDirectory, backup: Path
) -> None:
    await write(directory, "a")
    back_up(directory, backup, silent)
    wal = directory.database.with_name("office.db-wal")
    database = open_office(directory)
    await SqlLog(database).append(
        GENERAL, [Draft(UserId("kim"), DelegationId("south"), "b", EntryKind.TEXT, "b")], Millis(1)
    )
    commits = wal.read_bytes()
    await database.close()
    directory.database.write_bytes(b"damaged" * 1000)
    wal.write_bytes(commits)
    restored = restore(directory, backup, stamp="now", progress=silent)
    assert restored.kept is not None
    assert restored.kept.with_name(f"{restored.kept.name}-wal").read_bytes() == commits
    assert await texts_in(directory) == ["a"]


async def test_a_backup_beside_a_writing_server_is_of_one_moment(
    directory: DataDirectory, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_backup, "_PAGES_PER_STEP", 1)
    await write(directory, *map(str, range(30)))
    database = open_office(directory)
    log = SqlLog(database)

    async def go_on() -> None:
        for number in range(100, 130):
            draft = Draft(UserId("kim"), DelegationId("south"), str(number), EntryKind.TEXT, "글" * 500)
            await log.append(GENERAL, [draft], Millis(1))

    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(back_up, directory, backup, silent))
        group.create_task(go_on())
    await database.close()
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (head,) = copy.execute("SELECT head FROM channel_head").fetchone()
        seqs = [seq for (seq,) in copy.execute("SELECT seq FROM message ORDER BY seq")]
    assert seqs == list(range(1, head + 1))
    assert head >= 30


async def test_a_backup_tells_its_progress_up_to_the_end_and_is_for_its_owner_only(
    directory: DataDirectory, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_backup, "_PAGES_PER_STEP", 5)
    await write(directory, "a")
    steps: list[tuple[int, int]] = []
    back_up(directory, backup, lambda done, total: steps.append((done, total)))
    done, total = steps[-1]
    assert done == total > 5
    assert [step for step, _ in steps] == sorted(step for step, _ in steps)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert sorted(file.name for file in backup.parent.iterdir()) == ["backup.db", "data"]


async def test_a_backup_never_overwrites_a_file(directory: DataDirectory, backup: Path) -> None:
    await write(directory, "a")
    backup.write_text("precious")
    with pytest.raises(BackupError, match="exists"):
        back_up(directory, backup, silent)
    assert backup.read_text() == "precious"


def test_a_backup_of_a_folder_without_a_database_is_refused(directory: DataDirectory, backup: Path) -> None:
    with pytest.raises(BackupError, match="no database"):
        back_up(directory, backup, silent)
    assert not backup.exists()


async def test_a_restore_is_refused_while_a_server_holds_the_folder(directory: DataDirectory, backup: Path) -> None:
    await write(directory, "a")
    back_up(directory, backup, silent)
    with directory.lock(), pytest.raises(InUseError, match="stop it first"):
        restore(directory, backup, stamp="now", progress=silent)
    restore(directory, backup, stamp="now", progress=silent)


@pytest.mark.parametrize("damage", ["empty", "text", "other database", "cut", "missing", "newer"])
async def test_a_file_that_is_no_whole_backup_is_refused_and_nothing_changes(
    directory: DataDirectory, backup: Path, damage: str
) -> None:
    await write(directory, *(f"{n} " + "글" * 3000 for n in range(20)))
    before = await texts_in(directory)
    back_up(directory, backup, silent)
    match damage:
        case "empty":
            backup.write_bytes(b"")
        case "text":
            backup.write_bytes(b"no database" * 100)
        case "cut":
            backup.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
        case "missing":
            backup.unlink()
        case "newer":
            with closing(sqlite3.connect(backup)) as file, file:
                file.execute("UPDATE alembic_version SET version_num = '9999'")
        case _:
            backup.unlink()
            with closing(sqlite3.connect(backup)) as file, file:
                file.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(BackupError):
        restore(directory, backup, stamp="now", progress=silent)
    assert await texts_in(directory) == before
    assert sorted(file.name for file in directory.path.iterdir()) == ["epoch", "lock", "office.db"]


async def test_a_restore_that_is_interrupted_leaves_the_old_database(
    directory: DataDirectory, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(directory, "a")
    back_up(directory, backup, silent)
    await write(directory, "b")

    def fails(_self: Path, _target: Path) -> Path:
        raise OSError("put in by the test")

    with monkeypatch.context() as patch:
        patch.setattr(DataDirectory, "mark_epoch", lambda _self, _epoch: fails(backup, backup))
        with pytest.raises(BackupError, match="put in by the test"):
            restore(directory, backup, stamp="one", progress=silent)
    assert await texts_in(directory) == ["a", "b"]
    with monkeypatch.context() as patch:
        patch.setattr(sql_backup, "sync_folder", lambda _folder: None)
        patch.setattr(Path, "rename", fails)
        with pytest.raises(BackupError, match="put in by the test"):
            restore(directory, backup, stamp="two", progress=silent)
    assert await texts_in(directory) == ["a", "b"]


async def test_what_waits_in_a_suspended_channel_waits_after_a_restore_too(
    directory: DataDirectory, backup: Path
) -> None:
    kim, south = UserId("kim"), DelegationId("south")
    waiting = Draft(kim, south, "k", EntryKind.TEXT, "로동", precedence=Precedence.FLASH, data='{"n":1}')
    suspension, resumption = (
        Draft(kim, south, kind.value, kind) for kind in (EntryKind.SUSPENSION, EntryKind.RESUMPTION)
    )
    database = open_office(directory)
    await SqlLog(database).append(GENERAL, [suspension, waiting], Millis(1))
    back_up(directory, backup, silent)
    await SqlLog(database).append(GENERAL, [resumption], Millis(2))
    await database.close()
    restore(directory, backup, stamp="now", progress=silent)

    database = open_office(directory)
    log = SqlLog(database)
    assert await log.suspended([GENERAL]) == {GENERAL}
    assert await log.held(GENERAL, after=0, limit=9) == [HeldDraft(1, Millis(1), waiting)]
    again = await log.append(GENERAL, [waiting, resumption, waiting], Millis(3))
    assert again.outcomes[0] == Held(1, Millis(1))
    assert again.outcomes[2] == Repeated(3, Millis(3))
    await database.close()
