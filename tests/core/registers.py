"""Entries of a register that nobody has stored: enough of a log to fold."""

from collections.abc import Iterable, Iterator

from liaison.core.entries import Draft, Entry
from liaison.core.identifiers import ChannelId, Millis


def entries_of(drafts: Iterable[tuple[int, Draft]], channel: str = "joint/register") -> Iterator[Entry]:
    """Give each draft its place, at the time that stands before it."""
    for seq, (time_ms, draft) in enumerate(drafts, 1):
        yield Entry(ChannelId(channel), seq, Millis(time_ms), b"", draft)
