from random import Random

from liaison.bot.backoff import BASE_S, CAP_S, Backoff


class Highest(Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def test_bound_doubles_from_a_quarter_second_up_to_twenty() -> None:
    backoff = Backoff(Highest())
    assert [backoff.next_delay_s() for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 20, 20]


def test_whole_interval_is_random() -> None:
    delays = []
    for seed in range(400):
        backoff = Backoff(Random(seed))
        for _ in range(7):
            backoff.next_delay_s()
        delays.append(backoff.next_delay_s())
    assert min(delays) < 1
    assert max(delays) > CAP_S - 1
    assert 8 < sum(delays) / len(delays) < 12


def test_days_of_failures_do_not_pass_the_cap() -> None:
    backoff = Backoff(Highest())
    assert max(backoff.next_delay_s() for _ in range(5000)) == CAP_S


def test_reset_begins_anew() -> None:
    backoff = Backoff(Highest())
    for _ in range(5):
        backoff.next_delay_s()
    backoff.reset()
    assert backoff.next_delay_s() == BASE_S
