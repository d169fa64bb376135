"""Who is on duty at one side's desk, and whether a roster leaves holes or overlaps. (PROTOCOL.md §13)

A shift is said in the side's own clock, once or every so many weeks; everything is worked out from that, so a change
of clocks moves no shift.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from liaison.core.identifiers import Millis, UserId
from liaison.protocol.errors import ErrorCode, Refused

WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# Rotas of one to four weeks repeat together after twelve; one more week, so that every change of weeks is looked at.
MAX_EVERY_WEEKS: Final = 4
_LOOKED_AT: Final = timedelta(weeks=13)
# Dates that lie years apart would have somebody wait for the check of each day between them.
_LONGEST: Final = timedelta(days=800)
MAX_SHIFTS: Final = 200
# Each shift is looked at on each day, while everybody waits: 200 shifts of 800 days took more than four seconds. This
# is enough for 200 shifts that go on for ever, and for 25 of more than two years.
_MOST_LOOKS: Final = 20_000
_DAY: Final = timedelta(days=1)


class Duty(StrEnum):
    """What somebody does in a shift: the officer answers for the desk, and there is one at a time."""

    OFFICER = "officer"
    STAFF = "staff"


class Shift(Struct, frozen=True, omit_defaults=True):
    """One line of a roster. `first` and `last` are days, `begins` and `ends` times of the side's clock.

    Without `days` it is once, on `first`. `ends` at or before `begins` is on the next day, so a shift has at most 24
    hours. `line` is where it stood in the file that it came from.
    """

    user: UserId
    duty: Duty
    first: date
    begins: str
    ends: str
    days: tuple[str, ...] = ()
    every_weeks: int = 1
    last: date | None = None
    line: int = 0

    @property
    def final_day(self) -> date | None:
        """The last day on which it may begin, None for no end."""
        return self.last if self.days else self.first

    def falls_on(self, day: date) -> bool:
        """Say whether it begins on a day."""
        if not self.days:
            return day == self.first
        if day < self.first or (self.last is not None and day > self.last):
            return False
        weeks = (_monday(day) - _monday(self.first)).days // 7
        return WEEKDAYS[day.weekday()] in self.days and weeks % self.every_weeks == 0


class Watch(Struct, frozen=True):
    """One shift on one day. `line` is where it stands in the file that the roster came from."""

    user: UserId
    duty: Duty
    start_ms: Millis
    end_ms: Millis
    line: int


class Hours(Struct, frozen=True):
    """When a desk must have an officer, by the side's clock: None for never, 00:00 to 00:00 for the whole day."""

    weekday: tuple[str, str] | None = ("09:00", "18:00")
    weekend: tuple[str, str] | None = ("09:00", "18:00")

    def on(self, day: date) -> tuple[str, str] | None:
        """Give the hours of a day."""
        return self.weekday if day.weekday() < 5 else self.weekend


@dataclass(frozen=True, slots=True)
class Roster:
    """A side's shifts, in its own zone."""

    shifts: tuple[Shift, ...]
    time_zone: str

    def watches(self, after_ms: Millis, until_ms: Millis) -> list[Watch]:
        """Give what touches a time, in the order of its beginnings."""
        zone = ZoneInfo(self.time_zone)
        # A shift that began yesterday may not have ended.
        day, end = _local_day(after_ms, zone) - _DAY, _local_day(until_ms, zone)
        found = []
        while day <= end:
            found += [_watch(shift, day, zone) for shift in self.shifts if shift.falls_on(day)]
            day += _DAY
        touching = (watch for watch in found if watch.end_ms > after_ms and watch.start_ms < until_ms)
        return sorted(touching, key=lambda watch: (watch.start_ms, watch.user))

    def on_duty(self, now_ms: Millis) -> list[Watch]:
        """Give who is on duty at a moment, the officer first."""
        now = self.watches(now_ms, Millis(now_ms + 1))
        return sorted(now, key=lambda watch: (watch.duty is not Duty.OFFICER, watch.user))


def must_be_staffed(hours: Hours, time_zone: str, now_ms: Millis) -> bool:
    """Say whether a desk must have an officer at a moment."""
    zone = ZoneInfo(time_zone)
    today = _local_day(now_ms, zone)
    return any(start_ms <= now_ms < end_ms for start_ms, end_ms in _hours_between(hours, zone, today - _DAY, today))


