"""Exports a channel's whole record, page by page, as lines that core.transcript can verify."""

from collections.abc import AsyncIterator
from typing import Final

from liaison.core.identifiers import ChannelId
from liaison.core.transcript import Transcriber
from liaison.ports.log import Log

_PAGE_MESSAGES: Final = 500
_PAGE_BYTES: Final = 1 << 20


class EpochChangedError(Exception):
    """The log was restored from a backup during the export: begin again."""


async def export_channel(log: Log, channel: ChannelId, *, exported_by: str) -> AsyncIterator[bytes]:
    """Give the lines of a transcript up to where the channel stands now; what is written meanwhile is left out.

    Holds one page at a time. Whoever stops half-way has a file that fails to verify as truncated.

    Raises:
        LogUnavailableError: as the log.
        EpochChangedError: what was given so far is of an epoch that is over.
    """
    end = (await log.heads([channel]))[channel]
    transcriber = Transcriber(channel, end.epoch, end.seq, exported_by)
    yield transcriber.header()
    after = 0
    while after < end.seq:
        limit = min(_PAGE_MESSAGES, end.seq - after)
        page = await log.read(channel, after=after, limit=limit, max_bytes=_PAGE_BYTES)
        if page.epoch != end.epoch or not page.entries:
            raise EpochChangedError(f"{channel} is in epoch {page.epoch} now")
        for entry in page.entries:
            yield transcriber.line(entry)
        after = page.entries[-1].seq
    yield transcriber.trailer()
