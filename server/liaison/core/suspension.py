"""The life of a joint channel's suspension as a table, the same for both sides. (PROTOCOL.md §13.3)

A suspension is ordered on the administration log and in force from its entry in the channel itself on, so a crash in
between leaves an order that any node carries out.
"""

from collections.abc import Mapping
from enum import Enum
from itertools import product
from typing import Final

from liaison.protocol.errors import ErrorCode


class State(Enum):
    """Where a joint channel stands."""

    OPEN = "open"
    ORDERED = "ordered"
    CLOSED = "closed"


class Event(Enum):
    """What can happen to it; the first two are values of entries, the last is a proposal that is carried out."""

    SUSPENDED = "suspended"
    IN_FORCE = "in_force"
    RESUMED = "resumed"


_MOVES: Final[Mapping[State, Mapping[Event, State]]] = {
    State.OPEN: {Event.SUSPENDED: State.ORDERED},
    State.ORDERED: {Event.IN_FORCE: State.CLOSED, Event.RESUMED: State.OPEN},
    # Several nodes may find an order that is not carried out: each says the same, and it counts once.
    State.CLOSED: {Event.IN_FORCE: State.CLOSED, Event.RESUMED: State.OPEN},
}
_REFUSALS: Final[Mapping[State, ErrorCode]] = {
    State.OPEN: ErrorCode.NOT_SUSPENDED,
    State.ORDERED: ErrorCode.ALREADY_SUSPENDED,
    State.CLOSED: ErrorCode.ALREADY_SUSPENDED,
}

# Every state with every event: where it leads, or the error that answers it.
TABLE: Final[Mapping[tuple[State, Event], State | ErrorCode]] = {
    (state, event): _MOVES[state].get(event, _REFUSALS[state]) for state, event in product(State, Event)
}


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.OPEN.value}"]
    for (state, event), after in TABLE.items():
        if isinstance(after, State) and after is not state:
            lines.append(f"    {state.value} --> {after.value}: {event.value}")
    return "\n".join(lines)
