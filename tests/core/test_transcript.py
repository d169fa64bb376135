"""Transcripts: what was exported verifies, and every way to tamper with it is named with its line."""

import json
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Draft, Entry, EntryKind, Precedence
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.transcript import Fault, Transcriber, TranscriptError, Verified, verify

GENERAL = ChannelId("joint/general")


def entries_of(texts: list[str]) -> list[Entry]:
    entries: list[Entry] = []
    link = GENESIS
    for seq, text in enumerate(texts, 1):
        draft = Draft(UserId("kim"), DelegationId("south"), f"k{seq}", EntryKind.TEXT, text, mentions=(UserId("ri"),))
        link = link_of(link, GENERAL, seq, Millis(1000 + seq), draft)
        entries.append(Entry(GENERAL, seq, Millis(1000 + seq), link, draft))
    return entries


def lines_of(entries: list[Entry]) -> list[bytes]:
    transcriber = Transcriber(GENERAL, 3, len(entries), "kim")
    return [transcriber.header(), *map(transcriber.line, entries), transcriber.trailer()]


ENTRIES = entries_of(["하나", "둘", "셋", "넷", "다섯"])
SOUND = lines_of(ENTRIES)


def edited(line: bytes, **changes: object) -> bytes:
    text = json.dumps({**json.loads(line), **changes}, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def test_a_transcript_verifies_and_says_where_it_ends() -> None:
    assert verify(SOUND) == Verified(GENERAL, 3, 5, ENTRIES[-1].link)


def test_every_field_of_an_entry_is_in_its_line_and_verifies() -> None:
    filled = Draft(
        UserId("kim"),
        DelegationId("south"),
        "k1",
        EntryKind.DISPATCH,
        "방류 통보",
        ref=1,
        reaction="👍",
        removed=True,
        mentions=(UserId("ri"),),
        precedence=Precedence.LIFE_SAFETY,
        data='{"gates":3}',
    )
    assert all(getattr(filled, field.name) for field in fields(Draft))
    link = link_of(GENESIS, GENERAL, 1, Millis(1000), filled)
    assert verify(lines_of([Entry(GENERAL, 1, Millis(1000), link, filled)])) == Verified(GENERAL, 3, 1, link)


def test_an_empty_channel_has_a_transcript_too() -> None:
    assert verify(lines_of([])) == Verified(GENERAL, 3, 0, GENESIS)


def test_every_line_is_json_for_any_tool_and_a_message_is_as_on_the_wire() -> None:
    header, first, *_, trailer = (json.loads(line) for line in SOUND)
    assert header == {
        "type": "transcript",
        "format": 1,
        "channel": GENERAL,
        "epoch": 3,
        "count": 5,
        "exported_by": "kim",
    }
    assert (first["type"], first["seq"], first["text"], first["mentions"]) == ("message", 1, "하나", ["ri"])
    assert (trailer["type"], trailer["seq"]) == ("end", 5)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=10))
def test_whatever_was_said_verifies(texts: list[str]) -> None:
    assert verify(lines_of(entries_of(texts))).seq == len(texts)


@given(st.data())
def test_no_byte_of_a_transcript_can_be_changed_unnoticed(data: st.DataObject) -> None:
    # The exporter's name and the epoch are no part of what was said, and no link covers them; both are in the header.
    number = data.draw(st.integers(1, len(SOUND) - 1))
    line = SOUND[number]
    place = data.draw(st.integers(0, len(line) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != line[place]))
    changed = [*SOUND[:number], line[:place] + bytes([byte]) + line[place + 1 :], *SOUND[number + 1 :]]
    with pytest.raises(TranscriptError) as caught:
        verify(changed)
    assert caught.value.line == number + 1


