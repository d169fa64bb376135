"""What is attached goes with a backup and an export, comes back with a restore, and each content is checked."""

import asyncio
from pathlib import Path

import pytest

from liaison.adapters.data_directory import DataDirectory
from liaison.adapters.file_contents import content_path
from liaison.cli.exits import Exit
from liaison.config import load_config
from liaison.core.attachments import data_of
from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.ports.attachments import Upload
from liaison.protocol.frames import Attachment
from liaison.wiring import back_office
from tests.cli.command_line import CommandLine

GENERAL = ChannelId("joint/general")
CONTENT = "회의 기록\n".encode() * 1000


async def _attach(data: Path, *, is_named: bool) -> str:
    async with back_office(load_config(None, {}, {"data.directory": str(data)}), create=True) as office:
        stores, now_ms = office.attachments, office.clock.wall_ms()
        async with stores.contents.incoming() as incoming:
            await incoming.write(CONTENT)
            await incoming.keep()
            sha256 = incoming.sha256
        kim, south = UserId("kim"), DelegationId("south")
        await stores.uploads.add(
            Upload(GENERAL, kim, south, sha256, "text/plain", len(CONTENT)), now_ms, quota_bytes=1 << 30
        )
        if is_named:
            data_ = data_of([Attachment(sha256, "기록.txt", "text/plain", len(CONTENT))])
            await office.log.append(GENERAL, [Draft(kim, south, "k", EntryKind.TEXT, "첨부", data=data_)], now_ms)
        return sha256


@pytest.fixture
def sha256(liaison: CommandLine) -> str:
    """The hash of a file that is attached to a message."""
    liaison.ok("channel", "create", GENERAL)
    return asyncio.run(_attach(liaison.data, is_named=True))


def stored(liaison: CommandLine, sha256: str) -> Path:
    return content_path(DataDirectory(liaison.data).attachments, sha256)


def test_a_backup_holds_what_is_attached_and_a_restore_brings_it_to_another_machine(
    liaison: CommandLine, sha256: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    liaison.ok("backup", str(file))
    assert (tmp_path / "backup.db.attachments" / sha256).read_bytes() == CONTENT
    other = CommandLine(tmp_path / "other")
    other.ok("restore", str(file))
    assert stored(other, sha256).read_bytes() == CONTENT


def test_an_upload_that_is_not_named_yet_is_in_the_backup_too(liaison: CommandLine, tmp_path: Path) -> None:
    liaison.ok("channel", "create", GENERAL)
    sha256 = asyncio.run(_attach(liaison.data, is_named=False))
    liaison.ok("backup", str(tmp_path / "backup.db"))
    assert (tmp_path / "backup.db.attachments" / sha256).is_file()


def test_an_office_without_attachments_has_a_backup_of_one_file(liaison: CommandLine, tmp_path: Path) -> None:
    liaison.ok("channel", "create", GENERAL)
    liaison.ok("backup", str(tmp_path / "backup.db"))
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]


