"""The life of a handover: every state with every event, and what makes an acknowledgement stale or clash."""

from dataclasses import replace
from itertools import product

import pytest

from liaison.core.duty import (
    TABLE,
    DutyBook,
    Event,
    Hand,
    Item,
    State,
    alarm,
    diagram,
    end,
    fold,
    handover_name,
    moves,
    offer,
    put_up,
)
from liaison.core.duty_roster import Roster
from liaison.core.entries import Draft, Precedence
from liaison.core.identifiers import DelegationId, UserId
from liaison.protocol.errors import ErrorCode, Refused
from tests.core.registers import entries_of

SOUTH = DelegationId("south")
KIM, LEE, PARK = (Hand(UserId(name), SOUTH, "k") for name in ("kim", "lee", "park"))
ITEMS = (Item("note", "", "열쇠는 서랍에"),)


def folded(*drafts: Draft) -> DutyBook:
    book = DutyBook()
    for entry in entries_of((1000 + place, draft) for place, draft in enumerate(drafts)):
        book = fold(book, entry)
    return book


def refused(book: DutyBook, hand: Hand, event: Event, name: str, digest: str = "") -> ErrorCode:
    with pytest.raises(Refused) as caught:
        end(book, hand, event, name, digest)
    return caught.value.code


def test_every_state_says_of_every_event_where_it_leads_or_why_not() -> None:
    assert set(TABLE) == set(product(State, Event))
    assert [(state.value, event.value, after.value) for state, event, after in moves()] == [
        ("new", "offered", "offered"),
        ("offered", "acknowledged", "acknowledged"),
        ("offered", "withdrawn", "withdrawn"),
    ]
    assert diagram().splitlines()[1] == "    [*] --> offered: offered"


def test_whoever_comes_in_acknowledges_the_list_and_holds_the_desk() -> None:
    first = offer(DutyBook(), KIM, ITEMS)
    book = folded(first)
    name = handover_name(KIM)
    assert (book.open, book.handovers[name].items) == (name, ITEMS)
    taken = end(book, LEE, Event.ACKNOWLEDGED, name, book.handovers[name].digest)
    after = folded(first, taken)
    assert (after.open, after.holder, after.handovers[name].state) == ("", LEE.by, State.ACKNOWLEDGED)
    # A repeat of either step is the same entry again.
    assert offer(after, KIM, ()) == first
    assert end(after, LEE, Event.ACKNOWLEDGED, name, book.handovers[name].digest) == taken


def test_stale_and_clashing_acknowledgements_are_refused() -> None:
    first = offer(DutyBook(), KIM, ITEMS)
    book, name = folded(first), handover_name(KIM)
    digest = book.handovers[name].digest
    assert refused(book, LEE, Event.ACKNOWLEDGED, name, "0" * 64) is ErrorCode.HANDOVER_CHANGED
    assert refused(book, replace(KIM, key="a"), Event.ACKNOWLEDGED, name, digest) is ErrorCode.OWN_HANDOVER
    assert refused(book, LEE, Event.WITHDRAWN, name) is ErrorCode.OWN_HANDOVER
    assert refused(book, LEE, Event.ACKNOWLEDGED, "nothing", digest) is ErrorCode.NO_SUCH_HANDOVER
    with pytest.raises(Refused) as caught:
        offer(book, PARK, ())
    assert caught.value.code is ErrorCode.HANDOVER_OPEN
    taken = folded(first, end(book, LEE, Event.ACKNOWLEDGED, name, digest))
    assert refused(taken, PARK, Event.ACKNOWLEDGED, name, digest) is ErrorCode.HANDOVER_ENDED
    withdrawn = folded(first, end(book, replace(KIM, key="w"), Event.WITHDRAWN, name))
    assert refused(withdrawn, LEE, Event.ACKNOWLEDGED, name, digest) is ErrorCode.HANDOVER_ENDED
    assert withdrawn.holder == ""


def test_a_roster_takes_the_place_of_the_one_that_was_looked_at() -> None:
    roster = Roster((), "Asia/Seoul")
    first = put_up(DutyBook(), KIM, roster, 0)
    book = folded(first)
    assert (book.revision, book.roster) == (1, roster)
    assert put_up(book, KIM, roster, 0) == first
    with pytest.raises(Refused) as caught:
        put_up(book, LEE, roster, 0)
    assert caught.value.code is ErrorCode.ROSTER_CHANGED
    assert folded(first, put_up(book, LEE, roster, 1)).revision == 2


def test_the_alarm_stands_from_one_entry_to_the_other_and_wakes_the_desk() -> None:
    raised = alarm(SOUTH, DutyBook(), is_staffed=False)
    book = folded(raised)
    assert (book.unstaffed_ms, raised.precedence) == (1000, Precedence.FLASH)
    ended = alarm(SOUTH, book, is_staffed=True)
    assert folded(raised, ended).unstaffed_ms == 0
    assert alarm(SOUTH, folded(raised, ended), is_staffed=False).key != raised.key


def test_what_is_no_step_changes_nothing() -> None:
    draft = offer(DutyBook(), KIM, ITEMS)
    for data in ("", "{}", '{"event":"dance"}', '{"event":"acknowledged","handover":"x"}', "[]"):
        assert folded(replace(draft, data=data)) == DutyBook()
