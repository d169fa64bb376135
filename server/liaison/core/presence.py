"""Who is there: a user's devices merged into one state, and what each audience may see of all. (PROTOCOL.md §6.1)

A state is always derived from the set of devices, never counted up and down: a lost decrement would be a ghost for
ever. What an audience can't see changes neither its view nor its version.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

from liaison.core.identifiers import NO_DELEGATION, DelegationId, Millis, SessionId, UserId
from liaison.core.profile import Granularity, OfficeProfile
from liaison.core.rights import Account, Role
from liaison.protocol.frames import Availability, PresenceLeave, PresenceUser, SidePresence

# A node that crashed is found out after this at the latest. Three renewals fit, so that one lost and one late renewal
# cost nobody their presence.
LEASE_MS: Final = 9_000
RENEW_MS: Final = 3_000
# A client that lost its socket is back within a few seconds: backoff up to 5 s, a slow handshake, a laptop that changes
# networks. Longer would only make real departures stale; shorter makes people flicker.
GRACE_MS: Final = 10_000
# The most users that one step of the store takes apart or writes, so that no step keeps a shared store busy for long.
MAX_USERS_PER_STEP: Final = 500


class Cause(StrEnum):
    """Why a state changed, so that "why did she show offline at 14:03?" has an answer."""

    CONNECTED = "connected"
    SAID = "said"
    CLOSED = "closed"
    NO_PONG = "no pong"
    BROKEN = "broken"
    NODE_LOST = "node lost"
    RESUMED = "resumed"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SIGNED_OUT = "signed out"
    SLOW = "slow"
    RESTART = "restart"
    # The change itself was missed while the store was out of reach; nobody can say more.
    MISSED = "missed"


class Connectivity(Enum):
    """What the server sees of somebody's connections."""

    ONLINE = "online"
    UNCONFIRMED = "unconfirmed"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Device:
    """One connection of a user. `confirmed` is False while its socket is gone but its grace period runs.

    `since_ms` is wall-clock time.
    """

    session: SessionId
    user: UserId
    delegation: DelegationId
    role: Role
    availability: Availability
    since_ms: Millis
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class UserDevices:
    """All devices of one user over every node, as `merge` gives them; none is offline.

    `cause` and `changed_ms` (wall clock) are of the last change.
    """

    user: UserId
    delegation: DelegationId
    role: Role
    devices: tuple[Device, ...]
    cause: str
    changed_ms: Millis

    @property
    def connectivity(self) -> Connectivity:
        """Online while any device is confirmed, unconfirmed while only grace periods run."""
        if any(device.confirmed for device in self.devices):
            return Connectivity.ONLINE
        return Connectivity.UNCONFIRMED if self.devices else Connectivity.OFFLINE

    @property
    def availability(self) -> Availability | None:
        """The most available device's; "do not disturb" said on any device is said for all. None while offline.

        A device in its grace period still counts: a short outage must not change what somebody said.
        """
        said = {device.availability for device in self.devices}
        return next((availability for availability in PRECEDENCE if availability in said), None)

    @property
    def is_staff(self) -> bool:
        """Whether this is somebody at a desk: a bot must never make a desk look staffed."""
        return self.role in _PEOPLE and bool(self.devices)


# From the most to the least available.
PRECEDENCE: Final[tuple[Availability, ...]] = ("dnd", "active", "idle", "away")
_PEOPLE: Final = frozenset({Role.OFFICIAL, Role.HEAD})


def merge(*claims: Iterable[Device]) -> tuple[Device, ...]:
    """Unite what several nodes claim of one user's devices, sorted by session.

    Commutative, associative and idempotent. One session can be claimed twice: by a node's new incarnation before the
    lost one has been taken apart. Then the claim that is confirmed, else the more available one, counts.
    """
    by_session: dict[SessionId, Device] = {}
    for claim in claims:
        for device in claim:
            other = by_session.get(device.session)
            if other is None or _strength(device) > _strength(other):
                by_session[device.session] = device
    return tuple(by_session[session] for session in sorted(by_session))


def _strength(device: Device) -> tuple[bool, int, int, str, str, str]:
    # Every field takes part: two different claims of equal strength would make the result depend on their order.
    precedence = -PRECEDENCE.index(device.availability)
    return (device.confirmed, precedence, -device.since_ms, device.user, device.delegation, device.role.value)


@dataclass(frozen=True, slots=True)
class Audience:
    """Those who see the same: one delegation's people and bots, or ops, who belong to none."""

    delegation: DelegationId
    is_ops: bool = False


def audience_of(account: Account) -> Audience:
    """Give the audience an account belongs to. One without a delegation that isn't ops sees both sides from across."""
    return Audience(NO_DELEGATION, is_ops=True) if account.role is Role.OPS else Audience(account.delegation)


@dataclass(frozen=True, slots=True)
class Here:
    """What the office itself knows of a side: whether any client of it is connected, a bot's too, and who is there."""

    is_connected: bool
    people: frozenset[UserId]


