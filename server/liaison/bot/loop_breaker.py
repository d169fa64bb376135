"""Stops two bots from talking to each other for ever. Pure: the caller tells the time."""

from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 60.0


@dataclass(slots=True)
class _Channel:
    in_a_row: int = 0
    recent: deque[float] = field(default_factory=deque)


class LoopBreaker:
    """Allows so many replies in a row per channel without a person's word in between, and so many per minute.

    The first bound ends a ping-pong between bots after a few lines and stays shut until a person speaks; the second
    bounds what a misbehaving handler can do in a channel where people do speak.
    """

    def __init__(self, *, max_in_a_row: int = 8, max_per_minute: int = 30) -> None:
        self._max_in_a_row = max_in_a_row
        self._max_per_minute = max_per_minute
        self._channels: dict[str, _Channel] = {}

    def person_spoke(self, channel: str) -> None:
        """A person wrote in the channel: the count of replies in a row begins anew."""
        self._of(channel).in_a_row = 0

    def objection(self, channel: str, now_s: float) -> str:
        """Say why a reply must not go out now; empty: it may, and is counted."""
        state = self._of(channel)
        while state.recent and state.recent[0] <= now_s - WINDOW_S:
            state.recent.popleft()
        if state.in_a_row >= self._max_in_a_row:
            return f"{self._max_in_a_row} replies in a row without a person's message"
        if len(state.recent) >= self._max_per_minute:
            return f"{self._max_per_minute} replies within a minute"
        state.in_a_row += 1
        state.recent.append(now_s)
        return ""

    def _of(self, channel: str) -> _Channel:
        return self._channels.setdefault(channel, _Channel())
