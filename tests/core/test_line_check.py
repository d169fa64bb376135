"""The life of a line check and what it came to: every state with every event, every combination of facts."""

from itertools import product
from typing import Final

import pytest

from liaison.core.identifiers import DelegationId
from liaison.core.line_check import (
    TABLE,
    Event,
    Facts,
    Heartbeat,
    Outcome,
    Reason,
    State,
    Verdict,
    diagram,
    is_over,
    moves,
    verdict,
)
from liaison.protocol.errors import ErrorCode

SOUTH, NORTH = DelegationId("south"), DelegationId("north")
HERE: Final = Heartbeat(line_up=True, staffed=True)
EMPTY: Final = Heartbeat(line_up=True, staffed=False)
GONE: Final = Heartbeat(line_up=False, staffed=False)


def facts(caller: Heartbeat, answerer: Heartbeat, *, is_called: bool) -> Facts:
    return Facts(SOUTH, NORTH, is_called, {SOUTH: caller, NORTH: answerer})


def test_every_state_says_of_every_event_where_it_leads_or_why_not() -> None:
    assert set(TABLE) == set(product(State, Event))
    assert {(state.value, event.value, after.value) for state, event, after in moves()} == {
        ("new", "opened", "open"),
        ("new", "requested", "called"),
        ("new", "missed", "missed"),
        ("open", "called", "called"),
        ("open", "ended", "ended"),
        ("called", "answered", "ended"),
        ("called", "ended", "ended"),
        ("missed", "opened", "open"),
    }


@pytest.mark.parametrize(
    ("state", "event", "error"),
    [
        (State.OPEN, Event.ANSWERED, ErrorCode.LINE_CHECK_NOT_CALLED),
        (State.CALLED, Event.CALLED, ErrorCode.LINE_CHECK_CALLED),
        (State.ENDED, Event.CALLED, ErrorCode.LINE_CHECK_ENDED),
        (State.ENDED, Event.ANSWERED, ErrorCode.LINE_CHECK_ENDED),
        (State.MISSED, Event.ANSWERED, ErrorCode.LINE_CHECK_ENDED),
    ],
)
def test_each_wrong_step_has_an_error_of_its_own(state: State, event: Event, error: ErrorCode) -> None:
    assert TABLE[state, event] is error


@pytest.mark.parametrize(
    ("caller", "answerer", "is_called", "outcome", "side"),
    [
        # Nobody has called yet: both desks owe something, and the line counts before the desk.
        (HERE, HERE, False, Outcome.NOT_ANSWERED, SOUTH),
        (EMPTY, HERE, False, Outcome.DESK_UNSTAFFED, SOUTH),
        (HERE, EMPTY, False, Outcome.NOT_ANSWERED, SOUTH),
        (EMPTY, EMPTY, False, Outcome.DESK_UNSTAFFED, SOUTH),
        (GONE, HERE, False, Outcome.LINE_DOWN, SOUTH),
        (GONE, GONE, False, Outcome.LINE_DOWN, SOUTH),
        (HERE, GONE, False, Outcome.LINE_DOWN, NORTH),
        (EMPTY, GONE, False, Outcome.LINE_DOWN, NORTH),
        # The caller has done its part, and what becomes of it then says nothing about the check.
        (HERE, HERE, True, Outcome.NOT_ANSWERED, NORTH),
        (GONE, HERE, True, Outcome.NOT_ANSWERED, NORTH),
        (HERE, EMPTY, True, Outcome.DESK_UNSTAFFED, NORTH),
        (EMPTY, EMPTY, True, Outcome.DESK_UNSTAFFED, NORTH),
        (HERE, GONE, True, Outcome.LINE_DOWN, NORTH),
        (GONE, GONE, True, Outcome.LINE_DOWN, NORTH),
    ],
)
def test_silence_is_told_apart(
    caller: Heartbeat, answerer: Heartbeat, is_called: bool, outcome: Outcome, side: DelegationId
) -> None:
    reason = Reason.SIDE_DOWN if outcome is Outcome.LINE_DOWN else Reason.NONE
    assert verdict(facts(caller, answerer, is_called=is_called)) == Verdict(outcome, side, reason)


def test_an_office_that_cant_tell_says_so_and_blames_no_side() -> None:
    assert verdict(Facts(SOUTH, NORTH, True, None)) == Verdict(Outcome.LINE_DOWN, reason=Reason.UNKNOWN)


@pytest.mark.parametrize("is_called", [False, True])
def test_with_the_sides_swapped_the_verdict_is_the_same_with_the_sides_swapped(is_called: bool) -> None:
    other = {SOUTH: NORTH, NORTH: SOUTH}
    for caller, answerer in product((HERE, EMPTY, GONE), repeat=2):
        here = verdict(Facts(SOUTH, NORTH, is_called, {SOUTH: caller, NORTH: answerer}))
        there = verdict(Facts(NORTH, SOUTH, is_called, {NORTH: caller, SOUTH: answerer}))
        assert there == Verdict(here.outcome, other[here.side], here.reason)


@pytest.mark.parametrize(
    ("now_ms", "over"), [(1000, False), (1299, False), (1300, True), (9999, True), (701, False), (700, True), (0, True)]
)
def test_a_check_is_over_after_its_window_and_also_once_the_clock_was_put_back_by_more(now_ms: int, over: bool) -> None:
    assert is_over(1000, 300, now_ms) is over


def test_the_picture_has_a_beginning_and_an_end() -> None:
    lines = diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert "    [*] --> open: opened" in lines
    assert lines[-1] == "    ended --> [*]"
