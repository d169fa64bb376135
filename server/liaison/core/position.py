"""A place in a channel's log: `{epoch, seq}`. (PROTOCOL.md §5.2)

A seq means something only within its epoch: a restore from backup bumps the epoch, because seqs after the backup may
be given again to other messages.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """The last seq somebody has seen, and the epoch it was seen in."""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read `epoch:seq`, the form of `Last-Event-ID`. Raises ValueError."""
        epoch, colon, seq = text.partition(":")
        # isdecimal alone admits digits of other scripts, and int() would take signs, blanks and underscores.
        if (
            not (colon and epoch.isascii() and epoch.isdecimal() and seq.isascii() and seq.isdecimal())
            or len(text) > 34
        ):
            raise ValueError("a position is EPOCH:SEQ")
        return cls(int(epoch), int(seq))
