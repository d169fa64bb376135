"""A clock that stands still until a test moves it."""

from liaison.core.identifiers import Millis

# Far from zero and from each other, so that a mix-up of the two clocks shows.
MONOTONIC_START_MS = 5_000_000
WALL_START_MS = 1_536_921_000_000


class HandClock:
    """ports.clock.Clock, moved by hand."""

    def __init__(self) -> None:
        self._monotonic_ms = MONOTONIC_START_MS
        self._wall_ms = WALL_START_MS

    def monotonic_ms(self) -> Millis:
        return Millis(self._monotonic_ms)

    def wall_ms(self) -> Millis:
        return Millis(self._wall_ms)

    def advance(self, by_ms: int) -> None:
        """Let time pass on both clocks."""
        self._monotonic_ms += by_ms
        self._wall_ms += by_ms
