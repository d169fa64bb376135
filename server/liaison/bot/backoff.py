"""How long to wait before connecting again: full-jitter exponential back-off."""

from random import Random
from typing import Final

BASE_S: Final = 0.25
CAP_S: Final = 20.0


class Backoff:
    """Waits drawn from 0 to 0.25 s · 2^n, at most 20 s.

    The whole interval is random, and not only a part of it: when a server restarts, its clients come back spread over
    the interval instead of in waves. (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015)
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0

    def next_delay_s(self) -> float:
        """Give the wait before the next attempt, and count the failure that made it necessary."""
        # Bounded before the power is taken: after a long outage 2**n would no longer fit a float.
        ceiling = min(CAP_S, BASE_S * 2 ** min(self._failures, 16))
        self._failures += 1
        return self._random.uniform(0, ceiling)

    def reset(self) -> None:
        """Begin anew, once a connection has proved itself."""
        self._failures = 0
