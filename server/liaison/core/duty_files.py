"""Rosters as files: CSV for who writes them by hand, iCalendar (RFC 5545) for calendars. (PROTOCOL.md §13)

Only what a roster can mean is taken. Everything else is refused with its line and never passed over: a rule that was
misread would have somebody stand at an empty desk.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NoReturn

from liaison.core.duty_roster import MAX_EVERY_WEEKS, WEEKDAYS, Duty, Roster, Shift
from liaison.core.identifiers import UserId, parse_user
from liaison.core.line_check_schedule import is_time
from liaison.protocol.errors import ErrorCode, Refused

COLUMNS: Final = ("user", "duty", "first", "begins", "ends", "days", "every_weeks", "last")
_MIDNIGHT: Final = ("24:00", "00:00")


def _wrong(line: int, problem: str) -> NoReturn:
    raise Refused(ErrorCode.ROSTER_SYNTAX, f"line {line}: {problem}")


# --- CSV ----------------------------------------------------------------------------------------------------------


def read_csv(text: str, time_zone: str) -> Roster:
    """Read a roster whose first line names COLUMNS. Raises Refused(ROSTER_SYNTAX)."""
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        heads = next(rows, [])
        if [head.strip() for head in heads] != list(COLUMNS):
            _wrong(1, f"the columns must be {','.join(COLUMNS)}")
        shifts = tuple(_csv_shift(row, rows.line_num) for row in rows if any(cell.strip() for cell in row))
    except csv.Error as error:
        _wrong(rows.line_num, str(error))
    return Roster(shifts, time_zone)


def _csv_shift(row: Sequence[str], line: int) -> Shift:
    if len(row) != len(COLUMNS):
        _wrong(line, f"there are {len(row)} columns instead of {len(COLUMNS)}")
    cells = dict(zip(COLUMNS, (cell.strip() for cell in row), strict=True))
    days = _days(cells["days"].replace(" ", ",").upper(), line)
    every = cells["every_weeks"] or "1"
    last = cells["last"]
    if not days and (last or every != "1"):
        _wrong(line, "a shift without days is once, on its first day")
    return _shift(
        line,
        user=cells["user"],
        duty=cells["duty"],
        first=_date(cells["first"], line),
        begins=cells["begins"],
        ends=cells["ends"],
        days=days,
        every=every,
        last=_date(last, line) if last else None,
    )


def write_csv(roster: Roster) -> str:
    """Give a roster as `read_csv` reads it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for shift in roster.shifts:
        last = "" if shift.last is None else shift.last.isoformat()
        row = (shift.user, shift.duty.value, shift.first.isoformat(), shift.begins, shift.ends)
        writer.writerow((*row, " ".join(shift.days), str(shift.every_weeks) if shift.days else "", last))
    return out.getvalue()


# --- what both have in common -------------------------------------------------------------------------------------


def _shift(  # noqa: PLR0913  A line's cells, by name.
    line: int,
    *,
    user: str,
    duty: str,
    first: date,
    begins: str,
    ends: str,
    days: tuple[str, ...],
    every: str,
    last: date | None,
) -> Shift:
    try:
        name = parse_user(user)
    except ValueError:
        _wrong(line, f"{user!r} is no user")
    if duty not in (Duty.OFFICER, Duty.STAFF):
        _wrong(line, f"{duty!r} is neither officer nor staff")
    begins, ends = (_MIDNIGHT[1] if text == _MIDNIGHT[0] else text for text in (begins, ends))
    for text in (begins, ends):
        if not is_time(text):
            _wrong(line, f"{text!r} is no time of day; one looks like 09:00")
    if not every.isascii() or not every.isdecimal() or not 1 <= int(every) <= MAX_EVERY_WEEKS:
        _wrong(line, f"a shift comes again after 1 to {MAX_EVERY_WEEKS} weeks")
    if last is not None and last < first:
        _wrong(line, "the last day is before the first")
    if days and WEEKDAYS[first.weekday()] not in days:
        _wrong(line, f"the first day, {first.isoformat()}, is none of its days")
    return Shift(UserId(name), Duty(duty), first, begins, ends, days, int(every), last, line)


