"""The machine's own clocks."""

import time

from liaison.core.identifiers import Millis


class SystemClock:
    """ports.clock.Clock, read from the operating system."""

    def monotonic_ms(self) -> Millis:
        return Millis(time.monotonic_ns() // 1_000_000)

    def wall_ms(self) -> Millis:
        return Millis(time.time_ns() // 1_000_000)
