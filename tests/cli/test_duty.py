"""Duty on the command line: who is on duty as finely as was agreed, and rosters as files."""

import asyncio
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from liaison.adapters.data_directory import DataDirectory
from liaison.adapters.sql_engine import open_office
from liaison.adapters.sql_log import SqlLog
from liaison.cli.exits import Exit
from liaison.core.duty import DutyBook, alarm, fold
from liaison.core.identifiers import DelegationId, Millis
from liaison.core.register_channels import own_duty
from liaison.office.registers import folded
from tests.cli.command_line import CommandLine

SIDES = ("south", "north")
HEADS = "user,duty,first,begins,ends,days,every_weeks,last\n"
TODAY = date(2026, 1, 5)


def rota(side: str) -> str:
    """Somebody has the desk at every hour, with another beside."""
    first = (TODAY - timedelta(days=7)).isoformat()
    lines = [f"{side}-1,officer,{first},00:00,24:00,MO-SU,1,", f"{side}-2,staff,{first},00:00,24:00,MO-SU,1,"]
    return HEADS + "\n".join(lines) + "\n"


@pytest.fixture
def office(liaison: CommandLine) -> CommandLine:
    for side in SIDES:
        for number in (1, 2):
            liaison.add_user(f"{side}-{number}", "--delegation", side)
    return liaison


def put_up(office: CommandLine, side: str, tmp_path: Path, text: str = "", name: str = "rota.csv") -> Path:
    file = tmp_path / f"{side}-{name}"
    file.write_bytes((text or rota(side)).encode())
    office.ok("duty", "import", side, str(file))
    return file


@pytest.mark.parametrize("side", SIDES)
def test_a_roster_comes_in_as_one_form_and_goes_out_as_either(office: CommandLine, side: str, tmp_path: Path) -> None:
    put_up(office, side, tmp_path)
    calendar = tmp_path / "rota.ics"
    office.ok("duty", "export", side, "-o", str(calendar))
    assert calendar.read_bytes().startswith(b"BEGIN:VCALENDAR\r\n")
    put_up(office, side, tmp_path, calendar.read_bytes().decode(), "again.ics")
    spelt = rota(side).replace("24:00,MO-SU", "00:00,MO TU WE TH FR SA SU")
    assert office.ok("duty", "export", side, "--format", "csv").stdout == spelt
    listed = office.ok("duty", "list", side, "--days", "1", "--json").json
    assert {(each["user"], each["duty"]) for each in listed} == {(f"{side}-1", "officer"), (f"{side}-2", "staff")}
    assert {line.split("\t")[3] for line in office.ok("duty", "list", side).lines} == {f"{side}-1", f"{side}-2"}
    audited = office.ok("audit", "--json").lines[-1]
    assert (json.loads(audited)["action"], json.loads(audited)["subject"]) == ("duty.imported", side)


@pytest.mark.parametrize("side", SIDES)
def test_both_desks_are_shown_as_finely_as_was_agreed(office: CommandLine, side: str, tmp_path: Path) -> None:
    put_up(office, side, tmp_path)
    shown: dict[str, str] = {}
    for granularity in ("named", "count", "staffed"):
        config = tmp_path / f"{granularity}.toml"
        config.write_text(f'[office]\ngranularity = "{granularity}"\n', encoding="utf-8")
        found = office.ok("duty", "show", "--json", "--config", str(config)).json
        assert [desk["delegation"] for desk in found] == sorted(SIDES)
        (desk,) = (each for each in found if each["delegation"] == side)
        (other,) = (each for each in found if each["delegation"] != side)
        assert (desk["staffed_by_roster"], other["has_roster"]) == (True, False)
        assert (desk.get("officer"), desk.get("on_duty"), desk.get("on_duty_count")) == {
            "named": (f"{side}-1", [f"{side}-1", f"{side}-2"], 2),
            "count": (None, None, 2),
            "staffed": (None, None, None),
        }[granularity]
        shown[granularity] = office.ok("duty", "show", "--config", str(config)).stdout
    assert f"{side}-1 {side}-2" in shown["named"]
    assert f"{side}-1" not in shown["count"] + shown["staffed"]


def test_the_alarm_of_an_empty_desk_is_shown(office: CommandLine) -> None:
    raised_ms = Millis(1_790_000_000_000)

    async def append() -> None:
        database = open_office(DataDirectory(office.data))
        try:
            side = DelegationId("north")
            book = await folded(SqlLog(database), own_duty(side), DutyBook(), fold)
            await SqlLog(database).append(own_duty(side), [alarm(side, book, is_staffed=False)], raised_ms)
        finally:
            await database.close()

    asyncio.run(append())
    (north, south) = office.ok("duty", "show", "--json").json
    assert (north["unstaffed_since_ms"], "unstaffed_since_ms" in south) == (raised_ms, False)


def with_a_hole(text: str) -> str:
    return text.replace("00:00,24:00", "10:00,24:00")


def twice(text: str) -> str:
    return text.replace("staff", "officer")


def of_nobody(text: str) -> str:
    return text.replace("north-2", "south-2")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (with_a_hole, "there is no duty officer from"),
        (twice, "line 3 and line 2: the duty officer is on duty twice"),
        (of_nobody, "line 3: 'south-2' is no official"),
        (lambda _text: "who,when\n", "line 1: the columns must be"),
        (lambda text: text + " " * 20_000, "up to 20,000 characters"),
        (lambda text: text[:-1] + ",\n", "line 3: there are 9 columns"),
    ],
)
def test_a_roster_that_is_none_is_refused_whole_and_its_line_is_named(
    office: CommandLine, tmp_path: Path, spoil: Callable[[str], str], said: str
) -> None:
    put_up(office, "north", tmp_path)
    before = office.ok("duty", "export", "north").stdout
    finished = office.on("duty", "import", "north", "-", stdin=spoil(rota("north")))
    assert (finished.code, said in finished.stderr) == (Exit.BAD, True), finished.stderr
    assert office.ok("duty", "export", "north").stdout == before


def test_what_is_not_there_or_can_not_be_read_is_said(office: CommandLine, tmp_path: Path) -> None:
    wrong = office.on("duty", "list", "west")
    assert (wrong.code, "there are south and north" in wrong.stderr) == (Exit.USAGE, True)
    none = office.on("duty", "export", "south")
    assert (none.code, "has put up no roster yet" in none.stderr) == (Exit.BAD, True)
    assert office.on("duty", "import", "south", str(tmp_path / "none.csv")).code == Exit.USAGE
    korean = tmp_path / "korean.csv"
    korean.write_bytes("김".encode("euc-kr"))
    unread = office.on("duty", "import", "south", str(korean))
    assert (unread.code, "UTF-8" in unread.stderr) == (Exit.BAD, True)
    file = put_up(office, "south", tmp_path)
    kept = office.on("duty", "export", "south", "-o", str(file))
    assert (kept.code, "name a new file" in kept.stderr, file.read_text()) == (Exit.BAD, True, rota("south"))
