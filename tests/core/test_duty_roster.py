"""Rosters: who is on duty when, in the side's own clock, and holes and overlaps that name their lines."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.duty_files import FORMATS, read_csv, read_icalendar, write_csv, write_icalendar
from liaison.core.duty_roster import Duty, Hours, Roster, Shift, check_roster, must_be_staffed
from liaison.core.identifiers import Millis, UserId
from liaison.protocol.errors import ErrorCode, Refused

SEOUL = "Asia/Seoul"
HOURS = Hours()
HEADS = "user,duty,first,begins,ends,days,every_weeks,last\n"
# Weekdays by one, weekends by two in turn; 2018-09-17 is a Monday.
ROTA = (
    HEADS
    + "kim,officer,2018-09-17,09:00,18:00,MO-FR,,\n"
    + "lee,staff,2018-09-17,09:00,13:00,MO WE FR,,\n"
    + "park,officer,2018-09-22,09:00,18:00,SA SU,2,\n"
    + "choi,officer,2018-09-29,09:00,18:00,SA SU,2,\n"
)


def ms(text: str) -> Millis:
    """Give a moment of Seoul's clock."""
    return Millis(int((datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=9)).timestamp() * 1000))


def on_duty(roster: Roster, text: str) -> list[str]:
    return [watch.user for watch in roster.on_duty(ms(text))]


def refused(text: str, hours: Hours = HOURS, form: str = "csv", zone: str = SEOUL) -> tuple[ErrorCode, str]:
    with pytest.raises(Refused) as caught:
        check_roster(FORMATS[form][0](text, zone), hours)
    return caught.value.code, caught.value.message


def test_a_rota_says_who_is_on_duty_the_officer_first() -> None:
    roster = read_csv(ROTA, SEOUL)
    check_roster(roster, HOURS)
    assert on_duty(roster, "2018-09-17T09:00") == ["kim", "lee"]
    assert on_duty(roster, "2018-09-18T10:00") == ["kim"]
    assert on_duty(roster, "2018-09-17T18:00") == []
    assert on_duty(roster, "2018-09-16T10:00") == []
    weekends = ["2018-09-22", "2018-09-23", "2018-09-29", "2018-09-30", "2018-10-06"]
    assert [on_duty(roster, f"{day}T12:00") for day in weekends] == [["park"], ["park"], ["choi"], ["choi"], ["park"]]


def test_a_shift_may_go_over_midnight_and_last_a_whole_day() -> None:
    text = HEADS + "kim,officer,2018-09-17,18:00,09:00,MO-SU,,\nlee,officer,2018-09-17,09:00,18:00,MO-SU,,\n"
    roster = read_csv(text, SEOUL)
    check_roster(roster, HOURS)
    assert on_duty(roster, "2018-09-18T08:59") == ["kim"]
    assert on_duty(roster, "2018-09-18T09:00") == ["lee"]
    always = Hours(("00:00", "00:00"), ("00:00", "00:00"))
    check_roster(read_csv(HEADS + "kim,officer,2018-09-17,00:00,24:00,MO-SU,,\n", SEOUL), always)


def test_a_clock_that_changes_moves_no_shift() -> None:
    roster = read_csv(HEADS + "kim,officer,2018-10-22,09:00,18:00,MO-SU,,\n", "Europe/Berlin")
    winter = roster.watches(Millis(ms("2018-10-28T00:00")), Millis(ms("2018-10-29T00:00") + 9 * 3_600_000))
    starts = [datetime.fromtimestamp(watch.start_ms / 1000, UTC).hour for watch in winter]
    assert (starts[0], starts[-1]) == (7, 8)
    check_roster(roster, HOURS)


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        ("kim,officer,2018-09-17,09:00,17:00,MO-SU,,\n", ErrorCode.ROSTER_HOLE, "after line 2: "),
        ("kim,officer,2018-09-17,09:00,18:00,MO-FR,,\n", ErrorCode.ROSTER_HOLE, "2018-09-22 09:00 to 2018-09-22 18:00"),
        (
            "kim,officer,2018-09-17,09:00,12:00,MO-SU,,\nlee,officer,2018-09-17,13:00,18:00,MO-SU,,\n",
            ErrorCode.ROSTER_HOLE,
            "after line 2: there is no duty officer from 2018-09-17 12:00 to 2018-09-17 13:00",
        ),
        ("kim,staff,2018-09-17,09:00,18:00,MO-SU,,\n", ErrorCode.ROSTER_HOLE, "no line has a duty officer"),
        (
            "kim,officer,2018-09-17,09:00,18:00,MO-SU,,\nlee,officer,2018-09-19,12:00,13:00,,,\n",
            ErrorCode.ROSTER_OVERLAP,
            "line 3 and line 2: the duty officer is on duty twice at 2018-09-19 12:00",
        ),
        (
            "kim,officer,2018-09-17,09:00,18:00,MO-SU,,\nkim,staff,2018-09-19,17:00,19:00,,,\n",
            ErrorCode.ROSTER_OVERLAP,
            "line 3 and line 2: kim is on duty twice at 2018-09-19 17:00",
        ),
    ],
)
def test_holes_and_overlaps_name_their_lines(lines: str, code: ErrorCode, said: str) -> None:
    found, message = refused(HEADS + lines)
    assert (found, said in message) == (code, True), message


