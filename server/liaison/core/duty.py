"""The life of a handover as a table, and a side's duty register as it is folded out of its entries. (PROTOCOL.md §13)

Roster, handovers and the alarm of an empty desk are one side's own matter: they are in a channel that does not exist
for the other one. Nothing here reads a clock or a log.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import product
from typing import Final, Literal

import msgspec
from msgspec import Struct

from liaison.core.duty_roster import Roster, Shift
from liaison.core.entries import Draft, Entry, EntryKind, Precedence
from liaison.core.identifiers import OFFICE, DelegationId, Millis, UserId
from liaison.core.shelves import Shelves
from liaison.protocol.errors import ErrorCode, Refused


class State(Enum):
    """Where a handover stands; the values are those of the wire."""

    NEW = "new"
    OFFERED = "offered"
    ACKNOWLEDGED = "acknowledged"
    WITHDRAWN = "withdrawn"


class Event(Enum):
    """What can happen to a handover; the values are those of the entries."""

    OFFERED = "offered"
    ACKNOWLEDGED = "acknowledged"
    WITHDRAWN = "withdrawn"


_MOVES: Final[Mapping[State, Mapping[Event, State]]] = {
    State.NEW: {Event.OFFERED: State.OFFERED},
    State.OFFERED: {Event.ACKNOWLEDGED: State.ACKNOWLEDGED, Event.WITHDRAWN: State.WITHDRAWN},
    State.ACKNOWLEDGED: {},
    State.WITHDRAWN: {},
}
_REFUSALS: Final[Mapping[State, ErrorCode]] = {
    State.NEW: ErrorCode.NO_SUCH_HANDOVER,
    State.OFFERED: ErrorCode.HANDOVER_OPEN,
    State.ACKNOWLEDGED: ErrorCode.HANDOVER_ENDED,
    State.WITHDRAWN: ErrorCode.HANDOVER_ENDED,
}

# Every state with every event: where it leads, or the error that answers it.
TABLE: Final[Mapping[tuple[State, Event], State | ErrorCode]] = {
    (state, event): _MOVES[state].get(event, _REFUSALS[state]) for state, event in product(State, Event)
}


def moves() -> Iterable[tuple[State, Event, State]]:
    """Give what is possible, in the order of the table."""
    for (state, event), after in TABLE.items():
        if isinstance(after, State):
            yield state, event, after


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for state, event, after in moves():
        lines.append(f"    {'[*]' if state is State.NEW else state.value} --> {after.value}: {event.value}")
    return "\n".join([*lines, *(f"    {state.value} --> [*]" for state in (State.ACKNOWLEDGED, State.WITHDRAWN))])


class Item(Struct, frozen=True):
    """What is open when a shift ends: a dispatch, an unanswered line check, or a note in the officer's own words."""

    kind: Literal["dispatch", "line_check", "note"]
    name: str
    text: str


class Record(Struct, frozen=True, omit_defaults=True):
    """The event in an entry's `data`: of a handover, `roster`, `unstaffed` or `staffed`."""

    event: str
    handover: str = ""
    items: tuple[Item, ...] = ()
    digest: str = ""
    shifts: tuple[Shift, ...] = ()
    time_zone: str = ""


_NEVER: Final = Millis(0)
_NOBODY: Final = UserId("")
ROSTER: Final = "roster"
UNSTAFFED: Final = "unstaffed"
STAFFED: Final = "staffed"
_decode: Final = msgspec.json.Decoder(Record).decode


def encode(record: Record) -> str:
    """Give a record as an entry keeps it: canonical JSON."""
    return msgspec.json.encode(record, order="sorted").decode()


@dataclass(frozen=True, slots=True)
class Handover:
    """One handover. `digest` is of what was offered: who acknowledges says what they have read."""

    name: str
    state: State
    offered_by: UserId
    offered_ms: Millis
    items: tuple[Item, ...]
    keys: frozenset[tuple[UserId, str]]
    ended_by: UserId = _NOBODY
    ended_ms: Millis = _NEVER

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the name and the items as canonical JSON."""
        offered = msgspec.json.encode({"handover": self.name, "items": self.items}, order="sorted")
        return hashlib.sha256(offered).hexdigest()


@dataclass(frozen=True, slots=True)
class DutyBook:
    """A side's register. `revision` is the seq of the roster's entry, `imported` by whom and under which key it came.

    `open` is the handover that waits for somebody, `holder` who took the last one. `unstaffed_ms` is since when the
    alarm stands, 0 for none.
    """

    roster: Roster | None = None
    revision: int = 0
    imported: tuple[UserId, str] = (_NOBODY, "")
    handovers: Shelves[Handover] = field(default_factory=Shelves)
    open: str = ""
    holder: UserId = _NOBODY
    taken_ms: Millis = _NEVER
    unstaffed_ms: Millis = _NEVER
    alarms: int = 0


def fold(book: DutyBook, entry: Entry) -> DutyBook:
    """Take one more entry in; what is no step, or one that isn't possible, changes nothing."""
    draft = entry.draft
    if draft.kind is not EntryKind.DUTY:
        return book
    try:
        record = _decode(draft.data)
        match record.event:
            case "roster":
                roster, imported = Roster(record.shifts, record.time_zone), (draft.sender, draft.key)
                return replace(book, roster=roster, revision=entry.seq, imported=imported)
            case "unstaffed":
                return replace(book, unstaffed_ms=entry.time_ms, alarms=book.alarms + 1)
            case "staffed":
                return replace(book, unstaffed_ms=Millis(0))
            case event:
                return _with_step(book, Event(event), record, entry)
    except (msgspec.DecodeError, ValueError):
        return book


