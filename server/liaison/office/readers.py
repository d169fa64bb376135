"""How far the members of one channel have read, as far as this node knows. Pure. (PROTOCOL.md §6.4)"""

from collections.abc import Mapping

from liaison.core.identifiers import DelegationId, UserId


class Readers:
    """Positions by person and by side. They only rise, so that hints and what is stored may come in any order."""

    def __init__(self) -> None:
        self._people: dict[DelegationId, dict[UserId, int]] = {}
        self._sides: dict[DelegationId, int] = {}

    def raise_to(self, user: UserId, side: DelegationId, seq: int, *, counts: bool) -> bool:
        """Take a position; say whether the side as a whole has come further by it. Of bots it never does."""
        people = self._people.setdefault(side, {})
        people[user] = max(seq, people.get(user, 0))
        if not counts or seq <= self._sides.get(side, 0):
            return False
        self._sides[side] = seq
        return True

    def of_side(self, side: DelegationId) -> Mapping[UserId, int]:
        """Give the positions of one side's people."""
        return self._people.get(side, {})

    def of_others(self, side: DelegationId) -> Mapping[DelegationId, int]:
        """Give how far each other side as a whole has come: all that it shows of its reading."""
        return {other: seq for other, seq in self._sides.items() if other != side}

    def clear(self) -> None:
        """Forget everything: the epoch changed, and no position means anything any more."""
        self._people.clear()
        self._sides.clear()
