"""The life of a client's session as a table. (PROTOCOL.md §3.3)

Nothing here sends or closes: the office asks `step` what an event means and does it.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from liaison.protocol.errors import ErrorCode


class State(Enum):
    """Where a session stands."""

    OPEN = auto()
    CONNECTING = auto()
    CONNECTED = auto()
    LEAVING = auto()
    CLOSED = auto()


class Event(Enum):
    """What can happen to a session."""

    CONNECT = auto()
    COMMAND = auto()
    ACCEPTED = auto()
    REFUSED = auto()
    DEADLINE = auto()
    GO_AWAY = auto()
    END = auto()


# A state is where the session goes; an error code is answered and, where its row has a close code, ends the session.
# In CONNECTING other commands are kept in order behind `connect`, so that a client may send them in one go.
TABLE: Final[Mapping[tuple[State, Event], State | ErrorCode]] = {
    (State.OPEN, Event.CONNECT): State.CONNECTING,
    (State.OPEN, Event.COMMAND): ErrorCode.NOT_CONNECTED,
    (State.OPEN, Event.DEADLINE): ErrorCode.AUTHENTICATION_TIMEOUT,
    (State.OPEN, Event.GO_AWAY): State.OPEN,
    (State.OPEN, Event.END): State.CLOSED,
    (State.CONNECTING, Event.CONNECT): ErrorCode.ALREADY_CONNECTED,
    (State.CONNECTING, Event.COMMAND): State.CONNECTING,
    (State.CONNECTING, Event.ACCEPTED): State.CONNECTED,
    (State.CONNECTING, Event.REFUSED): State.CLOSED,
    (State.CONNECTING, Event.DEADLINE): ErrorCode.AUTHENTICATION_TIMEOUT,
    (State.CONNECTING, Event.GO_AWAY): State.CONNECTING,
    (State.CONNECTING, Event.END): State.CLOSED,
    (State.CONNECTED, Event.CONNECT): ErrorCode.ALREADY_CONNECTED,
    (State.CONNECTED, Event.COMMAND): State.CONNECTED,
    (State.CONNECTED, Event.DEADLINE): State.CONNECTED,
    (State.CONNECTED, Event.GO_AWAY): State.LEAVING,
    (State.CONNECTED, Event.END): State.CLOSED,
    (State.LEAVING, Event.CONNECT): ErrorCode.ALREADY_CONNECTED,
    (State.LEAVING, Event.COMMAND): State.LEAVING,
    (State.LEAVING, Event.DEADLINE): State.LEAVING,
    (State.LEAVING, Event.GO_AWAY): State.LEAVING,
    (State.LEAVING, Event.END): State.CLOSED,
}


def diagram() -> str:
    """Draw the table as a Mermaid state diagram; an error that ends the session leads to its end."""
    lines = ["stateDiagram-v2", "    [*] --> open"]
    for (state, event), cell in TABLE.items():
        is_end = isinstance(cell, ErrorCode) and cell.value.close_code is not None
        after = State.CLOSED if is_end else cell
        if isinstance(after, State) and after is not state:
            lines.append(f"    {state.name.lower()} --> {after.name.lower()}: {event.name.lower()}")
    return "\n".join([*lines, "    closed --> [*]"])


def step(state: State, event: Event) -> State | ErrorCode:
    """Say where `event` leads from `state`. A closed session stays closed, whatever still arrives.

    Raises KeyError for an event that can't happen there, which is a bug of the caller.
    """
    return State.CLOSED if state is State.CLOSED else TABLE[state, event]
