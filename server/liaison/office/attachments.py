"""The desk for attachments: takes contents in, hands them out, and clears away what nobody came to name.

Who may have a content is asked of the channel, each time. That a hash is known, or stored for somebody else, answers
nothing: what isn't named in this channel isn't there. (PROTOCOL.md §14)
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from liaison.core.attachments import check_ending, clean_name
from liaison.core.content_types import ContentInspector
from liaison.core.identifiers import ChannelId, Millis, UserId
from liaison.core.permissions import Action
from liaison.core.register_channels import is_register, own_dispatches
from liaison.office.actor import Actor
from liaison.office.registers import Handler
from liaison.ports.attachments import (
    AttachmentsFullError,
    AttachmentsUnavailableError,
    Contents,
    MissingContentError,
    QuotaReachedError,
    Upload,
    Uploads,
)
from liaison.protocol.errors import ErrorCode, Refused, Unavailable
from liaison.protocol.frames import Attachment, Command
from liaison.protocol.limits import MAX_UPLOADS_IN_FLIGHT
from liaison.protocol.media_types import ATTACHMENT_TYPES, CSV, PLAIN_TEXT

if TYPE_CHECKING:
    from liaison.office.office import Office

_journal = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AttachmentStores:
    """Where an office keeps what is attached."""

    contents: Contents
    uploads: Uploads


@dataclass(frozen=True, slots=True)
class AttachmentSettings:
    """How large one attachment and all those of one side may be, and how long an upload waits to be named.

    Longer than any client keeps a message that it can't send, or that message would lose what is attached to it.
    """

    max_bytes: int = 10 * 1024 * 1024
    side_quota_bytes: int = 10 * 1024 * 1024 * 1024
    keep_unused_ms: int = 7 * 86_400_000
    clear_every_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Offered:
    """What a client says of a file before it sends it; `size_bytes` is None where it doesn't say."""

    name: str
    media_type: str
    size_bytes: int | None


