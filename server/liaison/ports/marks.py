"""High-water marks: numbers that never go back, kept apart from the log and its backups."""

from typing import Protocol


class MarksUnavailableError(Exception):
    """A mark can't be read or raised now; definitely nothing was given out on the strength of it."""


class Marks(Protocol):
    """Remembers, for each name, the highest number that was ever given out under it, also after a restore."""

    async def get(self, name: str) -> int:
        """Give the mark, 0 for one that was never raised. Raises MarksUnavailableError."""
        ...

    async def raise_to(self, name: str, value: int) -> None:
        """Raise the mark to at least `value`; a lower one changes nothing.

        Returns once the mark survives a power cut, so that what it stands for may be given out. Names are letters,
        digits and hyphens. Cancellation: the mark may or may not be raised, which harms nobody.

        Raises MarksUnavailableError.
        """
        ...
