"""Uploads on SQL tables, and which entries of the log name a content. (schema.py)

No table says which channel has which content: the log does, and an index of the few entries that name any makes it
quick to ask. So there is nothing that could disagree with the log, whichever version of a node wrote an entry.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, text, update

from liaison.adapters.schema import ATTACHES, CHANNEL_HEAD, HELD, MESSAGE, UPLOAD
from liaison.adapters.sql_writer import StorageError, StorageFullError, Transactions
from liaison.core.attachments import attachments_of
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.ports.attachments import AttachmentsFullError, AttachmentsUnavailableError, QuotaReachedError, Upload
from liaison.protocol.frames import Attachment


class SqlUploads:
    """ports.attachments.Uploads on an open database, which it does not close."""

    def __init__(self, database: Transactions) -> None:
        self._database: Final = database

    async def add(self, upload: Upload, now_ms: Millis, *, quota_bytes: int) -> None:
        """See ports.attachments."""
        own = _row_of(upload.channel, upload.user, upload.sha256)

        def work(connection: Connection) -> None:
            if connection.execute(update(UPLOAD).where(*own).values(time_ms=now_ms)).rowcount:
                return
            connection.execute(
                insert(UPLOAD).values(
                    channel=upload.channel,
                    user_id=upload.user,
                    sha256=upload.sha256,
                    delegation=upload.delegation,
                    media_type=upload.media_type,
                    size_bytes=upload.size_bytes,
                    time_ms=now_ms,
                )
            )
            if _used_bytes(connection, upload.delegation) > quota_bytes:
                raise QuotaReachedError

        with attachment_errors():
            await self._database.write(work)

    async def used_bytes(self, delegation: DelegationId) -> int:
        """See ports.attachments."""
        with attachment_errors():
            return await self._database.read(lambda connection: _used_bytes(connection, delegation))

    async def claim(
        self, channel: ChannelId, user: UserId, attachments: Sequence[Attachment], now_ms: Millis
    ) -> Sequence[str]:
        """See ports.attachments."""

        def work(connection: Connection) -> list[str]:
            missing = []
            for each in attachments:
                own = update(UPLOAD).where(
                    *_row_of(channel, user, each.sha256),
                    UPLOAD.c.media_type == each.media_type,
                    UPLOAD.c.size_bytes == each.size_bytes,
                )
                if not connection.execute(own.values(time_ms=now_ms)).rowcount:
                    missing.append(each.sha256)
            return missing

        with attachment_errors():
            return await self._database.write(work)

    async def find(self, channel: ChannelId, user: UserId, sha256: str) -> Attachment | None:
        """See ports.attachments."""
        own = select(UPLOAD.c.media_type, UPLOAD.c.size_bytes).where(*_row_of(channel, user, sha256))

        def look_up(connection: Connection) -> Attachment | None:
            named = (
                select(MESSAGE.c.kind, MESSAGE.c.data)
                .join(CHANNEL_HEAD, CHANNEL_HEAD.c.number == MESSAGE.c.channel_number)
                .where(CHANNEL_HEAD.c.channel == channel, _attaches(connection), MESSAGE.c.data.contains(sha256))
                .order_by(MESSAGE.c.seq.desc())
            )
            for row in connection.execute(named):
                for each in attachments_of(row.kind, row.data):
                    if each.sha256 == sha256:
                        return each
            uploaded = connection.execute(own).one_or_none()
            return None if uploaded is None else Attachment(sha256, "", uploaded.media_type, uploaded.size_bytes)

        with attachment_errors():
            return await self._database.read(look_up)

    async def forget_unused(self, before_ms: Millis) -> int:
        """See ports.attachments."""
        old = select(UPLOAD.c.channel, UPLOAD.c.user_id, UPLOAD.c.sha256).where(UPLOAD.c.time_ms < before_ms)

        def work(connection: Connection) -> int:
            forgotten = 0
            named: dict[str, frozenset[str]] = {}
            for row in connection.execute(old).all():
                if row.channel not in named:
                    named[row.channel] = _named(connection, row.channel)
                if row.sha256 not in named[row.channel]:
                    connection.execute(delete(UPLOAD).where(*_row_of(row.channel, row.user_id, row.sha256)))
                    forgotten += 1
            return forgotten

        with attachment_errors():
            return await self._database.write(work)

    async def needed(self, hashes: Sequence[str]) -> frozenset[str]:
        """See ports.attachments."""

        def look_up(connection: Connection) -> frozenset[str]:
            uploaded = frozenset(connection.execute(select(UPLOAD.c.sha256)).scalars())
            return frozenset(hashes) & (uploaded | _named(connection, None))

        with attachment_errors():
            return await self._database.read(look_up)


@contextmanager
def attachment_errors() -> Iterator[None]:
    """Turn the storage's errors into the port's.

    Each of these changes can be made again, so that an unknown outcome is as good as none.
    """
    try:
        yield
    except StorageFullError as error:
        raise AttachmentsFullError(str(error)) from error
    except StorageError as error:
        raise AttachmentsUnavailableError(str(error)) from error


def _row_of(channel: str, user: str, sha256: str) -> tuple[ColumnElement[bool], ...]:
    return UPLOAD.c.channel == channel, UPLOAD.c.user_id == user, UPLOAD.c.sha256 == sha256


def _attaches(connection: Connection) -> ColumnElement[bool]:
    return text(ATTACHES[connection.dialect.name])  # type: ignore[return-value]  # What it is, SQLAlchemy can't know.


def _used_bytes(connection: Connection, delegation: DelegationId) -> int:
    once = select(UPLOAD.c.sha256, UPLOAD.c.size_bytes).where(UPLOAD.c.delegation == delegation).distinct().subquery()
    return int(connection.execute(select(func.coalesce(func.sum(once.c.size_bytes), 0))).scalar_one())


def _named(connection: Connection, channel: str | None) -> frozenset[str]:
    """Give every content that an entry or a held draft names, in one channel or in all."""
    found: set[str] = set()
    for table in (MESSAGE, HELD):
        query = select(table.c.kind, table.c.data).where(_attaches(connection))
        if channel is not None:
            numbers = select(CHANNEL_HEAD.c.number).where(CHANNEL_HEAD.c.channel == channel)
            query = query.where(table.c.channel_number.in_(numbers))
        for row in connection.execute(query):
            found.update(each.sha256 for each in attachments_of(row.kind, row.data))
    return frozenset(found)