class AttachmentDesk:
    """office.registers.Department that has no commands: files come and go by HTTP."""

    def __init__(self, office: "Office", stores: AttachmentStores | None, settings: AttachmentSettings) -> None:
        self._office = office
        self.stores = stores
        self.settings: Final = settings
        self._in_flight: Counter[UserId] = Counter()

    @property
    def max_bytes(self) -> int:
        """How large an attachment may be; 0 where there are none."""
        return 0 if self.stores is None else self.settings.max_bytes

    def handlers(self) -> Mapping[type[Command], Handler]:
        """See office.registers.Department."""
        return {}

    async def start(self) -> None:
        """There is nothing to learn before."""

    async def run(self) -> None:
        """Clear away what is old and unused, now and then, until cancelled."""
        while self.stores is not None:
            try:
                await self.clear(self.stores)
            except AttachmentsUnavailableError as error:
                _journal.warning("unused attachments stay for now", reason=str(error))
            await asyncio.sleep(self.settings.clear_every_s)

    async def clear(self, stores: AttachmentStores) -> int:
        """Forget old uploads that nothing names, then remove the contents that nobody needs; say how many contents.

        What is uploaded or named meanwhile is young again, and stays.
        """
        before_ms = Millis(self._office.clock.wall_ms() - self.settings.keep_unused_ms)
        await stores.uploads.forget_unused(before_ms)
        old = await stores.contents.kept_before(before_ms)
        needed = await stores.uploads.needed(old) if old else frozenset()
        removed = 0
        for sha256 in old:
            if sha256 not in needed and await stores.contents.remove(sha256, before_ms):
                removed += 1
        if removed:
            _journal.info("unused attachments removed", contents=removed)
        return removed

    # --- in -------------------------------------------------------------------------------------------------------

    async def upload(
        self, actor: Actor, channel_text: str, offered: Offered, pieces: AsyncIterator[bytes]
    ) -> Attachment:
        """Take in a file for a channel, and give what its uploader may then name there.

        Nothing is kept of a file that is refused or breaks off. A repeat gives the same answer.

        Raises Refused, Unavailable.
        """
        channel = self._may_attach(actor, channel_text)
        stores = self._open()
        user, side = actor.account.user, actor.account.delegation
        self._office.limit_user(user)
        if offered.media_type not in ATTACHMENT_TYPES:
            raise Refused(ErrorCode.ATTACHMENT_TYPE, "files of this type can't be attached")
        name = clean_name(offered.name)
        check_ending(name, offered.media_type)
        if offered.size_bytes is not None and offered.size_bytes > self.settings.max_bytes:
            raise self._too_large()
        with self._counted(user), _storage_refusals():
            if await stores.uploads.used_bytes(side) + (offered.size_bytes or 0) > self.settings.side_quota_bytes:
                raise _quota_reached()
            async with stores.contents.incoming() as incoming:
                inspector = ContentInspector()
                async for piece in pieces:
                    if incoming.size_bytes + len(piece) > self.settings.max_bytes:
                        raise self._too_large()
                    await incoming.write(piece)
                    inspector.look(piece)
                self._check_content(offered, incoming.size_bytes, inspector.found())
                # The right may have gone while the file came in.
                self._may_attach(actor, channel_text)
                # First the content: what is noted is there.
                await incoming.keep()
                uploaded = Upload(channel, user, side, incoming.sha256, offered.media_type, incoming.size_bytes)
                await self._note(stores, uploaded)
        self._office.observer.attachment_moved(side, "in", uploaded.size_bytes)
        return Attachment(uploaded.sha256, name, uploaded.media_type, uploaded.size_bytes)

    def _may_attach(self, actor: Actor, channel_text: str) -> ChannelId:
        channel = self._office.registry.may(actor, Action.PUBLISH, channel_text)
        if is_register(channel) and channel != own_dispatches(actor.account.delegation):
            raise Refused(ErrorCode.FORBIDDEN, "nothing is attached here: a dispatch's files go to one's own drafts")
        return channel

    def _open(self) -> AttachmentStores:
        if self.stores is None:
            raise Refused(ErrorCode.ATTACHMENTS_OFF, "this office takes no attachments")
        return self.stores

    async def _note(self, stores: AttachmentStores, upload: Upload) -> None:
        try:
            await stores.uploads.add(upload, self._office.clock.wall_ms(), quota_bytes=self.settings.side_quota_bytes)
        except QuotaReachedError as error:
            raise _quota_reached() from error

    def _check_content(self, offered: Offered, size_bytes: int, found: str) -> None:
        if size_bytes == 0 or offered.size_bytes not in (None, size_bytes):
            raise Refused(ErrorCode.ATTACHMENT_INCOMPLETE, "the file did not come as a whole, or is empty")
        # A table of values is plain text in which only its name sees more.
        if found != (PLAIN_TEXT if offered.media_type == CSV else offered.media_type):
            raise Refused(ErrorCode.ATTACHMENT_MISMATCH, "the file is not what its name and type say, or isn't sound")

    def _too_large(self) -> Refused:
        return Refused(ErrorCode.ATTACHMENT_TOO_LARGE, f"an attachment has at most {self.settings.max_bytes} bytes")

    @contextmanager
    def _counted(self, user: UserId) -> Iterator[None]:
        if self._in_flight[user] >= MAX_UPLOADS_IN_FLIGHT:
            raise Unavailable(f"at most {MAX_UPLOADS_IN_FLIGHT} files at a time", ErrorCode.BUSY)
        self._in_flight[user] += 1
        try:
            yield
        finally:
            self._in_flight[user] -= 1
            if not self._in_flight[user]:
                del self._in_flight[user]

    # --- named ----------------------------------------------------------------------------------------------------

    async def claim(
        self, channel: ChannelId, user: UserId, attachments: Sequence[Attachment], known: Collection[Attachment] = ()
    ) -> None:
        """Make sure that what an entry is about to name is there and stays; `known` are those it names already.

        Raises Refused(ATTACHMENT_NOT_UPLOADED, ATTACHMENTS_OFF), Unavailable.
        """
        wanted = [each for each in attachments if each not in known]
        if not wanted:
            return
        stores = self._open()
        with _storage_refusals():
            missing = await stores.uploads.claim(channel, user, wanted, self._office.clock.wall_ms())
        if missing:
            name = next(each.name for each in wanted if each.sha256 == missing[0])
            raise Refused(ErrorCode.ATTACHMENT_NOT_UPLOADED, f"you have not uploaded {name!r} to this channel")

    # --- out ------------------------------------------------------------------------------------------------------

    async def download(self, actor: Actor, channel_text: str, sha256: str) -> tuple[Attachment, AsyncIterator[bytes]]:
        """Give what a channel has under a hash, and its pieces. Raises Refused, Unavailable."""
        channel = self._office.registry.may(actor, Action.READ, channel_text)
        stores = self._open()
        with _storage_refusals():
            found = await stores.uploads.find(channel, actor.account.user, sha256)
        # The right may have gone while the log was asked.
        self._office.registry.may(actor, Action.READ, channel_text)
        if found is None:
            raise Refused(ErrorCode.NO_SUCH_ATTACHMENT, "there is no such attachment in this channel")
        pieces = stores.contents.read(sha256)
        try:
            with _storage_refusals():
                # Before anything is answered, so that a missing content is an answer of its own.
                first = await anext(pieces)
        except MissingContentError as error:
            _journal.error("an attachment's content is missing", sha256=sha256)
            raise Unavailable("the attachment's content can't be had at the moment") from error
        self._office.observer.attachment_moved(actor.account.delegation, "out", found.size_bytes)
        return found, _joined(first, pieces)


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _quota_reached() -> Refused:
    return Refused(ErrorCode.ATTACHMENT_QUOTA, "your side's attachments take all the room they may have")


@contextmanager
def _storage_refusals() -> Iterator[None]:
    try:
        yield
    except AttachmentsFullError as error:
        message = "the office's storage is full; nothing was stored"
        raise Unavailable(message, ErrorCode.STORAGE_FULL, retry_after_ms=5000) from error
    except AttachmentsUnavailableError as error:
        raise Unavailable("attachments can't be read or written now") from error
