"""The log of every channel: the truth that everything else is a hint of. (CORRECTNESS: PROTOCOL.md §5)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from liaison.core.entries import Draft, Entry, Outcome, Page
from liaison.core.identifiers import ChannelId, Millis, UserId
from liaison.core.position import Position


class UnknownOutcomeError(Exception):
    """COMMIT was sent and nothing is known: never guess; close the sessions concerned and let them replay."""


class LogUnavailableError(Exception):
    """Definitely not stored; trying again may help."""


class LogFullError(LogUnavailableError):
    """Definitely not stored, because there is no room; reads go on."""


@dataclass(frozen=True, slots=True)
class Appended:
    """One outcome for each draft, in their order, and the epoch they hold in."""

    epoch: int
    outcomes: tuple[Outcome, ...]


class Log(Protocol):
    """Append-only, durable, ordered. All reads see at least every append whose call returned before they began."""

    async def append(self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis) -> Appended:
        """Store drafts in order, each with the next seq and its link. (PROTOCOL.md §5.1)

        Idempotent on (channel, sender, key), also within the batch: a repeat with the same body gives the first result,
        with another body a conflict. Returns after a commit that survives a power cut.
        Cancellation: the drafts may or may not be stored; repeat with the same keys.

        Raises:
            UnknownOutcomeError: COMMIT was sent and nothing is known.
            LogUnavailableError, LogFullError: definitely not stored.
        """
        ...

    async def heads(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Position]:
        """Give each channel's epoch and last seq; seq 0 for one that has none."""
        ...

    async def read(self, channel: ChannelId, *, after: int, limit: int, max_bytes: int) -> Page:
        """Give up to `limit` entries with seq > after, rising, cut at about `max_bytes` but never empty for that."""
        ...

    async def read_before(self, channel: ChannelId, *, before: int, limit: int, max_bytes: int) -> Page:
        """Give the up to `limit` entries that end just below `before`, rising; an oversized page loses its oldest."""
        ...

    async def entry(self, channel: ChannelId, seq: int) -> Entry | None:
        """Give one entry."""
        ...

    async def withdrawn(self, channel: ChannelId, seq: int) -> bool:
        """Say whether a withdrawal of this entry is on the log."""
        ...

    async def search(
        self, query: str, channels: Sequence[ChannelId], *, before_ms: Millis | None, limit: int
    ) -> tuple[Sequence[Entry], bool]:
        """Find text entries that hold every word of `query`, newest first, and say whether there are more.

        Words match as parts of words, folded so that South and North spellings of Korean meet. What was withdrawn is
        not found; what was corrected is found by its newest text (as the correction entry).
        """
        ...

    async def check(self) -> None:
        """Prove that the log can commit. Raises LogUnavailableError."""
        ...


class ReadPositions(Protocol):
    """How far each member has read; never goes back."""

    async def move(self, user: UserId, channel: ChannelId, seq: int) -> int:
        """Raise the position to `seq`, and give where it stands then. Raises LogUnavailableError."""
        ...

    async def of(self, user: UserId) -> Mapping[ChannelId, int]:
        """Give all positions of a user."""
        ...
