"""The life of what needs one approval of each side, as a table: the same for both. (PROTOCOL.md §13)

A proposal is named by its digest: whoever approves says what they have read, and an approval of anything else is void.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product
from typing import Final

import msgspec

from liaison.core.identifiers import DelegationId, UserId
from liaison.protocol.administration_frames import (
    AllowExport,
    ResumeChannel,
    SetBotAccess,
    SetGranularity,
    SetMember,
    SetRetention,
    Subject,
)
from liaison.protocol.errors import ErrorCode, Refused

# Long enough to read and for the other side to be at its desk; and no approval lies about for a year.
SHORTEST_LIFE_MS: Final = 60_000
LONGEST_LIFE_MS: Final = 30 * 86_400_000


class State(Enum):
    """Where a proposal stands; the values are those of the wire."""

    NEW = "new"
    OPEN = "open"
    APPROVED_BY_ONE = "approved_by_one"
    APPROVED = "approved"
    CARRIED_OUT = "carried_out"
    FAILED = "failed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class Event(Enum):
    """What can happen to a proposal; the values are those of the entries."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CARRIED_OUT = "carried_out"
    FAILED = "failed"


_ENDS_BEFORE_BOTH_KEYS: Final = {
    Event.REJECTED: State.REJECTED,
    Event.WITHDRAWN: State.WITHDRAWN,
    Event.EXPIRED: State.EXPIRED,
    Event.SUPERSEDED: State.SUPERSEDED,
}
_MOVES: Final[Mapping[State, Mapping[Event, State]]] = {
    State.NEW: {Event.PROPOSED: State.OPEN},
    State.OPEN: {Event.APPROVED: State.APPROVED_BY_ONE, **_ENDS_BEFORE_BOTH_KEYS},
    State.APPROVED_BY_ONE: {Event.APPROVED: State.APPROVED, **_ENDS_BEFORE_BOTH_KEYS},
    # Both keys are turned: nobody takes that back, and it is carried out however late.
    State.APPROVED: {Event.CARRIED_OUT: State.CARRIED_OUT, Event.FAILED: State.FAILED},
}
UNDECIDED: Final = frozenset({State.OPEN, State.APPROVED_BY_ONE})
ENDED: Final = frozenset(State) - UNDECIDED - {State.NEW, State.APPROVED}

# Why what the table doesn't have is refused.
_REFUSALS: Final[Mapping[State, ErrorCode]] = {
    **dict.fromkeys(State, ErrorCode.PROPOSAL_ENDED),
    State.NEW: ErrorCode.NO_SUCH_PROPOSAL,
    State.OPEN: ErrorCode.PROPOSAL_NOT_APPROVED,
    State.APPROVED_BY_ONE: ErrorCode.PROPOSAL_NOT_APPROVED,
    State.APPROVED: ErrorCode.PROPOSAL_APPROVED,
    State.EXPIRED: ErrorCode.PROPOSAL_EXPIRED,
}

# Every state with every event: where it leads, or the error that answers it.
TABLE: Final[Mapping[tuple[State, Event], State | ErrorCode]] = {
    (state, event): _MOVES.get(state, {}).get(event, _REFUSALS[state]) for state, event in product(State, Event)
} | {
    # The id of a proposal is made of who proposes and their key, so a second one under it is another try.
    (state, Event.PROPOSED): ErrorCode.CONFLICT
    for state in State
    if state is not State.NEW
}


@dataclass(frozen=True, slots=True)
class Approval:
    """One side's key, turned by one of its heads."""

    side: DelegationId
    by: UserId
    time_ms: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """Something that both sides are asked to approve. Times are wall-clock."""

    name: str
    digest: str
    subject: Subject
    by: UserId
    side: DelegationId
    proposed_ms: int
    expires_ms: int
    state: State = State.OPEN
    approvals: tuple[Approval, ...] = ()
    ended_by: str = ""
    ended_ms: int = 0
    note: str = ""

    def has_key_of(self, side: DelegationId) -> bool:
        """Whether that side has approved."""
        return any(approval.side == side for approval in self.approvals)

    def after(self, event: Event) -> "Proposal | None":
        """Give the proposal one step on; None if the table doesn't have the step."""
        state = TABLE[self.state, event]
        return replace(self, state=state) if isinstance(state, State) else None


