"""An entry of the log as the wire shows it: in pushes, in pages of history and in transcripts. (PROTOCOL.md §5)"""

from liaison.core.entries import Entry
from liaison.protocol.frames import Message


def message_of(entry: Entry, epoch: int) -> Message:
    """Give the wire's view of an entry. `epoch` is the channel's current one, which a reader's position is in."""
    draft = entry.draft
    return Message(
        channel=entry.channel,
        epoch=epoch,
        seq=entry.seq,
        time_ms=entry.time_ms,
        sender=draft.sender,
        delegation=draft.delegation,
        key=draft.key,
        kind=draft.kind.value,
        link=entry.link,
        text=draft.text,
        ref=draft.ref,
        reaction=draft.reaction,
        removed=draft.removed,
        mentions=draft.mentions,
        precedence=draft.precedence.value,
        data=draft.data,
    )
