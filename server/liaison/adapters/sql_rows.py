"""Drafts and entries as rows of the tables `message` and `held`, and back."""

from collections.abc import Sequence
from typing import Final

from liaison.core.entries import Draft, Entry, EntryKind, Precedence
from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.ports.log import LogUnreadableError

# A moment is a time in ms times this, plus a counter: no store writes a million entries within a millisecond, and the
# times last until the year 2248.
MOMENTS_PER_MS: Final = 1 << 20

# In the order that `draft_columns` gives them.
DRAFT_COLUMNS: Final = "sender, delegation, key, kind, text, ref, reaction, removed, mentions, precedence, data"
# In the order that `entry_of` takes them; a join has another link.
MESSAGE_COLUMNS: Final = f"seq, time_ms, message.link, {DRAFT_COLUMNS}"
DraftRow = tuple[UserId, DelegationId, str, str, str, int, str, int, str, str, str]

_KINDS: Final = {kind.value: kind for kind in EntryKind}
_PRECEDENCES: Final = {precedence.value: precedence for precedence in Precedence}


def draft_columns(draft: Draft) -> DraftRow:
    """Give a draft's fields as they are stored. User ids have no blanks in them."""
    return (
        draft.sender,
        draft.delegation,
        draft.key,
        draft.kind.value,
        draft.text,
        draft.ref,
        draft.reaction,
        draft.removed,
        " ".join(draft.mentions),
        draft.precedence.value,
        draft.data,
    )


def draft_of(row: Sequence[object]) -> Draft:
    """Give the draft that DRAFT_COLUMNS hold. Raises LogUnreadableError for what this version doesn't know."""
    columns: DraftRow = row  # type: ignore[assignment] # what the driver gives has no types
    sender, delegation, key, kind, text, ref, reaction, removed, mentions, precedence, data = columns
    if kind not in _KINDS or precedence not in _PRECEDENCES:
        raise LogUnreadableError(f"an entry of kind {kind!r} and precedence {precedence!r} is of another version")
    return Draft(
        sender=sender,
        delegation=delegation,
        key=key,
        kind=_KINDS[kind],
        text=text,
        ref=ref,
        reaction=reaction,
        removed=bool(removed),
        mentions=tuple(map(UserId, mentions.split())),
        precedence=_PRECEDENCES[precedence],
        data=data,
    )


def entry_of(channel: ChannelId, row: Sequence[object]) -> Entry:
    """Give the entry that MESSAGE_COLUMNS hold. Raises LogUnreadableError, as `draft_of`."""
    seq, time_ms, link = row[:3]
    return Entry(channel, seq, time_ms, link, draft_of(row[3:]))  # type: ignore[arg-type] # as above
