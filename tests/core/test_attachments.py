"""Names are clean, entries name attachments in one form, and what an entry names is found again."""

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.adapters.schema import ATTACHES
from liaison.core.attachments import MARK, attachments_of, check_names, clean_name, data_of
from liaison.core.dispatch_register import Content, Heading, Record, encode
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.frames import Attachment
from liaison.protocol.limits import MAX_ATTACHMENT_NAME_BYTES

REPORT = Attachment("ab" * 32, "보고서.pdf", "application/pdf", 1234)
MAP = Attachment("cd" * 32, "지도.png", "image/png", 99)


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("보고서.pdf", "보고서.pdf"),
        (unicodedata.normalize("NFD", "보고서.pdf"), "보고서.pdf"),
        ("/etc/passwd.txt", "passwd.txt"),
        ("..\\..\\windows\\보고서.pdf", "보고서.pdf"),
        ("../../../.txt.pdf", "txt.pdf"),
        ("C:\\fakepath\\지도.png", "지도.png"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("\u2066보\u200b고\u3164서\ufeff.pdf\u2069", "보고서.pdf"),
        ("a\x00b\r\nc.txt", "abc.txt"),
        ("  회의   기록 . txt", "회의 기록. txt"),
        ('a<b>:"c"|?*.csv', "a_b___c____.csv"),
        ("con.txt", "_con.txt"),
        ("LPT1.pdf", "_LPT1.pdf"),
        ("보고서.pdf. . ", "보고서.pdf"),
        ("half\ud800.txt", "half.txt"),
    ],
)
def test_a_name_is_kept_without_path_tricks_and_unseen_characters(given_name: str, kept: str) -> None:
    assert clean_name(given_name) == kept


@pytest.mark.parametrize("name", ["", ".", "..", "/", "보고서", ".pdf", "\u202e.pdf", "a/", "x." + "e" * 250])
def test_what_leaves_no_name_is_refused(name: str) -> None:
    with pytest.raises(Refused) as caught:
        clean_name(name)
    assert caught.value.code is ErrorCode.ATTACHMENT_NAME


def test_a_long_name_keeps_its_ending_and_whole_characters() -> None:
    kept = clean_name("가" * 500 + ".hwpx")
    assert kept == "가" * 65 + ".hwpx"
    assert len(kept.encode()) == MAX_ATTACHMENT_NAME_BYTES


@given(st.text(st.characters(), max_size=120))
def test_a_clean_name_is_clean(name: str) -> None:
    try:
        once = clean_name(name)
    except Refused:
        return
    assert clean_name(once) == once
    assert len(once.encode()) <= MAX_ATTACHMENT_NAME_BYTES
    assert not set(once) & set('/\\<>:"|?*\x00\n')


def test_a_message_without_attachments_has_the_data_that_it_always_had() -> None:
    assert data_of([]) == ""


def test_a_messages_attachments_are_canonical_and_found_again() -> None:
    data = data_of([REPORT, MAP])
    assert MARK in data
    assert data.startswith('{"attachments":[{"media_type":"application/pdf","name":"보고서.pdf","sha256":"abab')
    assert attachments_of("text", data) == (REPORT, MAP)


def test_a_dispatchs_attachments_are_found_in_its_text() -> None:
    heading = Heading("제목", "국장", "국장", "상대측")
    with_map = encode(Record("drafted", "x", heading=heading, content=Content("본문", attachments=(MAP,))))
    assert MARK in with_map
    assert attachments_of("dispatch", with_map) == (MAP,)
    without = encode(Record("drafted", "x", heading=heading, content=Content("본문")))
    assert "attachments" not in without
    assert attachments_of("dispatch", without) == ()


def test_a_text_that_speaks_of_attachments_names_none() -> None:
    body = data_of([REPORT])
    record = encode(Record("drafted", "x", content=Content(body)))
    assert MARK not in record
    assert attachments_of("dispatch", record) == ()


@pytest.mark.parametrize(
    "data", ["", "{}", '{"attachments":[{', '{"attachments":[{"sha256":"x"}]}', '{"attachments":[{}],"more":1}']
)
def test_data_that_cant_be_read_names_nothing(data: str) -> None:
    assert attachments_of("text", data) == ()
    assert attachments_of("duty", data_of([REPORT])) == ()


def test_the_index_of_the_log_looks_for_the_same_mark() -> None:
    assert all(f"'{MARK}'" in condition for condition in ATTACHES.values())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "../보고서.pdf"}, ErrorCode.ATTACHMENT_NAME),
        ({"name": "보고서.exe"}, ErrorCode.ATTACHMENT_NAME),
        ({"name": "보고서.png"}, ErrorCode.ATTACHMENT_NAME),
        ({"media_type": "text/html", "name": "보고서.html"}, ErrorCode.ATTACHMENT_TYPE),
        ({"media_type": "image/svg+xml", "name": "보고서.svg"}, ErrorCode.ATTACHMENT_TYPE),
    ],
)
def test_an_entry_names_only_what_an_upload_can_have_answered(changes: dict[str, str], code: ErrorCode) -> None:
    with pytest.raises(Refused) as caught:
        check_names([msgspec.structs.replace(REPORT, **changes)])
    assert caught.value.code is code


def test_a_content_is_named_once_in_an_entry() -> None:
    check_names([REPORT, MAP])
    with pytest.raises(Refused) as caught:
        check_names([REPORT, msgspec.structs.replace(REPORT, name="또.pdf")])
    assert caught.value.code is ErrorCode.INVALID
