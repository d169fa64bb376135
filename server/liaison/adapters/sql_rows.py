"""Entries of the log as rows of the table `message`, and back."""

from collections.abc import Iterable
from typing import Final

from liaison.core.entries import Draft, Entry, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId

# A moment is a time in ms times this, plus a counter: no store writes a million entries within a millisecond, and the
# times last until the year 2248.
MOMENTS_PER_MS: Final = 1 << 20

# In the order of a MessageRow.
MESSAGE_COLUMNS: Final = (
    "message.seq, time_ms, message.link, message.sender, delegation, message.key, kind, text, ref, reaction, removed,"
    " mentions"
)
MessageRow = tuple[int, Millis, bytes, UserId, DelegationId, str, str, str, int, str, int, str]

_KINDS: Final = {kind.value: kind for kind in EntryKind}


def entry_of(channel: ChannelId, row: Iterable[object]) -> Entry:
    """Give the entry that a row of MESSAGE_COLUMNS holds. Raises KeyError for a kind that this version doesn't know."""
    message: MessageRow = tuple(row)  # type: ignore[assignment] # what the driver gives has no types
    seq, time_ms, link, sender, delegation, key, kind, text, ref, reaction, removed, mentions = message
    draft = Draft(
        sender=sender,
        delegation=delegation,
        key=key,
        kind=_KINDS[kind],
        text=text,
        ref=ref,
        reaction=reaction,
        removed=bool(removed),
        mentions=tuple(map(UserId, mentions.split())),
    )
    return Entry(channel, seq, time_ms, link, draft)


def mentions_column(draft: Draft) -> str:
    """Give the mentions as they are stored; user ids have no blanks in them."""
    return " ".join(draft.mentions)
