"""PROTOCOL.md's section on line checks says what the code does: its tables are whole, its picture is the table's."""

import re
import typing

from liaison.config import Config
from liaison.core.identifiers import OFFICE
from liaison.core.line_check import Event, Outcome, Reason, State
from liaison.core.line_check_register import MAX_MISSED_BY_NAME, SCHEDULE, Record
from liaison.protocol import line_check_frames as frames
from liaison.protocol.limits import DEFAULT_LINE_CHECK_DAYS, MAX_LINE_CHECK_DAYS
from tests.docs.markdown import document, fields, name, names, section, table

TEXT = section(document("PROTOCOL.md"), "13.2")


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
