"""Line checks as they are folded out of `joint/line-checks`, and the entries that change them. (PROTOCOL.md §13)

The schedule that is in force stands in the register too: whoever reads it later can say of every day which checks were
due, and each of them has an entry. Nothing here reads a clock or a log.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
from msgspec import Struct

from liaison.core.entries import Draft, Entry, EntryKind
from liaison.core.identifiers import NO_DELEGATION, OFFICE, DelegationId, Millis, UserId
from liaison.core.line_check import (
    MISSED,
    TABLE,
    Event,
    Heartbeat,
    Outcome,
    Reason,
    State,
    Verdict,
)
from liaison.core.line_check_schedule import Schedule, Slot
from liaison.core.shelves import Shelves
from liaison.protocol.errors import ErrorCode, Refused

# Of a gap only so many checks are named, a month with two a day; that there were more is said by its beginning.
MAX_MISSED_BY_NAME: Final = 62
NEVER: Final = Millis(0)
# What a check that was asked for is called: its time is that of its entry.
_REQUEST: Final = "request-"


class Pulse(Struct, frozen=True):
    """A heartbeat as the entry that ends a check keeps it."""

    delegation: DelegationId
    line_up: bool
    staffed: bool


class Record(Struct, frozen=True, omit_defaults=True):
    """The event in an entry's `data`; `schedule` comes with the event of that name, which is about no check."""

    event: str
    check: str = ""
    due_ms: int = 0
    caller: DelegationId = NO_DELEGATION
    text: str = ""
    window_ms: int = 0
    outcome: str = ""
    side: DelegationId = NO_DELEGATION
    reason: str = ""
    heartbeat: tuple[Pulse, ...] = ()
    schedule: Schedule | None = None
    since_ms: int = 0
    until_ms: int = 0
    checks: tuple[Slot, ...] = ()


SCHEDULE: Final = "schedule"
_decode: Final = msgspec.json.Decoder(Record).decode


@dataclass(frozen=True, slots=True)
class Step:
    """What one desk did, and when."""

    by: UserId
    key: str
    time_ms: Millis


@dataclass(frozen=True, slots=True)
class Check:
    """One line check. `verdict` is None until it ended; `opened_ms` is 0 while nobody has opened it."""

    name: str
    due_ms: Millis
    caller: DelegationId
    state: State = State.NEW
    text: str = ""
    opened_ms: Millis = NEVER
    window_ms: int = 0
    called: Step | None = None
    answered: Step | None = None
    ended_ms: Millis = NEVER
    verdict: Verdict | None = None
    heartbeat: Mapping[DelegationId, Heartbeat] = field(default_factory=dict)

    @property
    def is_request(self) -> bool:
        """Whether a desk asked for it, besides the schedule."""
        return self.name.startswith(_REQUEST)

    def has(self, by: UserId, key: str) -> bool:
        """Say whether this user has made a step with this key already."""
        return any(step is not None and (step.by, step.key) == (by, key) for step in (self.called, self.answered))


@dataclass(frozen=True, slots=True)
class Regime:
    """A schedule, and from when on it was in force."""

    since_ms: Millis
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Checks:
    """The register. What was due until `kept_until_ms` has its entry."""

    checks: Shelves[Check] = field(default_factory=Shelves)
    open: frozenset[str] = frozenset()
    regimes: tuple[Regime, ...] = ()
    kept_until_ms: Millis = NEVER

    @property
    def schedule(self) -> Schedule | None:
        """The schedule that is in force, None before the first."""
        return self.regimes[-1].schedule if self.regimes else None

    def may_open(self, name: str) -> bool:
        """Say whether a check of the schedule is still to be opened."""
        check = self.checks.get(name)
        return isinstance(TABLE[State.NEW if check is None else check.state, Event.OPENED], State)

    def due_between(self, after_ms: Millis, until_ms: Millis) -> list[Slot]:
        """Give what was due in a time by the schedules in force in it."""
        slots: list[Slot] = []
        for number, regime in enumerate(self.regimes):
            end_ms = self.regimes[number + 1].since_ms if number + 1 < len(self.regimes) else until_ms
            slots += regime.schedule.due_between(max(after_ms, regime.since_ms), min(until_ms, end_ms))
        return slots


def fold(checks: Checks, entry: Entry) -> Checks:
    """Take one more entry in; what is no step of a check, or one that isn't possible, changes nothing."""
    draft = entry.draft
    if draft.kind is not EntryKind.LINE_CHECK:
        return checks
    try:
        record = _decode(draft.data)
        if record.event == SCHEDULE:
            return _with_schedule(checks, record, entry.time_ms)
        event = Event(record.event)
        if event is Event.MISSED:
            return _with_missed(checks, record, entry.time_ms)
        return _with_step(checks, event, record, entry)
    except (msgspec.DecodeError, ValueError):
        return checks


def _with_schedule(checks: Checks, record: Record, time_ms: Millis) -> Checks:
    if record.schedule is None:
        return checks
    kept_until_ms = checks.kept_until_ms if checks.regimes else time_ms
    return replace(checks, regimes=(*checks.regimes, Regime(time_ms, record.schedule)), kept_until_ms=kept_until_ms)


def _with_missed(checks: Checks, record: Record, time_ms: Millis) -> Checks:
    shelves = checks.checks
    for slot in record.checks:
        if slot.name not in shelves:
            check = Check(slot.name, slot.due_ms, slot.caller, State.MISSED, ended_ms=time_ms, verdict=MISSED)
            shelves = shelves.with_one(slot.name, check)
    return replace(checks, checks=shelves, kept_until_ms=max(checks.kept_until_ms, Millis(record.until_ms)))


