"""Line checks on the command line: the strip that both sides read."""

import pytest

from liaison.cli.demo_office import demo_roster, line_check_history
from liaison.core.duty_roster import Hours, check_roster
from liaison.core.identifiers import DelegationId, Millis
from liaison.core.line_check import Outcome
from liaison.core.line_check_register import Checks, fold
from liaison.core.line_check_schedule import Schedule
from tests.cli.command_line import CommandLine
from tests.core.registers import entries_of

NOW_MS = Millis(1_536_921_000_000)
SCHEDULE = Schedule(("09:00", "17:00"), "Asia/Seoul", DelegationId("south"), DelegationId("north"))


def test_an_office_that_has_just_begun_has_no_check_on_record(liaison: CommandLine) -> None:
    liaison.add_user("ri", "--delegation", "north")
    lines = [line.split("\t") for line in liaison.ok("line-check", "list", "--days", "2").lines]
    assert len(lines) == 4
    assert {line[3] for line in lines} <= {"not_kept", "scheduled"}
    (first, second) = liaison.ok("line-check", "list", "--days", "2", "--json").json
    assert {first["caller"], second["caller"]} <= {"south", "north"}


def test_the_demonstration_shows_every_outcome_and_leaves_no_check_without_an_entry() -> None:
    checks = Checks()
    for entry in entries_of(line_check_history(SCHEDULE, NOW_MS)):
        checks = fold(checks, entry)
    outcomes = {check.verdict.outcome for check in checks.checks.values() if check.verdict is not None}
    assert outcomes == set(Outcome)
    assert checks.open == frozenset()
    due = checks.due_between(Millis(0), Millis(NOW_MS - 600_000))
    assert len(due) > 20
    assert {slot.name for slot in due} == set(checks.checks)


@pytest.mark.parametrize("day", range(7))
def test_the_demonstrations_rota_is_one_that_an_office_would_take(day: int) -> None:
    now_ms = Millis(NOW_MS + day * 86_400_000)
    roster = demo_roster("south", "Asia/Seoul", now_ms)
    check_roster(roster, Hours())
    # 10:30 UTC is the evening in Seoul; at noon somebody is on duty on every day.
    assert len(roster.on_duty(Millis(now_ms - 8 * 3_600_000))) >= 1
