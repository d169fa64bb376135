"""Latencies counted in fixed buckets: an observation costs one search in a short tuple, and a quantile is good to 13 %.

Keeping every value would cost memory on the path where every message passes; what ops read needs no more digits.
"""

from bisect import bisect_left
from typing import Final

# From half of what the fastest commit takes to a minute, each bound a quarter above the one before.
_FIRST_MS: Final = 0.05
_RATIO: Final = 1.25
_BOUNDS_MS: Final = tuple(_FIRST_MS * _RATIO**step for step in range(64))


class Latencies:
    """How long things took, since it was made or last cleared."""

    __slots__ = ("_buckets", "count")

    def __init__(self) -> None:
        self.count = 0
        # The last one is for what took longer than the last bound.
        self._buckets = [0] * (len(_BOUNDS_MS) + 1)

    def add(self, latency_ms: float) -> None:
        """Count one."""
        self.count += 1
        self._buckets[bisect_left(_BOUNDS_MS, latency_ms)] += 1

    def clear(self) -> None:
        """Forget all of them."""
        if self.count:
            self.count = 0
            self._buckets = [0] * len(self._buckets)

    def quantile_us(self, share: float) -> int | None:
        """Give what so great a share of them (above 0, up to 1) did not exceed, in whole microseconds; None for none.

        It is the middle of a bucket, on the scale of ratios; beyond the last bound, that bound.
        """
        wanted = share * self.count
        seen = 0
        for bucket, number in enumerate(self._buckets):
            seen += number
            if number and seen >= wanted:
                upper_ms = _BOUNDS_MS[min(bucket, len(_BOUNDS_MS) - 1)]
                is_inner = bucket < len(_BOUNDS_MS)
                return round(upper_ms / _RATIO**0.5 * 1000) if is_inner else round(upper_ms * 1000)
        return None
