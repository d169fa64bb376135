"""The administration log folded: proposals, suspensions, and what both sides have put in force. (PROTOCOL.md §13)

An entry says only what its sender asked for, never what followed, so that a try with the same key is the same entry.
What must follow elsewhere (a channel that closes, a member who joins) is done by whoever finds it not done, any number
of times, and then recorded once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from msgspec import Struct

from liaison.core import suspension
from liaison.core.entries import Draft, Entry, EntryKind
from liaison.core.identifiers import NO_DELEGATION, OFFICE, ChannelId, DelegationId, UserId
from liaison.core.profile import Granularity
from liaison.core.two_keys import (
    UNDECIDED,
    Approval,
    Event,
    Proposal,
    State,
    about,
    check_approval,
    check_life,
    check_step,
    check_withdrawal,
    digest_of,
    proposal_name,
)
from liaison.protocol.administration_frames import (
    Access,
    AllowExport,
    ResumeChannel,
    SetBotAccess,
    SetGranularity,
    SetMember,
    SetRetention,
    Subject,
)
from liaison.protocol.errors import ErrorCode, Refused


class _Record(Struct, frozen=True, tag_field="event", omit_defaults=True):
    pass


class Proposed(_Record, frozen=True, tag="proposed"):
    """A head proposes; `digest` is what both sides must approve."""

    proposal: str
    digest: str
    subject: Subject
    expires_ms: int


class Approved(_Record, frozen=True, tag="approved"):
    """A head turns the key of one side."""

    proposal: str
    digest: str


class Rejected(_Record, frozen=True, tag="rejected"):
    """A head says no for one side."""

    proposal: str
    reason: str


class Withdrawn(_Record, frozen=True, tag="withdrawn"):
    """The side that proposed takes it back."""

    proposal: str


class Expired(_Record, frozen=True, tag="expired"):
    """Nobody decided in time; written by the office."""

    proposal: str


class CarriedOut(_Record, frozen=True, tag="carried_out"):
    """What both sides approved is in force; written by the office."""

    proposal: str


class Failed(_Record, frozen=True, tag="failed"):
    """What both sides approved can't be done, and why; written by the office."""

    proposal: str
    reason: str


class Suspended(_Record, frozen=True, tag="suspended"):
    """A head closes a joint channel."""

    suspension: str
    channel: str
    authority: str
    reason: str


class InForce(_Record, frozen=True, tag="in_force"):
    """The channel is closed from this entry of it on; written by the office."""

    suspension: str
    channel: str
    seq: int


class Exported(_Record, frozen=True, tag="exported"):
    """A head began an export that was approved."""

    channel: str
    proposal: str


class ByOperator(_Record, frozen=True, tag="by_operator"):
    """Who runs the server changed a joint channel's membership without both sides, and said why."""

    operator: str
    channel: str
    user: str
    access: Access
    reason: str


Record = (
    Proposed
    | Approved
    | Rejected
    | Withdrawn
    | Expired
    | CarriedOut
    | Failed
    | Suspended
    | InForce
    | Exported
    | ByOperator
)

