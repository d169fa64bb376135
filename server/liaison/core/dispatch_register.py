"""Dispatches as they are folded out of the registers' entries, and the entries that change them. (PROTOCOL.md §13)

Two kinds of register hold one dispatch: that of the side that sends it, from the draft to the number, under its `id`;
and the joint one from the tender on, under its number. The text of a dispatch enters the joint one only once it was
accepted. Nothing here reads a clock or a log.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import msgspec
from msgspec import Struct

from liaison.core.dispatch import PARTIES, READ_BACK, TABLE, Event, Party, State, step
from liaison.core.entries import Draft, Entry, EntryKind, Precedence
from liaison.core.identifiers import OFFICE, DelegationId, UserId
from liaison.core.shelves import Shelves
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.frames import Attachment

LOST_IN_A_RESTORE: Final = "lost in a restore"


class Heading(Struct, frozen=True, omit_defaults=True):
    """What a tender says: who writes to whom about what. `reference` is the number of the dispatch it answers."""

    subject: str
    signatory: str
    rank: str
    addressee: str
    precedence: str = ""
    reference: str = ""


class Item(Struct, frozen=True):
    """A figure, name or time that must arrive exactly, and is read back where the precedence asks for it."""

    kind: Literal["figure", "name", "time"]
    label: str
    value: str


class Content(Struct, frozen=True, omit_defaults=True):
    """What the other side gets to read once it has accepted."""

    body: str
    items: tuple[Item, ...] = ()
    attachments: tuple[Attachment, ...] = ()

    @property
    def sha256(self) -> str:
        """The hash of the body's UTF-8, in hexadecimal."""
        return hashlib.sha256(self.body.encode()).hexdigest()


class Record(Struct, frozen=True, omit_defaults=True):
    """The event in an entry's `data`. `dispatch` is the id in a side's own register and the number in the joint one.

    `by` is for whom the office wrote it, where it did so by itself.
    """

    event: str
    dispatch: str
    by: str = ""
    number: str = ""
    heading: Heading | None = None
    content: Content | None = None
    sha256: str = ""
    until_ms: int = 0
    place: str = ""
    at_ms: int = 0
    note: str = ""
    values: tuple[str, ...] = ()
    confirmed: tuple[bool, ...] = ()
    answer: str = ""
    officer: str = ""


_decode: Final = msgspec.json.Decoder(Record).decode


def encode(record: Record) -> str:
    """Give a record as an entry keeps it: canonical JSON."""
    return msgspec.json.encode(record, order="sorted").decode()


def dispatch_id(sender: UserId, key: str) -> str:
    """Give the id of what a user drafts under a key: the same for each try, and it tells nothing of other drafts."""
    return hashlib.sha256(f"{sender}\0{key}".encode()).hexdigest()[:16]


def number_of(side: DelegationId, year: int, place: int) -> str:
    """Give a dispatch's number: `south-2026-0001`."""
    return f"{side}-{year}-{place:04}"


_NUMBER: Final = re.compile(r"[a-z][a-z0-9]*-([0-9]{4})-([0-9]{4,9})")


