"""Folding entries into dispatches, and deciding about the next one: pure, symmetric, and never half done."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.dispatch import Event, State
from liaison.core.dispatch_register import (
    Book,
    Content,
    Heading,
    Item,
    NumberTaken,
    Record,
    Wish,
    begin,
    confirmation,
    dispatch_id,
    encode,
    fold,
    handing_over,
    number_of,
    numbering,
    outgoing,
    proceed,
)
from liaison.core.entries import Draft, Entry, EntryKind
from liaison.core.identifiers import OFFICE, ChannelId, DelegationId, Millis, UserId
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused

OWN, JOINT = Book(is_joint=False), Book(is_joint=True)
SWAP = {"south": "north", "north": "south"}
HEADING = Heading("댐 방류", "김 연락관", "서기관", "북측 연락대표")
ITEMS = (Item("figure", "수문", "3"), Item("time", "시각", "18:00"))
CONTENT = Content("수문 3개를 18:00에 엽니다.", ITEMS)
NUMBER = "south-2026-0001"


def wish(event: Event, by: str = "south-1", key: str = "", revision: int | None = None, **fields: Any) -> Wish:
    name = str(fields.pop("name", "d"))
    record = msgspec.convert({"event": event.value, "dispatch": name}, Record)
    record = msgspec.structs.replace(record, **fields)
    return Wish(UserId(by), DelegationId(by.partition("-")[0]), key or f"{event.value}", record, revision=revision)


def drafted(key: str = "", **heading: str) -> Wish:
    return wish(Event.DRAFTED, key=key, heading=msgspec.structs.replace(HEADING, **heading), content=CONTENT)


def entry(book: Book, draft: Draft) -> Entry:
    seq = sum(len(each.steps) for each in book.dispatches.values()) + 1
    return Entry(ChannelId("x/y"), seq, Millis(1000 * seq), bytes(32), draft)


def after(book: Book, *drafts: Draft) -> Book:
    for draft in drafts:
        book = fold(book, entry(book, draft))
    return book


def cleared(**heading: str) -> Book:
    book = after(OWN, begin(drafted(**heading)))
    return after(book, proceed(book, wish(Event.CLEARED, "south-2")))


def numbered(**heading: str) -> Book:
    book = cleared(**heading)
    return after(book, numbering(book, wish(Event.NUMBERED), NUMBER))


def tendered(**heading: str) -> Book:
    return after(JOINT, outgoing(numbered(**heading).dispatches["d"], DelegationId("south")).draft())


def joint(event: Event, by: str = "north-1", **fields: Any) -> Wish:
    return wish(event, by, name=NUMBER, **fields)


def code(book: Book, asked: Wish) -> ErrorCode:
    with pytest.raises(Refused) as caught:
        proceed(book, asked)
    return caught.value.code


def test_an_event_is_canonical_json() -> None:
    assert encode(Record("cleared", "d", note="말")) == '{"dispatch":"d","event":"cleared","note":"말"}'
    text = encode(drafted().record)
    assert text == msgspec.json.encode(msgspec.json.decode(text), order="sorted").decode()


def test_an_id_is_that_of_the_try_and_tells_nothing() -> None:
    assert dispatch_id(UserId("south-1"), "k") == dispatch_id(UserId("south-1"), "k")
    assert len({dispatch_id(UserId(user), key) for user in ("a", "b") for key in ("k", "l")}) == 4


def test_who_wrote_a_draft_never_clears_it_and_neither_does_who_revised_it() -> None:
    book = after(OWN, begin(drafted()))
    assert code(book, wish(Event.CLEARED, "south-1")) is ErrorCode.DISPATCH_OWN_CLEARANCE
    book = after(book, proceed(book, replace(drafted(), by=UserId("south-2"), record=revision().record)))
    assert code(book, wish(Event.CLEARED, "south-2")) is ErrorCode.DISPATCH_OWN_CLEARANCE
    book = after(book, proceed(book, wish(Event.CLEARED, "south-3")))
    assert book.dispatches["d"].state is State.CLEARED


def revision() -> Wish:
    return wish(Event.REVISED, heading=HEADING, content=Content("다시", ITEMS))


def test_what_was_cleared_is_not_revised_any_more() -> None:
    assert code(cleared(), revision()) is ErrorCode.DISPATCH_STATE


def test_a_number_is_given_once_and_in_order() -> None:
    book = numbered()
    assert book.places == {2026: 1}
    assert book.find(NUMBER) is book.dispatches["d"]
    with pytest.raises(NumberTaken):
        numbering(cleared(), wish(Event.NUMBERED), number_of(DelegationId("south"), 2026, 2))
    again = numbering(book, wish(Event.NUMBERED), number_of(DelegationId("south"), 2026, 2))
    assert again.data == encode(book.dispatches["d"].steps[-1].record)


def test_numbers_of_a_year_begin_at_1_and_voids_count() -> None:
    book = after(cleared(), wish(Event.VOIDED, OFFICE, name=NUMBER).draft())
    assert book.dispatches[NUMBER].state is State.VOID
    assert (book.places, book.numbers) == ({2026: 1}, {NUMBER: NUMBER})
    book = after(book, numbering(book, wish(Event.NUMBERED), "south-2027-0001"))
    assert book.places == {2026: 1, 2027: 1}


def test_only_life_safety_is_numbered_without_clearance() -> None:
    book = after(OWN, begin(drafted()))
    with pytest.raises(Refused) as caught:
        numbering(book, wish(Event.NUMBERED_AT_ONCE), NUMBER)
    assert caught.value.code is ErrorCode.DISPATCH_NOT_CLEARED
    book = after(OWN, begin(drafted(precedence="life_safety")))
    book = after(book, numbering(book, wish(Event.NUMBERED_AT_ONCE), NUMBER))
    out = outgoing(book.dispatches["d"], DelegationId("south"))
    assert out.event is Event.DELIVERED_FOR_READ_BACK
    assert out.record.content == CONTENT
    assert after(JOINT, out.draft()).dispatches[NUMBER].heading.subject == HEADING.subject


@pytest.mark.parametrize("precedence", ["", "priority", "flash"])
def test_a_tender_has_the_heading_and_nothing_of_the_text(precedence: str) -> None:
    draft = outgoing(numbered(precedence=precedence).dispatches["d"], DelegationId("south")).draft()
    assert draft.precedence.value == precedence
    assert "댐 방류" in draft.data
    for secret in (CONTENT.body, CONTENT.sha256, "수문", "18:00"):
        assert secret not in draft.data


def test_what_is_accepted_is_handed_over_with_its_hash() -> None:
    book = tendered(precedence="priority")
    book = after(book, proceed(book, joint(Event.ACCEPTED)))
    out = handing_over(numbered(precedence="priority").dispatches["d"], DelegationId("south"))
    assert out.record.sha256 == CONTENT.sha256
    book = after(book, out.draft())
    assert book.dispatches[NUMBER].state is State.AWAITING_READ_BACK
    assert book.dispatches[NUMBER].content == CONTENT


def test_a_routine_dispatch_needs_no_read_back() -> None:
    out = handing_over(numbered().dispatches["d"], DelegationId("south"))
    assert out.event is Event.DELIVERED


def read_back() -> Book:
    book = tendered(precedence="flash")
    book = after(book, proceed(book, joint(Event.ACCEPTED)))
    return after(book, handing_over(numbered(precedence="flash").dispatches["d"], DelegationId("south")).draft())


def test_each_item_is_read_back_and_confirmed() -> None:
    book = read_back()
    assert code(book, joint(Event.ACKNOWLEDGED)) is ErrorCode.DISPATCH_NOT_READ_BACK
    assert code(book, joint(Event.READ_BACK, values=("3",))) is ErrorCode.DISPATCH_ITEMS
    book = after(book, proceed(book, joint(Event.READ_BACK, values=("8", "18:00"))))
    assert code(book, joint(Event.CONFIRMED, "south-1", confirmed=(True,))) is ErrorCode.DISPATCH_ITEMS
    verdict = confirmation((False, True))
    book = after(book, proceed(book, joint(verdict, "south-1", confirmed=(False, True))))
    assert book.dispatches[NUMBER].state is State.AWAITING_READ_BACK
    book = after(book, proceed(book, joint(Event.READ_BACK, key="again", values=("3", "18:00"))))
    book = after(book, proceed(book, joint(confirmation((True, True)), "south-1", confirmed=(True, True))))
    book = after(book, proceed(book, joint(Event.ACKNOWLEDGED)))
    assert book.dispatches[NUMBER].state is State.ACKNOWLEDGED


@pytest.mark.parametrize("precedence", ["priority", "flash"])
def test_what_is_to_be_read_back_needs_items(precedence: str) -> None:
    bare = drafted(precedence=precedence)
    bare = replace(bare, record=msgspec.structs.replace(bare.record, content=Content("본문")))
    with pytest.raises(Refused) as caught:
        begin(bare)
    assert caught.value.code is ErrorCode.DISPATCH_ITEMS


def test_life_safety_without_items_is_acknowledged_at_once() -> None:
    urgent = drafted(precedence="life_safety")
    urgent = replace(urgent, record=msgspec.structs.replace(urgent.record, content=Content("대피하십시오.")))
    book = after(OWN, begin(urgent))
    book = after(book, numbering(book, wish(Event.NUMBERED_AT_ONCE), NUMBER))
    across = after(JOINT, outgoing(book.dispatches["d"], DelegationId("south")).draft())
    across = after(across, proceed(across, joint(Event.ACKNOWLEDGED)))
    assert across.dispatches[NUMBER].state is State.ACKNOWLEDGED


def test_each_side_makes_its_own_steps_only() -> None:
    book = tendered()
    assert code(book, joint(Event.ACCEPTED, "south-1")) is ErrorCode.DISPATCH_OTHER_SIDE
    assert code(book, joint(Event.CLOSED, "north-1")) is ErrorCode.DISPATCH_OTHER_SIDE
    for by in ("south-1", "north-1"):
        assert proceed(book, joint(Event.OTHER_MEANS, by)).sender == by


def test_who_looked_at_an_older_state_is_told_so_and_a_repetition_ages_nothing() -> None:
    book = tendered(precedence="flash")
    seen = book.dispatches[NUMBER].revision
    book = after(book, wish(Event.REPEATED, OFFICE, name=NUMBER).draft())
    deferred = proceed(book, joint(Event.DEFERRED, until_ms=9, revision=seen))
    book = after(book, deferred)
    assert code(book, joint(Event.DECLINED, revision=seen)) is ErrorCode.DISPATCH_CHANGED
    assert proceed(book, joint(Event.DEFERRED, until_ms=9, revision=seen)) == deferred


def test_what_is_not_there_is_no_dispatch() -> None:
    assert code(JOINT, joint(Event.ACCEPTED)) is ErrorCode.NO_SUCH_DISPATCH


@pytest.mark.parametrize(
    "data", ["", "{}", "[]", '{"event":"shouted","dispatch":"d"}', '{"event":"cleared"}', "\ud83d"]
)
def test_entries_that_mean_nothing_change_nothing(data: str) -> None:
    odd = replace(wish(Event.CLEARED).draft(), data=data)
    assert after(cleared(), odd) == cleared()


@pytest.mark.parametrize("number", ["x", "south-2026", "south-26-0001", "south-2026-1", "南-2026-0001", ""])
def test_what_pretends_to_have_a_number_changes_nothing(number: str) -> None:
    void = wish(Event.VOIDED, OFFICE, name=number or "-")
    assert after(cleared(), void.draft()) == cleared()
    if number:
        assert after(cleared(), wish(Event.NUMBERED, number=number).draft()) == cleared()


def test_entries_of_other_kinds_change_nothing() -> None:
    assert after(cleared(), replace(wish(Event.CLOSED).draft(), kind=EntryKind.SIGNED_HEAD)) == cleared()


def swapped(draft: Draft) -> Draft:
    def swap(text: str) -> str:
        return text.replace("south", "\0").replace("north", "south").replace("\0", "north")

    return replace(
        draft, sender=UserId(swap(draft.sender)), delegation=DelegationId(SWAP[draft.delegation]), data=swap(draft.data)
    )


people = st.sampled_from(["south-1", "south-2", "north-1", "north-2"])
own_events = st.sampled_from([Event.REVISED, Event.CLEARED, Event.NUMBERED, Event.NUMBERED_AT_ONCE, Event.CLOSED])
asked = st.lists(st.tuples(st.sampled_from(Event), people, st.sampled_from(["k", "l", "m", "n"])), max_size=12)


def run(events: list[tuple[Event, str, str]], book: Book, name: str) -> tuple[Book, list[object]]:
    """Ask for each event; give the book at the end and what each came to."""
    outcomes: list[object] = []
    for event, by, key in events:
        values = ("3", "18:00") if event is Event.READ_BACK else ()
        confirmed = (True, True) if event is Event.CONFIRMED else (True, False) if event is Event.MISMATCHED else ()
        before = book
        try:
            draft = proceed(book, wish(event, by, key=key, name=name, values=values, confirmed=confirmed))
        except LiaisonError as error:
            assert book is before
            outcomes.append(error.code)
            continue
        repeats = any((each.by, each.key) == (by, key) for each in book.dispatches[name].steps)
        if not repeats:
            book = fold(book, entry(book, draft))
            assert book != before, "what was granted is on the register"
        outcomes.append(book.dispatches[name].state)
    return book, outcomes


def mirror(book: Book) -> Book:
    fresh = Book(book.is_joint)
    for dispatch in book.dispatches.values():
        for each in dispatch.steps:
            draft = Draft(each.by, each.side, each.key, EntryKind.DISPATCH, data=encode(each.record))
            fresh = fold(fresh, Entry(ChannelId("x/y"), each.seq, Millis(each.time_ms), bytes(32), swapped(draft)))
    return fresh


@given(asked, st.sampled_from(["", "priority", "flash", "life_safety"]))
def test_swapping_the_sides_swaps_what_happens_and_nothing_else(
    events: list[tuple[Event, str, str]], precedence: str
) -> None:
    book = tendered(precedence=precedence)
    across = {by: f"{SWAP[by.split('-')[0]]}-{by.split('-')[1]}" for by in ("south-1", "south-2", "north-1", "north-2")}
    ended, outcomes = run(events, book, NUMBER)
    turned, same = run([(event, across[by], key) for event, by, key in events], mirror(book), "north-2026-0001")
    assert outcomes == same
    assert [each.event for each in ended.dispatches[NUMBER].steps] == [
        each.event for each in turned.dispatches["north-2026-0001"].steps
    ]


@given(asked)
def test_a_draft_goes_through_states_of_the_table_only_and_a_number_is_never_lost(
    events: list[tuple[Event, str, str]],
) -> None:
    book, _ = run([each for each in events if each[0] is not Event.NUMBERED], cleared(), "d")
    assert book.dispatches["d"].state in State
    assert mirror(mirror(book)) == book