@dataclass(slots=True)
class Roster:
    """Everybody who has a device, and who of them staffs which side; kept up by `update`."""

    users: dict[UserId, UserDevices] = field(default_factory=dict)
    staff: dict[DelegationId, set[UserId]] = field(default_factory=dict)

    def update(self, user: UserDevices) -> None:
        """Put a user's newest state in the place of the last one; one without devices is taken out."""
        before = self.users.pop(user.user, None)
        if before is not None:
            self.staff.get(before.delegation, set()).discard(user.user)
        if user.devices:
            self.users[user.user] = user
        if user.is_staff:
            self.staff.setdefault(user.delegation, set()).add(user.user)

    def here(self, delegation: DelegationId) -> Here:
        """Say who of a side is there, for the office's own rules; what an audience may see is View's matter."""
        is_connected = any(user.delegation == delegation for user in self.users.values())
        return Here(is_connected, frozenset(self.staff.get(delegation, ())))

    def differences(self, users: Mapping[UserId, UserDevices], now_ms: Millis) -> list[UserDevices]:
        """Give the updates that lead from here to `users`. Those who left have cause `missed` and the time `now_ms`."""
        changed = [user for name, user in users.items() if self.users.get(name) != user]
        left = [
            UserDevices(user.user, user.delegation, user.role, (), Cause.MISSED, now_ms)
            for name, user in self.users.items()
            if name not in users
        ]
        return changed + left


@dataclass(frozen=True, slots=True)
class ViewDiff:
    """What changed for one audience; `joins` also carries people who changed. Apply joins before leaves."""

    joins: tuple[PresenceUser, ...]
    leaves: tuple[PresenceLeave, ...]
    sides: tuple[SidePresence, ...]

    def __bool__(self) -> bool:
        return bool(self.joins or self.leaves or self.sides)


@dataclass(slots=True)
class View:
    """What one audience sees, kept up by `advance`: a fresh view of the same roster is always equal to it.

    Own side: people by name, with availability and devices. Across: what the office's granularity gives, the same in
    both directions, and never availability, times or devices. Ops: everything, with cause and time.
    """

    audience: Audience
    profile: OfficeProfile
    users: dict[UserId, PresenceUser] = field(default_factory=dict)
    sides: dict[DelegationId, SidePresence] = field(default_factory=dict)

    @classmethod
    def of(cls, audience: Audience, profile: OfficeProfile, roster: Roster) -> "View":
        """Give what `audience` sees of `roster`."""
        view = cls(audience, profile)
        view.advance(roster, roster.users.values())
        return view

    def advance(self, roster: Roster, changed: Iterable[UserDevices]) -> ViewDiff:
        """Take over the newest states of `changed`, which `roster` already has; give what differs to this audience."""
        joins, leaves = [], []
        for user in changed:
            seen, before = self._person(user), self.users.get(user.user)
            if seen is None:
                if before is not None:
                    del self.users[user.user]
                    leaves.append(self._departure(user, before))
            elif seen != before:
                self.users[user.user] = seen
                joins.append(seen)
        sides = [side for side in self._sides(roster) if self.sides.get(DelegationId(side.delegation)) != side]
        self.sides.update((DelegationId(side.delegation), side) for side in sides)
        return ViewDiff(
            tuple(sorted(joins, key=lambda join: join.user)),
            tuple(sorted(leaves, key=lambda leave: leave.user)),
            tuple(sides),
        )

    def people(self) -> list[PresenceUser]:
        """Everybody this audience sees by name, sorted by user."""
        return [self.users[user] for user in sorted(self.users)]

    def totals(self) -> list[SidePresence]:
        """Both delegations as a whole, in the order of the profile."""
        return list(self.sides.values())

    def _granularity(self, delegation: DelegationId) -> Granularity:
        if self.audience.is_ops or delegation == self.audience.delegation:
            return Granularity.NAMED
        return self.profile.granularity

    def _person(self, user: UserDevices) -> PresenceUser | None:
        connectivity = user.connectivity
        if connectivity is Connectivity.OFFLINE:
            return None
        if self.audience.is_ops:
            return PresenceUser(
                user.user,
                user.delegation,
                connectivity.value,
                user.availability or "",
                _devices_shown(user),
                user.changed_ms,
                user.cause,
            )
        # Ops belong to no side and are shown to none.
        if user.delegation == NO_DELEGATION:
            return None
        if user.delegation == self.audience.delegation:
            return PresenceUser(
                user.user, user.delegation, connectivity.value, user.availability or "", _devices_shown(user)
            )
        if self.profile.granularity is not Granularity.NAMED:
            return None
        return PresenceUser(user.user, user.delegation, connectivity.value)

    def _departure(self, user: UserDevices, before: PresenceUser) -> PresenceLeave:
        if self.audience.is_ops:
            return PresenceLeave(user.user, before.delegation, user.cause, user.changed_ms)
        return PresenceLeave(user.user, before.delegation)

    def _sides(self, roster: Roster) -> Iterable[SidePresence]:
        for delegation in self.profile.delegations:
            granularity = self._granularity(delegation.id)
            online = len(roster.staff.get(delegation.id, ()))
            told = None if granularity is Granularity.STAFFED else online
            yield SidePresence(delegation.id, granularity.value, online > 0, told)


def _devices_shown(user: UserDevices) -> int:
    # While somebody is back on another node, the old connection's grace period still runs: it is no second device.
    return sum(device.confirmed for device in user.devices) or len(user.devices)
