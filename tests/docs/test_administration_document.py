"""PROTOCOL.md's section on suspension and two keys says what the code does."""

import re
import typing

from liaison.core.administration import Record
from liaison.core.identifiers import OFFICE
from liaison.core.two_keys import LONGEST_LIFE_MS, SHORTEST_LIFE_MS
from liaison.office.administration import LOOK_EVERY_S
from liaison.protocol import administration_frames as frames
from tests.docs.markdown import document, fields, name, names, section, table

TEXT = section(document("PROTOCOL.md"), "13.3")


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
