"""One timer for all connections of a node, instead of a task or a loop timer for each.

Deadlines are kept to a tick; what is due in one tick runs together. Nothing here reads a clock but the one given.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from liaison.ports.clock import Clock

TICK_MS: Final = 250
# A turn that comes this late found the process stopped or the loop stuck. Bytes that arrived meanwhile are still unread
# then, and judging now would end every connection for our own silence: one tick later they have been read.
STALL_MS: Final = 2_000


class Timed(Protocol):
    """Something with at most one deadline on the wheel."""

    def on_due(self, now_ms: int) -> None:
        """The deadline has passed; it is off the wheel, and may be scheduled again. Must not raise."""
        ...


class TimerWheel:
    """Deadlines by tick. `on_lag` hears how many milliseconds late each turn came: the lag of the event loop."""

    def __init__(self, clock: Clock, *, on_lag: Callable[[float], None] | None = None) -> None:
        self._clock = clock
        self._on_lag = on_lag
        self._slot_of: dict[Timed, int] = {}
        self._slots: dict[int, dict[Timed, None]] = {}
        self._next_slot = clock.monotonic_ms() // TICK_MS
        self._timer: asyncio.TimerHandle | None = None
        self._expected_ms = 0

    def start(self) -> None:
        """Turn by itself from now on, on the running loop, until `stop`."""
        self._expected_ms = self._clock.monotonic_ms() + TICK_MS
        self._timer = asyncio.get_running_loop().call_later(TICK_MS / 1000, self._tick)

    def stop(self) -> None:
        """Turn no more; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def schedule(self, timed: Timed, delay_ms: int) -> None:
        """Set the one deadline of `timed`, in place of an earlier one; never before `delay_ms` have passed."""
        self.cancel(timed)
        slot = (self._clock.monotonic_ms() + delay_ms) // TICK_MS + 1
        self._slot_of[timed] = slot
        self._slots.setdefault(slot, {})[timed] = None

    def cancel(self, timed: Timed) -> None:
        """Take the deadline away; a no-op when there is none."""
        slot = self._slot_of.pop(timed, None)
        if slot is not None:
            entries = self._slots[slot]
            del entries[timed]
            if not entries:
                del self._slots[slot]

    def turn(self) -> None:
        """Call everything whose deadline has passed, earlier ticks first."""
        now_ms = self._clock.monotonic_ms()
        while self._next_slot <= now_ms // TICK_MS:
            # One at a time: what is due may cancel others of the same tick.
            while entries := self._slots.get(self._next_slot):
                timed = next(iter(entries))
                self.cancel(timed)
                timed.on_due(now_ms)
            self._next_slot += 1

    def __len__(self) -> int:
        return len(self._slot_of)

    def _tick(self) -> None:
        lag_ms = max(0, self._clock.monotonic_ms() - self._expected_ms)
        self.start()
        if self._on_lag is not None:
            self._on_lag(lag_ms)
        if lag_ms < STALL_MS:
            self.turn()
