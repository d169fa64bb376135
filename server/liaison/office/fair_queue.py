"""What waits to be written to one channel, taken in turn: whoever writes seldom is in the next batch."""

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from liaison.core.entries import Draft
from liaison.core.identifiers import DelegationId, UserId
from liaison.core.turns import Turns


class Queued(Protocol):
    """What can wait here: it knows its draft."""

    @property
    def draft(self) -> Draft: ...


Q = TypeVar("Q", bound=Queued)


class FairQueue(Generic[Q]):
    """Drafts in turns between sides and users, taken as batches of bounded size."""

    def __init__(self) -> None:
        self._turns: Turns[Q] = Turns()
        # While one side's flood gives way to the others: whose it is, and what ends that.
        self._flooding: DelegationId | None = None
        self._somebody_else = asyncio.Event()

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def beside_most(self) -> int:
        """How many wait that are not of the side with most."""
        return self._turns.beside_most

    def waiting_of(self, side: DelegationId, user: UserId) -> int:
        """Give how many of a user's wait."""
        return self._turns.waiting_of(side, user)

    def append(self, item: Q) -> None:
        """Put it behind its user's others."""
        if self._flooding not in (None, item.draft.delegation):
            self._somebody_else.set()
        self._turns.append(item.draft.delegation, item.draft.sender, item)

    async def give_way(self, seconds: float) -> None:
        """Wait so long, or until somebody of another side than the one whose turn it is has something, also by now."""
        if self.beside_most:
            return
        self._somebody_else.clear()
        self._flooding = self._turns.first().draft.delegation
        try:
            async with asyncio.timeout(seconds):
                await self._somebody_else.wait()
        except TimeoutError:
            pass
        finally:
            self._flooding = None

    def take(self, *, most: int, most_bytes: int) -> list[Q]:
        """Take at least one and at most so many, in turn; the queue must not be empty."""
        taken: list[Q] = []
        size = 0
        while self._turns and len(taken) < most:
            size += self._turns.first().draft.size_bytes
            if taken and size > most_bytes:
                break
            taken.append(self._turns.pop())
        return taken

    def take_all(self, claimed: Callable[[Q], bool] = lambda _item: True) -> list[Q]:
        """Take what is claimed, whoever's turn it is; each user's in their order."""
        taken = []
        for side, user, item in list(self._turns.take_all()):
            if claimed(item):
                taken.append(item)
            else:
                self._turns.append(side, user, item)
        return taken
