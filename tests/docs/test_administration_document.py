"""PROTOCOL.md's section on suspension and two keys says what the code does."""

import re
import typing

import msgspec

from liaison.core.administration import Record
from liaison.core.identifiers import OFFICE
from liaison.core.two_keys import LONGEST_LIFE_MS, SHORTEST_LIFE_MS, diagram
from liaison.office.administration import LOOK_EVERY_S, AdministrationDepartment
from liaison.protocol import administration_frames as frames
from tests.docs.markdown import document, name, names, section, table

TEXT = section(document("PROTOCOL.md"), "13.3")
COMMANDS = {str(each.__struct_config__.tag): each for each in typing.get_args(frames.AdministrationCommand)}
OBJECTS: dict[str, type[msgspec.Struct]] = {
    "held message": frames.HeldMessage,
    "proposal": frames.ProposalInfo,
    "approval": frames.ApprovalInfo,
    "suspension": frames.SuspensionInfo,
    "retention": frames.RetentionInfo,
    "export": frames.ExportInfo,
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
    handlers = AdministrationDepartment.handlers(typing.cast(AdministrationDepartment, AdministrationDepartment))
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


def test_each_subject_has_its_row_with_every_field() -> None:
    rows = table(TEXT, "kind")
    assert {name(row["kind"]): names(row["fields"]) for row in rows} == {
        str(kind.__struct_config__.tag): fields(kind) for kind in typing.get_args(frames.Subject)
    }


def test_every_event_times_and_the_offices_name_are_those_of_the_code() -> None:
    text = TEXT.replace("\n", " ")
    (events,) = re.findall(r"`event` one of (.*?)\.", text)
    assert names(events) == [str(record.__struct_config__.tag) for record in typing.get_args(Record)]
    assert "between one minute and 30 days" in text
    assert (SHORTEST_LIFE_MS, LONGEST_LIFE_MS) == (60_000, 30 * 86_400_000)
    assert f"every {LOOK_EVERY_S:g} s" in text
    assert f"`{OFFICE}`" in text
