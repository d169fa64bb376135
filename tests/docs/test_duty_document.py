"""PROTOCOL.md's section on duty says what the code does: its tables are whole, and its picture is the table's."""

import re

from liaison.config import Config
from liaison.core.duty import ROSTER, STAFFED, UNSTAFFED, Event, Record
from liaison.core.duty_files import COLUMNS
from liaison.core.identifiers import OFFICE
from liaison.protocol import limits
from tests.docs.markdown import document, fields, names, section

TEXT = section(document("PROTOCOL.md"), "13.5")


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
