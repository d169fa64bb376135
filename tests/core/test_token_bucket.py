from hypothesis import given
from hypothesis import strategies as st

from liaison.core.identifiers import Millis
from liaison.core.token_bucket import TokenBucket

rates = st.floats(min_value=0.01, max_value=10_000)
bursts = st.floats(min_value=1, max_value=1_000)
times = st.integers(min_value=0, max_value=10_000_000)


def bucket(per_s: float, burst: float, now_ms: int = 0) -> TokenBucket:
    return TokenBucket.full(per_s=per_s, burst=burst, now_ms=Millis(now_ms))


def test_a_new_bucket_allows_a_whole_burst_at_once() -> None:
    full = bucket(1, 3)
    assert [full.take(Millis(0)) for _ in range(4)] == [0, 0, 0, 1000]


def test_a_refusal_takes_nothing() -> None:
    empty = bucket(1, 1)
    empty.take(Millis(0))
    assert empty.take(Millis(400)) == empty.take(Millis(400)) == 600


@given(rates, st.floats(min_value=1, max_value=5), times)
def test_who_waits_as_told_is_let_through(per_s: float, burst: float, start_ms: int) -> None:
    one = bucket(per_s, burst, start_ms)
    now_ms = start_ms
    for _ in range(20):
        wait_ms = one.take(Millis(now_ms))
        if wait_ms:
            now_ms += wait_ms
            assert one.take(Millis(now_ms)) == 0


@given(rates, bursts, st.lists(st.integers(min_value=-1000, max_value=1000), max_size=200))
def test_no_more_passes_than_the_burst_and_the_time_allow(per_s: float, burst: float, steps_ms: list[int]) -> None:
    one = bucket(per_s, burst, 1_000_000)
    now_ms = latest_ms = 1_000_000
    passed = 0
    for step_ms in steps_ms:
        now_ms += step_ms
        latest_ms = max(latest_ms, now_ms)
        passed += one.take(Millis(now_ms)) == 0
    assert passed <= burst + (latest_ms - 1_000_000) * per_s / 1000 + 1e-6


def test_a_clock_that_steps_back_and_on_again_pays_nothing_out_twice() -> None:
    one = bucket(1, 1, 1000)
    one.take(Millis(1000))
    assert one.take(Millis(0)) > 0
    assert one.take(Millis(1000)) == 1000
