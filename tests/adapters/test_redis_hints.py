"""What a hint looks like on its way, and that nothing else is ever taken for one."""

import random
from dataclasses import fields

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.adapters import redis_hints
from liaison.adapters.redis_hints import (
    MAX_HINT_BYTES,
    GarbageError,
    HeadMoved,
    Received,
    decode_hint,
    encode_hint,
)
from liaison.core.entries import Draft, Entry, EntryKind, Precedence
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.ports.bus import (
    AnyHint,
    DirectoryHint,
    DisconnectedHint,
    DisconnectHint,
    EntriesHint,
    PastHint,
    PastWantedHint,
    ReadHint,
    SessionsHint,
    SessionsWantedHint,
    StatisticsHint,
    TypingHint,
)
from liaison.protocol import limits
from liaison.protocol.frames import DirectionStatistics, PresenceEvent, SessionInfo, SideStatistics, StatisticsStep

GENERAL = ChannelId("joint/general")
KIM, SOUTH = UserId("kim"), DelegationId("south")

counts = st.integers(0, limits.MAX_SAFE_INTEGER)
users = st.from_regex(r"[a-z0-9]{1,32}", fullmatch=True).map(UserId)
sides = st.sampled_from(["south", "north", ""]).map(DelegationId)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
drafts = st.builds(
    Draft,
    users,
    sides,
    st.text("abc-", max_size=64),
    st.sampled_from(EntryKind),
    texts,
    counts,
    st.sampled_from(["", "👍"]),
    st.booleans(),
    st.lists(users, max_size=3).map(tuple),
    st.sampled_from(Precedence),
    texts,
)

steps = st.builds(
    StatisticsStep,
    counts,
    counts,
    counts,
    st.lists(st.builds(SideStatistics, sides, counts), max_size=2),
    st.lists(st.builds(DirectionStatistics, sides, sides, counts), max_size=4),
    counts,
)

sessions = st.builds(
    SessionInfo, *[texts] * 9, since_ms=counts, subscriptions=counts, buffered_bytes=counts, lag_messages=counts
)
events = st.builds(PresenceEvent, counts, counts, users, sides, st.sampled_from(["online", "offline"]), texts)


@st.composite
def batches(draw: st.DrawFn) -> EntriesHint:
    first = draw(st.integers(1, 10_000))
    entries = [
        Entry(GENERAL, first + place, Millis(draw(counts)), draw(st.binary(min_size=32, max_size=32)), draft)
        for place, draft in enumerate(draw(st.lists(drafts, min_size=1, max_size=4)))
    ]
    return EntriesHint(GENERAL, draw(counts), tuple(entries))


