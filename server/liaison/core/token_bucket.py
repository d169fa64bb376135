"""A rate limit as a value: so many a second, with a burst. Time comes in as an argument."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from liaison.core.identifiers import Millis

# Sums of fractions miss a whole token by some 1e-16 of it; without this a client that waited as told would be refused.
_ROUNDING: Final = 1e-9


@dataclass(slots=True)
class TokenBucket:
    """Holds up to `burst` tokens and gains `per_s` of them a second; starts full."""

    per_s: float
    burst: float
    tokens: float
    updated_ms: Millis

    @classmethod
    def full(cls, *, per_s: float, burst: float, now_ms: Millis) -> "TokenBucket":
        """Give a bucket that allows a whole burst at once."""
        return cls(per_s, burst, burst, now_ms)

    def take(self, now_ms: Millis, amount: float = 1.0) -> int:
        """Take tokens and give 0; when they aren't there, take nothing and give the milliseconds until they are."""
        elapsed_ms = max(0, now_ms - self.updated_ms)
        self.tokens = min(self.burst, self.tokens + elapsed_ms * self.per_s / 1000)
        # Never back: a clock that stepped back and on again would pay the same time out twice.
        self.updated_ms = max(self.updated_ms, now_ms)
        if self.tokens + _ROUNDING >= amount:
            self.tokens = max(0.0, self.tokens - amount)
            return 0
        return ceil((amount - self.tokens) * 1000 / self.per_s)
