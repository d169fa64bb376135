"""The hash chain: what a link covers, and that it is one value for everybody."""

import hashlib
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Draft, EntryKind, Precedence
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId

GENERAL, NOON = ChannelId("joint/general"), Millis(1_790_000_000_000)
DRAFT = Draft(UserId("kim"), DelegationId("south"), "k1", EntryKind.TEXT, "로동신문", 3, mentions=(UserId("ri"),))
LINK = link_of(GENESIS, GENERAL, 4, NOON, DRAFT)


@given(
    text=st.text(max_size=300),
    seq=st.integers(1, 2**53 - 1),
    time_ms=st.integers(0, 2**53 - 1),
    removed=st.booleans(),
    precedence=st.sampled_from(Precedence),
)
def test_another_implementation_of_msgpack_computes_the_same_link(
    text: str, seq: int, time_ms: int, removed: bool, precedence: Precedence
) -> None:
    draft = replace(DRAFT, text=text, removed=removed, precedence=precedence, data=text)
    fields = [GENERAL, seq, time_ms, "kim", "south", "k1", "text", text, 3, "", removed, ["ri"], precedence.value, text]
    expected = hashlib.sha256(LINK + msgpack.packb(fields)).digest()
    assert link_of(LINK, GENERAL, seq, Millis(time_ms), draft) == expected


@pytest.mark.parametrize(
    "changed",
    [
        replace(DRAFT, sender=UserId("lee")),
        replace(DRAFT, delegation=DelegationId("north")),
        replace(DRAFT, key="k2"),
        replace(DRAFT, kind=EntryKind.CORRECTION),
        replace(DRAFT, text="로동신문 "),
        replace(DRAFT, ref=0),
        replace(DRAFT, reaction="👍"),
        replace(DRAFT, removed=True),
        replace(DRAFT, mentions=()),
        replace(DRAFT, precedence=Precedence.FLASH),
        replace(DRAFT, data='{"step":"tendered"}'),
    ],
)
def test_changing_any_field_changes_the_link(changed: Draft) -> None:
    assert link_of(GENESIS, GENERAL, 4, NOON, changed) != LINK


def test_place_time_channel_and_what_came_before_are_covered_too() -> None:
    others = {
        link_of(GENESIS, GENERAL, 5, NOON, DRAFT),
        link_of(GENESIS, GENERAL, 4, Millis(NOON + 1), DRAFT),
        link_of(GENESIS, ChannelId("joint/날씨"), 4, NOON, DRAFT),
        link_of(LINK, GENERAL, 4, NOON, DRAFT),
    }
    assert len(others | {LINK}) == 5


def test_the_link_of_a_known_entry_never_changes() -> None:
    assert LINK.hex() == "182500e22ea7187f0607d480b95012bd618bf5b3747cdf64d5184cede701b901"