_EVENTS: Final[Mapping[type[_Record], Event]] = {
    Approved: Event.APPROVED,
    Rejected: Event.REJECTED,
    Withdrawn: Event.WITHDRAWN,
    Expired: Event.EXPIRED,
    CarriedOut: Event.CARRIED_OUT,
    Failed: Event.FAILED,
}


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why a joint channel is closed. `seq` is the entry that closed it, 0 while that is still to be written."""

    name: str
    channel: ChannelId
    by: UserId
    side: DelegationId
    authority: str
    reason: str
    time_ms: int
    seq: int = 0

    @property
    def state(self) -> suspension.State:
        """How far it is carried out."""
        return suspension.State.CLOSED if self.seq else suspension.State.ORDERED


@dataclass(frozen=True, slots=True)
class ExportRight:
    """That heads may export a channel, by which proposal, and until when (wall clock)."""

    proposal: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Affairs:
    """All that the administration log says. `made` are the keys that each sender has used."""

    proposals: Mapping[str, Proposal]
    suspensions: Mapping[ChannelId, Suspension]
    granularity: Granularity | None
    retention: Mapping[ChannelId, int]
    exports: Mapping[ChannelId, ExportRight]
    made: frozenset[tuple[UserId, str]]

    def undone(self) -> list[Proposal]:
        """Give what both sides have approved and nobody has carried out yet, oldest first."""
        return [proposal for proposal in self.proposals.values() if proposal.state is State.APPROVED]

    def overdue(self, now_ms: int) -> list[Proposal]:
        """Give undecided proposals whose time is up."""
        return [
            proposal
            for proposal in self.proposals.values()
            if proposal.state in UNDECIDED and now_ms >= proposal.expires_ms
        ]

    def proposal(self, name: str) -> Proposal:
        """Give a proposal. Raises Refused(NO_SUCH_PROPOSAL)."""
        found = self.proposals.get(name)
        if found is None:
            raise Refused(ErrorCode.NO_SUCH_PROPOSAL, "there is no such proposal")
        return found

    def refuses(self, channel: ChannelId, event: suspension.Event) -> ErrorCode | None:
        """Say why this can't happen to a channel now; None if it can."""
        found = self.suspensions.get(channel)
        after = suspension.TABLE[suspension.State.OPEN if found is None else found.state, event]
        return after if isinstance(after, ErrorCode) else None

    def export_right(self, channel: ChannelId, now_ms: int) -> ExportRight:
        """Give the right to export a channel. Raises Refused(EXPORT_NOT_APPROVED)."""
        right = self.exports.get(channel)
        if right is None or now_ms >= right.until_ms:
            raise Refused(ErrorCode.EXPORT_NOT_APPROVED, "both sides must approve an export of this channel first")
        return right


NOTHING: Final = Affairs({}, {}, None, {}, {}, frozenset())


def encode(record: Record) -> str:
    """Give a record as an entry keeps it: canonical JSON."""
    return msgspec.json.encode(record, order="sorted").decode()


def fold(affairs: Affairs, entry: Entry) -> Affairs:
    """Give the affairs after one more entry; what the tables don't allow changes nothing."""
    draft = entry.draft
    if draft.kind is not EntryKind.ADMINISTRATION:
        return affairs
    try:
        record = msgspec.json.decode(draft.data, type=Record)
    except msgspec.ValidationError:
        # Written by a later version; it is on the record, and nothing here follows from it.
        return affairs
    affairs = replace(affairs, made=affairs.made | {(draft.sender, draft.key)})
    match record:
        case Proposed():
            affairs = _propose(affairs, record, entry)
        case Suspended():
            affairs = _suspend(affairs, record, entry)
        case InForce():
            affairs = _put_in_force(affairs, record)
        case Exported() | ByOperator():
            pass
        case _:
            affairs = _move(affairs, record, entry)
    return affairs


def _propose(affairs: Affairs, record: Proposed, entry: Entry) -> Affairs:
    if record.proposal in affairs.proposals:
        return affairs
    draft = entry.draft
    # A side that proposes the same thing anew means this one and no other.
    older = [
        proposal
        for proposal in affairs.proposals.values()
        if proposal.side == draft.delegation and about(proposal.subject) == about(record.subject)
    ]
    affairs = _supersede(affairs, older, record.proposal, entry.time_ms)
    new = Proposal(
        name=record.proposal,
        digest=record.digest,
        subject=record.subject,
        by=draft.sender,
        side=draft.delegation,
        proposed_ms=entry.time_ms,
        expires_ms=record.expires_ms,
    )
    return replace(affairs, proposals={**affairs.proposals, new.name: new})


def _supersede(affairs: Affairs, proposals: Iterable[Proposal], by: str, time_ms: int) -> Affairs:
    ended = {
        proposal.name: replace(proposal, state=State.SUPERSEDED, ended_by=by, ended_ms=time_ms)
        for proposal in proposals
        if proposal.state in UNDECIDED
    }
    return replace(affairs, proposals={**affairs.proposals, **ended})