def _with_step(book: DutyBook, event: Event, record: Record, entry: Entry) -> DutyBook:
    before = book.handovers.get(record.handover)
    state = TABLE[State.NEW if before is None else before.state, event]
    if not isinstance(state, State):
        return book
    by, hand = entry.draft.sender, (entry.draft.sender, entry.draft.key)
    if before is None:
        handover = Handover(record.handover, state, by, entry.time_ms, record.items, frozenset({hand}))
        return replace(book, handovers=book.handovers.with_one(handover.name, handover), open=handover.name)
    handover = replace(before, state=state, ended_by=by, ended_ms=entry.time_ms, keys=before.keys | {hand})
    book = replace(book, handovers=book.handovers.with_one(handover.name, handover), open="")
    return replace(book, holder=by, taken_ms=entry.time_ms) if event is Event.ACKNOWLEDGED else book


# --- changes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hand:
    """Who does something, for which side, under which key."""

    by: UserId
    side: DelegationId
    key: str

    def draft(self, record: Record) -> Draft:
        """Give the entry of a record."""
        return Draft(self.by, self.side, self.key, EntryKind.DUTY, data=encode(record))


def put_up(book: DutyBook, hand: Hand, roster: Roster, revision: int) -> Draft:
    """Give the entry that puts a roster in the place of the one that was looked at. Raises Refused(ROSTER_CHANGED)."""
    if book.imported != (hand.by, hand.key) and revision != book.revision:
        raise Refused(ErrorCode.ROSTER_CHANGED, "somebody has put up another roster meanwhile: look at it again")
    return hand.draft(Record(ROSTER, shifts=roster.shifts, time_zone=roster.time_zone))


def handover_name(hand: Hand) -> str:
    """Give the name of what somebody hands over under a key: the same for each try."""
    return hashlib.sha256(f"{hand.by}\0{hand.key}".encode()).hexdigest()[:16]


def offer(book: DutyBook, hand: Hand, items: tuple[Item, ...]) -> Draft:
    """Give the entry that offers a handover; a repeat gives the first one again. Raises Refused(HANDOVER_OPEN)."""
    name = handover_name(hand)
    made = book.handovers.get(name)
    if made is None and book.open:
        raise Refused(ErrorCode.HANDOVER_OPEN, "another handover waits for somebody: acknowledge or withdraw it first")
    return hand.draft(Record(Event.OFFERED.value, name, items=items if made is None else made.items))


def end(book: DutyBook, hand: Hand, event: Event, name: str, digest: str = "") -> Draft:
    """Give the entry that acknowledges or withdraws a handover; a repeat gives the same entry.

    Raises Refused: NO_SUCH_HANDOVER, HANDOVER_ENDED, OWN_HANDOVER for who acknowledges what they offered or withdraws
    what somebody else did, HANDOVER_CHANGED for another digest.
    """
    handover = book.handovers.get(name)
    if handover is None:
        raise Refused(ErrorCode.NO_SUCH_HANDOVER, "there is no such handover")
    draft = hand.draft(Record(event.value, name, digest=digest))
    if (hand.by, hand.key) in handover.keys:
        return draft
    after = TABLE[handover.state, event]
    if isinstance(after, ErrorCode):
        raise Refused(after, f"this handover was {handover.state.value} by {handover.ended_by} already")
    if (hand.by == handover.offered_by) is (event is Event.ACKNOWLEDGED):
        who = "somebody else" if event is Event.ACKNOWLEDGED else "who offered it"
        raise Refused(ErrorCode.OWN_HANDOVER, f"a handover is {event.value} by {who}")
    if event is Event.ACKNOWLEDGED and digest != handover.digest:
        raise Refused(ErrorCode.HANDOVER_CHANGED, "this is not the list that was offered: read it again")
    return draft


def alarm(side: DelegationId, book: DutyBook, *, is_staffed: bool) -> Draft:
    """Give the entry that the office writes when a desk is left empty, or is staffed again.

    An empty desk is brought to notice where do-not-disturb silences the rest: whoever is on duty asked for that.
    """
    record = Record(STAFFED if is_staffed else UNSTAFFED)
    precedence = Precedence.ROUTINE if is_staffed else Precedence.FLASH
    return Draft(
        OFFICE, side, f"{record.event} {book.alarms}", EntryKind.DUTY, precedence=precedence, data=encode(record)
    )
