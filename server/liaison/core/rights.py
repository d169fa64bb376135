"""Accounts, channels, memberships and credentials as one immutable value, and what changed between two of them.

The directory is read whole into a `Rights` and replaced whole when its revision moves; every command is checked
against the newest one, so a removal takes effect in the middle of a stream.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId


class Role(Enum):
    """How somebody takes part in the office."""

    OFFICIAL = "official"
    HEAD = "head"
    BOT = "bot"
    OPS = "ops"


class CredentialKind(Enum):
    """A browser's cookie or a bot's bearer token."""

    BROWSER = "browser"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may come in. Ops have the empty delegation. An inactive account stays for the record."""

    user: UserId
    name: str
    delegation: DelegationId
    role: Role
    active: bool = True


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel and its title in both languages. With `open_to_all`, officials of its side(s) join by themselves."""

    channel: ChannelId
    title_ko: str
    title_en: str
    open_to_all: bool = True


@dataclass(frozen=True, slots=True)
class Membership:
    """That somebody belongs to a channel; without `can_write` they only follow it."""

    can_write: bool = True


@dataclass(frozen=True, slots=True)
class Credential:
    """A way in, known by the SHA-256 of its secret (hex). `expires_ms` is wall-clock time."""

    digest: str = field(repr=False)
    user: UserId
    kind: CredentialKind
    label: str
    created_ms: Millis
    expires_ms: Millis


@dataclass(frozen=True, slots=True)
class Rights:
    """Everything that authorisation looks at, at one revision of the directory."""

    revision: int
    accounts: Mapping[UserId, Account]
    channels: Mapping[ChannelId, Channel]
    members: Mapping[ChannelId, Mapping[UserId, Membership]]
    credentials: Mapping[str, Credential]
    # Made when first asked for: thousands who come back at once ask it of the same rights.
    _channels_by_user: dict[UserId, list[ChannelId]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def membership(self, user: UserId, channel: ChannelId) -> Membership | None:
        """What `user` is to `channel`; None for a stranger and for a channel that does not exist."""
        members = self.members.get(channel)
        return None if members is None else members.get(user)

    def channels_of(self, user: UserId) -> list[ChannelId]:
        """The channels `user` belongs to, by name."""
        if not self._channels_by_user:
            for channel in sorted(self.members):
                for member in self.members[channel]:
                    self._channels_by_user.setdefault(member, []).append(channel)
        return list(self._channels_by_user.get(user, ()))

    def credential_is_live(self, digest: str, now_ms: Millis) -> bool:
        """Whether the credential still lets its owner in."""
        credential = self.credentials.get(digest)
        if credential is None or credential.expires_ms <= now_ms:
            return False
        account = self.accounts.get(credential.user)
        return account is not None and account.active


EMPTY_RIGHTS = Rights(0, {}, {}, {}, {})


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """That `user` gained, lost or changed a channel."""

    user: UserId
    channel: ChannelId
    before: Membership | None
    after: Membership | None


def membership_changes(before: Rights, after: Rights) -> Iterable[MembershipChange]:
    """Give each membership that differs, in an order that depends on nothing but the two values."""
    for channel in sorted(before.members.keys() | after.members.keys()):
        old, new = before.members.get(channel, {}), after.members.get(channel, {})
        if old == new:
            continue
        for user in sorted(old.keys() | new.keys()):
            if old.get(user) != new.get(user):
                yield MembershipChange(user, channel, old.get(user), new.get(user))


def digest_of(secret: str) -> str:
    """Give what a credential is known by. The secret must be encodable; SHA-256 suffices for 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()
