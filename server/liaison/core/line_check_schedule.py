"""When line checks are due and which side calls first, by the clock of the office's building. (PROTOCOL.md §13)

A check is named by the local day and time that it is for, so it is held once on a day that has an hour twice, and on
a day that lacks the hour as well.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from liaison.core.identifiers import DelegationId, Millis

_TIME: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
_DAY_MS: Final = 86_400_000


class Schedule(Struct, frozen=True):
    """`times` are HH:MM in `time_zone`, rising. One side calls first on a month's odd days, the other on even ones."""

    times: tuple[str, ...]
    time_zone: str
    odd_days: DelegationId
    even_days: DelegationId

    def caller_on(self, day: date) -> DelegationId:
        """Say which side calls first on a day."""
        return self.odd_days if day.day % 2 else self.even_days

    def day_of(self, at_ms: Millis) -> date:
        """Give the local day of a moment."""
        return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(self.time_zone)).date()

    # Asked about the same few days over and over, by each look at what is due.
    @lru_cache(maxsize=256)  # noqa: B019 (a schedule is a few bytes, and there is one for an office)
    def due_on(self, day: date) -> "tuple[Slot, ...]":
        """Give a day's checks in the order of their times."""
        zone = ZoneInfo(self.time_zone)
        slots = []
        for text in self.times:
            # An hour that is there twice means the first one; one that isn't there, as long after the change as it was
            # meant to be after the hour before it.
            local = datetime.combine(day, time.fromisoformat(text), zone)
            due_ms = Millis(int(local.timestamp() * 1000))
            slots.append(Slot(f"{day.isoformat()}T{text}", due_ms, self.caller_on(day)))
        return tuple(sorted(slots, key=lambda slot: slot.due_ms))

    def due_between(self, after_ms: Millis, until_ms: Millis) -> "Iterator[Slot]":
        """Give the checks that are due after a moment and until another one, in order."""
        # A day more at both ends: zones differ from UTC by less.
        day, last = _utc_day(after_ms) - timedelta(1), _utc_day(until_ms) + timedelta(1)
        while day <= last:
            yield from (slot for slot in self.due_on(day) if after_ms < slot.due_ms <= until_ms)
            day += timedelta(1)

    def next_after(self, now_ms: Millis) -> "Slot | None":
        """Give the next check after a moment, None if there are none at all."""
        return next(self.due_between(now_ms, Millis(now_ms + 3 * _DAY_MS)), None)


class Slot(Struct, frozen=True):
    """A check that the schedule asks for."""

    name: str
    due_ms: Millis
    caller: DelegationId


def is_time(text: str) -> bool:
    """Say whether this is a time of day as HH:MM."""
    return _TIME.fullmatch(text) is not None


def text_for(texts: Sequence[str], number: int) -> str:
    """Give one of the test texts in turn, so that each is read as often as the others."""
    return texts[number % len(texts)]


def _utc_day(at_ms: Millis) -> date:
    return date(1970, 1, 1) + timedelta(milliseconds=at_ms)