TAMPERED: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int, Fault]] = {
    "a message left out": (lambda s: [*s[:3], *s[4:]], 4, Fault.GAP),
    "the first message left out": (lambda s: [s[0], *s[2:]], 2, Fault.GAP),
    "two messages swapped": (lambda s: [*s[:2], s[3], s[2], *s[4:]], 3, Fault.REORDERED),
    "an early message moved down": (lambda s: [s[0], *s[2:5], s[1], *s[5:]], 2, Fault.REORDERED),
    "a message twice": (lambda s: [*s[:3], s[2], *s[3:]], 4, Fault.DUPLICATED),
    "an early message again at the end": (lambda s: [*s[:-1], s[2], s[-1]], 7, Fault.REORDERED),
    "another text": (lambda s: [*s[:3], edited(s[3], text="삼"), *s[4:]], 4, Fault.CHANGED),
    "another sender": (lambda s: [*s[:3], edited(s[3], sender="ri"), *s[4:]], 4, Fault.CHANGED),
    "another time": (lambda s: [*s[:3], edited(s[3], time_ms=9), *s[4:]], 4, Fault.CHANGED),
    "another link": (lambda s: [*s[:3], edited(s[3], link="A" * 43 + "="), *s[4:]], 4, Fault.CHANGED),
    "another channel": (lambda s: [*s[:3], edited(s[3], channel="joint/x"), *s[4:]], 4, Fault.CHANGED),
    "another epoch": (lambda s: [*s[:3], edited(s[3], epoch=4), *s[4:]], 4, Fault.CHANGED),
    "a kind that is none": (lambda s: [*s[:3], edited(s[3], kind="poem"), *s[4:]], 4, Fault.CHANGED),
    "a field more": (lambda s: [*s[:3], edited(s[3], note="x"), *s[4:]], 4, Fault.CHANGED),
    "a field twice": (lambda s: [*s[:3], s[3].replace(b"{", b'{"text":"x",', 1), *s[4:]], 4, Fault.CHANGED),
    "no end": (lambda s: s[:-1], 7, Fault.TRUNCATED),
    "half a line at the end": (lambda s: [*s[:3], s[3][:20]], 4, Fault.TRUNCATED),
    "the last messages left out": (lambda s: [*s[:4], s[-1]], 5, Fault.TRUNCATED),
    "a shorter end": (lambda s: [*s[:4], lines_of(ENTRIES[:3])[-1]], 5, Fault.TRUNCATED),
    "an end of something else": (lambda s: [*s[:-1], edited(s[-1], link="A" * 43 + "=")], 7, Fault.CHANGED),
    "a count that is too small": (lambda s: [edited(s[0], count=4), *s[1:]], 7, Fault.CHANGED),
    "something after the end": (lambda s: [*s, b"\n"], 8, Fault.TRAILING),
    "no JSON": (lambda s: [*s[:3], b"{]\n", *s[4:]], 4, Fault.MALFORMED),
    "a blank line": (lambda s: [*s[:3], b"\n", *s[3:]], 4, Fault.MALFORMED),
    "bytes that are no text": (lambda s: [*s[:3], b"\xff\xfe\n", *s[4:]], 4, Fault.MALFORMED),
    "deep nesting": (lambda s: [*s[:3], b"[" * 100_000 + b"\n", *s[4:]], 4, Fault.MALFORMED),
    "no header": (lambda s: s[1:], 1, Fault.MALFORMED),
    "a header of a format to come": (lambda s: [edited(s[0], format=2), *s[1:]], 1, Fault.MALFORMED),
    "nothing at all": (lambda _: [], 1, Fault.TRUNCATED),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_is_found_at_its_line_and_called_by_its_name(name: str) -> None:
    tamper, line, fault = TAMPERED[name]
    with pytest.raises(TranscriptError) as caught:
        verify(tamper(SOUND))
    assert (caught.value.line, caught.value.fault) == (line, fault)
    assert f"line {line}: {fault.value}" in str(caught.value)


def test_a_record_rewritten_with_links_of_its_own_ends_in_another_link() -> None:
    forged = entries_of(["하나", "둘", "삼", "넷", "다섯"])
    assert verify(lines_of(forged)).link != ENTRIES[-1].link
    spliced = [*ENTRIES[:2], replace(forged[2]), *ENTRIES[3:]]
    with pytest.raises(TranscriptError) as caught:
        verify(lines_of(spliced))
    assert caught.value.line == 5
