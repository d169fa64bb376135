"""PROTOCOL.md's section on dispatches says what the code does: its tables are whole, and its picture is the table's."""

import re

import msgspec

from liaison.core.dispatch import DEADLINES_MS, PARTIES, Event, Party
from liaison.core.dispatch_register import LOST_IN_A_RESTORE, Content, Heading, Record
from liaison.core.entries import Precedence
from liaison.core.identifiers import OFFICE
from liaison.office.dispatch_books import DispatchSettings
from tests.docs.markdown import document, fields, names, section

TEXT = section(document("PROTOCOL.md"), "13.1")


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