def _days(text: str, line: int) -> tuple[str, ...]:
    """Read MO,WE or MO-FR."""
    named: set[str] = set()
    for part in filter(None, text.split(",")):
        start, _, end = part.partition("-")
        if start not in WEEKDAYS or (end or start) not in WEEKDAYS:
            _wrong(line, f"{part!r} is no day; they are {' '.join(WEEKDAYS)}, or MO-FR")
        begin, stop = WEEKDAYS.index(start), WEEKDAYS.index(end or start)
        if stop < begin:
            _wrong(line, f"{part!r} runs over the end of the week: write two")
        named.update(WEEKDAYS[begin : stop + 1])
    return tuple(day for day in WEEKDAYS if day in named)


def _date(text: str, line: int) -> date:
    try:
        if len(text) != len("2026-01-01"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        _wrong(line, f"{text!r} is no day; one looks like 2026-01-31")


# --- iCalendar ----------------------------------------------------------------------------------------------------

_KNOWN_RULE: Final = frozenset({"FREQ", "BYDAY", "INTERVAL", "UNTIL", "WKST"})
# What says when something is, and that a roster has no meaning for.
_REFUSED: Final = frozenset({"RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID", "DURATION"})
_MOMENT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})")


@dataclass(frozen=True, slots=True)
class _Property:
    """One content line of an event."""

    line: int
    parameters: Mapping[str, str]
    value: str


def read_icalendar(text: str, time_zone: str) -> Roster:
    """Read each VEVENT as a shift: SUMMARY is the user, CATEGORIES officer (the default) or staff.

    Moments are in `time_zone`, or float. Raises Refused(ROSTER_SYNTAX).
    """
    shifts: list[Shift] = []
    inside: list[str] = []
    event: dict[str, _Property] = {}
    began = 1
    for line, name, prop in _content_lines(text):
        match name:
            case "BEGIN":
                inside.append(prop.value.upper())
                if inside[-1] == "VEVENT":
                    event, began = {}, line
            case "END":
                if not inside or inside.pop() != prop.value.upper():
                    _wrong(line, f"END:{prop.value} ends nothing that was begun")
                if prop.value.upper() == "VEVENT":
                    shifts.append(_event_shift(event, began, time_zone))
            case _ if inside and inside[-1] == "VEVENT":
                if name in _REFUSED:
                    _wrong(line, f"{name} can't be part of a roster")
                if name in event:
                    _wrong(line, f"{name} stands there twice")
                event[name] = prop
            case _ if not inside:
                _wrong(line, "this is outside BEGIN:VCALENDAR and END:VCALENDAR")
    if inside:
        _wrong(line, f"{inside[-1]} is never ended")
    return Roster(tuple(shifts), time_zone)


def _content_lines(text: str) -> Iterator[tuple[int, str, _Property]]:
    """Give the lines, joined where they were folded (RFC 5545 §3.1)."""
    joined: list[tuple[int, str]] = []
    for number, raw in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), 1):
        if raw[:1] in (" ", "\t") and joined:
            joined[-1] = (joined[-1][0], joined[-1][1] + raw[1:])
        elif raw:
            joined.append((number, raw))
    if not joined or joined[0][1].upper() != "BEGIN:VCALENDAR":
        _wrong(1, "a calendar begins with BEGIN:VCALENDAR")
    for number, line in joined:
        head, colon, value = line.partition(":")
        if not colon:
            _wrong(number, "a line of a calendar is NAME:VALUE")
        name, *parameters = head.split(";")
        pairs = dict(part.upper().partition("=")[::2] for part in parameters if not part.upper().startswith("TZID="))
        zones = [part[len("TZID=") :].strip('"') for part in parameters if part.upper().startswith("TZID=")]
        yield number, name.upper(), _Property(number, pairs | dict.fromkeys(["TZID"] if zones else [], *zones), value)


