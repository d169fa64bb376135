"""The life of a line check as a table, and what it came to as a pure function of facts. (PROTOCOL.md §13)

Silence must never be ambiguous: a check that nobody answered says whether the line was down, the desk was empty, or
somebody was there and didn't answer. Both sides are treated alike; who calls first is the schedule's matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Final

from liaison.core.identifiers import NO_DELEGATION, DelegationId
from liaison.protocol.errors import ErrorCode


class State(Enum):
    """Where a check stands; the values are those of the wire."""

    NEW = "new"
    OPEN = "open"
    CALLED = "called"
    ENDED = "ended"
    # Nobody opened it when it was due.
    MISSED = "missed"


class Event(Enum):
    """What can happen to a check; the values are those of the entries."""

    OPENED = "opened"
    # A check besides the schedule: the desk that asks for it calls by asking.
    REQUESTED = "requested"
    CALLED = "called"
    ANSWERED = "answered"
    ENDED = "ended"
    MISSED = "missed"


class Outcome(Enum):
    """What a check came to; there is no fifth."""

    ANSWERED = "answered"
    DESK_UNSTAFFED = "desk_unstaffed"
    NOT_ANSWERED = "not_answered"
    LINE_DOWN = "line_down"


class Reason(Enum):
    """Why the line counts as down; empty for the other outcomes."""

    NONE = ""
    # No node of the office ran, or none could write, when the check was due.
    OFFICE_DOWN = "office_down"
    # The office ran, and no client of that side was connected to it.
    SIDE_DOWN = "side_down"
    # The office ran and could not tell who was connected.
    UNKNOWN = "unknown"


_MOVES: Final[Mapping[State, Mapping[Event, State]]] = {
    State.NEW: {Event.OPENED: State.OPEN, Event.REQUESTED: State.CALLED, Event.MISSED: State.MISSED},
    State.OPEN: {Event.CALLED: State.CALLED, Event.ENDED: State.ENDED},
    State.CALLED: {Event.ANSWERED: State.ENDED, Event.ENDED: State.ENDED},
    State.ENDED: {},
    # A clock that was wrongly put forward passed a check that is still to come: it is held at its time all the same.
    State.MISSED: {Event.OPENED: State.OPEN},
}

# Why what the table doesn't have is refused.
_REFUSALS: Final[Mapping[tuple[State, Event], ErrorCode]] = {
    **dict.fromkeys(product((State.ENDED, State.MISSED), Event), ErrorCode.LINE_CHECK_ENDED),
    **dict.fromkeys(product((State.NEW,), Event), ErrorCode.NO_SUCH_LINE_CHECK),
    **dict.fromkeys(product((State.OPEN,), Event), ErrorCode.LINE_CHECK_NOT_CALLED),
    **dict.fromkeys(product((State.CALLED,), Event), ErrorCode.LINE_CHECK_CALLED),
}

# Every state with every event: where it leads, or the error that answers it.
TABLE: Final[Mapping[tuple[State, Event], State | ErrorCode]] = {
    (state, event): _MOVES[state].get(event, _REFUSALS[state, event]) for state, event in product(State, Event)
}


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What the office itself knows of one side: is any client of it connected, a bot's too, and anybody of the desk?"""

    line_up: bool
    staffed: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a check's time is up. `sides` is None when the office can't tell who is connected."""

    caller: DelegationId
    answerer: DelegationId
    is_called: bool
    sides: Mapping[DelegationId, Heartbeat] | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check came to, and at which side; `reason` is why the line counts as down."""

    outcome: Outcome
    side: DelegationId = NO_DELEGATION
    reason: Reason = Reason.NONE


MISSED: Final = Verdict(Outcome.LINE_DOWN, reason=Reason.OFFICE_DOWN)


def verdict(facts: Facts) -> Verdict:
    """Say what an unanswered check came to.

    A line that is down says more than an empty desk, and an empty desk more than one that didn't answer. Whoever has
    called owes nothing any more; before the call both sides do, because nobody calls into a line that is seen to be
    down.
    """
    if facts.sides is None:
        return Verdict(Outcome.LINE_DOWN, reason=Reason.UNKNOWN)
    owing = (facts.answerer,) if facts.is_called else (facts.caller, facts.answerer)
    for side in owing:
        if not facts.sides[side].line_up:
            return Verdict(Outcome.LINE_DOWN, side, Reason.SIDE_DOWN)
    if not facts.sides[owing[0]].staffed:
        return Verdict(Outcome.DESK_UNSTAFFED, owing[0])
    return Verdict(Outcome.NOT_ANSWERED, owing[0])


def is_over(opened_ms: int, window_ms: int, now_ms: int) -> bool:
    """Say whether a check's time is up. A clock that was put back must not keep it open, so either direction counts."""
    return abs(now_ms - opened_ms) >= window_ms


def moves() -> Iterable[tuple[State, Event, State]]:
    """Give what is possible, in the order of the table."""
    for (state, event), after in TABLE.items():
        if isinstance(after, State):
            yield state, event, after


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for state, event, after in moves():
        before = "[*]" if state is State.NEW else state.value
        lines.append(f"    {before} --> {after.value}: {event.value}")
    return "\n".join([*lines, f"    {State.ENDED.value} --> [*]"])
