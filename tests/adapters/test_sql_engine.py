"""Opening a database: its files, settings and schema, and what is refused."""

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from liaison.adapters import sql_engine
from liaison.adapters.data_directory import DataDirectory, EpochMarkError
from liaison.adapters.schema import METADATA
from liaison.adapters.sql_engine import SchemaError, memory_database, open_database, open_office
from liaison.adapters.sql_log import SqlLog
from liaison.adapters.sql_migrations import STEPS, Migrations
from liaison.adapters.sql_writer import StorageUnavailableError, driver_of
from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.position import Position

HEAD = Migrations(STEPS).head
GENERAL = ChannelId("joint/general")
DRAFT = Draft(UserId("kim"), DelegationId("south"), "k", EntryKind.TEXT, "로동")


async def make(path: Path) -> None:
    database = open_database(path)
    await SqlLog(database).append(GENERAL, [DRAFT], Millis(1))
    await database.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_folder_and_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "made" / "office.db"
        database = open_database(path)
        await SqlLog(database).append(GENERAL, [DRAFT], Millis(1))
    finally:
        os.umask(before)
    assert mode(path.parent) == 0o700
    assert {mode(file) for file in path.parent.iterdir()} == {0o600}
    assert {file.name for file in path.parent.iterdir()} == {"office.db", "office.db-wal", "office.db-shm"}
    await database.close()


async def test_an_acknowledged_commit_survives_a_power_cut_by_settings(tmp_path: Path) -> None:
    database = open_database(tmp_path / "office.db")

    def setting(name: str) -> object:
        return driver_of(database._writer_connection).execute(f"PRAGMA {name}").fetchone()[0]

    assert setting("journal_mode") == "wal"
    assert setting("synchronous") == 2
    assert setting("foreign_keys") == 1
    assert setting("trusted_schema") == 0
    assert setting("busy_timeout") == 5000
    await database.close()


async def test_readers_cannot_write(tmp_path: Path) -> None:
    database = open_database(tmp_path / "office.db")
    with pytest.raises(StorageUnavailableError, match="readonly"):
        await database.read(lambda connection: driver_of(connection).execute("DELETE FROM message"))
    await database.close()


async def test_the_migrations_lead_to_the_schema_that_the_code_knows() -> None:
    database = memory_database()
    connection = database._writer_connection
    context = MigrationContext.configure(
        connection,
        opts={"include_name": lambda name, kind, _: not (kind == "table" and str(name).startswith("search_"))},
    )
    assert compare_metadata(context, METADATA) == []
    await database.close()


async def test_what_was_written_is_there_when_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "office.db"
    await make(path)
    database = open_database(path)
    assert (await SqlLog(database).heads([GENERAL]))[GENERAL].seq == 1
    await database.close()
    assert [file.name for file in tmp_path.iterdir()] == ["office.db"], "closing leaves one whole file"


async def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "office.db"
    path.touch()
    await make(path)


async def test_a_newer_schema_is_refused_and_the_message_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "office.db"
    await make(path)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(SchemaError, match=r"schema 9999.*install the version that wrote it"):
        open_database(path)
    assert path.read_bytes() == before


async def test_an_upgrade_puts_a_copy_of_the_old_database_beside_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "office.db"
    await make(path)
    migrations = tmp_path / "migrations"
    shutil.copytree(STEPS, migrations)
    (migrations / "versions" / "9000_next.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '9000', '{HEAD}'\n"
        "def upgrade(): op.execute('CREATE TABLE newer (x INTEGER)')\n"
    )
    monkeypatch.setattr(sql_engine, "STEPS", migrations)
    database = open_database(path)
    assert (await SqlLog(database).heads([GENERAL]))[GENERAL].seq == 1
    await database.close()
    kept = tmp_path / f"office.db.before-upgrade-from-{HEAD}"
    assert mode(kept) == 0o600
    with closing(sqlite3.connect(kept)) as old:
        assert old.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)
        assert old.execute("SELECT text FROM message").fetchall() == [("로동",)]


def test_steps_follow_each_other_as_their_names_say() -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(STEPS))
    scripts = ScriptDirectory.from_config(config)
    migrations = Migrations(STEPS)
    assert scripts.get_heads() == [migrations.head]
    walked = [script.revision for script in scripts.walk_revisions()]
    assert walked == sorted(migrations.known, reverse=True)


async def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "office.db"
    await make(path)
    migrations = tmp_path / "migrations"
    shutil.copytree(STEPS, migrations)
    (migrations / "versions" / "9000_broken.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '9000', '{HEAD}'\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE half (x INTEGER)')\n"
        "    op.execute('DROP TABLE no_such_table')\n"
    )
    with monkeypatch.context() as patch:
        patch.setattr(sql_engine, "STEPS", migrations)
        with pytest.raises(StorageUnavailableError, match="no_such_table"):
            open_database(path)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)
    await open_database(path).close()


@pytest.mark.parametrize("content", [b"not a database at all, " * 50, b"SQLite format 3\0" + b"\xff" * 900])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "office.db"
    path.write_bytes(content)
    with pytest.raises((SchemaError, StorageUnavailableError)):
        open_database(path)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "office.db"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(SchemaError, match="something else"):
        open_database(path)


def test_a_place_where_nothing_can_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailableError, match="cannot open"):
        open_database(tmp_path / "file" / "office.db")


async def test_a_lost_database_does_not_begin_an_epoch_that_was_used_before(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)

    async def epoch() -> int:
        database = open_office(directory)
        position = (await SqlLog(database).heads([GENERAL]))[GENERAL]
        await database.close()
        return position.epoch

    assert [await epoch(), await epoch()] == [1, 1]
    directory.database.unlink()
    second = await epoch()
    assert second > 1
    assert await epoch() == second


async def test_a_database_that_somebody_put_there_by_hand_begins_an_epoch_of_its_own(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    await make(directory.database)
    directory.mark_epoch(7)
    database = open_office(directory)
    assert (await SqlLog(database).heads([GENERAL]))[GENERAL] == Position(8, 1)
    assert directory.marked_epoch() == 8
    await database.close()


async def test_a_mark_that_is_no_number_stops_the_start_and_says_where(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.epoch_mark.write_text("seven")
    with pytest.raises(EpochMarkError, match="epoch should hold"):
        open_office(directory)
