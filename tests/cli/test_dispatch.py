"""The register of dispatches on the command line: the course of each, and nothing of its text."""

import asyncio
import json
from collections.abc import Iterable

import pytest

from liaison.adapters.data_directory import DataDirectory
from liaison.adapters.sql_engine import open_office
from liaison.adapters.sql_log import SqlLog
from liaison.cli.exits import Exit
from liaison.core.dispatch import Event
from liaison.core.dispatch_register import Content, Heading, Item, Record, Wish
from liaison.core.entries import Draft
from liaison.core.identifiers import OFFICE, DelegationId, Millis, UserId
from liaison.core.register_channels import DISPATCHES
from tests.cli.command_line import CommandLine

SECRET = "수문 3개를 18:00에 엽니다."
NUMBER = "south-2026-0001"


def step(event: Event, number: str = NUMBER, side: str = "south", **fields: object) -> Draft:
    record = Record(event.value, number)
    for name, value in fields.items():
        record = Record(**{**{field: getattr(record, field) for field in record.__struct_fields__}, name: value})
    by = OFFICE if side == "south" else UserId("ri")
    return Wish(by, DelegationId(side), f"{number} {event.value}", record).draft()


@pytest.fixture
def register(liaison: CommandLine) -> CommandLine:
    liaison.add_user("ri", "--delegation", "north")
    heading = Heading("댐 방류", "대표", "서기관", "대표", "flash")
    write(
        liaison,
        [
            step(Event.TENDERED, heading=heading),
            step(Event.ACCEPTED, side="north"),
            step(Event.DELIVERED_FOR_READ_BACK, content=Content(SECRET, (Item("figure", "수문", "3개문"),))),
            step(Event.READ_BACK, side="north", values=("3개문",)),
            step(Event.TENDERED, "north-2026-0001", "north", heading=Heading("회신", "대표", "서기관", "대표")),
        ],
    )
    return liaison


def write(liaison: CommandLine, drafts: Iterable[Draft]) -> None:
    async def append() -> None:
        database = open_office(DataDirectory(liaison.data))
        try:
            for place, draft in enumerate(drafts):
                await SqlLog(database).append(DISPATCHES, [draft], Millis(1_790_000_000_000 + place))
        finally:
            await database.close()

    asyncio.run(append())


def test_dispatches_are_listed_newest_first_and_filtered(register: CommandLine) -> None:
    lines = [line.split("\t") for line in register.ok("dispatch", "list").lines]
    assert [(line[0], line[1], line[2], line[-1]) for line in lines] == [
        ("north-2026-0001", "tendered", "routine", "회신"),
        (NUMBER, "read_back", "flash", "댐 방류"),
    ]
    for options in (["--side", "south"], ["--state", "read_back"], ["--precedence", "flash"]):
        (found,) = register.ok("dispatch", "list", "--json", *options).json
        assert found["number"] == NUMBER
    # What was read back is the sender's to confirm, what was tendered the other side's to accept: both wait on south.
    waiting = register.ok("dispatch", "list", "--json", "--waits-on", "south").json
    assert [line["waits_on"] for line in waiting] == ["south", "south"]
    assert register.ok("dispatch", "list", "--waits-on", "north").lines == []
    (routine,) = register.ok("dispatch", "list", "--precedence", "routine", "--waits-on", "south").lines
    assert routine.startswith("north-2026-0001")
    for option in ("--side", "--waits-on"):
        wrong = register.on("dispatch", "list", option, "west")
        assert (wrong.code, "there are south and north" in wrong.stderr) == (Exit.USAGE, True)
    assert register.ok("dispatch", "list", "--year", "2019").lines == []


def test_the_steps_of_one_are_shown_and_nothing_of_its_text(register: CommandLine) -> None:
    shown = register.ok("dispatch", "show", NUMBER)
    assert [line.split("\t")[1] for line in shown.lines] == [
        "tendered",
        "accepted",
        "delivered_for_read_back",
        "read_back",
    ]
    told = json.dumps(register.ok("dispatch", "show", NUMBER, "--json").json, ensure_ascii=False)
    assert "댐 방류" in told
    for secret in (SECRET, "3개문"):
        assert secret not in told + shown.stdout


def test_what_is_not_there_is_said(register: CommandLine) -> None:
    finished = register.on("dispatch", "show", "south-2026-0009")
    assert (finished.code, "there is no dispatch" in finished.stderr) == (Exit.BAD, True)
