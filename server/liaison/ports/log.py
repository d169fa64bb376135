"""The log of every channel: the truth that everything else is a hint of. (PROTOCOL.md §5)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from liaison.core.entries import Draft, Entry, HeldDraft, Outcome, Page
from liaison.core.identifiers import ChannelId, Millis, UserId
from liaison.core.position import Position


class UnknownOutcomeError(Exception):
    """COMMIT was sent and nothing is known: never guess; close the sessions concerned and let them replay."""


class LogUnavailableError(Exception):
    """Definitely not stored; trying again may help."""


class LogUnreadableError(Exception):
    """Something is stored that this version can't read: an older one after a newer one, or damage. No retry helps."""


class HeadMovedError(Exception):
    """Definitely not stored: the channel's head is not where the caller expected it. Read on, decide anew."""

    def __init__(self, head: int) -> None:
        super().__init__(f"the head is {head}")
        self.head = head


class LogFullError(LogUnavailableError):
    """Definitely not stored, because there is no room; reads go on."""


@dataclass(frozen=True, slots=True)
class Appended:
    """One outcome for each draft, in their order, and the epoch they hold in."""

    epoch: int
    outcomes: tuple[Outcome, ...]


class Log(Protocol):
    """Append-only, durable, ordered. All reads see at least every append whose call returned before they began."""

    async def append(
        self, channel: ChannelId, drafts: Sequence[Draft], now_ms: Millis, *, expect_head: int | None = None
    ) -> Appended:
        """Store drafts in order, each with the next seq and its link. (PROTOCOL.md §5.1)

        Idempotent on (channel, sender, key), also within the batch: a repeat with the same body gives the first result,
        with another body a conflict. Returns after a commit that survives a power cut.
        With `expect_head`, nothing is stored unless the head is exactly there: what was decided by looking at the
        channel still holds. A batch in which every key was used before is answered all the same. What is held moves no
        head: of a suspended channel the condition says nothing about the drafts that wait.
        A SUSPENSION entry closes the channel in the same transaction: from then on drafts are Held, but for life
        safety, SUSPENSION, RESUMPTION and SIGNED_HEAD. A RESUMPTION entry opens it, and in the same transaction every
        held draft becomes an entry behind it, in the order of their places, with the time of the resumption; those
        entries are part of no outcome: whoever appended it lets the hub read on.
        Cancellation: the drafts may or may not be stored; repeat with the same keys.

        Raises:
            HeadMovedError: the head is elsewhere; definitely not stored.
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

    async def signed_heads(self, channel: ChannelId, *, before: int | None, limit: int) -> Sequence[Entry]:
        """Give entries of kind SIGNED_HEAD, newest first, of those with seq < before; None is from the newest on."""
        ...

    async def suspended(self, channels: Sequence[ChannelId]) -> frozenset[ChannelId]:
        """Say which of these channels are suspended now."""
        ...

    async def held(self, channel: ChannelId, *, after: int, limit: int) -> Sequence[HeldDraft]:
        """Give drafts that wait in a suspended channel, by place; empty for one that is open."""
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

    async def in_channel(self, channel: ChannelId) -> Mapping[UserId, int]:
        """Give the position of everybody who ever read in a channel, members or not. Raises LogUnavailableError."""
        ...