def test_a_hole_that_comes_in_the_last_week_of_a_rota_is_found() -> None:
    # Every third week nobody is there at the weekend.
    lines = [f"{who},officer,2018-{day},09:00,18:00,SA SU,3,\n" for who, day in (("kim", "09-22"), ("lee", "09-29"))]
    code, message = refused(HEADS + "choi,officer,2018-09-17,09:00,18:00,MO-FR,,\n" + "".join(lines))
    assert (code, "2018-10-06 09:00" in message) == (ErrorCode.ROSTER_HOLE, True), message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user,from,to\n", "line 1: the columns must be"),
        (HEADS + "kim,officer,2018-09-17,09:00\n", "line 2: there are 4 columns"),
        (HEADS + "KIM,officer,2018-09-17,09:00,18:00,,,\n", "line 2: 'KIM' is no user"),
        (HEADS + "kim,chief,2018-09-17,09:00,18:00,,,\n", "line 2: 'chief' is neither"),
        (HEADS + "kim,officer,2018-09-31,09:00,18:00,,,\n", "line 2: '2018-09-31' is no day"),
        (HEADS + "kim,officer,20180917,09:00,18:00,,,\n", "line 2: '20180917' is no day"),
        (HEADS + "kim,officer,2018-09-17,9,18:00,,,\n", "line 2: '9' is no time"),
        (HEADS + "kim,officer,2018-09-17,09:00,18:00,MON,,\n", "line 2: 'MON' is no day"),
        (HEADS + "kim,officer,2018-09-17,09:00,18:00,SA-MO,,\n", "line 2: 'SA-MO' runs over"),
        (HEADS + "kim,officer,2018-09-17,09:00,18:00,TU,,\n", "line 2: the first day, 2018-09-17, is none"),
        (HEADS + "kim,officer,2018-09-17,09:00,18:00,MO,5,\n", "line 2: a shift comes again after 1 to 4"),
        (HEADS + "kim,officer,2018-09-17,09:00,18:00,MO,٣,\n", "line 2: a shift comes again after 1 to 4"),
        (HEADS + "kim,officer,2018-09-17,09:00,18:00,MO,,2018-09-16\n", "line 2: the last day is before"),
        (HEADS + "kim,officer,2018-09-17,09:00,18:00,,,2018-09-18\n", "line 2: a shift without days is once"),
        (HEADS + '"kim,officer\n', "line 2: "),
        (HEADS, "a roster has 1 to 200 shifts"),
        (
            HEADS + "".join(f"u{n},staff,2018-09-17,09:00,09:01,MO,,2019-09-17\n" for n in range(100)),
            "a roster of 100 shifts is for 200 days at most",
        ),
        (HEADS + "kim,officer,2018-09-17,09:00,18:00,,,\nlee,officer,2038-09-17,09:00,18:00,,,\n", "800 days at most"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(text: str, said: str) -> None:
    code, message = refused(text)
    assert (code, said in message) == (ErrorCode.ROSTER_SYNTAX, True), message


# ---------------------------------------------------------------------------------------------------------- iCalendar


def calendar(*lines: str) -> str:
    event = ["BEGIN:VEVENT", *lines, "END:VEVENT"] if lines else []
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *event, "END:VCALENDAR", ""])


START, END, WHO = "DTSTART;TZID=Asia/Seoul:20180917T090000", "DTEND;TZID=Asia/Seoul:20180917T180000", "SUMMARY:kim"


