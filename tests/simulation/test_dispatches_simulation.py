"""Dispatches under faults, in virtual time, and mistakes made on purpose that the checker must notice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import msgspec
import pytest

from liaison.core import dispatch_register
from liaison.core.dispatch_register import Book, Wish, number_of, numbering
from liaison.core.entries import Draft
from liaison.core.identifiers import DelegationId
from liaison.office import dispatch_books
from liaison.office.dispatch_books import DispatchBooks
from liaison.office.registers import Recorded, Register
from liaison.ports.log import Appended, LogUnavailableError, UnknownOutcomeError
from tests.simulation.cluster import StormyLog
from tests.simulation.dispatches import simulate

SEEDS_FOR_A_MUTANT = 8


def test_a_storm_loses_doubles_and_halves_nothing() -> None:
    outcome = simulate(3)
    assert outcome.violations == []
    assert min(outcome.granted, outcome.numbers, outcome.faults) > 5


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_promise_is_broken_under_any_seed(request: pytest.FixtureRequest) -> None:
    first, count = request.config.getoption("--first-seed"), request.config.getoption("--seeds")
    # Fewer than of the log's simulation: a seed takes as long, and there is less for chance to choose among.
    count = max(1, count // 6)
    granted = numbers = faults = 0
    for seed in range(first, first + count):
        outcome = simulate(seed)
        assert outcome.violations == [], f"seed {seed}: {outcome.violations[:5]}"
        granted, numbers, faults = granted + outcome.granted, numbers + outcome.numbers, faults + outcome.faults
    print(f"{count} seeds, {granted} steps granted, {numbers} numbers given, {faults} faults")


@contextmanager
def blind_appends() -> Iterator[None]:
    """The log is appended to whether or not it has moved since somebody looked."""
    append = StormyLog.append

    async def blind(self: StormyLog, channel: object, drafts: Sequence[Draft], now_ms: object, **_: object) -> Appended:
        return await append(self, channel, drafts, now_ms)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StormyLog, "append", blind)
        yield


@contextmanager
def spent_numbers() -> Iterator[None]:
    """Each try takes the next number from a counter, as a sequence gives them, whether or not it is written then."""
    counters: dict[str, Iterator[int]] = {}

    def next_number(side: DelegationId, year: int, _place: int) -> str:
        return number_of(side, year, next(counters.setdefault(side, count(1))))

    def unchecked(book: Book, wish: Wish, number: str) -> Draft:
        place = int(number.rpartition("-")[2])
        return numbering(replace(book, places={int(number.split("-")[1]): place - 1}), wish, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch_books, "number_of", next_number)
        patch.setattr(dispatch_books, "numbering", unchecked)
        yield


@contextmanager
def nothing_follows() -> Iterator[None]:
    """Nobody looks for what the joint register lacks."""

    async def idle(_self: DispatchBooks) -> None:
        """Do nothing."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DispatchBooks, "run", idle)
        patch.setattr(DispatchBooks, "_settle", idle)
        yield


@contextmanager
def hopeful() -> Iterator[None]:
    """What the log did not take, or says nothing about, is granted all the same."""
    append = Register._append

    async def granted(self: Register[Book], draft: Draft, head: int) -> Recorded[Book]:
        try:
            return await append(self, draft, head)
        except (LogUnavailableError, UnknownOutcomeError):
            return Recorded(self._state, 0, 1, 0, duplicate=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Register, "_append", granted)
        yield


@contextmanager
def eager() -> Iterator[None]:
    """The text goes out with the tender."""
    outgoing = dispatch_register.outgoing

    def with_text(own: dispatch_register.Dispatch, side: object) -> Wish:
        wish = outgoing(own, side)  # type: ignore[arg-type]
        record = msgspec.structs.replace(wish.record, content=own.content)
        return Wish(wish.by, wish.side, wish.key, record, wish.precedence)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch_books, "outgoing", with_text)
        yield


MUTANTS = {"D1": spent_numbers, "D2": nothing_follows, "D3": eager, "D4": hopeful, "D6": blind_appends}


@pytest.mark.slow
@pytest.mark.parametrize("promise", MUTANTS)
def test_the_checker_catches_a_mistake_made_on_purpose(promise: str) -> None:
    for seed in range(SEEDS_FOR_A_MUTANT):
        with MUTANTS[promise]():
            broken = {violation.split()[0] for violation in simulate(seed).violations}
        if promise in broken:
            return
    pytest.fail(f"{SEEDS_FOR_A_MUTANT} seeds, and {promise} was never broken")
