"""The life of a dispatch as a table, the same for both sides. (PROTOCOL.md §13)

A dispatch is written and cleared on its own side, numbered, tendered without its body, and delivered once the other
side has accepted it. A step that the table doesn't have is refused and changes nothing.
"""

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from itertools import product
from typing import Final

from liaison.core.entries import Precedence
from liaison.protocol.errors import ErrorCode


class State(Enum):
    """Where a dispatch stands; the values are those of the wire."""

    NEW = "new"
    DRAFT = "draft"
    CLEARED = "cleared"
    NUMBERED = "numbered"
    TENDERED = "tendered"
    DEFERRED = "deferred"
    DECLINED = "declined"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    AWAITING_READ_BACK = "awaiting_read_back"
    READ_BACK = "read_back"
    CONFIRMED = "confirmed"
    DELIVERED_OTHERWISE = "delivered_otherwise"
    ACKNOWLEDGED = "acknowledged"
    ANSWERED = "answered"
    CLOSED = "closed"
    VOID = "void"


class Event(Enum):
    """What can happen to a dispatch; the values are those of the entries."""

    DRAFTED = "drafted"
    REVISED = "revised"
    CLEARED = "cleared"
    NUMBERED = "numbered"
    # Life safety waits for no second person.
    NUMBERED_AT_ONCE = "numbered_at_once"
    TENDERED = "tendered"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DECLINED = "declined"
    DELIVERED = "delivered"
    DELIVERED_FOR_READ_BACK = "delivered_for_read_back"
    READ_BACK = "read_back"
    CONFIRMED = "confirmed"
    MISMATCHED = "mismatched"
    ACKNOWLEDGED = "acknowledged"
    ANSWERED = "answered"
    CLOSED = "closed"
    OTHER_MEANS = "other_means"
    REPEATED = "repeated"
    VOIDED = "voided"


class Party(Enum):
    """Whose step an event is, as seen from the dispatch."""

    SENDING = auto()
    RECEIVING = auto()
    EITHER = auto()


PARTIES: Final[Mapping[Event, Party]] = {
    **dict.fromkeys(Event, Party.SENDING),
    **dict.fromkeys(
        (
            Event.ACCEPTED,
            Event.DEFERRED,
            Event.DECLINED,
            Event.READ_BACK,
            Event.ACKNOWLEDGED,
            Event.ANSWERED,
        ),
        Party.RECEIVING,
    ),
    Event.OTHER_MEANS: Party.EITHER,
}

_MOVES: Final[Mapping[State, Mapping[Event, State]]] = {
    State.NEW: {Event.DRAFTED: State.DRAFT, Event.VOIDED: State.VOID},
    State.DRAFT: {
        Event.REVISED: State.DRAFT,
        Event.CLEARED: State.CLEARED,
        Event.NUMBERED_AT_ONCE: State.NUMBERED,
        Event.CLOSED: State.CLOSED,
    },
    State.CLEARED: {
        Event.NUMBERED: State.NUMBERED,
        Event.NUMBERED_AT_ONCE: State.NUMBERED,
        Event.CLOSED: State.CLOSED,
    },
    # Here the joint register begins: what is numbered is shown to the other side, come what may.
    State.NUMBERED: {
        Event.TENDERED: State.TENDERED,
        Event.DELIVERED: State.DELIVERED,
        Event.DELIVERED_FOR_READ_BACK: State.AWAITING_READ_BACK,
        Event.VOIDED: State.VOID,
    },
    State.TENDERED: {
        Event.ACCEPTED: State.ACCEPTED,
        Event.DEFERRED: State.DEFERRED,
        Event.DECLINED: State.DECLINED,
        Event.OTHER_MEANS: State.DELIVERED_OTHERWISE,
        Event.REPEATED: State.TENDERED,
    },
    State.DEFERRED: {
        Event.TENDERED: State.TENDERED,
        Event.ACCEPTED: State.ACCEPTED,
        Event.DECLINED: State.DECLINED,
        Event.OTHER_MEANS: State.DELIVERED_OTHERWISE,
        Event.CLOSED: State.CLOSED,
    },
    State.DECLINED: {
        Event.TENDERED: State.TENDERED,
        Event.OTHER_MEANS: State.DELIVERED_OTHERWISE,
        Event.CLOSED: State.CLOSED,
    },
    State.ACCEPTED: {
        Event.DELIVERED: State.DELIVERED,
        Event.DELIVERED_FOR_READ_BACK: State.AWAITING_READ_BACK,
    },
    State.DELIVERED: {
        Event.ACKNOWLEDGED: State.ACKNOWLEDGED,
        Event.OTHER_MEANS: State.DELIVERED,
        Event.REPEATED: State.DELIVERED,
    },
    State.AWAITING_READ_BACK: {
        Event.READ_BACK: State.READ_BACK,
        Event.OTHER_MEANS: State.AWAITING_READ_BACK,
        Event.REPEATED: State.AWAITING_READ_BACK,
    },
    State.READ_BACK: {
        Event.CONFIRMED: State.CONFIRMED,
        Event.MISMATCHED: State.AWAITING_READ_BACK,
        Event.OTHER_MEANS: State.READ_BACK,
        Event.REPEATED: State.READ_BACK,
    },
    State.CONFIRMED: {
        Event.ACKNOWLEDGED: State.ACKNOWLEDGED,
        Event.OTHER_MEANS: State.CONFIRMED,
        Event.REPEATED: State.CONFIRMED,
    },
    # What was read out on another line may still be taken here as well.
    State.DELIVERED_OTHERWISE: {
        Event.ACCEPTED: State.ACCEPTED,
        Event.ACKNOWLEDGED: State.ACKNOWLEDGED,
        Event.OTHER_MEANS: State.DELIVERED_OTHERWISE,
        Event.REPEATED: State.DELIVERED_OTHERWISE,
        Event.CLOSED: State.CLOSED,
    },
    State.ACKNOWLEDGED: {Event.ANSWERED: State.ANSWERED, Event.CLOSED: State.CLOSED},
    State.ANSWERED: {Event.CLOSED: State.CLOSED},
    State.CLOSED: {},
    State.VOID: {},
}

