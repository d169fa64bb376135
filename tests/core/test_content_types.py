"""A file is what its bytes say, and what is two things at once is neither."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.content_types import ContentInspector
from liaison.protocol import media_types
from tests.sample_files import IMPOSTORS, SAMPLES, container, office_document, open_document


def found(content: bytes, step: int = 0) -> str:
    inspector = ContentInspector()
    for at in range(0, len(content), step or max(1, len(content))):
        inspector.look(content[at : at + (step or len(content))])
    return inspector.found()


@pytest.mark.parametrize("media_type", media_types.ATTACHMENT_TYPES)
@pytest.mark.parametrize("step", [0, 1, 7])
def test_each_type_is_known_by_its_bytes_however_they_come(media_type: str, step: int) -> None:
    _, content = SAMPLES[media_type]
    # What a table of values is, only its name says.
    expected = media_types.PLAIN_TEXT if media_type == media_types.CSV else media_type
    assert found(content, step) == expected


@pytest.mark.parametrize("what", IMPOSTORS)
def test_what_only_pretends_is_not_what_it_pretends(what: str) -> None:
    pretended, content = IMPOSTORS[what]
    assert found(content) != (media_types.PLAIN_TEXT if pretended == media_types.CSV else pretended)


def test_nothing_is_of_no_type() -> None:
    assert found(b"") == ""


def test_a_document_may_hold_pictures_and_what_its_makers_put_beside() -> None:
    parts = {"word__media__image1.svg": b"<svg/>", "word__embeddings__sheet.xlsx": b"PK"}
    assert found(office_document("word/document.xml", **parts)) == media_types.DOCX
    assert found(open_document(media_types.HWPX, Scripts__headerScripts=b"")) == media_types.HWPX


def test_a_large_document_is_known_by_its_end() -> None:
    big = office_document("word/document.xml", **{f"word__media__{number}.png": bytes(20_000) for number in range(60)})
    assert len(big) > 1024 * 1024
    assert found(big, 65_536) == media_types.DOCX


def test_a_table_of_contents_of_any_length_costs_little_to_refuse() -> None:
    many = container({f"{number}": b"" for number in range(5000)})
    assert found(many) == ""


def test_a_character_that_two_pieces_share_is_one() -> None:
    assert found("가".encode() * 100, 2) == media_types.PLAIN_TEXT


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"PK\x03\x04", b"%PDF-", b"\x89PNG\r\n\x1a\n", b"RIFF"]),
    st.integers(1, 50),
)
def test_any_bytes_are_of_an_allowed_type_or_of_none(content: bytes, head: bytes, step: int) -> None:
    assert found(head + content, step) in {*media_types.ATTACHMENT_TYPES, ""}


@given(st.data())
def test_a_spoilt_container_is_refused_and_breaks_nothing(data: st.DataObject) -> None:
    content = bytearray(SAMPLES[media_types.DOCX][1])
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = data.draw(st.integers(0, 255))
    assert found(bytes(content)) in {*media_types.ATTACHMENT_TYPES, ""}


def test_the_ending_of_a_name_tells_its_type() -> None:
    for media_type, (name, _) in SAMPLES.items():
        assert media_types.media_type_of(name) == media_type
        assert media_types.media_type_of(name.upper()) == media_type
    for name in ("a", "pdf", "a.exe", "a.pdf.exe", "a.", "", ".txt.svg"):
        assert media_types.media_type_of(name) == ""
