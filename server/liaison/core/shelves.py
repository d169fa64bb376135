"""A mapping for registers that grow for years: a copy with one change costs little, and the old one stays as it was."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final, Generic, TypeVar
from zlib import crc32

V = TypeVar("V")

# Of 25,000 entries a copy takes 200 instead of all; more shelves would cost more than the entries on them.
_SHELVES: Final = 128
_NO_SHELVES: Final[tuple[Mapping[str, object], ...]] = ({},) * _SHELVES


class Shelves(Mapping[str, V], Generic[V]):
    """Values by name, on shelves by the name's checksum; only the shelf that changes is copied."""

    __slots__ = ("_count", "_shelves")

    def __init__(self) -> None:
        self._shelves: tuple[Mapping[str, V], ...] = _NO_SHELVES  # type: ignore[assignment]  # Nothing is on them.
        self._count = 0

    def with_one(self, name: str, value: V) -> "Shelves[V]":
        """Give a copy in which `name` has this value."""
        place = _shelf(name)
        before = self._shelves[place]
        copy: Shelves[V] = Shelves()
        copy._shelves = (*self._shelves[:place], {**before, name: value}, *self._shelves[place + 1 :])
        copy._count = self._count + (name not in before)
        return copy

    def __getitem__(self, name: str) -> V:
        return self._shelves[_shelf(name)][name]

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._shelves)

    def __len__(self) -> int:
        return self._count


def _shelf(name: str) -> int:
    # Not hash(), which differs from process to process, and with it the order of everything.
    return crc32(name.encode()) % _SHELVES
