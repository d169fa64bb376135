"""Backup and restore, as an operator does them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from liaison.adapters.data_directory import DataDirectory
from liaison.cli.exits import Exit
from tests.cli.command_line import CommandLine


@pytest.fixture
def backup(liaison: CommandLine, tmp_path: Path) -> Path:
    """A backup of an office in which there is Kim and not yet Lee."""
    liaison.add_user("kim", "--delegation", "south")
    file = tmp_path / "backup.db"
    liaison.ok("backup", str(file))
    liaison.add_user("lee", "--delegation", "south")
    return file


def users(liaison: CommandLine) -> list[str]:
    return [one["user"] for one in liaison.ok("user", "list", "--json").json]


def test_a_restore_brings_back_what_was_there_in_an_epoch_that_never_was(liaison: CommandLine, backup: Path) -> None:
    assert users(liaison) == ["kim", "lee"]
    assert liaison.ok("restore", str(backup), "--json").json["epoch"] == 2
    assert users(liaison) == ["kim"]


def test_what_was_replaced_is_kept_and_can_be_restored_itself(
    liaison: CommandLine, backup: Path, tmp_path: Path
) -> None:
    kept = Path(liaison.ok("restore", str(backup), "--json").json["kept"])
    moved = kept.rename(tmp_path / "kept.db")
    # Another second, another name for what is replaced.
    restored = liaison.on("restore", str(moved))
    if restored.code == Exit.BAD:
        assert "within the same second" in restored.stderr
        restored = liaison.on("restore", str(moved))
    assert "Epoch 3 begins." in restored.stdout
    assert users(liaison) == ["kim", "lee"]


def test_a_restore_into_an_empty_folder_makes_the_office(liaison: CommandLine, backup: Path, tmp_path: Path) -> None:
    other = CommandLine(tmp_path / "other")
    restored = other.ok("restore", str(backup), "--json").json
    assert restored["kept"] == ""
    assert users(other) == ["kim"]


def test_a_restore_beside_a_server_is_refused_and_changes_nothing(liaison: CommandLine, backup: Path) -> None:
    with DataDirectory(liaison.data).lock():
        finished = liaison.on("restore", str(backup))
    assert (finished.code, "stop it first" in finished.stderr) == (Exit.UNAVAILABLE, True)
    assert users(liaison) == ["kim", "lee"]


def test_a_backup_replaces_no_file(liaison: CommandLine, backup: Path) -> None:
    before = backup.read_bytes()
    finished = liaison.on("backup", str(backup))
    assert (finished.code, "exists: name a new file" in finished.stderr) == (Exit.UNAVAILABLE, True)
    assert backup.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"a letter" * 1000])
def test_what_is_no_backup_is_refused_and_changes_nothing(
    liaison: CommandLine, backup: Path, tmp_path: Path, content: bytes
) -> None:
    wrong = tmp_path / "wrong.db"
    wrong.write_bytes(content)
    finished = liaison.on("restore", str(wrong))
    assert (finished.code, str(wrong) in finished.stderr) == (Exit.BAD, True)
    assert users(liaison) == ["kim", "lee"]


def test_both_are_in_the_audit_log(liaison: CommandLine, backup: Path) -> None:
    assert "office.backed_up" in liaison.ok("audit").stdout
    liaison.ok("restore", str(backup))
    assert "office.restored\t\tepoch 2" in liaison.ok("audit", "-n", "1").stdout


class TestAudit:
    def test_the_newest_come_last_and_only_as_many_as_asked_for(self, liaison: CommandLine, backup: Path) -> None:
        lines = [line.split("\t") for line in liaison.ok("audit", "-n", "2").lines]
        assert [(int(fields[0]), fields[3]) for fields in lines] == [(2, "office.backed_up"), (3, "account.added")]

    def test_a_changed_record_is_named(self, liaison: CommandLine, backup: Path) -> None:
        self._spoil(liaison.data, "UPDATE audit SET detail = 'head south' WHERE seq = 1")
        finished = liaison.on("audit")
        assert (finished.code, "record 1 isn't what was written" in finished.stderr) == (Exit.BAD, True)

    def test_a_missing_record_is_named(self, liaison: CommandLine, backup: Path) -> None:
        self._spoil(liaison.data, "DELETE FROM audit WHERE seq = 2")
        finished = liaison.on("audit", "-n", "0")
        assert (finished.code, "record 2 is missing" in finished.stderr) == (Exit.BAD, True)

    @staticmethod
    def _spoil(data: Path, statement: str) -> None:
        with closing(sqlite3.connect(data / "office.db")) as database:
            # Whoever can write the file can take out its guards as well.
            for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f"DROP TRIGGER {trigger}")
            assert database.execute(statement).rowcount == 1
            database.commit()
