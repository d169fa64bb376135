import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.latencies import Latencies

# Half a bucket's width either way.
TOLERANCE = 1.25**0.5


def of(*values_ms: float) -> Latencies:
    latencies = Latencies()
    for value_ms in values_ms:
        latencies.add(value_ms)
    return latencies


def test_nothing_has_no_quantile() -> None:
    assert Latencies().quantile_us(0.5) is None


@given(st.lists(st.floats(min_value=0.05, max_value=50_000), min_size=1), st.floats(min_value=0.01, max_value=1))
def test_a_quantile_is_near_the_value_at_its_place_in_the_sorted_list(values_ms: list[float], share: float) -> None:
    got_us = of(*values_ms).quantile_us(share)
    assert got_us is not None
    place = next(place for place in range(len(values_ms)) if place + 1 >= share * len(values_ms))
    true_us = sorted(values_ms)[place] * 1000
    assert true_us / TOLERANCE - 1 <= got_us <= true_us * TOLERANCE + 1


def test_a_single_slow_one_shows_in_the_tail_and_not_in_the_middle() -> None:
    latencies = of(*[1.0] * 98, 400.0, 400.0)
    assert latencies.quantile_us(0.5) == pytest.approx(1000, rel=0.13)
    assert latencies.quantile_us(0.99) == pytest.approx(400_000, rel=0.13)


def test_what_took_longer_than_a_minute_is_told_as_the_last_bound() -> None:
    assert of(10_000_000.0).quantile_us(1) == of(9e9).quantile_us(1)
    assert (of(10_000_000.0).quantile_us(1) or 0) > 60_000_000


def test_clearing_forgets_everything() -> None:
    latencies = of(1.0, 2.0)
    latencies.clear()
    assert latencies.count == 0
    assert latencies.quantile_us(0.5) is None
    latencies.add(8.0)
    assert latencies.quantile_us(0.01) == pytest.approx(8000, rel=0.13)