def _with_step(checks: Checks, event: Event, record: Record, entry: Entry) -> Checks:
    before = checks.checks.get(record.check)
    state = TABLE[State.NEW if before is None else before.state, event]
    if not isinstance(state, State):
        return checks
    step = Step(entry.draft.sender, entry.draft.key, entry.time_ms)
    match event:
        case Event.OPENED | Event.REQUESTED:
            is_request = event is Event.REQUESTED
            due_ms = entry.time_ms if is_request else Millis(record.due_ms)
            check = Check(
                record.check,
                due_ms,
                record.caller,
                state,
                record.text,
                entry.time_ms,
                record.window_ms,
                called=step if is_request else None,
            )
        case Event.CALLED if before is not None:
            check = replace(before, state=state, called=step)
        case Event.ANSWERED if before is not None:
            check = replace(
                before, state=state, answered=step, ended_ms=entry.time_ms, verdict=Verdict(Outcome.ANSWERED)
            )
        case Event.ENDED if before is not None:
            verdict = Verdict(Outcome(record.outcome), record.side, Reason(record.reason))
            heartbeat = {pulse.delegation: Heartbeat(pulse.line_up, pulse.staffed) for pulse in record.heartbeat}
            check = replace(before, state=state, ended_ms=entry.time_ms, verdict=verdict, heartbeat=heartbeat)
        case _:
            return checks
    kept_until_ms = checks.kept_until_ms if check.is_request else max(checks.kept_until_ms, check.due_ms)
    is_open = state is not State.ENDED
    return replace(
        checks,
        checks=checks.checks.with_one(check.name, check),
        open=checks.open | {check.name} if is_open else checks.open - {check.name},
        kept_until_ms=kept_until_ms,
    )


# --- what the office writes by itself -----------------------------------------------------------------------------


def _office_writes(record: Record, key: str) -> Draft:
    return Draft(OFFICE, NO_DELEGATION, key, EntryKind.LINE_CHECK, data=_encode(record))


def _encode(record: Record) -> str:
    return msgspec.json.encode(record, order="sorted").decode()


def begin(schedule: Schedule, now_ms: Millis) -> Draft:
    """Give the entry that puts a schedule in force."""
    return _office_writes(Record(SCHEDULE, schedule=schedule), f"schedule {now_ms}")


def opening(slot: Slot, text: str, window_ms: int) -> Draft:
    """Give the entry that opens a check; each is opened once, so its name is key enough."""
    record = Record(
        Event.OPENED.value, slot.name, due_ms=slot.due_ms, caller=slot.caller, text=text, window_ms=window_ms
    )
    return _office_writes(record, f"{slot.name} opened")


def missing(slots: list[Slot], since_ms: Millis, until_ms: Millis) -> Draft:
    """Give the entry that accounts for checks that nobody opened in a time, the newest of them by name."""
    named = tuple(slots[-MAX_MISSED_BY_NAME:])
    record = Record(Event.MISSED.value, since_ms=since_ms, until_ms=until_ms, checks=named)
    return _office_writes(record, f"missed {since_ms} {until_ms}")


def ending(check: Check, verdict: Verdict, sides: Mapping[DelegationId, Heartbeat]) -> Draft:
    """Give the entry that says what a check came to, with what the office knew of both sides."""
    record = Record(
        Event.ENDED.value,
        check.name,
        outcome=verdict.outcome.value,
        side=verdict.side,
        reason=verdict.reason.value,
        heartbeat=tuple(Pulse(side, sides[side].line_up, sides[side].staffed) for side in sorted(sides)),
    )
    return _office_writes(record, f"{check.name} ended")


# --- what desks do ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hand:
    """Who does something, for which side, under which key."""

    by: UserId
    side: DelegationId
    key: str

    def draft(self, record: Record) -> Draft:
        """Give the entry of a record."""
        return Draft(self.by, self.side, self.key, EntryKind.LINE_CHECK, data=_encode(record))


def request_name(hand: Hand) -> str:
    """Give the name of the check that somebody asks for under a key: the same for each try."""
    return _REQUEST + hashlib.sha256(f"{hand.by}\0{hand.key}".encode()).hexdigest()[:16]


def request(checks: Checks, hand: Hand, text: str, window_ms: int) -> Draft:
    """Give the entry by which a desk calls the other one besides the schedule. A repeat gives the same entry.

    Raises Refused(LINE_CHECK_OPEN) while any check is under way: two at once would have one key mean two things.
    """
    name = request_name(hand)
    made = checks.checks.get(name)
    if made is not None:
        text, window_ms = made.text, made.window_ms
    elif checks.open:
        raise Refused(ErrorCode.LINE_CHECK_OPEN, f"the check {min(checks.open)} is under way: answer that one")
    return hand.draft(Record(Event.REQUESTED.value, name, caller=hand.side, text=text, window_ms=window_ms))


def proceed(checks: Checks, hand: Hand, event: Event, name: str) -> Draft:
    """Give the entry by which a desk calls or answers; a repeat gives the same entry.

    Raises Refused: NO_SUCH_LINE_CHECK, LINE_CHECK_OTHER_SIDE, or what the table says.
    """
    check = checks.checks.get(name)
    if check is None:
        raise Refused(ErrorCode.NO_SUCH_LINE_CHECK, "there is no such line check")
    draft = hand.draft(Record(event.value, name))
    if check.has(hand.by, hand.key):
        return draft
    if (hand.side == check.caller) is not (event is Event.CALLED):
        first = "calls" if event is Event.CALLED else "answers"
        raise Refused(ErrorCode.LINE_CHECK_OTHER_SIDE, f"in this check the other side {first}")
    after = TABLE[check.state, event]
    if isinstance(after, ErrorCode):
        raise Refused(after, f"a check that is {check.state.value} can't be {event.value}")
    return draft
