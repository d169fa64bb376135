"""The office under faults, in virtual time; `--seeds N` runs more, `--first-seed N` elsewhere."""

from collections import Counter

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.scenario import FAULTS, Plan, simulate

SEEDS_FOR_A_MUTANT = 25


# A second a seed where nothing else runs; a release runs 2,000 of them.
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_promise_is_broken_under_any_seed(request: pytest.FixtureRequest) -> None:
    first, count = request.config.getoption("--first-seed"), request.config.getoption("--seeds")
    faults: Counter[str] = Counter()
    acknowledged = hit_in_flight = suspensions = held = 0
    for seed in range(first, first + count):
        outcome = simulate(seed)
        assert outcome.violations == [], f"seed {seed}: {outcome.violations[:5]}"
        faults += outcome.faults
        acknowledged += outcome.acknowledged
        hit_in_flight += outcome.hit_in_flight
        suspensions += outcome.suspensions
        held += outcome.held
    print(
        f"{count} seeds, {acknowledged} acknowledged, {faults.total()} faults, "
        f"{hit_in_flight} with an append in flight; "
        f"{suspensions} suspensions with {held} held"
    )
    assert set(faults) == set(FAULTS)
    assert hit_in_flight > 0
    assert suspensions > 0
    assert held > 0


def test_the_same_seed_gives_the_same_history_to_the_byte_and_another_seed_another() -> None:
    short = Plan(storm_s=10, heal_s=5)
    first, again, other = (simulate(seed, short).history for seed in (7, 7, 8))
    assert first.lines() == again.lines()
    assert first.digest() != other.digest()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("promise", MUTANTS)
def test_the_checker_catches_a_mistake_made_on_purpose(promise: str) -> None:
    for seed in range(SEEDS_FOR_A_MUTANT):
        with MUTANTS[promise]() as plan:
            broken = {violation.split()[0] for violation in simulate(seed, plan).violations}
        if promise in broken:
            return
    pytest.fail(f"{SEEDS_FOR_A_MUTANT} seeds, and {promise} was never broken")
