"""What a channel's log holds: drafts before they have a place, entries once they do. (PROTOCOL.md §5)

Corrections, withdrawals and reactions are entries of their own and refer to an earlier one by its seq: nothing that
was committed is ever changed, so live delivery, resume and export need only one loop.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId


class EntryKind(Enum):
    """What an entry does. Entries of the registers carry their event in `data`."""

    TEXT = "text"
    CORRECTION = "correction"
    WITHDRAWAL = "withdrawal"
    REACTION = "reaction"
    # The channel stops taking entries, and takes them again; see ports.log.Log.append.
    SUSPENSION = "suspension"
    RESUMPTION = "resumption"
    LINE_CHECK = "line_check"
    DUTY = "duty"
    DISPATCH = "dispatch"
    ADMINISTRATION = "administration"
    SIGNED_HEAD = "signed_head"


class Precedence(Enum):
    """How urgent an entry is. Life safety passes a suspension, and neither it nor FLASH is ever silenced at a desk."""

    ROUTINE = ""
    PRIORITY = "priority"
    FLASH = "flash"
    LIFE_SAFETY = "life_safety"


# Besides what suspends and resumes, the signatures under the record go on.
_STEPS_OF_A_SUSPENSION: Final = (EntryKind.SUSPENSION, EntryKind.RESUMPTION, EntryKind.SIGNED_HEAD)


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that asks for a place: everything but seq, time and link.

    `key` is the sender's own idempotency key. `ref` is the seq that a reply answers, or that a correction, withdrawal
    or reaction is about; 0 is none. `removed` takes a reaction back. `data` is a register's event as canonical JSON:
    UTF-8, keys sorted, no blanks. Unused strings are empty.
    """

    sender: UserId
    delegation: DelegationId
    key: str
    kind: EntryKind
    text: str = ""
    ref: int = 0
    reaction: str = ""
    removed: bool = False
    mentions: tuple[UserId, ...] = ()
    precedence: Precedence = Precedence.ROUTINE
    data: str = ""

    @property
    def passes_suspension(self) -> bool:
        """Whether a suspended channel takes it all the same."""
        return self.precedence is Precedence.LIFE_SAFETY or self.kind in _STEPS_OF_A_SUSPENSION

    @property
    def size_bytes(self) -> int:
        """About what it takes in a batch; the constant stands for the fields beside the text."""
        return 128 + (len(self.text) + len(self.data)) * 3


@dataclass(frozen=True, slots=True)
class Entry:
    """A committed draft: seqs of a channel are 1, 2, 3 … within an epoch, `link` chains each to the one before."""

    channel: ChannelId
    seq: int
    time_ms: Millis
    link: bytes
    draft: Draft


@dataclass(frozen=True, slots=True)
class Stored:
    """The draft was committed now, as this entry."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same draft had been committed before, at this place."""

    seq: int
    time_ms: Millis


@dataclass(frozen=True, slots=True)
class Conflicting:
    """The key had been used by this sender in this channel for something else; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Held:
    """The channel is suspended: the draft is durable and in order, and becomes an entry when it is resumed.

    `place` counts from 1 within the suspension. A repeat with the same key gives the same place.
    """

    place: int
    time_ms: Millis


@dataclass(frozen=True, slots=True)
class HeldDraft:
    """A draft that waits for its channel to be resumed."""

    place: int
    time_ms: Millis
    draft: Draft


Outcome = Stored | Repeated | Conflicting | Held


@dataclass(frozen=True, slots=True)
class Page:
    """A run of a channel's entries in rising seq, and where the channel stood when it was read."""

    epoch: int
    head: int
    entries: tuple[Entry, ...]