def _move(affairs: Affairs, record: Record, entry: Entry) -> Affairs:
    assert isinstance(record, Approved | Rejected | Withdrawn | Expired | CarriedOut | Failed)
    draft = entry.draft
    before = affairs.proposals.get(record.proposal)
    after = None if before is None else before.after(_EVENTS[type(record)])
    if before is None or after is None:
        return affairs
    match record:
        case Approved():
            if record.digest != before.digest or before.has_key_of(draft.delegation):
                return affairs
            approval = Approval(draft.delegation, draft.sender, entry.time_ms)
            after = replace(after, approvals=(*before.approvals, approval))
        case Rejected() | Failed():
            after = replace(after, ended_by=draft.sender, ended_ms=entry.time_ms, note=record.reason)
        case _:
            after = replace(after, ended_by=draft.sender, ended_ms=entry.time_ms)
    affairs = replace(affairs, proposals={**affairs.proposals, after.name: after})
    return _take_effect(affairs, after, entry.time_ms) if after.state is State.CARRIED_OUT else affairs


def _take_effect(affairs: Affairs, done: Proposal, time_ms: int) -> Affairs:
    others = [proposal for proposal in affairs.proposals.values() if about(proposal.subject) == about(done.subject)]
    affairs = _supersede(affairs, others, done.name, time_ms)
    subject = done.subject
    match subject:
        case ResumeChannel():
            still = {name: one for name, one in affairs.suspensions.items() if one.name != subject.suspension}
            return replace(affairs, suspensions=still)
        case SetGranularity():
            return replace(affairs, granularity=Granularity(subject.granularity))
        case SetRetention():
            return replace(affairs, retention={**affairs.retention, ChannelId(subject.channel): subject.days})
        case AllowExport():
            right = ExportRight(done.name, subject.until_ms)
            return replace(affairs, exports={**affairs.exports, ChannelId(subject.channel): right})
        case SetMember() | SetBotAccess():
            return affairs


def _suspend(affairs: Affairs, record: Suspended, entry: Entry) -> Affairs:
    channel = ChannelId(record.channel)
    if affairs.refuses(channel, suspension.Event.SUSPENDED):
        return affairs
    new = Suspension(
        name=record.suspension,
        channel=channel,
        by=entry.draft.sender,
        side=entry.draft.delegation,
        authority=record.authority,
        reason=record.reason,
        time_ms=entry.time_ms,
    )
    return replace(affairs, suspensions={**affairs.suspensions, channel: new})


def _put_in_force(affairs: Affairs, record: InForce) -> Affairs:
    channel = ChannelId(record.channel)
    found = affairs.suspensions.get(channel)
    if found is None or found.name != record.suspension or affairs.refuses(channel, suspension.Event.IN_FORCE):
        return affairs
    return replace(affairs, suspensions={**affairs.suspensions, channel: replace(found, seq=record.seq)})


@dataclass(frozen=True, slots=True)
class Hand:
    """Who does something, under which key, and when (wall clock)."""

    by: UserId
    side: DelegationId
    key: str
    now_ms: int

    def writes(self, record: Record) -> Draft:
        """Give the entry that says so."""
        return Draft(self.by, self.side, self.key, EntryKind.ADMINISTRATION, data=encode(record))

    def has_written(self, affairs: Affairs) -> bool:
        """Whether the key was used: then the log itself says whether this is the same again."""
        return (self.by, self.key) in affairs.made


def propose(affairs: Affairs, hand: Hand, subject: Subject, expires_ms: int) -> Draft:
    """Give the entry of a new proposal. Raises Refused."""
    name = proposal_name(hand.by, hand.key)
    if not hand.has_written(affairs):
        check_life(expires_ms, hand.now_ms)
        check_subject(affairs, subject, hand.now_ms)
    return hand.writes(Proposed(name, digest_of(name, subject, hand.by, expires_ms), subject, expires_ms))


