"""argon2id in a few threads of its own, so that a flood of logins slows logins and nothing else."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from liaison.protocol.errors import ErrorCode, Unavailable

Result = TypeVar("Result")

# OWASP's Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane.
MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1

# Two, because each holds 19 MiB and a core for some 25 ms: a flood can't take more of either.
THREADS: Final = 2
# What two threads work off in about a second; whoever came later would wait longer than asking again takes.
MAX_WAITING: Final = 64


class Argon2Passwords:
    """ports.passwords.Passwords. The parameters are arguments only so that tests needn't pay for the real ones."""

    def __init__(
        self,
        *,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
        threads: int = THREADS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._places = BoundedSemaphore(threads + max_waiting)
        # Verified against when there is no hash, so that an unknown name costs what a known one costs.
        self._nobodys_hash = self._hasher.hash("")

    async def hash(self, password: str) -> str:
        return await self._run(functools.partial(self._hasher.hash, password))

    async def verify(self, password_hash: str, password: str) -> bool:
        return await self._run(functools.partial(self._verify, password_hash, password))

    def is_outdated(self, password_hash: str) -> bool:
        try:
            return self._hasher.check_needs_rehash(password_hash)
        except InvalidHashError:
            return True

    def close(self) -> None:
        """End the threads; what waits in line is cancelled."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            self._hasher.verify(password_hash or self._nobodys_hash, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash != ""

    async def _run(self, work: Callable[[], Result]) -> Result:
        if not self._places.acquire(blocking=False):
            raise Unavailable("too many people sign in at this moment; try again", ErrorCode.BUSY)
        future: Future[Result] = self._executor.submit(work)
        # Not in a finally here: when the caller is cancelled, a hash that has begun still holds its thread.
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)
