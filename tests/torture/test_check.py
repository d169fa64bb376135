"""The checker of real runs catches what it is there for; what it shares with the simulation is tested there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from liaison.core.identifiers import OFFICE
from tests.torture.check import check
from tests.torture.history_file import HistoryFile, RecordedHistory

Event = dict[str, Any]

SENT: Event = {"at": 1.0, "kind": "send", "client": "a", "channel": "c", "key": "a-1"}
ACKED: Event = {"at": 1.1, "kind": "ack", "client": "a", "channel": "c", "key": "a-1", "seq": 1, "duplicate": False}
HELD: Event = {"at": 1.1, "kind": "held", "client": "a", "channel": "c", "key": "a-1", "text": "a-1"}
ROW: Event = {"at": 90.0, "kind": "row", "channel": "c", "seq": 1, "sender": "a", "key": "a-1", "text": "a-1"}
FINAL: Event = {
    "at": 90.0,
    "kind": "final",
    "cursors": {"a": {"c": 1}},
    "outboxes": {"a": 0},
    "online": ["a", "b"],
    "shown_online": {"a": ["a", "b"]},
}


def up(at: float, node: str = "n1", client: str = "b") -> Event:
    return {"at": at, "kind": "link_up", "client": client, "node": node}


def down(at: float, heard_at: float, client: str = "b") -> Event:
    return {"at": at, "kind": "link_down", "client": client, "heard_at": heard_at, "node": "n1"}


def shown_offline(at: float, node: str = "n2") -> Event:
    return {"at": at, "kind": "shown_offline", "client": "a", "users": ["b"], "node": node, "was_stale": False}


def blind(kind: str, at: float, node: str) -> Event:
    return {"at": at, "kind": kind, "fault": "node cut from Redis", "node": node, "in_flight": 0}


def names(*events: Event) -> list[str]:
    return [one[:2] for one in check([*events, ROW, FINAL]).broken]


def test_a_good_run_is_good() -> None:
    verdict = check([SENT, ACKED, ROW, FINAL])
    assert verdict.broken == []
    assert verdict.summary()["acked"] == 1


def test_acknowledged_and_not_in_the_log_is_lost() -> None:
    verdict = check([SENT, ACKED, {**FINAL, "cursors": {"a": {"c": 0}}}])
    assert verdict.summary()["lost"] == 1


def test_held_and_not_in_the_log_is_lost() -> None:
    assert check([SENT, HELD, {**FINAL, "cursors": {"a": {"c": 0}}}]).summary()["lost"] == 1


def test_held_and_released_once_is_good_and_twice_is_doubled() -> None:
    closes = {**ROW, "sender": OFFICE, "key": "s suspends", "text": ""}
    opens = {**closes, "seq": 2, "key": "p resumes"}
    released = [{**ROW, "seq": seq, "key": f"a-{seq - 2}"} for seq in (3, 4)]
    once = [SENT, HELD, closes, opens, released[0], {**FINAL, "cursors": {"a": {"c": 3}}}]
    verdict = check(once)
    assert (verdict.broken, verdict.held) == ([], 1)
    twice = check([*once[:-1], released[1], {**FINAL, "cursors": {"a": {"c": 4}}}])
    assert {one[:2] for one in twice.broken} == {"C2", "H2"}


def test_what_was_written_while_a_channel_was_suspended_is_out_of_order() -> None:
    closes = {**ROW, "seq": 1, "sender": OFFICE, "key": "s suspends", "text": ""}
    verdict = check([closes, {**ROW, "seq": 2}, {**FINAL, "cursors": {"a": {"c": 2}}}])
    assert [one[:2] for one in verdict.broken] == ["H4"]
    assert verdict.summary()["reordered"] == 1


def test_what_was_sent_after_another_was_held_comes_after_it() -> None:
    later = {**SENT, "at": 2.0, "key": "a-2"}
    rows = [{**ROW, "key": "a-2", "text": "a-2"}, {**ROW, "seq": 2}]
    assert "H3" in {one[:2] for one in check([SENT, HELD, later, *rows, {**FINAL, "cursors": {"a": {"c": 2}}}]).broken}


def test_what_is_still_held_in_the_end_is_not_done() -> None:
    assert [one[:2] for one in check([SENT, ACKED, ROW, {**FINAL, "held": {"a": 1}}]).broken] == ["L1"]


def test_a_second_place_of_one_message_is_doubled() -> None:
    second = {**ROW, "seq": 2, "key": "a-2"}
    assert check([SENT, ACKED, ROW, second, {**FINAL, "cursors": {"a": {"c": 2}}}]).summary()["doubled"] == 1


def test_a_run_that_did_not_come_to_its_end_is_no_good_run() -> None:
    assert [one[:2] for one in check([SENT, ACKED, ROW]).broken] == ["L1"]


def reset(epoch: int = 9, seq: int = 0) -> Event:
    return {"at": 2.0, "kind": "reset", "client": "a", "channel": "c", "epoch": epoch, "seq": seq}


def test_a_position_that_was_taken_away_without_a_restore_is_found() -> None:
    assert names(reset()) == ["E1"]


# Epoch 9 begins behind seq 1: what `b` had at 2 is lost and offered again, and stands at 3 behind another's.
FIRST: Event = {**ACKED, "epoch": 1}
LOST: Event = {**FIRST, "at": 1.5, "client": "b", "key": "b-1", "seq": 2}
LOST_ROW: Event = {**ROW, "at": 1.8, "kind": "lost_row", "seq": 2, "sender": "b", "key": "b-1", "text": "b-1"}
SEEN: Event = {**LOST_ROW, "at": 1.6, "kind": "recv", "client": "a", "epoch": 1}
BEGINS: Event = {"at": 1.8, "kind": "restored", "epoch": 9, "kept": {"c": 1}}
AGAIN: Event = {**LOST, "at": 3.0, "epoch": 9, "seq": 3, "again": True}
OTHER: Event = {**ROW, "seq": 2, "sender": "d", "key": "d-1", "text": "d-1"}
ROWS: tuple[Event, ...] = (ROW, OTHER, {**LOST_ROW, "kind": "row", "seq": 3})


class TestRestore:
    def verdict(self, *events: Event, rows: tuple[Event, ...] = ROWS) -> tuple[list[str], int, int]:
        verdict = check([SENT, FIRST, *events, *rows, {**FINAL, "cursors": {"a": {"c": 3}}}])
        return [one[:2] for one in verdict.broken], verdict.acked, verdict.taken_back

    def test_what_it_took_away_and_was_offered_again_is_counted_once_and_lost_nothing(self) -> None:
        assert self.verdict(LOST, SEEN, BEGINS, LOST_ROW, reset(), AGAIN) == ([], 2, 1)

    def test_what_was_not_offered_again_is_lost(self) -> None:
        rows = (ROW, OTHER, {**OTHER, "seq": 3, "key": "d-2", "text": "d-2"})
        assert self.verdict(LOST, BEGINS, LOST_ROW, reset(), rows=rows)[0] == ["C1"]

    def test_an_acknowledgement_of_a_place_that_was_anothers_is_found_also_in_the_epoch_before(self) -> None:
        row = {**LOST_ROW, "key": "b-2"}
        assert self.verdict(LOST, BEGINS, row, reset(), AGAIN)[0] == ["C2"]

    def test_a_view_is_held_against_the_log_of_its_own_epoch(self) -> None:
        assert self.verdict(SEEN, BEGINS, reset())[0] == ["C6"], "it never stood there"
        again = {**SEEN, "at": 4.0, "epoch": 9}
        assert self.verdict(BEGINS, LOST_ROW, reset(seq=1), again)[0] == ["C6"], "another stands there now"

    def test_a_reader_begins_behind_the_seq_of_the_reset(self) -> None:
        seen = {**SEEN, "at": 4.0, "epoch": 9, "sender": "d", "key": "d-1", "text": "d-1"}
        assert self.verdict(BEGINS, reset(seq=1), seen)[0] == []
        assert self.verdict(BEGINS, reset(seq=0), seen)[0] == ["C4"]

    def test_what_was_sent_after_something_that_it_took_away_may_stand_before_it(self) -> None:
        sent = {**SENT, "at": 1.7, "client": "d", "key": "d-1"}
        assert self.verdict(LOST, sent, BEGINS, LOST_ROW, reset(), AGAIN)[0] == []
        kept = {**BEGINS, "kept": {"c": 3}}
        assert "C5" in self.verdict({**LOST, "seq": 3}, sent, kept, reset())[0]

    def test_who_did_not_notice_it_is_found(self) -> None:
        assert self.verdict(BEGINS)[0] == ["E1"]
        assert self.verdict(BEGINS, reset(8))[0] == ["E1", "E1"]


def test_a_process_that_ended_by_itself_is_found() -> None:
    assert names({"at": 2.0, "kind": "died", "node": "n1"}) == ["N1"]


@pytest.mark.parametrize(
    ("events", "is_broken"),
    [
        pytest.param([up(0), shown_offline(30)], True, id="connected all the time"),
        pytest.param([up(0), down(20, 20), shown_offline(24)], True, id="away for four seconds"),
        pytest.param([up(0), down(20, 20), up(23), shown_offline(24)], True, id="back after three seconds"),
        pytest.param([up(0), down(20, 20), up(23), shown_offline(28)], True, id="back long ago"),
        pytest.param([up(0), down(20, 20), shown_offline(30)], False, id="away for longer than the grace"),
        pytest.param([up(0), down(20, 20), up(30), shown_offline(31)], False, id="back just now, after ten seconds"),
        pytest.param([up(0), down(24, 14), shown_offline(24)], False, id="heard nothing for ten seconds"),
    ],
)
def test_offline_is_right_only_after_the_grace(events: list[Event], is_broken: bool) -> None:
    assert names(*events) == (["P2"] if is_broken else [])


@pytest.mark.parametrize(("node", "is_broken"), [("n1", False), ("n2", False), ("n3", True)])
def test_a_node_that_was_cut_off_is_an_excuse_for_its_own_people_and_for_what_it_shows(
    node: str, is_broken: bool
) -> None:
    events = [up(0, "n1"), blind("fault", 10, node), blind("fault_over", 20, node), shown_offline(24, "n2")]
    assert names(*events) == (["P2"] if is_broken else [])


def test_being_cut_off_is_no_excuse_for_long() -> None:
    assert names(up(0), blind("fault", 10, "n1"), blind("fault_over", 20, "n1"), shown_offline(29)) == ["P2"]


def test_a_file_is_checked_again_offline_and_the_last_line_has_the_counts(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    with HistoryFile(file) as history:
        for event in (SENT, ACKED, {**ACKED, "key": "a-2", "seq": 2}, ROW, FINAL):
            history.note(**event)
    assert len(list(RecordedHistory(file))) == 5
    command = [sys.executable, "-m", "tests.torture.check", str(file)]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    counts = json.loads(run.stdout.splitlines()[-1])
    assert (counts["acked"], counts["lost"], counts["violations"]) == (2, 1, 1)
