"""How long somebody who keeps guessing passwords has to wait, by account and by address.

Accounts that don't exist are paced like those that do. Memory is bounded: the least recently tried are forgotten.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from liaison.core.identifiers import Millis
from liaison.core.token_bucket import TokenBucket

# Failures this long ago no longer count.
_FORGIVEN_AFTER_MS: Final = 15 * 60_000


@dataclass(frozen=True, slots=True)
class Pace:
    """So many attempts a second, with a burst; after `free_failures`, each failure doubles a wait up to the longest."""

    per_s: float
    burst: float
    free_failures: int
    longest_wait_ms: int


# Somebody who mistypes gets five quick tries; somebody who guesses gets one a minute.
ACCOUNT_PACE: Final = Pace(per_s=1 / 6, burst=10, free_failures=5, longest_wait_ms=60_000)
# A whole delegation can sit behind one address and come in at nine o'clock.
ADDRESS_PACE: Final = Pace(per_s=1, burst=60, free_failures=30, longest_wait_ms=60_000)
# Far more than one office has; at some 300 bytes each, both tables stay under 3 MiB.
CAPACITY: Final = 4096


@dataclass(slots=True)
class _Record:
    bucket: TokenBucket
    failed_ms: Millis
    failures: int = 0

    def wait_ms(self, pace: Pace, now_ms: Millis) -> int:
        since_failure_ms = now_ms - self.failed_ms
        if since_failure_ms >= _FORGIVEN_AFTER_MS:
            self.failures = 0
        excess = self.failures - pace.free_failures
        if excess < 0:
            return 0
        # The exponent is bounded before the power, because failures are not.
        wait_ms = min(1000 << min(excess, 20), pace.longest_wait_ms)
        return max(0, wait_ms - since_failure_ms)


class _Paced:
    """One pace for each of many subjects."""

    def __init__(self, pace: Pace, capacity: int) -> None:
        self._pace = pace
        self._capacity = capacity
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def begin(self, subject: str, now_ms: Millis) -> int:
        record = self._record(subject, now_ms)
        return record.wait_ms(self._pace, now_ms) or record.bucket.take(now_ms)

    def fail(self, subject: str, now_ms: Millis) -> None:
        record = self._record(subject, now_ms)
        record.failures += 1
        record.failed_ms = now_ms

    def forgive(self, subject: str) -> None:
        self._records.pop(subject, None)

    def _record(self, subject: str, now_ms: Millis) -> _Record:
        record = self._records.get(subject)
        if record is None:
            pace = self._pace
            record = _Record(TokenBucket.full(per_s=pace.per_s, burst=pace.burst, now_ms=now_ms), failed_ms=now_ms)
            self._records[subject] = record
            if len(self._records) > self._capacity:
                self._records.popitem(last=False)
        self._records.move_to_end(subject)
        return record


class SignInPace:
    """Call `begin` before an attempt, and `fail` or `succeed` after it; times are monotonic."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._accounts = _Paced(ACCOUNT_PACE, capacity)
        self._addresses = _Paced(ADDRESS_PACE, capacity)
        self._familiar: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._capacity = capacity

    def begin(self, user: str, address: str, now_ms: Millis) -> int:
        """Give 0 when the attempt may be made now, else how many milliseconds to wait."""
        return self._addresses.begin(address, now_ms) or self._accounts.begin(self._subject(user, address), now_ms)

    def fail(self, user: str, address: str, now_ms: Millis) -> None:
        """Note that the attempt failed."""
        self._addresses.fail(address, now_ms)
        self._accounts.fail(self._subject(user, address), now_ms)

    def succeed(self, user: str, address: str) -> None:
        """Note that the attempt succeeded. The address keeps its failures: one good account must not hide guessing."""
        self._accounts.forgive(self._subject(user, address))
        self._familiar[user, address] = None
        self._familiar.move_to_end((user, address))
        if len(self._familiar) > self._capacity:
            self._familiar.popitem(last=False)

    def size(self) -> int:
        """How much is remembered; bounded by three times the capacity."""
        return len(self._accounts) + len(self._addresses) + len(self._familiar)

    def _subject(self, user: str, address: str) -> str:
        # Where somebody has signed in before they are paced apart from everybody else, so that guessing at an account
        # from elsewhere can't lock its owner out.
        return f"{user} {address}" if (user, address) in self._familiar else user
