"""PROTOCOL.md's section on duty says what the code does: its tables are whole, and its picture is the table's."""

import re
import typing

import msgspec

from liaison.config import Config
from liaison.core.duty import ROSTER, STAFFED, UNSTAFFED, Event, Record, diagram
from liaison.core.duty_files import COLUMNS
from liaison.core.identifiers import OFFICE
from liaison.office.duty import DutyDepartment
from liaison.protocol import duty_frames as frames
from liaison.protocol import limits
from tests.docs.markdown import document, name, names, section, table

TEXT = section(document("PROTOCOL.md"), "13.5")
COMMANDS = {str(each.__struct_config__.tag): each for each in typing.get_args(frames.DutyCommand)}
OBJECTS: dict[str, type[msgspec.Struct]] = {
    "side": frames.DutySide,
    "shift": frames.ShiftInfo,
    "item": frames.OpenItem,
    "handover": frames.HandoverInfo,
}


def fields(kind: type[msgspec.Struct]) -> list[str]:
    return [
        field.name + ("" if field.required else "?") for field in msgspec.structs.fields(kind) if field.name != "id"
    ]


def test_the_picture_is_drawn_from_the_table() -> None:
    assert re.findall(r"```mermaid\n(.*?)\n```", TEXT, re.DOTALL) == [diagram()]


def test_each_command_has_its_row_with_every_field_of_it_and_of_its_reply() -> None:
    rows = table(TEXT, "command")
    assert [name(row["command"]) for row in rows] == list(COMMANDS)
    handlers = DutyDepartment.handlers(typing.cast(DutyDepartment, DutyDepartment))
    for row in rows:
        command = COMMANDS[name(row["command"])]
        assert names(row["fields"]) == fields(command), command
        assert names(row["reply"]) == fields(typing.get_type_hints(handlers[command])["return"]), command


def test_what_each_field_of_a_command_holds_is_said() -> None:
    said = [field for row in table(TEXT, "field") for field in names(row["field"])]
    used = {field.rstrip("?") for command in COMMANDS.values() for field in fields(command)}
    assert sorted(said) == sorted(used)


def test_each_object_has_its_row_with_every_field() -> None:
    rows = table(TEXT, "object")
    assert {row["object"]: names(row["fields"]) for row in rows} == {
        what: fields(kind) for what, kind in OBJECTS.items()
    }


def test_what_an_entry_holds_and_every_event_is_named() -> None:
    tail = TEXT[TEXT.index("An entry's `data`") :].replace("\n", " ")
    (listed,) = re.findall(r"`event` is one of (.*?)\.", tail)
    assert names(listed) == [*(event.value for event in Event), ROSTER, UNSTAFFED, STAFFED]
    assert all(f"`{field.rstrip('?')}`" in tail for field in fields(Record)[1:])
    assert f"`{OFFICE}`" in tail


def test_columns_and_figures_are_those_of_the_code() -> None:
    text = TEXT.replace("\n", " ")
    assert f"`{','.join(COLUMNS)}`" in text
    assert Config().duty.weekday_hours == Config().duty.weekend_hours == "09:00-18:00"
    assert "(09:00 to 18:00 of the side's clock unless configured)" in text
    assert Config().duty.alarm_after_s == 60
    assert f"1 to {limits.MAX_ROSTER_DAYS}, default {limits.DEFAULT_ROSTER_DAYS}" in text
    assert f"{limits.MAX_ROSTER_CHARS:,} characters" in text
    assert f"{limits.MAX_HANDOVER_NOTES} lines of up to {limits.MAX_HANDOVER_NOTE_CHARS} characters" in text
