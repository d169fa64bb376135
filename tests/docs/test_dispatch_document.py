"""PROTOCOL.md's section on dispatches says what the code does: its tables are whole, and its picture is the table's."""

import re
import typing

import msgspec

from liaison.core.dispatch import DEADLINES_MS, PARTIES, Event, Party, diagram
from liaison.core.dispatch_register import LOST_IN_A_RESTORE, Content, Heading, Record
from liaison.core.entries import Precedence
from liaison.core.identifiers import OFFICE
from liaison.office.dispatches import DispatchDepartment, DispatchSettings
from liaison.protocol import dispatch_frames as frames
from tests.docs.markdown import document, name, names, section, table

TEXT = section(document("PROTOCOL.md"), "13.1")
COMMANDS = {str(each.__struct_config__.tag): each for each in typing.get_args(frames.DispatchCommand)}
OBJECTS: dict[str, type[msgspec.Struct]] = {
    "item": frames.DispatchItem,
    "dispatch": frames.DispatchLine,
    "content": frames.DispatchContent,
    "choice": frames.DispatchChoice,
    "step": frames.DispatchStep,
}


def fields(kind: type[msgspec.Struct]) -> list[str]:
    return [
        field.name + ("" if field.required else "?") for field in msgspec.structs.fields(kind) if field.name != "id"
    ]


def replies() -> dict[type[msgspec.Struct], type[msgspec.Struct]]:
    """Give each command's reply, as its handler says it."""
    handlers = DispatchDepartment.handlers(typing.cast(DispatchDepartment, DispatchDepartment))
    return {command: typing.get_type_hints(handler)["return"] for command, handler in handlers.items()}


def test_the_picture_is_drawn_from_the_table() -> None:
    assert re.findall(r"```mermaid\n(.*?)\n```", TEXT, re.DOTALL) == [diagram()]


def test_each_command_has_its_row_with_every_field_of_it_and_of_its_reply() -> None:
    rows = table(TEXT, "command")
    assert [name(row["command"]) for row in rows] == list(COMMANDS)
    answers = replies()
    for row in rows:
        command = COMMANDS[name(row["command"])]
        assert names(row["fields"]) == fields(command), command
        assert names(row["reply"]) == fields(answers[command]), command


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
    (listed,) = re.findall(r"`event` is one of (.*)\.", tail)
    assert names(listed) == [event.value for event in Event]
    said = tail.partition("`event` is one of")[0]
    assert all(f"`{field.rstrip('?')}`" in said for field in fields(Record)[2:])
    parts: tuple[type[msgspec.Struct], ...] = (Heading, Content)
    assert all(field.rstrip("?") in said for part in parts for field in fields(part))
    assert f"`{OFFICE}`" in TEXT
    assert f'"{LOST_IN_A_RESTORE}"' in TEXT


def test_whose_each_step_is_is_said() -> None:
    (receiving, either) = re.findall(
        r"but for (.*?), which are of the receiving side, and (.*?), which either", TEXT.replace("\n", " ")
    )[0]
    assert names(receiving) == [event.value for event, party in PARTIES.items() if party is Party.RECEIVING]
    assert names(either) == [event.value for event, party in PARTIES.items() if party is Party.EITHER]


def test_times_are_those_of_the_code() -> None:
    text = TEXT.replace("\n", " ")
    (hours, *minutes) = re.findall(
        r"longer than (\d+) hours, with `priority` 1 hour, `flash` (\d+) minutes, `life_safety` (\d+) minutes", text
    )[0]
    assert [int(hours) * 60, 60, *map(int, minutes)] == [DEADLINES_MS[each] // 60_000 for each in Precedence]
    assert "every five minutes" in text
    assert DispatchSettings().repeat_every_ms == 5 * 60_000