def check_roster(roster: Roster, hours: Hours) -> None:
    """Refuse a roster in which an hour that must have an officer has none, or somebody or the desk is taken twice.

    Raises Refused: ROSTER_SYNTAX for too much of anything, ROSTER_OVERLAP, ROSTER_HOLE; each names the lines.
    """
    if not 0 < len(roster.shifts) <= MAX_SHIFTS:
        raise Refused(ErrorCode.ROSTER_SYNTAX, f"a roster has 1 to {MAX_SHIFTS} shifts, this one {len(roster.shifts)}")
    first, last = _looked_at(roster.shifts)
    if last - first > _LONGEST:
        raise Refused(ErrorCode.ROSTER_SYNTAX, f"a roster is for {_LONGEST.days} days at most")
    if len(roster.shifts) * (last - first).days > _MOST_LOOKS:
        raise Refused(
            ErrorCode.ROSTER_SYNTAX,
            f"a roster of {len(roster.shifts)} shifts is for {_MOST_LOOKS // len(roster.shifts)} days at most",
        )
    zone = ZoneInfo(roster.time_zone)
    watches = roster.watches(_at(first, "00:00", zone), _at(last + _DAY, "00:00", zone))
    _check_overlaps(watches, zone)
    _check_holes(watches, _hours_between(hours, zone, first, last), zone)


def _check_overlaps(watches: Sequence[Watch], zone: ZoneInfo) -> None:
    by_person: dict[UserId, list[Watch]] = {}
    for watch in watches:
        by_person.setdefault(watch.user, []).append(watch)
    officers = [watch for watch in watches if watch.duty is Duty.OFFICER]
    for who, row in (*by_person.items(), ("the duty officer", officers)):
        # In the order of their beginnings, but the one that ends last need not be the last that began.
        latest = row[0] if row else None
        for watch in row[1:]:
            assert latest is not None
            if watch.start_ms < latest.end_ms:
                moment = _words(watch.start_ms, zone)
                lines = f"line {watch.line} and line {latest.line}"
                raise Refused(ErrorCode.ROSTER_OVERLAP, f"{lines}: {who} is on duty twice at {moment}")
            latest = max(latest, watch, key=lambda each: each.end_ms)


def _check_holes(watches: Sequence[Watch], hours: Iterable[tuple[Millis, Millis]], zone: ZoneInfo) -> None:
    officers = [watch for watch in watches if watch.duty is Duty.OFFICER]
    if not officers:
        raise Refused(ErrorCode.ROSTER_HOLE, "no line has a duty officer")
    at = 0
    for start_ms, end_ms in hours:
        # What was before a roster begins is not its matter.
        covered_ms, line = max(start_ms, officers[0].start_ms), officers[max(0, at - 1)].line
        while covered_ms < end_ms:
            while at < len(officers) and officers[at].end_ms <= covered_ms:
                line = officers[at].line
                at += 1
            if at == len(officers) or officers[at].start_ms > covered_ms:
                until_ms = end_ms if at == len(officers) else min(end_ms, officers[at].start_ms)
                hole = f"{_words(covered_ms, zone)} to {_words(until_ms, zone)}"
                raise Refused(ErrorCode.ROSTER_HOLE, f"after line {line}: there is no duty officer from {hole}")
            covered_ms = officers[at].end_ms


def _looked_at(shifts: Sequence[Shift]) -> tuple[date, date]:
    """Give the days that are checked: all of a roster that ends, and of one that doesn't until it repeats."""
    first = min(shift.first for shift in shifts)
    ends = [shift.final_day for shift in shifts if shift.final_day is not None]
    last = max([*ends, *(shift.first for shift in shifts)])
    return first, last if len(ends) == len(shifts) else last + _LOOKED_AT


def _hours_between(hours: Hours, zone: ZoneInfo, first: date, last: date) -> Iterator[tuple[Millis, Millis]]:
    day = first
    while day <= last:
        span = hours.on(day)
        if span is not None:
            yield _span(day, *span, zone)
        day += _DAY


def _watch(shift: Shift, day: date, zone: ZoneInfo) -> Watch:
    start_ms, end_ms = _span(day, shift.begins, shift.ends, zone)
    return Watch(shift.user, shift.duty, start_ms, end_ms, shift.line)


# Most shifts of a day begin and end at one of a few times.
@lru_cache(maxsize=4096)
def _span(day: date, begins: str, ends: str, zone: ZoneInfo) -> tuple[Millis, Millis]:
    return _at(day, begins, zone), _at(day + _DAY if ends <= begins else day, ends, zone)


def _at(day: date, text: str, zone: ZoneInfo) -> Millis:
    return Millis(int(datetime.combine(day, time.fromisoformat(text), zone).timestamp() * 1000))


def _local_day(at_ms: Millis, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms / 1000, zone).date()


def _monday(day: date) -> date:
    return day - timedelta(day.weekday())


def _words(at_ms: Millis, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")
