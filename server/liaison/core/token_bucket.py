"""A rate limit as a value: so many a second, with a burst. Time comes in as an argument."""

from dataclasses import dataclass

from liaison.core.identifiers import Millis


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
        """Take tokens; give 0 when they were there, else how many milliseconds to wait until they are (nothing taken)."""
        elapsed_ms = max(0, now_ms - self.updated_ms)
        self.tokens = min(self.burst, self.tokens + elapsed_ms * self.per_s / 1000)
        self.updated_ms = now_ms
        if self.tokens >= amount:
            self.tokens -= amount
            return 0
        return max(1, round((amount - self.tokens) * 1000 / self.per_s))