hints = st.one_of(
    batches(),
    st.builds(TypingHint, st.just(GENERAL), users, sides),
    st.builds(ReadHint, st.just(GENERAL), users, sides, counts),
    st.builds(DirectoryHint, counts),
    st.builds(StatisticsHint, st.just("n2"), steps, st.booleans()),
    st.builds(SessionsWantedHint, st.just("n2"), st.integers(1, 10_000), st.lists(users).map(tuple), st.booleans()),
    st.builds(
        SessionsHint,
        st.just("n2"),
        counts,
        counts,
        counts,
        st.lists(sessions, max_size=3).map(tuple),
        st.lists(users).map(tuple),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(DisconnectHint, st.just("n2"), counts),
    st.builds(DisconnectedHint, st.just("n2"), counts),
    st.builds(PastWantedHint, st.just("n2"), counts),
    st.builds(PastHint, st.just("n2"), counts, counts, st.lists(events, max_size=3).map(tuple)),
)


def entry(seq: int, text: str = "안녕하십니까") -> Entry:
    return Entry(GENERAL, seq, Millis(5), bytes(32), Draft(KIM, SOUTH, f"k{seq}", EntryKind.TEXT, text))


@given(hints)
def test_hint_comes_out_as_it_went_in(hint: AnyHint) -> None:
    assert decode_hint(encode_hint("n1", hint)) == Received("n1", hint)


@given(st.binary(max_size=300))
def test_bytes_that_nobody_meant_are_garbage_and_nothing_worse(payload: bytes) -> None:
    with pytest.raises(GarbageError):
        decode_hint(payload)


@given(hints, st.randoms(use_true_random=False))
def test_damaged_hint_is_garbage_or_another_hint_and_nothing_worse(hint: AnyHint, rng: random.Random) -> None:
    payload = bytearray(encode_hint("n1", hint))
    for _ in range(rng.randint(1, 3)):
        payload[rng.randrange(len(payload))] = rng.randrange(256)
    try:
        received = decode_hint(bytes(payload))
    except GarbageError:
        return
    assert isinstance(received, Received)


@pytest.mark.parametrize(
    "raw",
    [
        ["entries", "n1", "joint/general", 3, []],
        [
            "entries",
            "n1",
            "joint/general",
            -1,
            [[1, 5, bytes(32), "kim", "south", "k", "text", "", 0, "", False, [], "", ""]],
        ],
        [
            "entries",
            "n1",
            "joint/general",
            3,
            [[0, 5, bytes(32), "kim", "south", "k", "text", "", 0, "", False, [], "", ""]],
        ],
        [
            "entries",
            "n1",
            "joint/general",
            3,
            [[1, 5, bytes(31), "kim", "south", "k", "text", "", 0, "", False, [], "", ""]],
        ],
        [
            "entries",
            "n1",
            "joint/general",
            3,
            [[1, 5, bytes(32), "kim", "south", "k", "order", "", 0, "", False, [], "", ""]],
        ],
        ["typing", "n1", "joint/general", "kim", "south", "more than there is room for"],
        ["typing", "", "joint/general", "kim", "south"],
        ["typing", "n1", "j" * 161, "kim", "south"],
        ["read", "n1", "joint/general", "kim", "south", 2**53],
        ["directory", "n1", "seven"],
        ["of a later version", "n1", 1],
        [[[[[]]]]],
        {},
    ],
    ids=lambda raw: str(raw)[:60],
)
def test_what_is_against_the_schema_is_garbage(raw: object) -> None:
    with pytest.raises(GarbageError):
        decode_hint(msgspec.msgpack.encode(raw))


def test_every_field_of_an_entry_is_carried() -> None:
    kept = [field.name for field in fields(Entry) if field.name not in ("channel", "draft")]
    carried = [field.name for field in msgspec.structs.fields(redis_hints._Entry)]
    assert carried == kept + [field.name for field in fields(Draft)]


def test_entries_with_a_gap_are_garbage() -> None:
    with pytest.raises(GarbageError, match="gaps"):
        decode_hint(encode_hint("n1", EntriesHint(GENERAL, 3, (entry(1), entry(3)))))


def test_batch_that_is_too_large_says_only_that_there_is_more() -> None:
    large = tuple(entry(seq, "가" * (limits.MAX_TEXT_BYTES // 3)) for seq in range(1, 41))
    payload = encode_hint("n1", EntriesHint(GENERAL, 3, large))
    assert len(payload) < 100
    assert decode_hint(payload).hint == HeadMoved(GENERAL)


def test_largest_batch_of_a_publisher_fits() -> None:
    # Text that takes three bytes a character fills a batch with the fewest messages and the most bytes.
    one = entry(1, "가" * (limits.MAX_TEXT_BYTES // 3))
    batch = tuple(entry(seq, one.draft.text) for seq in range(1, limits.MAX_BATCH_BYTES // one.draft.size_bytes + 1))
    assert isinstance(decode_hint(encode_hint("n1", EntriesHint(GENERAL, 3, batch))).hint, EntriesHint)


def test_larger_than_any_hint_is_not_even_looked_at() -> None:
    with pytest.raises(GarbageError, match="bytes"):
        decode_hint(bytes(MAX_HINT_BYTES + 1))
