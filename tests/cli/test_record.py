"""A record that was exported verifies; a changed one is refused with its line."""

import asyncio
import json
import shutil
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


@pytest.fixture
def records(liaison: CommandLine, record: Path) -> Path:
    """The folder of all channels' records."""
    liaison.ok("export", "--all", "-o", str(record.with_name("records")))
    return record.with_name("records")


def test_all_channels_go_into_a_folder_and_are_proved_together(
    liaison: CommandLine, record: Path, records: Path
) -> None:
    channels = sorted(line.split("\t")[0] for line in liaison.ok("channel", "list").lines)
    verified = liaison.run("verify", str(records), "--json")
    assert verified.code == Exit.OK
    assert [json.loads(line)["channel"] for line in verified.lines] == channels
    assert (records / "joint/general.ndjson").read_bytes() == record.read_bytes()


def test_a_changed_word_in_any_record_of_a_folder_is_found(liaison: CommandLine, records: Path) -> None:
    general = records / "joint/general.ndjson"
    general.write_text(general.read_text().replace("동의합니다", "반대합니다"))
    finished = liaison.run("verify", str(records))
    assert finished.code == Exit.BAD
    assert finished.stderr.startswith(f"liaison: {general}, line 5: changed:")


def test_two_folders_are_compared_record_by_record_and_the_first_may_have_more(
    liaison: CommandLine, records: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(records, other)
    assert liaison.run("verify", str(records), str(other)).code == Exit.OK
    # Another channel's record under this one's name is sound in itself.
    shutil.copy(records / "joint/weather.ndjson", other / "joint/general.ndjson")
    finished = liaison.run("verify", str(records), str(other))
    assert (finished.code, "is of joint/general" in finished.stderr) == (Exit.BAD, True)
    (other / "joint/general.ndjson").unlink()
    assert liaison.run("verify", str(records), str(other)).code == Exit.OK
    finished = liaison.run("verify", str(other), str(records))
    assert (finished.code, "joint/general.ndjson is missing" in finished.stderr) == (Exit.BAD, True)


def test_a_folder_of_records_is_for_its_owner_and_no_record_in_it_is_replaced(
    liaison: CommandLine, records: Path
) -> None:
    assert stat.S_IMODE((records / "joint").stat().st_mode) == 0o700
    finished = liaison.on("export", "--all", "-o", str(records))
    assert (finished.code, "exists; name a new file" in finished.stderr) == (Exit.BAD, True)


@pytest.mark.parametrize(
    "arguments",
    [("export",), ("export", "joint/general", "--all", "-o", "x"), ("export", "--all"), ("verify", ".", "--link", "0")],
)
def test_what_makes_no_sense_together_is_wrong_usage(liaison: CommandLine, arguments: tuple[str, ...]) -> None:
    assert (liaison.run if arguments[0] == "verify" else liaison.on)(*arguments).code == Exit.USAGE


def test_a_folder_without_records_proves_nothing(liaison: CommandLine, tmp_path: Path) -> None:
    finished = liaison.run("verify", str(tmp_path))
    assert (finished.code, "no record is in" in finished.stderr) == (Exit.BAD, True)
