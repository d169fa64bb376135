"""Decides what an append does to its channel: which drafts get places, which wait, which are repeats.

Pure but for its store, which a database's adapter is: the rules are the same on every database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from liaison.core.chain import link_of
from liaison.core.entries import Conflicting, Draft, Entry, EntryKind, Held, HeldDraft, Outcome, Repeated, Stored
from liaison.core.identifiers import ChannelId, Millis, UserId

# A draft's name on the channel: who sent it, and the sender's own key.
DraftName = tuple[UserId, str]

# By names of our own, as looking a member up in its enumeration costs ten times as much, and every draft pays for it.
_SUSPENSION: Final = EntryKind.SUSPENSION
_RESUMPTION: Final = EntryKind.RESUMPTION


@dataclass(slots=True)
class Head:
    """Where a channel stands within a transaction that has it locked; `number` is its name in the database."""

    number: int
    seq: int
    link: bytes
    suspended: bool
    held: int


class HeldStore(Protocol):
    """Where a channel's held drafts are while it is resumed."""

    def waiting(self, head: Head, *, after: int) -> Sequence[HeldDraft]:
        """Give a page of what waits, by place, including what the plan itself holds by now; empty behind the last."""
        ...

    def write(self, plan: "AppendPlan") -> None:
        """Write what the plan has gathered, and forget it there."""
        ...

    def released(self, head: Head) -> None:
        """Delete everything that waits."""
        ...


class AppendPlan:
    """The appends of one transaction to one channel, draft by draft; `entries` and `held` are to be written."""

    def __init__(
        self, channel: ChannelId, head: Head, known: dict[DraftName, Entry | HeldDraft], store: HeldStore
    ) -> None:
        self.channel: Final = channel
        self.head: Final = head
        self.entries: list[Entry] = []
        self.held: list[HeldDraft] = []
        self.has_changed = False
        self._known: Final = known
        self._store: Final = store

    def knows_all(self, drafts: Sequence[Draft]) -> bool:
        """Whether every draft is on the log or waits already, and so needs no place."""
        return all((draft.sender, draft.key) in self._known for draft in drafts)

    def take(self, draft: Draft, now_ms: Millis) -> Outcome:
        """Decide about one draft."""
        name = draft.sender, draft.key
        first = self._known.get(name)
        if first is not None:
            return _again(first, draft)
        self.has_changed = True
        if self.head.suspended and not draft.passes_suspension:
            self.head.held += 1
            held = self._known[name] = HeldDraft(self.head.held, now_ms, draft)
            self.held.append(held)
            return Held(held.place, held.time_ms)
        entry = self._known[name] = self._add(draft, now_ms)
        # A suspension of a suspended channel and a resumption of an open one change nothing.
        if draft.kind is _SUSPENSION:
            self.head.suspended = True
        elif draft.kind is _RESUMPTION and self.head.suspended:
            self._release(now_ms)
        return Stored(entry)

    def _add(self, draft: Draft, now_ms: Millis) -> Entry:
        head = self.head
        head.seq += 1
        head.link = link_of(head.link, self.channel, head.seq, now_ms, draft)
        entry = Entry(self.channel, head.seq, now_ms, head.link, draft)
        self.entries.append(entry)
        return entry

    def _release(self, now_ms: Millis) -> None:
        """Make every held draft an entry, page by page: there may be more than should be in memory."""
        self._store.write(self)
        place = 0
        while page := self._store.waiting(self.head, after=place):
            for held in page:
                entry = self._add(held.draft, now_ms)
                name = held.draft.sender, held.draft.key
                if name in self._known:
                    self._known[name] = entry
            self._store.write(self)
            place = page[-1].place
        self._store.released(self.head)
        self.head.suspended, self.head.held = False, 0


def _again(first: Entry | HeldDraft, draft: Draft) -> Outcome:
    if first.draft != draft:
        return Conflicting()
    return Held(first.place, first.time_ms) if isinstance(first, HeldDraft) else Repeated(first.seq, first.time_ms)
