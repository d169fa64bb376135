"""Turns between the sides, and within a side between its users: whoever asks seldom is next, whatever else waits.

First come, first served would put one side's next piece of work behind all that the other one floods us with.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sized
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """What waits, by side and user; each user's own in their order.

    Empty queues are not kept, so that whoever comes back is behind those who have waited.
    """

    def __init__(self) -> None:
        self._sides: OrderedDict[str, OrderedDict[str, deque[T]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def beside_most(self) -> int:
        """How many wait that are not of the side with most."""
        of_sides = (sum(map(len, users.values())) for users in self._sides.values())
        return self._length - max(of_sides, default=0)

    def waiting_of(self, side: str, user: str) -> int:
        """Give how many of a user's wait."""
        users = self._sides.get(side)
        return 0 if users is None else len(users.get(user, ()))

    def append(self, side: str, user: str, item: T) -> None:
        """Put an item behind its user's others."""
        users = self._sides.get(side)
        if users is None:
            users = self._sides[side] = OrderedDict()
        waiting = users.get(user)
        if waiting is None:
            waiting = users[user] = deque()
        waiting.append(item)
        self._length += 1

    def first(self) -> T:
        """Give whose turn it is. Raises StopIteration when nothing waits."""
        users = next(iter(self._sides.values()))
        return next(iter(users.values()))[0]

    def pop(self) -> T:
        """Take whose turn it is; its side, and within it its user, then have theirs after all others."""
        side, users = next(iter(self._sides.items()))
        user, waiting = next(iter(users.items()))
        item = waiting.popleft()
        self._length -= 1
        _pass_turn(users, user)
        _pass_turn(self._sides, side)
        return item

    def take_all(self) -> Iterator[tuple[str, str, T]]:
        """Take everything, each user's in their order, and give it with its side and user."""
        sides, self._sides, self._length = self._sides, OrderedDict(), 0
        for side, users in sides.items():
            for user, waiting in users.items():
                for item in waiting:
                    yield side, user, item


K = TypeVar("K")
V = TypeVar("V", bound=Sized)


def _pass_turn(turns: OrderedDict[K, V], key: K) -> None:
    if turns[key]:
        turns.move_to_end(key)
    else:
        del turns[key]
