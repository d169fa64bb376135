"""The checker on small histories that are wrong in one way each."""

from dataclasses import replace

from liaison.core.identifiers import OFFICE
from tests.simulation.checker import FinalState, LogRow, violations
from tests.simulation.history import Event

ROWS = (LogRow("joint/a", 1, "south-1", "k1", "가"), LogRow("joint/a", 2, "north-1", "k2", "나"))
GOOD = FinalState(rows=ROWS)


def recv(place: int, **changes: object) -> Event:
    row = ROWS[place - 1]
    facts = {"channel": row.channel, "seq": place, "sender": row.sender, "key": row.key, "text": row.text}
    return {"at": 1.0, "kind": "recv", "client": "south-2", **facts, **changes}


def ack(place: int, **changes: object) -> Event:
    row = ROWS[place - 1]
    facts = {"channel": row.channel, "key": row.key, "seq": place}
    return {"at": 1.0, "kind": "ack", "client": row.sender, **facts, **changes}


def send(seq: int) -> Event:
    row = ROWS[seq - 1]
    return {"at": 0.5, "kind": "send", "client": row.sender, "channel": row.channel, "key": row.key}


def names(events: list[Event], final: FinalState = GOOD) -> set[str]:
    return {violation.split()[0] for violation in violations(events, final)}


def test_a_clean_history_has_no_violation() -> None:
    assert names([send(1), ack(1), send(2), ack(2), recv(1), recv(2)]) == set()


def test_an_acknowledged_message_that_is_not_in_the_log_is_c1() -> None:
    assert names([ack(1, key="gone")]) == {"C1"}


def test_an_ack_with_another_seq_and_a_message_stored_twice_are_c2() -> None:
    assert names([ack(1, seq=2)]) == {"C2"}
    assert names([], FinalState(rows=[*ROWS, replace(ROWS[0], seq=3, key="again")])) == {"C2"}


def test_a_hole_in_the_log_is_c3() -> None:
    assert names([], FinalState(rows=[ROWS[0], replace(ROWS[1], seq=3)])) == {"C3"}


def test_a_gap_a_repeat_or_another_text_in_a_view_is_c4() -> None:
    third = LogRow("joint/a", 3, "south-1", "k3", "다")
    final = FinalState(rows=[*ROWS, third])
    assert names([recv(1), recv(1, seq=3, key="k3", text="다")], final) == {"C4"}
    assert names([{**recv(1), "kind": "duplicate_recv"}]) == {"C4"}
    assert names([recv(1, text="라")]) == {"C4"}


def test_a_message_sent_after_an_ack_that_stands_before_it_is_c5() -> None:
    assert names([send(2), ack(2), send(1)]) == {"C5"}


def test_a_refused_message_may_stand_later_than_it_was_sent() -> None:
    later = replace(ROWS[1], sender="south-1")
    events = [{**send(2), "client": "south-1"}, send(1)]
    assert names(events, FinalState(rows=[ROWS[0], later])) == {"C5"}
    refusal = {**send(2), "kind": "refused", "client": "south-1"}
    assert names([*events, refusal], FinalState(rows=[ROWS[0], later])) == set()


def test_what_waits_behind_a_refused_message_is_refused_with_it_and_no_other() -> None:
    rows = [LogRow("joint/a", seq, "south-1", key, key) for seq, key in enumerate(("k3", "k1", "k2"), 1)]
    first, second, third = ({**send(1), "key": key} for key in ("k1", "k2", "k3"))
    refusal = {**first, "kind": "refused"}
    assert names([first, second, refusal, third], FinalState(rows=rows)) == set()
    assert names([first, refusal, second, third], FinalState(rows=rows)) == {"C5"}


def test_a_message_that_nobody_stored_is_c6() -> None:
    assert names([recv(1, seq=9)]) == {"C6"}
    assert names([recv(1, sender="north-9")]) == {"C6"}


def test_a_reader_behind_or_a_full_outbox_at_the_end_is_l1() -> None:
    assert names([], replace(GOOD, cursors={"south-2": {"joint/a": 1}})) == {"L1"}
    assert names([], replace(GOOD, outboxes={"south-2": 1})) == {"L1"}
    assert names([], replace(GOOD, cursors={"south-2": {"joint/a": 2}}, outboxes={"south-2": 0})) == set()


def held(place: int, **changes: object) -> Event:
    row = ROWS[place - 1]
    facts = {"channel": row.channel, "key": row.key, "text": row.text}
    return {"at": 1.0, "kind": "held", "client": row.sender, **facts, **changes}


def test_a_held_message_that_was_lost_doubled_or_overtaken_is_h1_h2_h3() -> None:
    assert names([send(1), held(1), send(2), held(2)]) == set()
    assert names([held(1, key="gone")]) == {"H1"}
    again = FinalState(rows=[*ROWS, replace(ROWS[0], seq=3, key="again")])
    assert names([held(1)], again) == {"C2", "H2"}
    assert names([send(2), held(2), send(1)]) == {"H3"}
    assert names([], replace(GOOD, held={"south-1": 1})) == {"L1"}


def test_an_entry_within_a_suspension_or_a_second_one_is_h4() -> None:
    def rows(*turns: str) -> FinalState:
        return FinalState(
            rows=[LogRow("joint/a", at, OFFICE, f"{at} {turn}", "") for at, turn in enumerate(turns, start=1)]
        )

    assert names([], rows("suspends", "resumes", "suspends", "resumes")) == set()
    assert names([], rows("suspends", "suspends", "resumes")) == {"H4"}
    assert names([], rows("suspends", "resumes", "resumes")) == {"H4"}
    within = [*rows("suspends").rows, replace(ROWS[1], seq=2), *rows("", "", "resumes").rows[2:]]
    assert names([], FinalState(rows=within)) == {"H4"}


def presence(at: float, *left: str, gap: bool = False) -> Event:
    return {
        "at": at,
        "kind": "presence",
        "client": "north-1",
        "left": list(left),
        "gap": gap,
        "from": 1,
        "at_version": 2,
    }


def link(at: float, kind: str) -> Event:
    return {"at": at, "kind": kind, "client": "south-1"}


def test_presence_that_differs_from_the_truth_is_p1() -> None:
    wrong = replace(GOOD, online=frozenset({"south-1"}), shown_online={"north-1": frozenset()})
    assert names([], wrong) == {"P1"}


def test_an_offline_event_within_the_grace_or_while_connected_is_p2() -> None:
    up, down = link(0.0, "link_up"), link(5.0, "link_down")
    assert names([up, down, presence(7.0, "south-1")]) == {"P2"}
    assert names([up, presence(7.0, "south-1")]) == {"P2"}
    stall = {"at": 1.0, "kind": "fault", "client": "", "fault": "stalled link"}
    assert names([up, stall, presence(3.4, "south-1")]) == set()
    assert names([up, stall, presence(3.6, "south-1")]) == {"P2"}
    assert names([up, down, presence(16.0, "south-1")]) == set()


def test_a_diff_from_another_version_is_p3() -> None:
    assert names([presence(1.0, gap=True)]) == {"P3"}
