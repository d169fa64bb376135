import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.identifiers import (
    ChannelId,
    ChannelKind,
    UserId,
    clean_text,
    direct_channel,
    kind_of,
    members_of_direct,
    owner_of,
    parse_channel,
    parse_delegation,
    parse_user,
)
from liaison.protocol.limits import MAX_CHANNEL_CHARS, MAX_TEXT_BYTES

users = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,31}", fullmatch=True).map(UserId)
# What a hostile client sends: any characters, and many that mean something here.
texts = st.text() | st.text(alphabet="joint/dm+southnorth._-A가각ㄱㅤ\u1100\u1161\u115f\ud800\n\x00 ", max_size=40)


@given(texts)
def test_any_text_is_a_name_or_a_value_error(text: str) -> None:
    for parse in (parse_user, parse_delegation, parse_channel):
        try:
            parsed = parse(text)
        except ValueError:
            continue
        assert parsed == text


@given(texts)
def test_a_channel_has_one_spelling(text: str) -> None:
    try:
        channel = parse_channel(text)
    except ValueError:
        return
    assert unicodedata.normalize("NFC", channel) == channel == channel.lower()
    assert len(channel) <= MAX_CHANNEL_CHARS


@given(st.lists(users, min_size=2, max_size=4, unique=True), st.randoms())
def test_a_direct_channel_is_the_same_in_whatever_order_people_are_named(people: list[UserId], random: object) -> None:
    channel = direct_channel(people)
    assert direct_channel(reversed(people)) == direct_channel([*people, people[0]]) == channel
    assert parse_channel(channel) == channel
    assert members_of_direct(channel) == tuple(sorted(people))
    assert kind_of(channel) is ChannelKind.DIRECT


@pytest.mark.parametrize("people", [[], ["kim"], ["kim", "kim"], [f"u{n}" for n in range(9)]])
def test_a_direct_channel_has_two_to_eight_people(people: list[str]) -> None:
    with pytest.raises(ValueError, match="2 to 8"):
        direct_channel(map(UserId, people))


@pytest.mark.parametrize("text", ["joint/일반", "south/내부-회의", "north/내부.회의", "joint/로동_1"])
def test_a_channel_can_carry_a_korean_name(text: str) -> None:
    assert parse_channel(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "joint",
        "joint/",
        "/general",
        "joint/a/b",
        "joint/a+b",
        "joint/General",
        "joint/ general",
        "joint/general\n",
        "joint/.hidden",
        "Joint/general",
        "joint/" + "a" * 65,
        "joint/" + unicodedata.normalize("NFD", "일반"),
        "joint/ㅤ",
        "joint/a\uffa0",
        "joint/a\u1160",
        "dm/",
        "dm/kim",
        "dm/kim+kim",
        "dm/lee+kim",
        "dm/kim+",
        "dm/Kim+lee",
        "dm/" + "+".join(f"user{n}" for n in range(9)),
    ],
)
def test_a_name_that_looks_like_another_or_like_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_channel(text)


@pytest.mark.parametrize("text", ["joint", "dm", "", "South", "south/", "남측", "1south", "s" * 17])
def test_a_delegation_is_never_taken_for_a_kind_of_channel(text: str) -> None:
    with pytest.raises(ValueError):
        parse_delegation(text)


def test_only_side_channels_have_an_owner() -> None:
    assert owner_of(ChannelId("north/general")) == "north"
    assert owner_of(ChannelId("joint/general")) is None
    assert owner_of(ChannelId("dm/kim+lee")) is None


@given(texts)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    try:
        cleaned = clean_text(text)
    except ValueError:
        return
    assert clean_text(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not any(unicodedata.category(c) == "Cc" and c not in "\t\n" for c in cleaned)


def test_hangul_is_stored_in_syllables_however_it_was_typed() -> None:
    assert clean_text(unicodedata.normalize("NFD", "안녕하십니까")) == "안녕하십니까"


def test_line_ends_become_line_feeds_and_the_trailing_blank_goes() -> None:
    assert clean_text("  하나\r\n둘\r셋 \n\n") == "  하나\n둘\n셋"


@pytest.mark.parametrize("text", ["", " ", "\n", "a\x00b", "a\x1b[31m", "a\x7f", "a\x85b", "a\x1f", "a\x9b", "\ud800"])
def test_text_that_is_empty_or_holds_control_characters_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        clean_text(text)


@pytest.mark.parametrize("before", ["", "e", "가" * 29, "가" * 30, "e " * 500], ids=len)
def test_marks_in_a_row_are_bounded_because_normalising_sorts_them(before: str) -> None:
    # Each pair is out of its canonical order.
    thirty = before + "\u0301\u0323" * 15
    assert clean_text(f"{thirty}e\u0301") == unicodedata.normalize("NFC", f"{thirty}e\u0301")
    with pytest.raises(ValueError, match="30 combining marks"):
        clean_text(f"{thirty}\u0301e")


def test_the_longest_text_is_counted_in_bytes() -> None:
    longest = "가" * (MAX_TEXT_BYTES // 3)
    assert clean_text(longest) == longest
    with pytest.raises(ValueError, match="longer"):
        clean_text(longest + "가")
