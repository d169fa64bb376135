"""Hints between nodes: fast, lossy and untrusted. Nothing acknowledged depends on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from liaison.core.entries import Entry
from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.protocol.frames import StatisticsStep


@dataclass(frozen=True, slots=True)
class EntriesHint:
    """That these entries were committed in `channel`: contiguous, rising, all of one append."""

    channel: ChannelId
    epoch: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class TypingHint:
    """That somebody is writing."""

    channel: ChannelId
    user: UserId
    delegation: DelegationId


@dataclass(frozen=True, slots=True)
class ReadHint:
    """That somebody's read position moved."""

    channel: ChannelId
    user: UserId
    delegation: DelegationId
    seq: int


Hint = EntriesHint | TypingHint | ReadHint


@dataclass(frozen=True, slots=True)
class DirectoryHint:
    """That accounts, channels or memberships changed; for every node."""

    revision: int


@dataclass(frozen=True, slots=True)
class StatisticsHint:
    """What a node did in a step that has just ended, and whether ops watch there; for every node."""

    node: str
    step: StatisticsStep
    is_watched: bool


# For every node, whatever it is subscribed to.
NodeHint = DirectoryHint | StatisticsHint
AnyHint = Hint | NodeHint


class BusListener(Protocol):
    """What a node gets from the bus. Called on the event loop; must not block or raise."""

    def on_hint(self, hint: AnyHint) -> None:
        """A hint arrived: perhaps twice, late, out of order, or about a channel left meanwhile."""
        ...

    def on_doubt(self) -> None:
        """Something may have been lost: poll the heads of everything now."""
        ...


class Bus(Protocol):
    """Publish and subscribe by channel. A node's own hints may or may not come back to it."""

    def attach(self, listener: BusListener) -> Callable[[], None]:
        """Name the one who listens at this node, before any subscribe; the returned function detaches."""
        ...

    def publish(self, hint: AnyHint) -> None:
        """Tell the other nodes. Never blocks, never raises; delivery is not promised."""
        ...

    async def subscribe(self, channel: ChannelId) -> None:
        """Follow a channel; returns when the subscription is confirmed: later hints arrive or are lost with a doubt.

        A bus that is down returns as well, and calls `on_doubt` once it has confirmed. Idempotent.
        """
        ...

    def unsubscribe(self, channel: ChannelId) -> None:
        """Stop following; idempotent."""
        ...

    @property
    def is_up(self) -> bool:
        """Whether hints can be expected at all; while not, the office polls the log faster."""
        ...
