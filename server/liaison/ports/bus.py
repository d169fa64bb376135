"""Hints between nodes: fast, lossy and untrusted. Nothing acknowledged depends on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from msgspec import Meta, Struct

from liaison.core.entries import Entry
from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.protocol import limits
from liaison.protocol.frames import PresenceEvent, SessionInfo, StatisticsStep

# Some ten kilobytes each: a hint that is lost costs no more to tell again.
MAX_SESSIONS: Final = 100
MAX_EVENTS: Final = 200

Node = Annotated[str, Meta(min_length=1, max_length=64)]
Count = Annotated[int, Meta(ge=0, le=limits.MAX_SAFE_INTEGER)]


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


class AskOrAnswer(Struct, frozen=True, array_like=True, tag_field="kind", forbid_unknown_fields=True):
    """What nodes ask and tell each other for ops; for every node. `node` is a node's name, not a process' own."""

    node: Node


class SessionsWantedHint(AskOrAnswer, frozen=True, tag="sessions_wanted"):
    """That ops watch the table of sessions at `node`: tell what changes in yours, for the next seconds.

    Each tells at most `limit` sessions, and those of `users` besides. `is_anew`: `node` is out of step with somebody,
    so that each tells all of it once more.
    """

    limit: Annotated[int, Meta(ge=1, le=10_000)]
    users: Annotated[tuple[str, ...], Meta(max_length=64)]
    is_anew: bool


class SessionsHint(AskOrAnswer, frozen=True, tag="sessions"):
    """What leads a node's table of sessions from one version to the next.

    The same version twice says that nothing changed. With `is_whole` it begins an account of everything, which the next
    ones go on with: who is out of step forgets what it knew and takes it, for who is in step it changes nothing.
    `total` is how many sessions there are, shown or not. A node that `is_leaving` and falls silent is gone.
    """

    from_version: Count
    version: Count
    total: Count
    opened: Annotated[tuple[SessionInfo, ...], Meta(max_length=MAX_SESSIONS)]
    closed: tuple[Annotated[str, Meta(max_length=limits.MAX_SESSION_CHARS)], ...]
    is_whole: bool
    is_leaving: bool


class DisconnectHint(AskOrAnswer, frozen=True, tag="disconnect"):
    """That record `order` of the audit log orders a session of `node` to end. It is the record that counts."""

    order: Count


class DisconnectedHint(AskOrAnswer, frozen=True, tag="disconnected"):
    """That `node` has done what record `order` of the audit log says: the session is over."""

    order: Count


class PastWantedHint(AskOrAnswer, frozen=True, tag="past_wanted"):
    """That `node` knows no changes of presence from before `since_ms`."""

    since_ms: Count


class PastHint(AskOrAnswer, frozen=True, tag="past"):
    """For `node`, which asked: all changes of presence from `since_ms` to before `until_ms`, newest first."""

    since_ms: Count
    until_ms: Count
    events: Annotated[tuple[PresenceEvent, ...], Meta(max_length=MAX_EVENTS)]


Operations = SessionsWantedHint | SessionsHint | DisconnectHint | DisconnectedHint | PastWantedHint | PastHint
OperationsHint = StatisticsHint | Operations
# For every node, whatever it is subscribed to.
NodeHint = DirectoryHint | OperationsHint
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
