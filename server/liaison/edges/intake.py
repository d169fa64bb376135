"""Whose messages are read next. One turn of the event loop reads for about a millisecond; what is left waits its turn.

A connection's messages come as pieces of up to a quarter of a megabyte. When each was read to its end, a flood of ten
people made a turn of the loop last 60 ms, and what the other side said waited for several of them before it so much as
reached the queue in which the sides take turns. Here it waits for one millisecond, and is next.

Where a turn is long for other reasons, as when thousands come back at once and are sent what they missed, a millisecond
of it would be next to nothing, and `connect` commands would wait until their time is over. So reading has its share.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from liaison.core.turns import Turns

# Some fifteen messages. A turn costs some 20 µs beside them: shorter ones would be felt in how many a node can take.
READING_PER_TURN_S: Final = 0.001
# Of turns that take longer than eight times as much.
READING_SHARE: Final = 1 / 8


class Unread(Protocol):
    """A connection with messages that came and were not read."""

    @property
    def party(self) -> tuple[str, str]:
        """Whose it is: side and user, both empty while nobody knows."""
        ...

    def take_next(self) -> bool:
        """Read one message, or so much as one costs; tell whether more can be read now."""
        ...


class Intake:
    """The connections of a node that wait to be read. `now_s` is a monotonic clock."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._waiting: Turns[Unread] = Turns()
        self._turn_began_s = 0.0
        self._turn_ends_s = 0.0
        self._is_counting = False

    def may_read(self) -> bool:
        """Tell whether a message that is here now may be read at once, before the others of this turn of the loop."""
        if self._waiting:
            return False
        if self._is_counting:
            return self._now_s() < self._turn_ends_s
        self._begin_turn()
        return True

    def wait(self, connection: Unread) -> None:
        """Have a connection read when it is its turn; it must not wait already."""
        side, user = connection.party
        self._waiting.append(side, user, connection)
        if not self._is_counting:
            self._begin_turn()

    def _begin_turn(self, last_took_s: float = 0.0) -> None:
        self._is_counting = True
        self._turn_began_s = self._now_s()
        self._turn_ends_s = self._turn_began_s + max(READING_PER_TURN_S, last_took_s * READING_SHARE)
        asyncio.get_running_loop().call_soon(self._read)

    def _read(self) -> None:
        """A new turn of the loop."""
        self._is_counting = False
        if not self._waiting:
            return
        self._begin_turn(self._now_s() - self._turn_began_s)
        while self._waiting:
            connection = self._waiting.pop()
            if connection.take_next():
                self.wait(connection)
            if self._now_s() >= self._turn_ends_s:
                return
