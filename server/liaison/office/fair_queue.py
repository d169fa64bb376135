"""What waits to be written to one channel, taken in turn: one of each side, and within a side one of each user.

First come, first served would let one side's flood put the other's next message behind all of its own. Here whoever
writes seldom is in the next batch, whatever else waits; each user's own messages stay in their order.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sized
from typing import Generic, Protocol, TypeVar

from liaison.core.entries import Draft
from liaison.core.identifiers import DelegationId, UserId


class Queued(Protocol):
    """What can wait here: it knows its draft."""

    @property
    def draft(self) -> Draft: ...


Q = TypeVar("Q", bound=Queued)


class FairQueue(Generic[Q]):
    """Empty queues are not kept, so that whoever comes back is behind those who have waited."""

    def __init__(self) -> None:
        self._sides: OrderedDict[DelegationId, OrderedDict[UserId, deque[Q]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def waiting_of(self, side: DelegationId, user: UserId) -> int:
        """Give how many of a user's wait."""
        users = self._sides.get(side)
        return 0 if users is None else len(users.get(user, ()))

    def append(self, item: Q) -> None:
        """Put it behind its user's others."""
        draft = item.draft
        users = self._sides.get(draft.delegation)
        if users is None:
            users = self._sides[draft.delegation] = OrderedDict()
        waiting = users.get(draft.sender)
        if waiting is None:
            waiting = users[draft.sender] = deque()
        waiting.append(item)
        self._length += 1

    def take(self, *, most: int, most_bytes: int) -> list[Q]:
        """Take at least one and at most so many, in turn; the queue must not be empty."""
        taken: list[Q] = []
        size = 0
        while self._length and len(taken) < most:
            side = next(iter(self._sides))
            users = self._sides[side]
            user = next(iter(users))
            size += users[user][0].draft.size_bytes
            if taken and size > most_bytes:
                break
            taken.append(users[user].popleft())
            self._length -= 1
            _pass_turn(users, user)
            _pass_turn(self._sides, side)
        return taken

    def take_all(self, claimed: Callable[[Q], bool] = lambda _item: True) -> list[Q]:
        """Take what is claimed, whoever's turn it is; each user's in their order."""
        rest = [item for users in self._sides.values() for waiting in users.values() for item in waiting]
        self._sides.clear()
        self._length = 0
        taken = []
        for item in rest:
            if claimed(item):
                taken.append(item)
            else:
                self.append(item)
        return taken


K = TypeVar("K")
V = TypeVar("V", bound=Sized)


def _pass_turn(turns: OrderedDict[K, V], key: K) -> None:
    if turns[key]:
        turns.move_to_end(key)
    else:
        del turns[key]
