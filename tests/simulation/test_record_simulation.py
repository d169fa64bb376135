"""Signed heads and attachments under faults, in virtual time, and mistakes made on purpose that must be noticed."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from liaison.adapters.sql_uploads import SqlUploads
from liaison.core.entries import Draft, Entry, Stored
from liaison.core.identifiers import ChannelId, Millis
from liaison.office import record
from liaison.ports.log import Appended, LogUnavailableError, UnknownOutcomeError
from tests.memory_contents import MemoryContents
from tests.simulation.cluster import StormyLog
from tests.simulation.record import simulate

SEEDS_FOR_A_MUTANT = 8


def test_a_storm_keeps_no_wrong_signature_and_leaves_no_name_without_its_content() -> None:
    outcome = simulate(0)
    assert outcome.violations == []
    assert min(outcome.said, outcome.signed, outcome.attached, outcome.cleared, outcome.faults) > 2


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_promise_is_broken_under_any_seed(request: pytest.FixtureRequest) -> None:
    first, seeds = request.config.getoption("--first-seed"), request.config.getoption("--seeds")
    # Fewer than of the log's simulation, as for dispatches.
    seeds = max(1, seeds // 6)
    said = signed = attached = faults = 0
    for seed in range(first, first + seeds):
        outcome = simulate(seed)
        assert outcome.violations == [], f"seed {seed}: {outcome.violations[:5]}"
        said, signed = said + outcome.said, signed + outcome.signed
        attached, faults = attached + outcome.attached, faults + outcome.faults
    print(f"{seeds} seeds, {said} messages, {signed} signatures, {attached} contents named, {faults} faults")


@contextmanager
def _patched(owner: Any, name: str, stand_in: Callable[..., Any]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, stand_in)
        yield


@contextmanager
def hopeful() -> Iterator[None]:
    """What the log did not take, or says nothing about, is granted all the same."""
    append = StormyLog.append

    async def granted(
        self: StormyLog, channel: ChannelId, drafts: Sequence[Draft], *args: Any, **more: Any
    ) -> Appended:
        try:
            return await append(self, channel, drafts, *args, **more)
        except (LogUnavailableError, UnknownOutcomeError):
            entry = Entry(channel, 10**6, Millis(0), bytes(32), drafts[0])
            return Appended(1, (Stored(entry),) * len(drafts))

    with _patched(StormyLog, "append", granted):
        yield


def credulous() -> Any:
    """Whoever has a key may sign whatever they like: nobody compares it with the log."""
    return _patched(record, "check_head", lambda *_: None)


def unverified() -> Any:
    """The signature is kept as it came."""
    return _patched(record, "check_signed_by", lambda *_: None)


def disorderly() -> Any:
    """An older head is as good as a newer one."""
    return _patched(record, "check_newer", lambda *_: None)


async def _claims_all(*_: object) -> Sequence[str]:
    return []


def trusting() -> Any:
    """What a message names is taken to be there, and is renewed by nobody."""
    return _patched(SqlUploads, "claim", _claims_all)


async def _needs_none(*_: object) -> frozenset[str]:
    return frozenset()


def tidy() -> Any:
    """What is old is removed, whoever names it."""
    return _patched(SqlUploads, "needed", _needs_none)


@contextmanager
def torn() -> Iterator[None]:
    """A content loses its last piece on the way to its reader."""
    read = MemoryContents.read

    async def short(self: MemoryContents, sha256: str) -> AsyncIterator[bytes]:
        async for piece in read(self, sha256):
            yield piece[:-1]

    with _patched(MemoryContents, "read", short):
        yield


async def _removes_none(*_: object) -> bool:
    return False


def hoarding() -> Any:
    """What nobody needs any more stays for ever."""
    return _patched(MemoryContents, "remove", _removes_none)


MUTANTS = {
    "R1": hopeful,
    "R2 credulous": credulous,
    "R2 unverified": unverified,
    "R3": disorderly,
    "A1 trusting": trusting,
    "A1 tidy": tidy,
    "A2": torn,
    "A3": hoarding,
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MUTANTS)
def test_the_checker_catches_a_mistake_made_on_purpose(mistake: str) -> None:
    promise = mistake.split(maxsplit=1)[0]
    for seed in range(SEEDS_FOR_A_MUTANT):
        with MUTANTS[mistake]():
            broken = {violation.split()[0] for violation in simulate(seed).violations}
        if promise in broken:
            return
    pytest.fail(f"{SEEDS_FOR_A_MUTANT} seeds, and {promise} was never broken")