def proposal_name(by: UserId, key: str) -> str:
    """Give the name of what a user proposes, or suspends, under a key: the same for each try."""
    return hashlib.sha256(f"{by}\0{key}".encode()).hexdigest()[:16]


def digest_of(name: str, subject: Subject, by: UserId, expires_ms: int) -> str:
    """Give the SHA-256 (hex) over the canonical JSON of what is proposed: UTF-8, keys sorted, no blanks."""
    content = {"expires_ms": expires_ms, "proposal": name, "proposed_by": by, "subject": subject}
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def about(subject: Subject) -> tuple[str, ...]:
    """Say what a subject is about: of two about the same, only one can be carried out."""
    kind = str(subject.__struct_config__.tag)
    match subject:
        case SetMember() | SetBotAccess():
            return (kind, subject.channel, subject.user)
        case SetGranularity():
            return (kind,)
        case ResumeChannel() | SetRetention() | AllowExport():
            return (kind, subject.channel)


def check_life(expires_ms: int, now_ms: int) -> None:
    """Refuse a proposal that ends too soon or too late. Raises Refused(PROPOSAL_TIME)."""
    if not SHORTEST_LIFE_MS <= expires_ms - now_ms <= LONGEST_LIFE_MS:
        raise Refused(ErrorCode.PROPOSAL_TIME, "a proposal expires between one minute and 30 days from now")


def check_step(proposal: Proposal, event: Event, now_ms: int) -> None:
    """Refuse what the table doesn't have, and what comes after the time is up. Raises Refused."""
    if proposal.state in UNDECIDED and now_ms >= proposal.expires_ms:
        raise Refused(ErrorCode.PROPOSAL_EXPIRED, "the time for this proposal is up")
    after = TABLE[proposal.state, event]
    if isinstance(after, ErrorCode):
        raise Refused(after, f"this proposal is {proposal.state.value.replace('_', ' ')}")


def check_approval(proposal: Proposal, *, by: UserId, side: DelegationId, digest: str, now_ms: int) -> None:
    """Refuse an approval that is stale, replayed, or of something else. Raises Refused, each with its own error."""
    if any(approval.by == by for approval in proposal.approvals):
        raise Refused(ErrorCode.ALREADY_APPROVED, "you have approved this already")
    check_step(proposal, Event.APPROVED, now_ms)
    if proposal.has_key_of(side):
        raise Refused(ErrorCode.SIDE_HAS_APPROVED, "your side has approved this already; the other side has to")
    if digest != proposal.digest:
        raise Refused(ErrorCode.PROPOSAL_DIGEST, "the digest is not this proposal's: read it again")


def check_withdrawal(proposal: Proposal, *, side: DelegationId, now_ms: int) -> None:
    """Refuse to take back what another side has proposed. Raises Refused."""
    if proposal.side != side:
        raise Refused(ErrorCode.PROPOSAL_OTHER_SIDE, "the other side has proposed this; reject it instead")
    check_step(proposal, Event.WITHDRAWN, now_ms)


def waits_on(proposal: Proposal, sides: Iterable[DelegationId]) -> list[DelegationId]:
    """Give the sides whose approval an undecided proposal lacks."""
    if proposal.state not in UNDECIDED:
        return []
    return [side for side in sides if not proposal.has_key_of(side)]


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for (state, event), after in TABLE.items():
        if isinstance(after, State):
            before = "[*]" if state is State.NEW else state.value
            lines.append(f"    {before} --> {after.value}: {event.value}")
    lines += [f"    {state.value} --> [*]" for state in State if state in ENDED]
    return "\n".join(lines)
