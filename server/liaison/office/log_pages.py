"""Pages of the log that subscriptions read from the same place, and the bytes of their frames.

When thousands come back at once, they come back to few places: where the node was when it went down. What stands after
a place in an epoch never changes, so whoever comes there shares what the first one read and encoded.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from liaison.core.entries import Entry
from liaison.core.identifiers import ChannelId
from liaison.core.position import Position
from liaison.office.messages import EncodedEntry, joined_frames
from liaison.ports.log import Log, LogUnavailableError, LogUnreadableError
from liaison.protocol.codec import WireFormat

# About one socket buffer: more would only wait in memory.
PAGE_ENTRIES: Final = 100
PAGE_BYTES: Final = 64 * 1024
# With their encoded forms some 10 MB at worst.
PAGES_KEPT: Final = 32


class LogPage:
    """What follows a place: entries in rising seq, none where the log ended. `is_whole`: no more would fit."""

    __slots__ = ("_entries", "_frames", "epoch", "is_whole")

    def __init__(self, epoch: int, entries: tuple[Entry, ...], *, is_whole: bool) -> None:
        self.epoch = epoch
        self.is_whole = is_whole
        self._entries = entries
        self._frames: dict[WireFormat, bytes] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def last_seq(self) -> int:
        """Where the page ends; it must not be empty."""
        return self._entries[-1].seq

    def up_to(self, seq: int) -> "LogPage":
        """Give the part that goes no further than `seq`; itself, if nothing goes further."""
        if not self._entries or self.last_seq <= seq:
            return self
        return LogPage(self.epoch, tuple(entry for entry in self._entries if entry.seq <= seq), is_whole=False)

    def frames(self, wire: WireFormat) -> bytes:
        """Give the finished frames as one run of bytes, encoded when first wanted."""
        frames = self._frames.get(wire)
        if frames is None:
            rows = [EncodedEntry(entry, self.epoch) for entry in self._entries]
            frames = self._frames[wire] = joined_frames(rows, wire)
        return frames


_Place = tuple[ChannelId, int, int]


class LogPages:
    """Reads pages, from each place one at a time, and keeps those that were wanted last."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kept: OrderedDict[_Place, LogPage] = OrderedDict()
        self._under_way: dict[_Place, asyncio.Future[LogPage | None]] = {}

    async def after(self, channel: ChannelId, cursor: int, *, head: Position) -> LogPage:
        """Give what follows `cursor`, which is below `head`: up to there at least, or as much as a page takes.

        The page says in which epoch the channel is by now; in another one than the head's it may be empty.

        Raises LogUnavailableError, LogUnreadableError.
        """
        place = (channel, head.epoch, cursor)
        page = self._kept.get(place)
        if page is not None and (page.is_whole or page.last_seq >= head.seq):
            self._kept.move_to_end(place)
            return page
        while (reading := self._under_way.get(place)) is not None:
            shared = await asyncio.shield(reading)
            # None: whoever read was cancelled.
            if shared is not None:
                return shared
        return await self._read(place)

    async def _read(self, place: _Place) -> LogPage:
        channel, epoch, cursor = place
        page = None
        reading = self._under_way[place] = asyncio.get_running_loop().create_future()
        try:
            found = await self._log.read(channel, after=cursor, limit=PAGE_ENTRIES, max_bytes=PAGE_BYTES)
            is_whole = bool(found.entries) and found.entries[-1].seq < found.head
            page = LogPage(found.epoch, found.entries, is_whole=is_whole)
        except (LogUnavailableError, LogUnreadableError) as error:
            reading.set_exception(error)
            # It may be that nobody else waits.
            reading.exception()
            raise
        finally:
            del self._under_way[place]
            if not reading.done():
                reading.set_result(page)
        if page and page.epoch == epoch:
            self._kept[place] = page
            self._kept.move_to_end(place)
            if len(self._kept) > PAGES_KEPT:
                self._kept.popitem(last=False)
        return page