def _event_shift(event: Mapping[str, _Property], line: int, time_zone: str) -> Shift:
    for name in ("SUMMARY", "DTSTART", "DTEND"):
        if name not in event:
            _wrong(line, f"the event has no {name}")
    start, end = _moment(event["DTSTART"], time_zone), _moment(event["DTEND"], time_zone)
    if not timedelta(0) < end - start <= timedelta(days=1):
        _wrong(event["DTEND"].line, "a shift lasts up to 24 hours")
    rule = _rule(event["RRULE"]) if "RRULE" in event else {}
    days: tuple[str, ...] = ()
    last = None
    if rule:
        rule_line = event["RRULE"].line
        every_day = rule["FREQ"] == "DAILY"
        if every_day and ("BYDAY" in rule or rule.get("INTERVAL", "1") != "1"):
            _wrong(rule_line, "a daily shift is on every day")
        given = ",".join(WEEKDAYS) if every_day else rule.get("BYDAY", WEEKDAYS[start.weekday()])
        days = _days(given.upper(), rule_line)
        last = _until(rule["UNTIL"], rule_line) if "UNTIL" in rule else None
    category = event["CATEGORIES"].value.strip().lower() if "CATEGORIES" in event else Duty.OFFICER.value
    return _shift(
        line,
        user=event["SUMMARY"].value.strip(),
        duty=category,
        first=start.date(),
        begins=start.strftime("%H:%M"),
        ends=end.strftime("%H:%M"),
        days=days,
        every=rule.get("INTERVAL", "1"),
        last=last,
    )


def _moment(prop: _Property, time_zone: str) -> datetime:
    zone = prop.parameters.get("TZID", time_zone)
    found = _MOMENT.fullmatch(prop.value.strip())
    if found is None or zone != time_zone:
        _wrong(prop.line, f"a moment looks like 20260131T090000 and is in the side's own zone, {time_zone}")
    try:
        moment = datetime(*map(int, found.groups()))  # type: ignore[arg-type]  # noqa: DTZ001  A wall's clock.
    except ValueError:
        _wrong(prop.line, f"there is no moment {prop.value!r}")
    if moment.second:
        _wrong(prop.line, "a shift begins and ends on a minute")
    return moment


def _rule(prop: _Property) -> dict[str, str]:
    rule = dict(part.partition("=")[::2] for part in prop.value.strip().upper().split(";"))
    if rule.get("FREQ") not in ("WEEKLY", "DAILY") or set(rule) - _KNOWN_RULE or rule.get("WKST", "MO") != "MO":
        _wrong(prop.line, "a shift repeats by FREQ=WEEKLY or DAILY, with BYDAY, INTERVAL and UNTIL and nothing else")
    return rule


def _until(text: str, line: int) -> date:
    # Of a moment the day counts: a shift that begins on it is the last.
    return _date(f"{text[:4]}-{text[4:6]}-{text[6:8]}", line)


def write_icalendar(roster: Roster) -> str:
    """Give a roster as `read_icalendar` and calendars read it."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Liaison//Duty roster//EN"]
    for number, shift in enumerate(roster.shifts, 1):
        day = shift.first + timedelta(1) if shift.ends <= shift.begins else shift.first
        lines += [
            "BEGIN:VEVENT",
            f"UID:{number}-{shift.user}@liaison",
            "DTSTAMP:19700101T000000Z",
            f"DTSTART;TZID={roster.time_zone}:{_stamp(shift.first, shift.begins)}",
            f"DTEND;TZID={roster.time_zone}:{_stamp(day, shift.ends)}",
        ]
        if shift.days:
            rule = f"FREQ=WEEKLY;BYDAY={','.join(shift.days)};INTERVAL={shift.every_weeks}"
            until = "" if shift.last is None else f";UNTIL={shift.last.strftime('%Y%m%d')}T235959"
            lines.append(f"RRULE:{rule}{until}")
        lines += [f"SUMMARY:{shift.user}", f"CATEGORIES:{shift.duty.value.upper()}", "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def _stamp(day: date, text: str) -> str:
    return f"{day.strftime('%Y%m%d')}T{text.replace(':', '')}00"


FORMATS: Final[Mapping[str, tuple[Callable[[str, str], Roster], Callable[[Roster], str]]]] = {
    "csv": (read_csv, write_csv),
    "icalendar": (read_icalendar, write_icalendar),
}
