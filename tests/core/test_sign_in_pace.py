import pytest

from liaison.core.identifiers import Millis
from liaison.core.sign_in_pace import ACCOUNT_PACE, ADDRESS_PACE, SignInPace

HOUR_MS = 3600_000


def guess(pace: SignInPace, now_ms: int, *, user: str = "kim", address: str = "192.0.2.1") -> int:
    """One wrong attempt, if it may be made; gives the wait."""
    wait_ms = pace.begin(user, address, Millis(now_ms))
    if not wait_ms:
        pace.fail(user, address, Millis(now_ms))
    return wait_ms


def guesses_within(pace: SignInPace, duration_ms: int, *, addresses: int = 1) -> int:
    now_ms, made = 0, 0
    while now_ms < duration_ms:
        wait_ms = guess(pace, now_ms, address=f"192.0.2.{made % addresses}")
        made += wait_ms == 0
        now_ms += max(wait_ms, 1)
    return made


def test_somebody_who_mistypes_is_not_held_up() -> None:
    pace = SignInPace()
    assert [guess(pace, n * 2000) for n in range(ACCOUNT_PACE.free_failures)] == [0] * ACCOUNT_PACE.free_failures


def test_each_further_failure_doubles_the_wait_up_to_the_longest() -> None:
    pace = SignInPace()
    now_ms = 0
    waits_ms: list[int] = []
    while len(waits_ms) < 9:
        wait_ms = guess(pace, now_ms)
        if wait_ms:
            waits_ms.append(wait_ms)
        now_ms += wait_ms
    assert waits_ms[-1] == ACCOUNT_PACE.longest_wait_ms
    assert waits_ms == sorted(waits_ms)
    assert waits_ms[:3] == [1000, 2000, 4000]


@pytest.mark.parametrize("addresses", [1, 200])
def test_an_account_takes_few_guesses_an_hour_from_however_many_addresses(addresses: int) -> None:
    assert guesses_within(SignInPace(), HOUR_MS, addresses=addresses) <= 80


def test_one_address_cannot_try_a_password_at_every_account() -> None:
    pace = SignInPace()
    made = sum(guess(pace, 0, user=f"user{n}") == 0 for n in range(500))
    assert made == ADDRESS_PACE.free_failures
    assert guess(pace, 999, user="another") > 0


def test_attempts_in_flight_count_before_their_result_is_known() -> None:
    pace = SignInPace()
    begun = sum(pace.begin("kim", f"192.0.2.{n}", Millis(0)) == 0 for n in range(100))
    assert begun == ACCOUNT_PACE.burst


def test_guessing_from_elsewhere_does_not_lock_the_owner_out() -> None:
    pace = SignInPace()
    pace.succeed("kim", "198.51.100.7")
    guesses_within(pace, 60_000)
    assert guess(pace, 60_000) > 0
    assert pace.begin("kim", "198.51.100.7", Millis(60_000)) == 0


def test_a_success_clears_the_account_but_not_the_address() -> None:
    pace = SignInPace()
    for n in range(ADDRESS_PACE.free_failures):
        guess(pace, 0, user=f"user{n}")
    pace.succeed("user0", "192.0.2.1")
    assert pace.begin("user0", "192.0.2.1", Millis(0)) > 0
    assert pace.begin("user0", "192.0.2.2", Millis(0)) == 0


def test_failures_are_forgiven_after_a_quarter_of_an_hour() -> None:
    pace = SignInPace()
    guesses_within(pace, 60_000)
    assert [guess(pace, 60_000 + 900_000 + n) for n in range(5)] == [0] * 5


def test_memory_stays_bounded_under_a_flood_of_names_and_addresses() -> None:
    pace = SignInPace(capacity=100)
    for n in range(1000):
        guess(pace, n, user=f"user{n}", address=f"address{n}")
        pace.succeed(f"user{n}", f"address{n}")
    assert pace.size() <= 300


def test_whoever_was_tried_last_is_forgotten_last() -> None:
    pace = SignInPace(capacity=3)
    guesses_within(pace, 60_000)
    for n in range(10):
        guess(pace, 60_000, user=f"user{n}", address=f"address{n}")
        assert pace.begin("kim", "another address", Millis(60_000)) > 0
