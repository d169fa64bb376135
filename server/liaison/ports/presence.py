"""Who is connected, kept as leases of node incarnations; shared by all nodes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from liaison.core.identifiers import DelegationId, Millis, SessionId, UserId


class FencedError(Exception):
    """The incarnation's lease was lost, so its devices are gone: register a new incarnation and put them again."""


class PresenceUnavailableError(Exception):
    """The store can't be reached; what is known is stale from now on."""


@dataclass(frozen=True, slots=True)
class Device:
    """One connection of a user. `confirmed` is False while its socket is gone but its grace period runs."""

    session: SessionId
    user: UserId
    delegation: DelegationId
    availability: str
    since_ms: Millis
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class UserDevices:
    """All devices of one user, merged over every node; empty `devices` is offline. `cause` is of the last change."""

    user: UserId
    delegation: DelegationId
    devices: tuple[Device, ...]
    cause: str


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """Leads from `version - 1` to `version` within `epoch`: these users are now like this."""

    epoch: str
    version: int
    users: Sequence[UserDevices]


@dataclass(frozen=True, slots=True)
class PresenceState:
    """Everybody who has a device, at one version."""

    epoch: str
    version: int
    users: Mapping[UserId, UserDevices]


class PresenceStore(Protocol):
    """A set of leases keyed by session id, never a counter. Any method may raise PresenceUnavailableError.

    An incarnation lives while it is renewed; its lease is `LEASE_MS` of core.presence, renewed every `RENEW_MS`.
    """

    async def register(self, incarnation: str) -> None:
        """Begin a lease for a node incarnation, which has no device yet. Idempotent."""
        ...

    async def renew(self, incarnation: str) -> None:
        """Keep the lease. Raises FencedError when it was lost."""
        ...

    async def put(self, incarnation: str, devices: Sequence[Device], cause: str) -> None:
        """Add or change devices of this incarnation, all at once. Raises FencedError."""
        ...

    async def remove(self, incarnation: str, sessions: Sequence[SessionId], cause: str) -> None:
        """Take devices away; a no-op for those that aren't there. Raises FencedError."""
        ...

    async def unregister(self, incarnation: str, *, grace_ms: int) -> None:
        """End the lease in an orderly way: its devices go unless it is taken over within `grace_ms`."""
        ...

    async def reap(self) -> int:
        """Take apart incarnations without a lease, at most 500 users a call, cause `node lost`; give how many users."""
        ...

    async def snapshot(self) -> PresenceState:
        """Give the whole state."""
        ...

    def listen(self, on_change: Callable[[PresenceChange], None], on_doubt: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` for every change in order, `on_doubt` when some may have been missed; returns a stop."""
        ...