def test_a_restore_mends_a_damaged_attachment_and_keeps_what_the_backup_does_not_have(
    liaison: CommandLine, sha256: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    liaison.ok("backup", str(file))
    stored(liaison, sha256).write_bytes(b"damaged")
    later = stored(liaison, "ab" * 32)
    later.parent.mkdir()
    later.write_bytes(b"uploaded since")
    liaison.ok("restore", str(file))
    assert stored(liaison, sha256).read_bytes() == CONTENT
    assert later.read_bytes() == b"uploaded since"


@pytest.mark.parametrize("what", ["missing", "changed"])
def test_a_backup_whose_attachments_are_not_whole_restores_nothing(
    what: str, liaison: CommandLine, sha256: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    liaison.ok("backup", str(file))
    copy = tmp_path / "backup.db.attachments" / sha256
    if what == "missing":
        copy.unlink()
    else:
        copy.write_bytes(b"x" * len(CONTENT))
    other = CommandLine(tmp_path / "other")
    other.add_user("ri", "--delegation", "north")
    before = (tmp_path / "other" / "office.db").read_bytes()
    refused = other.on("restore", str(file))
    assert refused.code == Exit.BAD
    assert f"{sha256} is missing or damaged" in refused.stderr
    assert (tmp_path / "other" / "office.db").read_bytes() == before


def test_a_backup_of_damage_is_refused_and_leaves_no_file(liaison: CommandLine, sha256: str, tmp_path: Path) -> None:
    stored(liaison, sha256).write_bytes(b"damaged")
    refused = liaison.on("backup", str(tmp_path / "backup.db"))
    assert refused.code == Exit.UNAVAILABLE
    assert f"{sha256} is damaged" in refused.stderr
    stored(liaison, sha256).unlink()
    assert f"{sha256} is missing" in liaison.on("backup", str(tmp_path / "backup.db")).stderr
    assert not [path.name for path in tmp_path.iterdir() if "backup" in path.name]


@pytest.fixture
def record(liaison: CommandLine, sha256: str, tmp_path: Path) -> Path:
    assert sha256
    liaison.ok("export", GENERAL, "-o", str(tmp_path / "record.ndjson"))
    return tmp_path / "record.ndjson"


def test_an_export_has_what_is_attached_beside_it_and_verifies_with_it(
    liaison: CommandLine, record: Path, sha256: str
) -> None:
    assert (record.parent / "record.ndjson.attachments" / sha256).read_bytes() == CONTENT
    assert liaison.run("verify", str(record), "--json").json["attachments"] == 1
    assert "1 attachments are as they were" in liaison.run("verify", str(record)).stdout


def test_a_record_alone_is_sound_and_says_nothing_of_attachments(
    liaison: CommandLine, record: Path, sha256: str
) -> None:
    folder = record.parent / "record.ndjson.attachments"
    (folder / sha256).rename(record.parent / "away")
    folder.rmdir()
    assert liaison.run("verify", str(record), "--json").json["attachments"] == 0


@pytest.mark.parametrize("what", ["changed", "missing"])
def test_a_record_whose_attachment_is_another_or_missing_is_not_sound(
    what: str, liaison: CommandLine, record: Path, sha256: str
) -> None:
    attached = record.parent / "record.ndjson.attachments" / sha256
    if what == "changed":
        attached.write_bytes(CONTENT + b"!")
    else:
        attached.unlink()
    finished = liaison.run("verify", str(record))
    assert finished.code == Exit.BAD
    assert sha256 in finished.stderr
    assert ("is missing" if what == "missing" else "is not what was attached") in finished.stderr


def test_a_changed_hash_in_the_record_breaks_its_chain(liaison: CommandLine, record: Path, sha256: str) -> None:
    record.write_text(record.read_text().replace(sha256, "0" * 64))
    finished = liaison.run("verify", str(record))
    assert finished.code == Exit.BAD
    assert "line 2" in finished.stderr


def test_an_export_of_damage_is_refused_and_leaves_nothing(liaison: CommandLine, sha256: str, tmp_path: Path) -> None:
    stored(liaison, sha256).write_bytes(b"damaged")
    refused = liaison.on("export", GENERAL, "-o", str(tmp_path / "record.ndjson"))
    assert refused.code == Exit.UNAVAILABLE
    assert "is damaged where it is stored" in refused.stderr
    stored(liaison, sha256).unlink()
    assert "is missing" in liaison.on("export", GENERAL, "-o", str(tmp_path / "record.ndjson")).stderr
    assert not [path.name for path in tmp_path.iterdir() if "record" in path.name]


def test_a_record_can_be_had_without_what_is_attached_wherever_that_is(
    liaison: CommandLine, sha256: str, tmp_path: Path
) -> None:
    stored(liaison, sha256).unlink()
    liaison.ok("export", "--all", "--without-attachments", "-o", str(tmp_path / "records"))
    assert liaison.run("verify", str(tmp_path / "records")).code == Exit.OK
    assert not list((tmp_path / "records").rglob("*.attachments"))
