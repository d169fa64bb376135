"""The pace of a drain: in which moment each client is let go, and how long it then waits before it comes back."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Departure:
    """One client's turn, in milliseconds: `after_ms` from the beginning of the drain, `waits_ms` from its close."""

    after_ms: int
    waits_ms: int


def departures(clients: int, *, per_s: float, horizon_ms: int) -> Iterator[Departure]:
    """Give the turns of so many clients: no more than `per_s` come back in any second, however many they are.

    Those whose turn is within `horizon_ms` stay connected until then, for another node takes them at once. The others
    are let go at the horizon, because a node that is to end can't wait for all, and wait for their turn outside.
    """
    for number in range(clients):
        turn_ms = int(number * 1000 / per_s)
        after_ms = min(turn_ms, horizon_ms)
        yield Departure(after_ms, turn_ms - after_ms)
