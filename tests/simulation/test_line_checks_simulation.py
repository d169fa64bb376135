"""Line checks and handovers under faults, in virtual time, and mistakes made on purpose that must be noticed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import pytest

from liaison.core import duty, line_check, line_check_register
from liaison.core.duty import DutyBook
from liaison.core.entries import Draft
from liaison.core.line_check import Outcome, State, Verdict
from liaison.core.line_check_register import Check, Checks, Hand, Record
from liaison.office import line_checks
from liaison.office.line_checks import LineCheckDepartment
from liaison.ports.log import Appended
from tests.simulation.cluster import StormyLog
from tests.simulation.line_checks import simulate

SEEDS_FOR_A_MUTANT = 8


def test_a_storm_leaves_no_check_unexplained_and_no_step_doubled_or_lost() -> None:
    outcome = simulate(1)
    assert outcome.violations == []
    assert min(outcome.granted, outcome.faults, outcome.outcomes["opened"], outcome.outcomes["answered"]) > 2


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_promise_is_broken_under_any_seed(request: pytest.FixtureRequest) -> None:
    first, seeds = request.config.getoption("--first-seed"), request.config.getoption("--seeds")
    # Fewer than of the log's simulation, as for dispatches.
    seeds = max(1, seeds // 6)
    granted = faults = 0
    for seed in range(first, first + seeds):
        outcome = simulate(seed)
        assert outcome.violations == [], f"seed {seed}: {outcome.violations[:5]}"
        granted, faults = granted + outcome.granted, faults + outcome.faults
    print(f"{seeds} seeds, {granted} steps granted, {faults} faults")


@contextmanager
def forgetful() -> Iterator[None]:
    """A node opens what comes due and looks at nothing that it missed."""

    async def idle(_self: LineCheckDepartment, _checks: Checks, _until_ms: int) -> None:
        """Do nothing."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LineCheckDepartment, "_account_for_missed", idle)
        yield


@contextmanager
def hasty() -> Iterator[None]:
    """Each node opens by itself, under a key of its own, wherever the log stands."""
    append, number = StormyLog.append, count()

    async def blind(self: StormyLog, channel: object, drafts: Sequence[Draft], now_ms: object, **_: object) -> Appended:
        return await append(self, channel, drafts, now_ms)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StormyLog, "append", blind)
        patch.setattr(
            line_checks,
            "opening",
            lambda *given: replace(line_check_register.opening(*given), key=f"{given[0].name} {next(number)}"),
        )
        yield


@contextmanager
def hopeful_verdict() -> Iterator[None]:
    """Whoever was called is taken to have answered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            line_checks,
            "verdict",
            lambda facts: Verdict(Outcome.ANSWERED) if facts.is_called else line_check.verdict(facts),
        )
        yield


@contextmanager
def salted_keys() -> Iterator[None]:
    """Each attempt has a key of its own, so a repeat is another step."""
    draft, number = line_check_register.Hand.draft, count()

    def salted(self: Hand, record: Record) -> Draft:
        return draft(replace(self, key=f"{self.key} {next(number)}"), record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hand, "draft", salted)
        yield


@contextmanager
def never_ending() -> Iterator[None]:
    """A check that was called waits for its answer for ever."""
    end = LineCheckDepartment._end

    async def only_uncalled(self: LineCheckDepartment, check: Check) -> None:
        if check.state is not State.CALLED:
            await end(self, check)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LineCheckDepartment, "_end", only_uncalled)
        yield


@contextmanager
def generous() -> Iterator[None]:
    """A shift is handed over whether or not another handover waits."""

    def offer(_book: DutyBook, hand: duty.Hand, items: tuple[duty.Item, ...]) -> Draft:
        return duty.offer(DutyBook(), hand, items)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("liaison.office.duty.offer", offer)
        yield


MUTANTS = {
    "K1": [forgetful, hasty],
    "K2": [never_ending],
    "K3": [hopeful_verdict],
    "K4": [salted_keys],
    "K5": [generous],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("promise", "number"), [(promise, number) for promise, kinds in MUTANTS.items() for number in range(len(kinds))]
)
def test_the_checker_catches_a_mistake_made_on_purpose(promise: str, number: int) -> None:
    for seed in range(SEEDS_FOR_A_MUTANT):
        with MUTANTS[promise][number]():
            broken = {violation.split()[0] for violation in simulate(seed).violations}
        if promise in broken:
            return
    pytest.fail(f"{SEEDS_FOR_A_MUTANT} seeds, and {promise} was never broken")
