"""A record that was exported verifies; a changed one is refused with its line."""

import asyncio
import json
import stat
from pathlib import Path

import pytest

from liaison.cli.demo_office import furnish, write_first_messages
from liaison.cli.exits import Exit
from liaison.config import load_config
from liaison.wiring import back_office
from tests.cli.command_line import PASSWORD, CommandLine


@pytest.fixture
def record(liaison: CommandLine, tmp_path: Path) -> Path:
    """The exported record of a channel with messages in it."""

    async def write() -> None:
        async with back_office(load_config(None, {}, {"data.directory": str(liaison.data)}), create=True) as office:
            await furnish(office.accounts, office.registry, _SamePassword())
            await write_first_messages(office.log, office.clock)

    asyncio.run(write())
    file = tmp_path / "record.ndjson"
    liaison.ok("export", "joint/general", "-o", str(file))
    return file


class _SamePassword(dict[str, str]):
    def __missing__(self, user: str) -> str:
        return PASSWORD


def test_what_was_exported_is_sound(liaison: CommandLine, record: Path) -> None:
    last = json.loads(record.read_text().splitlines()[-2])
    verified = liaison.run("verify", str(record), "--json")
    assert verified.code == Exit.OK
    assert (verified.json["sound"], verified.json["channel"], verified.json["seq"]) == (True, "joint/general", 4)
    assert verified.json["seq"] == last["seq"]
    assert verified.json["link"] in liaison.run("verify", str(record)).stdout


def test_a_record_goes_through_a_pipe(liaison: CommandLine, record: Path) -> None:
    exported = liaison.ok("export", "joint/general")
    assert exported.stdout.encode() == record.read_bytes()
    assert liaison.run("verify", "-", stdin=exported.stdout).code == Exit.OK


def test_an_empty_channel_has_a_record_too(liaison: CommandLine, tmp_path: Path) -> None:
    liaison.ok("channel", "create", "joint/general")
    assert liaison.run("verify", "-", stdin=liaison.ok("export", "joint/general").stdout).code == Exit.OK


def test_a_changed_word_is_found_in_its_line(liaison: CommandLine, record: Path) -> None:
    record.write_text(record.read_text().replace("동의합니다", "반대합니다"))
    finished = liaison.run("verify", str(record))
    assert finished.code == Exit.BAD
    assert finished.stderr.startswith(f"liaison: {record}, line 5: changed:")
    assert liaison.run("verify", str(record), "--json").json["line"] == 5


@pytest.mark.parametrize(
    ("drop", "line", "fault"),
    [(slice(2, 3), 3, "gap"), (slice(-1, None), 6, "truncated"), (slice(0, 1), 1, "malformed")],
)
def test_a_missing_line_is_found(liaison: CommandLine, record: Path, drop: slice, line: int, fault: str) -> None:
    lines = record.read_text().splitlines(keepends=True)
    del lines[drop]
    record.write_text("".join(lines))
    assert f"line {line}: {fault}" in liaison.run("verify", str(record)).stderr


def test_the_last_link_can_be_compared_with_what_the_other_side_kept(liaison: CommandLine, record: Path) -> None:
    link = liaison.run("verify", str(record), "--json").json["link"]
    assert liaison.run("verify", str(record), "--link", link.upper()).code == Exit.OK
    finished = liaison.run("verify", str(record), "--link", "00" * 32)
    assert (finished.code, "ends in link" in finished.stderr) == (Exit.BAD, True)


def test_a_file_that_is_not_there_is_named(liaison: CommandLine, tmp_path: Path) -> None:
    finished = liaison.run("verify", str(tmp_path / "nothing"))
    assert (finished.code, "nothing cannot be read: No such file" in finished.stderr) == (Exit.BAD, True)


def test_an_export_replaces_no_file_and_leaves_no_half_of_one(liaison: CommandLine, record: Path) -> None:
    before = record.read_bytes()
    assert liaison.on("export", "joint/weather", "-o", str(record)).code == Exit.BAD
    assert liaison.on("export", "joint/nothing", "-o", str(record.with_name("other"))).code == Exit.BAD
    assert record.read_bytes() == before
    assert sorted(file.name for file in record.parent.iterdir()) == ["data", "record.ndjson"]


def test_a_record_is_for_its_owner_only(record: Path) -> None:
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def test_an_export_is_in_the_audit_log(liaison: CommandLine, record: Path) -> None:
    newest = json.loads(liaison.ok("audit", "-n", "1", "--json").stdout)
    assert (newest["action"], newest["subject"], newest["detail"]) == (
        "channel.exported",
        "joint/general",
        "4 messages",
    )
