"""PROTOCOL.md's section on the signed record says what the code does."""

import re
import typing
from dataclasses import fields as dataclass_fields

import msgspec

from liaison.core.side_keys import MAX_VALID_KEYS, Record, diagram
from liaison.core.signed_record import MAX_CLOCK_DIFFERENCE_MS, SignedHead
from liaison.office.record import RecordDepartment
from liaison.protocol import record_frames as frames
from liaison.protocol.signed_heads import HEAD_DOMAIN, KEY_DOMAIN, HeadStatement, KeyStatement
from tests.docs.markdown import document, name, names, section, table
from tests.docs.test_administration_document import fields

PROTOCOL = document("PROTOCOL.md")
TEXT = section(PROTOCOL, "13.4")
COMMANDS = {str(each.__struct_config__.tag): each for each in typing.get_args(frames.RecordCommand)}
OBJECTS: dict[str, type[msgspec.Struct]] = {
    "side key": frames.KeyInfo,
    "signed up to": frames.SignedUpToInfo,
    "signed head": frames.SignedHeadInfo,
}


def test_the_picture_is_drawn_from_the_table() -> None:
    assert re.findall(r"```mermaid\n(.*?)\n```", TEXT, re.DOTALL) == [diagram()]


def test_each_command_has_its_row_with_every_field_of_it_and_of_its_reply() -> None:
    rows = table(TEXT, "command")
    assert [name(row["command"]) for row in rows] == list(COMMANDS)
    handlers = RecordDepartment.handlers(typing.cast(RecordDepartment, RecordDepartment))
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


def test_statements_are_told_line_by_line() -> None:
    rows = {row["statement"]: names(row["lines"]) for row in table(TEXT, "statement")}
    assert rows == {
        "of a head": [HEAD_DOMAIN, *(field.name for field in dataclass_fields(HeadStatement))],
        "of a key": [KEY_DOMAIN, *(field.name for field in dataclass_fields(KeyStatement))],
    }


def test_events_the_data_of_a_signature_and_bounds_are_those_of_the_code() -> None:
    text = TEXT.replace("\n", " ")
    (events,) = re.findall(r"with `event` (`.*?`);", text)
    assert names(events) == [str(record.__struct_config__.tag) for record in typing.get_args(Record)]
    (data,) = re.findall(r"Its `data` is `\{(.*?)\}`", text)
    assert data.split(", ") == sorted(field.name for field in msgspec.structs.fields(SignedHead))
    assert MAX_CLOCK_DIFFERENCE_MS == 5 * 60_000
    assert f"has {MAX_VALID_KEYS} valid keys" in section(PROTOCOL, "7")
