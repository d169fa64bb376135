"""Time, so that a simulation can own it."""

from typing import Protocol

from liaison.core.identifiers import Millis


class Clock(Protocol):
    """Two clocks: one that never goes back, for durations, and the wall's, for what people read."""

    def monotonic_ms(self) -> Millis:
        """Milliseconds since some moment; never goes back."""
        ...

    def wall_ms(self) -> Millis:
        """Milliseconds since 1970 UTC; may jump."""
        ...
