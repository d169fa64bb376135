"""Who is connected, kept as leases of node incarnations; shared by all nodes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from liaison.core.identifiers import SessionId, UserId
from liaison.core.presence import Device, UserDevices

# The age of a store that can't lose what others wrote.
NEVER_LOST_MS: Final = 2**53


class FencedError(Exception):
    """The incarnation's lease was lost, so its devices are gone: register a new incarnation and put them again."""


class PresenceUnavailableError(Exception):
    """The store can't be reached; what is known is stale from now on, and whether this call worked is unknown."""


@dataclass(frozen=True, slots=True)
class Put:
    """Add a device, or change what is known of it."""

    device: Device
    cause: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a device away; a no-op for one that isn't there."""

    session: SessionId
    cause: str


DeviceWrite = Put | Remove


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """Leads from `version - 1` to `version` within `epoch`: these users are now like this."""

    epoch: str
    version: int
    users: Sequence[UserDevices]


@dataclass(frozen=True, slots=True)
class PresenceState:
    """Everybody who has a device, at one version. The epoch is another one once the store has lost its content.

    `age_ms` is how long ago that was: other nodes may still be writing down again who is there.
    """

    epoch: str
    version: int
    users: Mapping[UserId, UserDevices]
    age_ms: int = NEVER_LOST_MS


class PresenceStore(Protocol):
    """A set of leases keyed by session id, never a counter. Any method may raise PresenceUnavailableError.

    An incarnation lives while it is renewed; its lease is `LEASE_MS` of core.presence, renewed every `RENEW_MS`. A
    lease that has run out is lost for good, whether or not a reaper has been there.
    """

    async def register(self, incarnation: str) -> None:
        """Begin a lease for a node incarnation that has no device yet. Idempotent while it lives.

        Raises FencedError for an incarnation that has lost its lease or ended it: names are used once.
        """
        ...

    async def renew(self, incarnation: str) -> None:
        """Keep the lease. Raises FencedError when it was lost."""
        ...

    async def write(self, incarnation: str, writes: Sequence[DeviceWrite]) -> None:
        """Apply writes to this incarnation's devices in order, all at once, as one change with one version.

        At most MAX_USERS_PER_STEP writes. Idempotent: users whose devices stay the same are in no change. A user's
        cause is that of the last write about them. Raises FencedError, and then nothing was written.
        """
        ...

    async def unregister(self, incarnation: str, *, grace_ms: int) -> None:
        """End the lease in an orderly way: its devices turn unconfirmed, and go after `grace_ms`. Cause: `restart`.

        Idempotent; a no-op for an incarnation without a lease.
        """
        ...

    async def reap(self) -> int:
        """Take apart incarnations without a lease, at most MAX_USERS_PER_STEP users a call; give how many users.

        The cause is `node lost`, or `restart` after `unregister`. Any node may call it; two at once do no harm.
        """
        ...

    async def snapshot(self) -> PresenceState:
        """Give the whole state."""
        ...

    def listen(self, on_change: Callable[[PresenceChange], None], on_doubt: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` for every change in order, `on_doubt` when some may have been missed; returns a stop.

        Both are called on the event loop and must neither block nor raise. Whoever listens first and takes a snapshot
        then can go on from the snapshot's version.
        """
        ...
