"""Contents in the database, for several nodes: each finds them there, and the database's own backup has them.

In pieces, so that nobody ever holds a whole one in memory. A content and all its pieces are one transaction.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from liaison.adapters.attachment_spool import PIECE_BYTES, Spooled, file_errors, forget_spooled, spooled
from liaison.adapters.schema import CONTENT, CONTENT_PIECE
from liaison.adapters.sql_uploads import attachment_errors
from liaison.adapters.sql_writer import Transactions
from liaison.core.identifiers import Millis
from liaison.ports.attachments import MissingContentError
from liaison.ports.clock import Clock


class SqlContents:
    """ports.attachments.Contents on an open database; `spool` is a folder of this node for what comes in."""

    def __init__(self, database: Transactions, spool: Path, clock: Clock) -> None:
        self._database: Final = database
        self._spool: Final = spool
        self._clock: Final = clock

    def incoming(self) -> AbstractAsyncContextManager[Spooled]:
        """See ports.attachments."""
        return spooled(self._spool, self._store)

    async def _store(self, spooled_file: Spooled) -> None:
        sha256, size_bytes, now_ms = spooled_file.sha256, spooled_file.size_bytes, self._clock.wall_ms()

        def work(connection: Connection) -> None:
            # The update takes the row's lock: who is removing it sees the new time, or we see that it is gone.
            renewed = connection.execute(update(CONTENT).where(CONTENT.c.sha256 == sha256).values(kept_ms=now_ms))
            if renewed.rowcount:
                return
            connection.execute(insert(CONTENT).values(sha256=sha256, size_bytes=size_bytes, kept_ms=now_ms))
            with spooled_file.path.open("rb") as file:
                for place, piece in enumerate(iter(lambda: file.read(PIECE_BYTES), b"")):
                    connection.execute(insert(CONTENT_PIECE).values(sha256=sha256, place=place, data=piece))

        with attachment_errors(), file_errors():
            await self._database.write(work)

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        """See ports.attachments."""
        size = select(CONTENT.c.size_bytes).where(CONTENT.c.sha256 == sha256)
        with attachment_errors():
            left = await self._database.read(lambda connection: connection.execute(size).scalar())
        if left is None:
            raise MissingContentError(sha256)
        place = 0
        while left > 0:
            query = select(CONTENT_PIECE.c.data).where(CONTENT_PIECE.c.sha256 == sha256, CONTENT_PIECE.c.place == place)
            with attachment_errors():
                piece = await self._database.read(lambda connection, query=query: connection.execute(query).scalar())  # type: ignore[misc]
            if not piece:
                raise MissingContentError(sha256)
            yield bytes(piece)
            left, place = left - len(piece), place + 1

    async def kept_before(self, before_ms: Millis) -> Sequence[str]:
        """See ports.attachments; also clears away what was being written when a process of this node ended."""
        with file_errors():
            await asyncio.to_thread(forget_spooled, self._spool, before_ms)
        query = select(CONTENT.c.sha256).where(CONTENT.c.kept_ms < before_ms).order_by(CONTENT.c.sha256)
        with attachment_errors():
            return await self._database.read(lambda connection: list(connection.execute(query).scalars()))

    async def remove(self, sha256: str, before_ms: Millis) -> bool:
        """See ports.attachments."""

        def work(connection: Connection) -> bool:
            old = delete(CONTENT).where(CONTENT.c.sha256 == sha256, CONTENT.c.kept_ms < before_ms)
            if not connection.execute(old).rowcount:
                return False
            connection.execute(delete(CONTENT_PIECE).where(CONTENT_PIECE.c.sha256 == sha256))
            return True

        with attachment_errors():
            return await self._database.write(work)
