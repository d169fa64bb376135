"""Every cell of every register's table that refuses: its error is the one that is raised, and nothing comes of it.

Each state is reached by entries, folded as a node folds them. Then every event of the table is written down there as
an entry of somebody who did not ask: what the table has moves, anything else leaves the register as it was.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

import pytest

from liaison.core import (
    administration,
    dispatch,
    dispatch_register,
    duty,
    line_check,
    line_check_register,
    side_keys,
    suspension,
    two_keys,
)
from liaison.core.entries import Draft, Entry, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.line_check_schedule import Slot
from liaison.core.register_channels import ADMINISTRATION
from liaison.protocol.administration_frames import ResumeChannel, SetGranularity
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.signed_heads import fingerprint_of

SOUTH, NORTH = DelegationId("south"), DelegationId("north")
KIM, LEE, RI = UserId("kim"), UserId("lee"), UserId("ri")
NUMBER: Final = "south-2026-0001"
CHECK: Final = "2026-01-05T09:00"
JOINT: Final = ChannelId("joint/general")
NO_SUSPENSION: Final = "f" * 16
SUBJECT: Final = SetGranularity("count")
DIGEST: Final = two_keys.digest_of("x", SUBJECT, KIM, 10**6)
KEY, OTHER_KEY = side_keys.packed(b"k" * 32), side_keys.packed(b"o" * 32)
FINGERPRINT: Final = fingerprint_of(b"k" * 32)


@dataclass(frozen=True)
class Machine:
    """A table, and the register that it is the life of. `write` gives entries in which an event is said to happen.

    `thing` is what the register has of the one that the table is about, None before it begins; `ask` does as
    somebody who asks for the event, where somebody may, and raises Refused.
    """

    table: Mapping[tuple[Any, Any], Any]
    initial: Any
    fold: Callable[[Any, Entry], Any]
    write: Callable[[Any, Any], list[Draft]]
    thing: Callable[[Any], Any]
    first: Any
    state: Callable[[Any], Any] = lambda thing: thing.state
    ask: Callable[[Any, Any], object] | None = None


# --- dispatches ---------------------------------------------------------------------------------------------------


def _wish(event: dispatch.Event, key: str) -> dispatch_register.Wish:
    is_receiving = dispatch.PARTIES[event] is dispatch.Party.RECEIVING
    record = dispatch_register.Record(event.value, NUMBER, number=NUMBER)
    return dispatch_register.Wish(RI if is_receiving else KIM, NORTH if is_receiving else SOUTH, key, record)


def _ask_dispatch(book: dispatch_register.Book, event: dispatch.Event) -> object:
    return dispatch_register.proceed(book, _wish(event, "asked"))


# --- line checks --------------------------------------------------------------------------------------------------


def _write_check(_checks: object, event: line_check.Event) -> list[Draft]:
    slot = Slot(CHECK, Millis(5), SOUTH)
    record = line_check_register.Record(
        event.value, CHECK, due_ms=5, caller=SOUTH, outcome="not_answered", checks=(slot,), until_ms=6
    )
    return [line_check_register.Hand(KIM, SOUTH, f"k {event.value}").draft(record)]


def _ask_check(checks: line_check_register.Checks, event: line_check.Event) -> object:
    if event not in (line_check.Event.CALLED, line_check.Event.ANSWERED):
        return None
    by = (KIM, SOUTH) if event is line_check.Event.CALLED else (RI, NORTH)
    return line_check_register.proceed(checks, line_check_register.Hand(*by, "asked"), event, CHECK)


# --- handovers ----------------------------------------------------------------------------------------------------


def _write_handover(_book: object, event: duty.Event) -> list[Draft]:
    return [duty.Hand(KIM, SOUTH, f"k {event.value}").draft(duty.Record(event.value, "x"))]


def _ask_handover(book: duty.DutyBook, event: duty.Event) -> object:
    if event is duty.Event.OFFERED:
        return None
    found = book.handovers.get("x")
    by = LEE if event is duty.Event.ACKNOWLEDGED else KIM
    return duty.end(book, duty.Hand(by, SOUTH, "asked"), event, "x", "" if found is None else found.digest)


# --- proposals and suspensions ------------------------------------------------------------------------------------


def _by(side: DelegationId, record: administration.Record, key: str) -> Draft:
    by = KIM if side == SOUTH else RI
    return Draft(by, side, key, EntryKind.ADMINISTRATION, data=administration.encode(record))


def _write_proposal(affairs: administration.Affairs, event: two_keys.Event) -> list[Draft]:
    found = affairs.proposals.get("x")
    is_second = event is two_keys.Event.APPROVED and found is not None and found.has_key_of(SOUTH)
    side = NORTH if is_second else SOUTH
    records: dict[two_keys.Event, administration.Record] = {
        two_keys.Event.PROPOSED: administration.Proposed("x", DIGEST, SUBJECT, 10**6),
        two_keys.Event.APPROVED: administration.Approved("x", DIGEST),
        two_keys.Event.REJECTED: administration.Rejected("x", "no"),
        two_keys.Event.WITHDRAWN: administration.Withdrawn("x"),
        two_keys.Event.EXPIRED: administration.Expired("x"),
        # Another one about the same takes its place.
        two_keys.Event.SUPERSEDED: administration.Proposed("y", DIGEST, SUBJECT, 10**6),
        two_keys.Event.CARRIED_OUT: administration.CarriedOut("x"),
        two_keys.Event.FAILED: administration.Failed("x", "no"),
    }
    return [_by(side, records[event], f"k {event.value} {side}")]


def _ask_proposal(affairs: administration.Affairs, event: two_keys.Event) -> object:
    if event in (two_keys.Event.PROPOSED, two_keys.Event.SUPERSEDED):
        return None
    return two_keys.check_step(affairs.proposal("x"), event, 2)  # type: ignore[func-returns-value]


def _write_suspension(affairs: administration.Affairs, event: suspension.Event) -> list[Draft]:
    found = affairs.suspensions.get(JOINT)
    name = NO_SUSPENSION if found is None else found.name
    subject = ResumeChannel(JOINT, name)
    match event:
        case suspension.Event.SUSPENDED:
            number = len(affairs.made)
            return [_by(SOUTH, administration.Suspended(f"{number:016x}", JOINT, "head", "talks"), f"k {number}")]
        case suspension.Event.IN_FORCE:
            return [_by(SOUTH, administration.InForce(name, JOINT, 7), "k force")]
        case suspension.Event.RESUMED:
            resume = f"r {name}"
            digest = two_keys.digest_of(resume, subject, KIM, 10**6)
            return [
                _by(SOUTH, administration.Proposed(resume, digest, subject, 10**6), f"p {name}"),
                _by(SOUTH, administration.Approved(resume, digest), f"a {name}"),
                _by(NORTH, administration.Approved(resume, digest), f"b {name}"),
                _by(SOUTH, administration.CarriedOut(resume), f"c {name}"),
            ]


def _ask_suspension(affairs: administration.Affairs, event: suspension.Event) -> object:
    hand = administration.Hand(LEE, SOUTH, "asked", 2)
    match event:
        case suspension.Event.SUSPENDED:
            return administration.suspend(affairs, hand, JOINT, "head", "talks")
        case suspension.Event.RESUMED:
            found = affairs.suspensions.get(JOINT)
            subject = ResumeChannel(JOINT, NO_SUSPENSION if found is None else found.name)
            return administration.propose(affairs, hand, subject, 100_000)
        case suspension.Event.IN_FORCE:
            return None


# --- keys ---------------------------------------------------------------------------------------------------------


def _write_key(_ring: object, event: side_keys.Event) -> list[Draft]:
    records: dict[side_keys.Event, side_keys.Record] = {
        side_keys.Event.REGISTERED: side_keys.Registered(KEY, "desk", ""),
        side_keys.Event.REPLACED: side_keys.Registered(OTHER_KEY, "next", "", FINGERPRINT),
        side_keys.Event.REVOKED: side_keys.Revoked(FINGERPRINT, "lost"),
    }
    return [side_keys.Signer(KIM, SOUTH, f"k {event.value}", "office").writes(records[event])]


def _ask_key(ring: side_keys.KeyRing, event: side_keys.Event) -> object:
    signer = side_keys.Signer(LEE, SOUTH, "asked", "office")
    match event:
        case side_keys.Event.REGISTERED:
            return side_keys.register(ring, signer, side_keys.Registered(KEY, "desk", ""))
        case side_keys.Event.REPLACED:
            return ring.valid(FINGERPRINT, SOUTH)
        case side_keys.Event.REVOKED:
            return side_keys.revoke(ring, signer, FINGERPRINT, "lost")


MACHINES: Final = {
    "dispatches": Machine(
        dispatch.TABLE,
        dispatch_register.Book(is_joint=False),
        dispatch_register.fold,
        lambda _book, event: [_wish(event, f"k {event.value}").draft()],
        lambda book: book.dispatches.get(NUMBER),
        dispatch.State.NEW,
        ask=_ask_dispatch,
    ),
    "dispatches of both sides": Machine(
        dispatch.TABLE,
        dispatch_register.Book(is_joint=True),
        dispatch_register.fold,
        lambda _book, event: [_wish(event, f"k {event.value}").draft()],
        lambda book: book.dispatches.get(NUMBER),
        dispatch.State.NUMBERED,
    ),
    "line checks": Machine(
        line_check.TABLE,
        line_check_register.Checks(),
        line_check_register.fold,
        _write_check,
        lambda checks: checks.checks.get(CHECK),
        line_check.State.NEW,
        ask=_ask_check,
    ),
    "handovers": Machine(
        duty.TABLE,
        duty.DutyBook(),
        duty.fold,
        _write_handover,
        lambda book: book.handovers.get("x"),
        duty.State.NEW,
        ask=_ask_handover,
    ),
    "two keys": Machine(
        two_keys.TABLE,
        administration.NOTHING,
        administration.fold,
        _write_proposal,
        lambda affairs: affairs.proposals.get("x"),
        two_keys.State.NEW,
        ask=_ask_proposal,
    ),
    "suspension": Machine(
        suspension.TABLE,
        administration.NOTHING,
        administration.fold,
        _write_suspension,
        lambda affairs: affairs.suspensions.get(JOINT),
        suspension.State.OPEN,
        ask=_ask_suspension,
    ),
    "keys": Machine(
        side_keys.TABLE,
        side_keys.NO_KEYS,
        side_keys.fold,
        _write_key,
        lambda ring: ring.keys.get(FINGERPRINT),
        side_keys.State.NEW,
        ask=_ask_key,
    ),
}


def written(machine: Machine, register: Any, event: Any, seq: int) -> Any:
    for draft in machine.write(register, event):
        register = machine.fold(register, Entry(ADMINISTRATION, seq, Millis(seq), b"", draft))
    return register


def state_of(machine: Machine, register: Any) -> Any:
    thing = machine.thing(register)
    return machine.first if thing is None else machine.state(thing)


def reached(machine: Machine) -> dict[Any, Any]:
    """Give a register in each state that moves of the table lead to, by the shortest way."""
    found = {machine.first: machine.initial}
    waiting = deque(found)
    while waiting:
        state = waiting.popleft()
        for event in dict.fromkeys(event for _, event in machine.table):
            after = machine.table[state, event]
            if isinstance(after, Enum) and not isinstance(after, ErrorCode) and after not in found:
                found[after] = written(machine, found[state], event, len(found))
                waiting.append(after)
    return found


def cells() -> Iterator[Any]:
    for name, machine in MACHINES.items():
        for state in reached(machine):
            yield pytest.param(machine, state, id=f"{name}: {state.value}")


@pytest.mark.parametrize(("machine", "state"), list(cells()))
def test_what_the_table_refuses_leaves_the_register_as_it_was_and_what_it_has_moves(
    machine: Machine, state: Any
) -> None:
    register = reached(machine)[state]
    assert state_of(machine, register) is state
    for event in dict.fromkeys(event for _, event in machine.table):
        after, cell = written(machine, register, event, 99), machine.table[state, event]
        if isinstance(cell, ErrorCode):
            assert machine.thing(after) == machine.thing(register), event
        else:
            assert state_of(machine, after) is cell, event


@pytest.mark.parametrize(("machine", "state"), list(cells()))
def test_whoever_asks_for_what_the_table_refuses_gets_its_error(machine: Machine, state: Any) -> None:
    if machine.ask is None:
        pytest.skip("both registers of dispatches answer by the same function")
    register = reached(machine)[state]
    for event in dict.fromkeys(event for _, event in machine.table):
        cell = machine.table[state, event]
        if isinstance(cell, ErrorCode):
            assert refusal(machine, register, event) in (cell, None), event


def refusal(machine: Machine, register: Any, event: Any) -> ErrorCode | None:
    """Give the error, None for an event that nobody can ask for."""
    assert machine.ask is not None
    try:
        answer = machine.ask(register, event)
    except Refused as error:
        return error.code
    assert answer is None, event
    return None


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_every_state_of_the_table_is_reached(machine: Machine) -> None:
    unreachable = {state for state, _ in machine.table} - set(reached(machine))
    if machine is MACHINES["dispatches of both sides"]:
        assert unreachable == {dispatch.State.NEW, dispatch.State.DRAFT, dispatch.State.CLEARED}
    else:
        assert unreachable == set()


def test_every_error_of_a_register_is_provoked_by_a_test() -> None:
    """Those of the tables by the tests above; the others, of who asks and what they say, by name somewhere."""
    of_tables = {cell for machine in MACHINES.values() for cell in machine.table.values() if cell in ErrorCode}
    root = Path(__file__).parents[1]
    folders = ("core", "office", "adapters", "edges", "security", "cli")
    tests = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in (root / folder).rglob("*.py"))
    unseen = [
        error.name
        for error in ErrorCode
        if error.value.code >= 600 and error not in of_tables
        if not re.search(rf'ErrorCode\.{error.name}\b|"{error.wire_name}"', tests)
    ]
    assert unseen == []
