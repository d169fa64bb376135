"""PROTOCOL.md's section on the signed record says what the code does."""

import re
import typing
from dataclasses import fields as dataclass_fields

import msgspec

from liaison.core.side_keys import MAX_VALID_KEYS, Record
from liaison.core.signed_record import MAX_CLOCK_DIFFERENCE_MS, SignedHead
from liaison.protocol.signed_heads import HEAD_DOMAIN, KEY_DOMAIN, HeadStatement, KeyStatement
from tests.docs.markdown import document, names, section, table

PROTOCOL = document("PROTOCOL.md")
TEXT = section(PROTOCOL, "13.4")


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