def year_and_place(number: str) -> tuple[int, int] | None:
    """Give the year of a number and its place in it; None for what is no number."""
    found = _NUMBER.fullmatch(number)
    return None if found is None else (int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a dispatch, and its entry."""

    event: Event
    by: UserId
    key: str
    side: DelegationId
    time_ms: int
    seq: int
    record: Record


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One dispatch, as one register has it.

    `revision` is the seq of its last step but repetitions: who changes it says which one they looked at.
    """

    name: str
    side: DelegationId
    state: State
    steps: tuple[Step, ...] = ()
    revision: int = 0
    number: str = ""
    heading: Heading = field(default_factory=lambda: Heading("", "", "", ""))
    content: Content | None = None

    @property
    def precedence(self) -> Precedence:
        """How urgent it is."""
        return Precedence(self.heading.precedence)

    @property
    def needs_read_back(self) -> bool:
        """Whether its items are to be read back before it may be acknowledged."""
        return self.content is not None and bool(self.content.items) and self.precedence in READ_BACK

    def last(self, *events: Event) -> Step | None:
        """Give the newest step of one of these kinds."""
        return next((each for each in reversed(self.steps) if each.event in events), None)

    def has(self, by: UserId, key: str) -> bool:
        """Say whether this user has made a step with this key already."""
        return any((each.by, each.key) == (by, key) for each in self.steps)

    def writers(self) -> frozenset[UserId]:
        """Give everybody who has had a hand in its words."""
        return frozenset(each.by for each in self.steps if each.event in (Event.DRAFTED, Event.REVISED))


@dataclass(frozen=True, slots=True)
class Book:
    """A register's dispatches by name. `numbers` is for a side's own: the name of each that has a number.

    `places` is the last number given out in each year. A joint book's dispatches begin where they are numbered.
    """

    is_joint: bool
    dispatches: Shelves[Dispatch] = field(default_factory=Shelves)
    numbers: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[int, int] = field(default_factory=dict)
    # How many dispatches of each side there are.
    counts: Mapping[DelegationId, int] = field(default_factory=dict)
    # Those that the office may have to do something about.
    open: frozenset[str] = frozenset()

    def find(self, name: str) -> Dispatch | None:
        """Give a dispatch by its name or its number."""
        return self.dispatches.get(self.numbers.get(name, name))


_DONE: Final = frozenset({State.CLOSED, State.VOID, State.ACKNOWLEDGED, State.ANSWERED})


def fold(book: Book, entry: Entry) -> Book:
    """Take one more entry into a book; what is no step of a dispatch, or one that isn't possible, changes nothing."""
    draft = entry.draft
    if draft.kind is not EntryKind.DISPATCH:
        return book
    try:
        record = _decode(draft.data)
        event = Event(record.event)
    except (msgspec.DecodeError, ValueError):
        return book
    before = book.dispatches.get(record.dispatch)
    if before is None:
        before = Dispatch(record.dispatch, draft.delegation, State.NUMBERED if book.is_joint else State.NEW)
    state = step(before.state, event)
    if not isinstance(state, State):
        return book
    made = Step(event, draft.sender, draft.key, draft.delegation, entry.time_ms, entry.seq, record)
    after = _after(before, state, made, is_joint=book.is_joint)
    # Everything that has a number is counted by it: what pretends to have one is no step.
    if after.number != before.number and year_and_place(after.number) is None:
        return book
    return _with(book, after)


def _after(before: Dispatch, state: State, made: Step, *, is_joint: bool) -> Dispatch:
    record = made.record
    number = before.number
    if made.event in (Event.NUMBERED, Event.NUMBERED_AT_ONCE):
        number = record.number
    elif is_joint or made.event is Event.VOIDED:
        number = record.dispatch
    return replace(
        before,
        state=state,
        steps=(*before.steps, made),
        revision=before.revision if made.event is Event.REPEATED else made.seq,
        number=number,
        heading=record.heading or before.heading,
        content=record.content or before.content,
    )


def _with(book: Book, dispatch: Dispatch) -> Book:
    numbers, places = book.numbers, book.places
    if dispatch.number and not book.is_joint and dispatch.number not in numbers:
        numbers = {**numbers, dispatch.number: dispatch.name}
        parts = year_and_place(dispatch.number)
        assert parts is not None
        year, place = parts
        places = {**places, year: max(place, places.get(year, 0))}
    counts = book.counts
    if dispatch.name not in book.dispatches:
        counts = {**counts, dispatch.side: counts.get(dispatch.side, 0) + 1}
    is_open = dispatch.state not in _DONE
    return replace(
        book,
        dispatches=book.dispatches.with_one(dispatch.name, dispatch),
        numbers=numbers,
        places=places,
        counts=counts,
        open=book.open | {dispatch.name} if is_open else book.open - {dispatch.name},
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to have on the register. `revision` is the one that they looked at, None for no matter."""

    by: UserId
    side: DelegationId
    key: str
    record: Record
    precedence: Precedence = Precedence.ROUTINE
    revision: int | None = None

    @property
    def event(self) -> Event:
        """What it would be."""
        return Event(self.record.event)

    def draft(self) -> Draft:
        """Give the entry that it would be."""
        return Draft(
            sender=self.by,
            delegation=self.side,
            key=self.key,
            kind=EntryKind.DISPATCH,
            precedence=self.precedence,
            data=encode(self.record),
        )


def begin(wish: Wish) -> Draft:
    """Give the entry that begins a dispatch. A repeat of the same wish gives the same entry. Raises Refused."""
    heading, content = wish.record.heading, wish.record.content
    assert heading is not None
    assert content is not None
    check_items(heading, content)
    return wish.draft()


def check_items(heading: Heading, content: Content) -> None:
    """Refuse what could not be read back although its precedence asks for it.

    Life safety waits for no list: who has one gives it, and who has none is not held up.
    """
    needs = Precedence(heading.precedence) in READ_BACK - {Precedence.LIFE_SAFETY}
    if needs and not content.items:
        message = "this precedence is read back: name the figures, names and times that must arrive exactly"
        raise Refused(ErrorCode.DISPATCH_ITEMS, message)


def proceed(book: Book, wish: Wish) -> Draft:
    """Give the entry of a dispatch's next step, or refuse it by what the register says now.

    A repeat of a step that was made gives its entry again, so that the log knows it by its key.

    Raises:
        Refused: NO_SUCH_DISPATCH, DISPATCH_OTHER_SIDE, DISPATCH_CHANGED, or what the table and the step itself say.
    """
    dispatch = book.dispatches.get(wish.record.dispatch)
    if dispatch is None:
        raise no_such_dispatch()
    draft = wish.draft()
    if dispatch.has(wish.by, wish.key):
        return draft
    check_party(wish.event, is_own=wish.side == dispatch.side)
    if wish.revision not in (None, dispatch.revision):
        raise Refused(ErrorCode.DISPATCH_CHANGED, "somebody changed this dispatch meanwhile: look at it again")
    check_possible(dispatch.state, wish.event)
    _check_step(dispatch, wish)
    return draft


def no_such_dispatch() -> Refused:
    """Give the one answer for what isn't there and for what is the other side's alone."""
    return Refused(ErrorCode.NO_SUCH_DISPATCH, "there is no such dispatch")


def check_party(event: Event, *, is_own: bool) -> None:
    """Refuse a step that is the other side's to make. Raises Refused(DISPATCH_OTHER_SIDE)."""
    if not _is_ones_own(event, is_own=is_own):
        whose = "receives" if PARTIES[event] is Party.RECEIVING else "sends"
        raise Refused(ErrorCode.DISPATCH_OTHER_SIDE, f"this step is that of the side that {whose} the dispatch")


def _is_ones_own(event: Event, *, is_own: bool) -> bool:
    party = PARTIES[event]
    return party is Party.EITHER or (party is Party.SENDING) is is_own


def refusal(dispatch: Dispatch, event: Event, *, by: UserId, side: DelegationId) -> ErrorCode | None:
    """Say why somebody can't make this step now, whatever its words; None if they can."""
    if not _is_ones_own(event, is_own=side == dispatch.side):
        return ErrorCode.DISPATCH_OTHER_SIDE
    after = TABLE[dispatch.state, event]
    if isinstance(after, ErrorCode):
        return after
    is_own_clearance = event is Event.CLEARED and by in dispatch.writers()
    return ErrorCode.DISPATCH_OWN_CLEARANCE if is_own_clearance else None


def _check_step(dispatch: Dispatch, wish: Wish) -> None:
    record = wish.record
    match wish.event:
        case Event.CLEARED if wish.by in dispatch.writers():
            raise Refused(ErrorCode.DISPATCH_OWN_CLEARANCE, "somebody who did not write the dispatch must clear it")
        case Event.NUMBERED_AT_ONCE if dispatch.precedence is not Precedence.LIFE_SAFETY:
            raise Refused(ErrorCode.DISPATCH_NOT_CLEARED, "only life safety goes out without a second person")
        case Event.REVISED if record.heading is not None and record.content is not None:
            check_items(record.heading, record.content)
        case Event.READ_BACK:
            _check_count(dispatch, len(record.values))
        case Event.CONFIRMED | Event.MISMATCHED:
            _check_count(dispatch, len(record.confirmed))
        case _:
            pass


def _check_count(dispatch: Dispatch, given: int) -> None:
    count = 0 if dispatch.content is None else len(dispatch.content.items)
    if given != count:
        raise Refused(ErrorCode.DISPATCH_ITEMS, f"the dispatch has {count} items, and there are {given} here")


def check_possible(state: State, event: Event) -> None:
    """Refuse a step that the table doesn't have. Raises Refused with the table's error."""
    after = TABLE[state, event]
    if isinstance(after, ErrorCode):
        raise Refused(after, f"a dispatch that is {state.value} can't be {event.value}")


def confirmation(confirmed: tuple[bool, ...]) -> Event:
    """Say what the sending side's verdict on a read-back is: one item that is wrong sends it back."""
    return Event.CONFIRMED if all(confirmed) else Event.MISMATCHED


class NumberTaken(Exception):
    """Another dispatch got the number meanwhile: ask for the next one."""


def numbering(book: Book, wish: Wish, number: str) -> Draft:
    """Give the entry that gives a dispatch this number; for one that this very wish has numbered, the same again.

    Raises:
        NumberTaken: it is not the next one any more.
        Refused: as `proceed`.
    """
    dispatch = book.dispatches.get(wish.record.dispatch)
    if dispatch is not None and dispatch.has(wish.by, wish.key):
        return proceed(book, _numbered(wish, dispatch.number))
    draft = proceed(book, _numbered(wish, number))
    parts = year_and_place(number)
    assert parts is not None
    year, place = parts
    if book.places.get(year, 0) + 1 != place:
        raise NumberTaken
    return draft


def _numbered(wish: Wish, number: str) -> Wish:
    return replace(wish, record=msgspec.structs.replace(wish.record, number=number))


def outgoing(own: Dispatch, side: DelegationId) -> Wish:
    """Give what the office writes into the joint register for a number of a side's own: tender, text, or void.

    The key is made of the number, so that it is written once, whoever finds it missing. What is written by the office
    wakes people up by its precedence; the steps that answer it need not.
    """
    if own.state is State.VOID:
        record = Record(Event.VOIDED.value, own.number, note=LOST_IN_A_RESTORE)
    else:
        numbered = own.last(Event.NUMBERED, Event.NUMBERED_AT_ONCE)
        assert numbered is not None
        record = Record(Event.TENDERED.value, own.number, by=numbered.by, heading=own.heading)
        if numbered.event is Event.NUMBERED_AT_ONCE:
            record = msgspec.structs.replace(_with_text(own), by=numbered.by, heading=own.heading)
    return Wish(OFFICE, side, f"{own.number} out", record, own.precedence)


def handing_over(own: Dispatch, side: DelegationId) -> Wish:
    """Give what the office writes into the joint register once a dispatch was accepted there."""
    return Wish(OFFICE, side, f"{own.number} text", _with_text(own), own.precedence)


def _with_text(own: Dispatch) -> Record:
    content = own.content
    assert content is not None
    event = Event.DELIVERED_FOR_READ_BACK if own.needs_read_back else Event.DELIVERED
    return Record(event.value, own.number, content=content, sha256=content.sha256)
