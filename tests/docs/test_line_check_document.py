"""PROTOCOL.md's section on line checks says what the code does: its tables are whole, its picture is the table's."""

import re
import typing

import msgspec

from liaison.config import Config
from liaison.core.identifiers import OFFICE
from liaison.core.line_check import Event, Outcome, Reason, State, diagram
from liaison.core.line_check_register import MAX_MISSED_BY_NAME, SCHEDULE, Record
from liaison.office.line_checks import LineCheckDepartment
from liaison.protocol import line_check_frames as frames
from liaison.protocol.limits import DEFAULT_LINE_CHECK_DAYS, MAX_LINE_CHECK_DAYS
from tests.docs.markdown import document, name, names, section, table

TEXT = section(document("PROTOCOL.md"), "13.2")
COMMANDS = {str(each.__struct_config__.tag): each for each in typing.get_args(frames.LineCheckCommand)}
OBJECTS: dict[str, type[msgspec.Struct]] = {
    "check": frames.LineCheckInfo,
    "day": frames.LineCheckDay,
    "heartbeat": frames.HeartbeatInfo,
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
    handlers = LineCheckDepartment.handlers(typing.cast(LineCheckDepartment, LineCheckDepartment))
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


def test_each_outcome_reason_and_state_is_named() -> None:
    assert {name(row["outcome"]) for row in table(TEXT, "outcome")} == {outcome.value for outcome in Outcome}
    assert all(f"`{reason.value}`" in TEXT for reason in Reason if reason.value)
    states = set(typing.get_args(frames.CheckState))
    assert states - {"scheduled", "not_kept"} == {state.value for state in State} - {State.NEW.value}
    assert all(f"`{state}`" in TEXT for state in ("scheduled", "not_kept"))


def test_what_an_entry_holds_and_every_event_is_named() -> None:
    tail = TEXT[TEXT.index("An entry's `data`") :].replace("\n", " ")
    (listed,) = re.findall(r"`event` is one of (.*)\.", tail)
    assert names(listed) == [*(event.value for event in Event), SCHEDULE]
    assert all(f"`{field.rstrip('?')}`" in tail for field in fields(Record)[1:])
    assert f"`{OFFICE}`" in tail


def test_figures_are_those_of_the_code() -> None:
    text = TEXT.replace("\n", " ")
    settings = Config().line_checks
    assert f"({' and '.join(settings.times)} of the office's clock" in text
    assert f"({settings.answer_within_s / 60:g} minutes unless configured)" in text
    assert re.search(rf"newest {MAX_MISSED_BY_NAME} by name", text)
    assert f"1 to {MAX_LINE_CHECK_DAYS}, default {DEFAULT_LINE_CHECK_DAYS}" in text
