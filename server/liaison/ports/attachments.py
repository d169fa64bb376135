"""What is attached to entries: contents by their hash, and who uploaded them where. (PROTOCOL.md §14)

Contents are stored once, whoever uploads them; who may have one is decided by the channel that names it, never by who
knows its hash.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.protocol.frames import Attachment


class AttachmentsUnavailableError(Exception):
    """Contents or uploads can't be read or written now; trying again may help. What was being stored is not."""


class AttachmentsFullError(AttachmentsUnavailableError):
    """There is no room; nothing of it was stored, and what is there can be read."""


class QuotaReachedError(Exception):
    """The side's contents would be more than it may have; the upload was not noted."""


class MissingContentError(Exception):
    """A content that should be there is not, or is not what its hash says: damage, or a backup that was not whole."""


class Incoming(Protocol):
    """A content on its way in, which nobody sees; leaving its context without `keep` leaves nothing behind."""

    @property
    def size_bytes(self) -> int:
        """How much was written."""
        ...

    @property
    def sha256(self) -> str:
        """The hash of what was written, in hexadecimal."""
        ...

    async def write(self, piece: bytes) -> None:
        """Put the next piece behind what is there. Raises AttachmentsUnavailableError, AttachmentsFullError."""
        ...

    async def keep(self) -> None:
        """Store it under its hash so that it survives a power cut, and count its age from now.

        Idempotent, also when somebody else has stored the same content. Raises as `write`.
        """
        ...


class Contents(Protocol):
    """Contents by hash. They never change; each is there as a whole or not at all."""

    def incoming(self) -> AbstractAsyncContextManager[Incoming]:
        """Begin to take in a content. Raises as `Incoming.write`."""
        ...

    def read(self, sha256: str) -> AsyncIterator[bytes]:
        """Give a content in pieces. Raises MissingContentError, at once; AttachmentsUnavailableError."""
        ...

    async def kept_before(self, before_ms: Millis) -> Sequence[str]:
        """Give the hashes of what was kept, and kept again by nobody since, before a moment."""
        ...

    async def remove(self, sha256: str, before_ms: Millis) -> bool:
        """Remove what was kept last before a moment, and say whether it was; what was kept again stays."""
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """Somebody's right to name a content in a channel, because they brought it there."""

    channel: ChannelId
    user: UserId
    delegation: DelegationId
    sha256: str
    media_type: str
    size_bytes: int


class Uploads(Protocol):
    """Who uploaded what, and what the log names. Any method may raise AttachmentsUnavailableError."""

    async def add(self, upload: Upload, now_ms: Millis, *, quota_bytes: int) -> None:
        """Note an upload, or that it was made again. Contents that a side has uploaded before count once.

        Raises QuotaReachedError, AttachmentsFullError.
        """
        ...

    async def used_bytes(self, delegation: DelegationId) -> int:
        """Say how much a side has uploaded, each content once, and not what was forgotten since."""
        ...

    async def claim(
        self, channel: ChannelId, user: UserId, attachments: Sequence[Attachment], now_ms: Millis
    ) -> Sequence[str]:
        """Renew a user's uploads, so that none is forgotten while an entry that names it is on its way.

        Gives the hashes of those that this user has not uploaded to this channel with that type and size.
        """
        ...

    async def find(self, channel: ChannelId, user: UserId, sha256: str) -> Attachment | None:
        """Give a content as the channel's log names it last, or as this user's own upload without a name; or None.

        What waits in a suspended channel is not on its log yet.
        """
        ...

    async def forget_unused(self, before_ms: Millis) -> int:
        """Forget uploads from before a moment that no entry of their channel names, held or not; say how many."""
        ...

    async def needed(self, hashes: Sequence[str]) -> frozenset[str]:
        """Say which of these any upload, entry or held draft has, in whatever channel."""
        ...
