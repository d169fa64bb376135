"""Accounts, channels, memberships, credentials and the audit log: who may come in and what they belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from liaison.core.identifiers import ChannelId, Millis, UserId
from liaison.core.rights import Account, Channel, Credential, Membership, Rights


class DirectoryUnavailableError(Exception):
    """The directory can't be read or written now, and nothing was changed.

    One exception: when the store fails in the middle of a commit, nobody knows, and the process stops.
    """


class AlreadyExistsError(Exception):
    """An account or channel of that name exists; nothing was changed."""


class NotFoundError(Exception):
    """There is no such account, channel or credential; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What proves who somebody is; never logged. Empty strings: no password (a bot), no one-time code."""

    password_hash: str
    totp_secret: str

    def __repr__(self) -> str:
        return "Secrets(***)"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of the audit log: who did what to whom. Never message text, never a secret.

    `seq` rises by one; `link` chains each record to the one before (SHA-256).
    """

    seq: int
    time_ms: Millis
    actor: str
    action: str
    subject: str
    detail: str
    link: bytes


class Directory(Protocol):
    """Every change is one transaction that raises the revision by one and, where `audit` says so, adds a record.

    Any method may raise DirectoryUnavailableError.
    """

    async def revision(self) -> int:
        """Give the newest revision; cheap, asked twice a second, and sees changes by other processes."""
        ...

    async def load(self) -> Rights:
        """Give everything that authorisation looks at, read in one transaction; expired credentials are left out."""
        ...

    async def secrets(self, user: UserId) -> Secrets | None:
        """Give what proves this account's owner; None for no such account."""
        ...

    async def add_account(self, account: Account, secrets: Secrets, *, actor: str) -> None:
        """Add an account, and join it to the `open_to_all` channels it is eligible for. Raises AlreadyExistsError.

        Eligible: officials and heads for joint channels and for their own side's.
        """
        ...

    async def set_active(self, user: UserId, *, active: bool, actor: str) -> None:
        """Let somebody in or keep them out; keeping out also revokes all their credentials. Raises NotFoundError."""
        ...

    async def set_secrets(self, user: UserId, secrets: Secrets, *, actor: str) -> None:
        """Change the password or one-time secret, and revoke the user's browser credentials. Raises NotFoundError."""
        ...

    async def replace_hash(self, user: UserId, before: str, after: str) -> None:
        """Store a newer hash of the same password; a no-op when the hash is not `before` any more.

        Revokes nothing, raises no revision and is not audited: nobody's way in has changed.
        """
        ...

    async def add_channel(self, channel: Channel, members: Mapping[UserId, Membership], *, actor: str) -> None:
        """Add a channel with these members, and with everybody eligible when it is `open_to_all`.

        Raises AlreadyExistsError, or NotFoundError for a member without an account.
        """
        ...

    async def set_membership(
        self, channel: ChannelId, user: UserId, membership: Membership | None, *, actor: str
    ) -> None:
        """Give, change or (None) take away a membership; taking away what isn't there is a no-op.

        Raises NotFoundError for a channel or user that does not exist.
        """
        ...

    async def add_credential(self, credential: Credential, *, actor: str) -> None:
        """Store a credential by its digest. Raises NotFoundError for a user that does not exist or is not active."""
        ...

    async def revoke_credential(self, digest: str, *, actor: str) -> None:
        """End one credential; a no-op for one that isn't there."""
        ...

    async def revoke_credentials_of(self, user: UserId, *, actor: str) -> int:
        """End all credentials of a user; give how many there were."""
        ...

    async def credentials_of(self, user: UserId) -> Sequence[Credential]:
        """Give a user's live credentials, oldest first."""
        ...

    async def touch_credentials(self, last_used_ms: Mapping[str, Millis]) -> None:
        """Note when credentials (by digest) were last used; raises no revision."""
        ...

    async def audit(self, actor: str, action: str, subject: str, detail: str) -> int:
        """Add a record to the audit log; give its seq."""
        ...

    async def audit_records(self, *, after: int, limit: int) -> Sequence[AuditRecord]:
        """Read the audit log in order."""
        ...