# Where a refusal can say more than that the step isn't possible now.
_REFUSALS: Final[Mapping[tuple[State, Event], ErrorCode]] = {
    **dict.fromkeys(product((State.CLOSED, State.VOID), Event), ErrorCode.DISPATCH_CLOSED),
    **dict.fromkeys(product((State.NEW,), Event), ErrorCode.NO_SUCH_DISPATCH),
    (State.DRAFT, Event.NUMBERED): ErrorCode.DISPATCH_NOT_CLEARED,
    (State.AWAITING_READ_BACK, Event.ACKNOWLEDGED): ErrorCode.DISPATCH_NOT_READ_BACK,
    (State.READ_BACK, Event.ACKNOWLEDGED): ErrorCode.DISPATCH_NOT_READ_BACK,
}

# Every state with every event: where it leads, or the error that answers it.
TABLE: Final[Mapping[tuple[State, Event], State | ErrorCode]] = {
    (state, event): _MOVES[state].get(event, _REFUSALS.get((state, event), ErrorCode.DISPATCH_STATE))
    for state, event in product(State, Event)
}

# Who has to do something next; in a state that isn't here, nobody has to.
_WAITS_ON: Final[Mapping[State, Party]] = {
    State.DRAFT: Party.SENDING,
    State.CLEARED: Party.SENDING,
    State.TENDERED: Party.RECEIVING,
    State.DEFERRED: Party.RECEIVING,
    State.DECLINED: Party.SENDING,
    State.DELIVERED: Party.RECEIVING,
    State.AWAITING_READ_BACK: Party.RECEIVING,
    State.READ_BACK: Party.SENDING,
    State.CONFIRMED: Party.RECEIVING,
    State.DELIVERED_OTHERWISE: Party.RECEIVING,
}
# Nobody is late with what they need not do: a draft may lie, and a refusal is an answer.
_TIMED: Final = frozenset(_WAITS_ON) - {State.DRAFT, State.CLEARED, State.DECLINED, State.DEFERRED}

_MINUTE_MS: Final = 60_000
# How long each step may take before the dispatch is marked as overdue: half a working day, an hour, and for what wakes
# people up the time in which somebody comes to the desk.
DEADLINES_MS: Final[Mapping[Precedence, int]] = {
    Precedence.ROUTINE: 240 * _MINUTE_MS,
    Precedence.PRIORITY: 60 * _MINUTE_MS,
    Precedence.FLASH: 10 * _MINUTE_MS,
    Precedence.LIFE_SAFETY: 5 * _MINUTE_MS,
}

# These are repeated until somebody acknowledges them.
REPEATING: Final = frozenset({Precedence.FLASH, Precedence.LIFE_SAFETY})
# What these say must be read back, item by item.
READ_BACK: Final = frozenset({Precedence.PRIORITY, Precedence.FLASH, Precedence.LIFE_SAFETY})


def step(state: State, event: Event) -> State | ErrorCode:
    """Say where an event leads from a state, or how it is refused."""
    return TABLE[state, event]


def waits_on(state: State) -> Party | None:
    """Say who has to act next, None if nobody has to."""
    return _WAITS_ON.get(state)


def due_ms(state: State, precedence: Precedence, since_ms: int, until_ms: int) -> int:
    """Give the moment from which a dispatch is overdue, 0 for never.

    `since_ms` is when it came into its state, `until_ms` until when it was deferred.
    """
    if state is State.DEFERRED:
        return until_ms
    return since_ms + DEADLINES_MS[precedence] if state in _TIMED else 0


def moves() -> Iterable[tuple[State, Event, State]]:
    """Give what is possible, in the order of the table."""
    for (state, event), after in TABLE.items():
        if isinstance(after, State):
            yield state, event, after


def diagram() -> str:
    """Draw the table as a Mermaid state diagram; steps that lead nowhere else are left out."""
    lines = ["stateDiagram-v2"]
    for state, event, after in moves():
        if state is not after:
            before = "[*]" if state is State.NEW else state.value
            lines.append(f"    {before} --> {after.value}: {event.value}")
    lines += [f"    {state.value} --> [*]" for state in (State.CLOSED, State.VOID)]
    return "\n".join(lines)