def test_a_calendar_as_others_write_it_is_read() -> None:
    lines = """BEGIN:VCALENDAR
BEGIN:VTIMEZONE
TZID:Asia/Seoul
BEGIN:STANDARD
DTSTART:19700101T000000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE-TIME;TZID=Asia/Seoul:2018091
 7T090000
DTEND:20180917T180000
RRULE:FREQ=WEEKLY;WKST=MO;INTERVAL=2;BYDAY=MO,TU;UNTIL=20181231T145959Z
SUMMARY:kim
CATEGORIES:STAFF
BEGIN:VALARM
TRIGGER:-PT15M
END:VALARM
END:VEVENT
END:VCALENDAR"""
    text = lines.replace("\n", "\r\n")
    (shift,) = read_icalendar(text, SEOUL).shifts
    first, last = datetime(2018, 9, 17, tzinfo=UTC).date(), datetime(2018, 12, 31, tzinfo=UTC).date()
    assert shift == Shift(UserId("kim"), Duty.STAFF, first, "09:00", "18:00", ("MO", "TU"), 2, last, 8)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "line 1: a calendar begins"),
        (calendar()[:-17], "VCALENDAR is never ended"),
        (calendar(START, END), "line 3: the event has no SUMMARY"),
        (calendar(START, WHO), "line 3: the event has no DTEND"),
        (calendar(START, START, END, WHO), "line 5: DTSTART stands there twice"),
        (calendar(START, END, WHO, "RRULE:FREQ=MONTHLY"), "line 7: a shift repeats by"),
        (calendar(START, END, WHO, "RRULE:FREQ=WEEKLY;COUNT=3"), "line 7: a shift repeats by"),
        (calendar(START, END, WHO, "RRULE:FREQ=WEEKLY;BYDAY=1MO"), "line 7: '1MO' is no day"),
        (calendar(START, END, WHO, "EXDATE:20180924T090000"), "line 7: EXDATE can't be part"),
        (calendar(START.replace("Seoul", "Tokyo"), END, WHO), "line 4: a moment looks like"),
        (calendar("DTSTART:20180917T000000Z", END, WHO), "line 4: a moment looks like"),
        (calendar("DTSTART;VALUE=DATE:20180917", END, WHO), "line 4: a moment looks like"),
        (calendar("DTSTART:20180931T090000", END, WHO), "line 4: there is no moment"),
        (calendar(START, "DTEND:20180919T180000", WHO), "line 5: a shift lasts up to 24 hours"),
        (calendar(START, END, WHO, "nonsense"), "line 7: a line of a calendar"),
        (calendar(START, END, WHO, "END:VTODO"), "line 7: END:VTODO ends nothing"),
    ],
)
def test_what_a_calendar_can_say_and_a_roster_cant_is_refused_with_its_line(text: str, said: str) -> None:
    code, message = refused(text, form="icalendar")
    assert (code, said in message) == (ErrorCode.ROSTER_SYNTAX, True), message


def without_lines(roster: Roster) -> list[tuple[object, ...]]:
    return [tuple(getattr(shift, field) for field in Shift.__struct_fields__[:-1]) for shift in roster.shifts]


def test_a_roster_goes_out_and_comes_back_in_both_forms() -> None:
    text = ROTA + "yun,staff,2018-09-19,22:00,06:00,,,\nyun,staff,2018-09-24,13:00,18:00,MO TH,4,2018-12-31\n"
    roster = read_csv(text, SEOUL)
    assert without_lines(read_csv(write_csv(roster), SEOUL)) == without_lines(roster)
    assert without_lines(read_icalendar(write_icalendar(roster), SEOUL)) == without_lines(roster)


@given(st.text(max_size=300))
def test_whatever_a_file_holds_it_is_read_or_refused(text: str) -> None:
    for form, prefix in (("csv", HEADS), ("icalendar", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n")):
        for candidate in (text, prefix + text):
            with suppress(Refused):
                check_roster(FORMATS[form][0](candidate, SEOUL), HOURS)


def test_hours_are_of_the_sides_clock_and_may_go_over_midnight() -> None:
    night = Hours(("22:00", "06:00"), None)
    # A Friday's night goes on into the Saturday, and the Saturday has none of its own.
    moments = ["2018-09-21T21:59", "2018-09-21T22:00", "2018-09-22T05:59", "2018-09-22T06:00", "2018-09-22T23:00"]
    assert [must_be_staffed(night, SEOUL, ms(text)) for text in moments] == [False, True, True, False, False]
