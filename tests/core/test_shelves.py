"""Shelves are a dictionary that is never changed, only copied."""

from hypothesis import given
from hypothesis import strategies as st

from liaison.core.shelves import Shelves

# By CRC-32 modulo 128, as it was computed once.
ORDER = "adecb"

names = st.sampled_from([f"south-2026-{place:04}" for place in range(20)] + ["", "남측", "a"])


@given(st.lists(st.tuples(names, st.integers())))
def test_they_hold_what_a_dictionary_would_and_copies_leave_the_original_alone(changes: list[tuple[str, int]]) -> None:
    shelves: Shelves[int] = Shelves()
    plain: dict[str, int] = {}
    for name, value in changes:
        before, as_it_was = shelves, dict(shelves)
        shelves, plain = shelves.with_one(name, value), {**plain, name: value}
        assert before == as_it_was
    assert shelves == plain
    assert len(shelves) == len(plain)
    assert {name: shelves.get(name) for name in ("", "남측", "b")} == {
        name: plain.get(name) for name in ("", "남측", "b")
    }


def test_their_order_is_the_same_in_every_process() -> None:
    shelves: Shelves[int] = Shelves()
    for place, name in enumerate("abcde"):
        shelves = shelves.with_one(name, place)
    assert "".join(shelves) == ORDER