def check_subject(affairs: Affairs, subject: Subject, now_ms: int) -> None:
    """Refuse what the log itself shows to be senseless. Raises Refused(NOT_SUSPENDED, PROPOSAL_TIME)."""
    match subject:
        case ResumeChannel():
            found = affairs.suspensions.get(ChannelId(subject.channel))
            if found is None or found.name != subject.suspension:
                raise Refused(ErrorCode.NOT_SUSPENDED, "the channel is not suspended, or not by this suspension")
        case AllowExport() if subject.until_ms <= now_ms:
            raise Refused(ErrorCode.PROPOSAL_TIME, "the right to export would have ended already")
        case _:
            pass


def approve(affairs: Affairs, hand: Hand, name: str, digest: str) -> Draft:
    """Give the entry that turns a side's key. Raises Refused."""
    if not hand.has_written(affairs):
        check_approval(affairs.proposal(name), by=hand.by, side=hand.side, digest=digest, now_ms=hand.now_ms)
    return hand.writes(Approved(name, digest))


def reject(affairs: Affairs, hand: Hand, name: str, reason: str) -> Draft:
    """Give the entry that ends a proposal by a no of either side. Raises Refused."""
    if not hand.has_written(affairs):
        check_step(affairs.proposal(name), Event.REJECTED, hand.now_ms)
    return hand.writes(Rejected(name, reason))


def withdraw(affairs: Affairs, hand: Hand, name: str) -> Draft:
    """Give the entry that takes back a proposal of one's own side. Raises Refused."""
    if not hand.has_written(affairs):
        check_withdrawal(affairs.proposal(name), side=hand.side, now_ms=hand.now_ms)
    return hand.writes(Withdrawn(name))


def suspend(affairs: Affairs, hand: Hand, channel: ChannelId, authority: str, reason: str) -> Draft:
    """Give the entry that closes a channel. Raises Refused."""
    if not hand.has_written(affairs) and (refusal := affairs.refuses(channel, suspension.Event.SUSPENDED)):
        raise Refused(refusal, "this channel is suspended already")
    return hand.writes(Suspended(proposal_name(hand.by, hand.key), channel, authority, reason))


def export(affairs: Affairs, hand: Hand, channel: ChannelId) -> Draft:
    """Give the entry that an export was begun. Raises Refused."""
    return hand.writes(Exported(channel, affairs.export_right(channel, hand.now_ms).proposal))


def closing(ordered: Suspension) -> Draft:
    """Give the entry that closes a channel, in the channel itself; the same from whoever writes it."""
    data = {
        "authority": ordered.authority,
        "by": ordered.by,
        "reason": ordered.reason,
        "side": ordered.side,
        "suspension": ordered.name,
    }
    return _by_office(EntryKind.SUSPENSION, ordered.side, f"{ordered.name} suspends", data)


def opening(proposal: Proposal) -> Draft:
    """Give the entry that opens a channel, in the channel itself; the same from whoever writes it."""
    subject = proposal.subject
    assert isinstance(subject, ResumeChannel)
    approved = {approval.side: approval.by for approval in proposal.approvals}
    data = {"approved": approved, "proposal": proposal.name, "suspension": subject.suspension}
    return _by_office(EntryKind.RESUMPTION, NO_DELEGATION, f"{proposal.name} resumes", data)


def _by_office(kind: EntryKind, side: DelegationId, key: str, data: Mapping[str, object]) -> Draft:
    return Draft(OFFICE, side, key, kind, data=msgspec.json.encode(data, order="sorted").decode())


def office_writes(record: Expired | CarriedOut | Failed | InForce) -> Draft:
    """Give an entry of the office's own; its key makes it one, whoever writes it."""
    what = record.suspension if isinstance(record, InForce) else record.proposal
    key = f"{what} {record.__struct_config__.tag}"
    return Draft(OFFICE, NO_DELEGATION, key, EntryKind.ADMINISTRATION, data=encode(record))
