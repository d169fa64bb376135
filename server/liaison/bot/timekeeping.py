"""Time as the SDK sees it, so that tests and the harness can own it."""

import asyncio
import time
from typing import Protocol


class Time(Protocol):
    """A clock that never goes back, and a sleep that goes by it."""

    def monotonic_s(self) -> float:
        """Seconds since some moment."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        ...


class SystemTime:
    """The machine's own."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
