"""Folding of Korean spellings and the tokens of the search index."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.korean import fold, holds, index_text, query_pairs, words

ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
SYLLABLES = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("north", "south"),
    [
        ("로동", "노동"),
        ("리", "이"),
        ("녀자", "여자"),
        ("련락", "연락"),
        ("렬차", "열차"),
        ("뉴대", "유대"),
        ("례절", "예절"),
        ("래일", "내일"),
        ("니탄", "이탄"),
        ("료리", "요리"),
        ("량심", "양심"),
        ("룡천", "용천"),
        ("비률", "비율"),
        ("육체로동", "육체노동"),
    ],
)
def test_north_and_south_spellings_of_a_word_fold_alike(north: str, south: str) -> None:
    assert fold(north) == fold(south)


@pytest.mark.parametrize(("one", "other"), [("개성", "평양"), ("가다", "나다"), ("사람", "사랑"), ("여자", "남자")])
def test_different_words_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize(("written", "folded"), [("ＡＢＣ", "abc"), ("Straße", "strasse"), ("ROOM-7", "room-7")])
def test_width_and_case_are_folded(written: str, folded: str) -> None:
    assert fold(written) == folded


def test_decomposed_syllables_fold_like_precomposed_ones() -> None:
    assert fold(unicodedata.normalize("NFD", "로동신문")) == fold("노동신문")


@given(ANY_TEXT)
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(SYLLABLES)
def test_folding_keeps_the_number_of_syllables_and_their_ends(text: str) -> None:
    folded = fold(text)
    assert len(folded) == len(text)
    assert [(ord(a) - 0xAC00) % 588 for a in folded] == [(ord(b) - 0xAC00) % 588 for b in text]


@given(ANY_TEXT, ANY_TEXT, SYLLABLES)
def test_whatever_holds_a_word_has_all_tokens_that_a_query_for_it_looks_up(before: str, after: str, word: str) -> None:
    text = fold(before + word + after)
    tokens = set(index_text(text).split(" "))
    for sought in words(fold(word)):
        if sought in text:
            assert tokens.issuperset(query_pairs(sought))
            assert any(token.startswith(sought[0]) for token in tokens)


def test_single_characters_and_ends_of_words_are_tokens() -> None:
    assert set(index_text("가 나다").split()) == {"가", "나", "나다", "다"}
    assert query_pairs("가") == []


def test_a_text_holds_words_in_any_order_and_within_others_but_needs_them_all() -> None:
    assert holds("남북회담장", ["회담", "남북"])
    assert not holds("남북회담장", ["회담", "장소"])


@given(text=st.text(st.characters(), max_size=60))
def test_an_index_text_is_every_character_with_its_neighbour_and_a_blank_in_between(text: str) -> None:
    assert index_text(text) == " ".join(text[place] + (text + " ")[place + 1] for place in range(len(text)))
