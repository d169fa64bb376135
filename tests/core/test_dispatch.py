"""The table of a dispatch's life: whole, the same for both sides, and never left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.dispatch import (
    DEADLINES_MS,
    PARTIES,
    TABLE,
    Event,
    Party,
    State,
    diagram,
    due_ms,
    moves,
    step,
    waits_on,
)
from liaison.core.entries import Precedence
from liaison.protocol.errors import ErrorCode

# The way of most dispatches, written out a second time.
USUAL = [
    (Event.DRAFTED, State.DRAFT),
    (Event.REVISED, State.DRAFT),
    (Event.CLEARED, State.CLEARED),
    (Event.NUMBERED, State.NUMBERED),
    (Event.TENDERED, State.TENDERED),
    (Event.DEFERRED, State.DEFERRED),
    (Event.TENDERED, State.TENDERED),
    (Event.DECLINED, State.DECLINED),
    (Event.TENDERED, State.TENDERED),
    (Event.ACCEPTED, State.ACCEPTED),
    (Event.DELIVERED_FOR_READ_BACK, State.AWAITING_READ_BACK),
    (Event.READ_BACK, State.READ_BACK),
    (Event.MISMATCHED, State.AWAITING_READ_BACK),
    (Event.READ_BACK, State.READ_BACK),
    (Event.CONFIRMED, State.CONFIRMED),
    (Event.ACKNOWLEDGED, State.ACKNOWLEDGED),
    (Event.ANSWERED, State.ANSWERED),
    (Event.CLOSED, State.CLOSED),
]


def test_every_state_and_event_has_a_cell_and_every_event_a_party() -> None:
    assert len(TABLE) == len(State) * len(Event)
    assert set(PARTIES) == set(Event)


def test_a_dispatch_goes_from_its_draft_to_its_end() -> None:
    state = State.NEW
    for event, expected in USUAL:
        after = step(state, event)
        assert after is expected
        state = expected


@given(st.lists(st.sampled_from(Event)))
def test_whatever_happens_leads_to_a_state_of_the_table_or_changes_nothing(events: list[Event]) -> None:
    state = State.NEW
    for event in events:
        after = step(state, event)
        if isinstance(after, State):
            assert (state, event, after) in set(moves())
            state = after
        else:
            assert 600 <= after.value.code < 620
    assert state is State.NEW or events


@pytest.mark.parametrize("event", Event)
def test_nothing_happens_to_what_is_closed_or_void(event: Event) -> None:
    assert {step(State.CLOSED, event), step(State.VOID, event)} == {ErrorCode.DISPATCH_CLOSED}


@pytest.mark.parametrize("state", [state for state in State if state not in (State.CLOSED, State.VOID)])
def test_every_state_can_be_reached_and_left(state: State) -> None:
    assert any(after is not state for before, _, after in moves() if before is state)
    assert state is State.NEW or any(after is state for before, _, after in moves() if before is not state)


def test_no_text_is_delivered_that_was_not_accepted_or_is_life_safety() -> None:
    delivering = {before for before, event, _ in moves() if event in (Event.DELIVERED, Event.DELIVERED_FOR_READ_BACK)}
    assert delivering == {State.ACCEPTED, State.NUMBERED}


def test_nothing_is_acknowledged_before_it_was_read_back_where_that_is_asked_for() -> None:
    for state in (State.AWAITING_READ_BACK, State.READ_BACK):
        assert step(state, Event.ACKNOWLEDGED) is ErrorCode.DISPATCH_NOT_READ_BACK
    assert step(State.DRAFT, Event.NUMBERED) is ErrorCode.DISPATCH_NOT_CLEARED


def test_the_receiving_side_decides_and_only_it_acknowledges() -> None:
    receiving = {event for event, party in PARTIES.items() if party is Party.RECEIVING}
    assert receiving == {
        Event.ACCEPTED,
        Event.DEFERRED,
        Event.DECLINED,
        Event.READ_BACK,
        Event.ACKNOWLEDGED,
        Event.ANSWERED,
    }
    assert [event for event, party in PARTIES.items() if party is Party.EITHER] == [Event.OTHER_MEANS]


@pytest.mark.parametrize("precedence", Precedence)
def test_what_waits_is_overdue_after_its_time_and_what_need_not_be_done_never_is(precedence: Precedence) -> None:
    limit = DEADLINES_MS[precedence]
    assert due_ms(State.TENDERED, precedence, 1000, 0) == 1000 + limit
    assert due_ms(State.DEFERRED, precedence, 1000, 5000) == 5000
    for state in State:
        if waits_on(state) is None or state in (State.DRAFT, State.CLEARED, State.DECLINED):
            assert due_ms(state, precedence, 1000, 0) == 0


def test_who_must_act_has_something_they_can_do() -> None:
    for state in State:
        party = waits_on(state)
        if party is not None:
            assert any(PARTIES[event] is party for before, event, _ in moves() if before is state), state


def test_the_diagram_has_an_arrow_for_each_move_that_leads_elsewhere() -> None:
    lines = diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert "    accepted --> awaiting_read_back: delivered_for_read_back" in lines
    assert "    [*] --> draft: drafted" in lines
    assert len(lines) == 3 + sum(before is not after for before, _, after in moves())
