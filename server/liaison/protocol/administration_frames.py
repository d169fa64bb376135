"""Commands and replies of suspensions and of what needs both sides' approval. (PROTOCOL.md §13)"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from liaison.protocol import limits
from liaison.protocol.frames import Channel, Command, Key, Message, PageLimit, Reply, Seq, User

# Sixteen hexadecimal digits, derived from who asked and under which key.
ProposalName = Annotated[str, Meta(min_length=16, max_length=16)]
# SHA-256 in hexadecimal.
Digest = Annotated[str, Meta(min_length=64, max_length=64)]
Line = Annotated[str, Meta(min_length=1, max_length=limits.MAX_REASON_CHARS)]
Access = Literal["none", "read", "write"]
GranularityName = Literal["named", "count", "staffed"]
ProposalState = Literal[
    "open",
    "approved_by_one",
    "approved",
    "carried_out",
    "failed",
    "rejected",
    "withdrawn",
    "expired",
    "superseded",
]


class _Subject(Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    pass


class ResumeChannel(_Subject, frozen=True, tag="resume"):
    """Open a joint channel again that was closed by this suspension."""

    channel: Channel
    suspension: ProposalName


class SetMember(_Subject, frozen=True, tag="membership"):
    """What a person is to a joint channel."""

    channel: Channel
    user: User
    access: Access


class SetBotAccess(_Subject, frozen=True, tag="bot_access"):
    """What a bot is to a joint channel."""

    channel: Channel
    user: User
    access: Access


class SetRetention(_Subject, frozen=True, tag="retention"):
    """How long a joint channel's record is to be kept; 0 days is for ever."""

    channel: Channel
    days: Annotated[int, Meta(ge=0, le=limits.MAX_RETENTION_DAYS)]


class AllowExport(_Subject, frozen=True, tag="export"):
    """Heads may export a joint channel until then (wall clock)."""

    channel: Channel
    until_ms: Seq


class SetGranularity(_Subject, frozen=True, tag="granularity"):
    """How finely each side sees the other's presence."""

    granularity: GranularityName


Subject = ResumeChannel | SetMember | SetBotAccess | SetRetention | AllowExport | SetGranularity


class SuspendChannel(Command, frozen=True, tag="suspend_channel"):
    """Close a joint channel: what is written from then on is held until both sides resume it."""

    channel: Channel
    key: Key
    authority: Line
    reason: Line


class HeldMessages(Command, frozen=True, tag="held_messages"):
    """One's own messages that wait in a suspended channel, oldest first."""

    channel: Channel


class Propose(Command, frozen=True, tag="propose"):
    """Ask both sides to approve something."""

    key: Key
    subject: Subject
    expires_ms: Seq


class ApproveProposal(Command, frozen=True, tag="approve_proposal"):
    """Turn one's side's key: what has this digest, and nothing else, is approved."""

    key: Key
    proposal: ProposalName
    digest: Digest


class RejectProposal(Command, frozen=True, tag="reject_proposal"):
    """Say no for one's side; that ends the proposal."""

    key: Key
    proposal: ProposalName
    reason: Line


class WithdrawProposal(Command, frozen=True, tag="withdraw_proposal"):
    """Take back what one's own side has proposed."""

    key: Key
    proposal: ProposalName


class Administration(Command, frozen=True, tag="administration"):
    """What is in force, and the newest proposals."""

    open_only: bool = False
    limit: PageLimit = limits.DEFAULT_PAGE_MESSAGES


class ExportChannel(Command, frozen=True, tag="export_channel"):
    """One page of an approved export, rising from `after`; that it was begun is recorded, once for each key."""

    channel: Channel
    key: Key
    after: Seq = 0
    limit: PageLimit = limits.DEFAULT_PAGE_MESSAGES


AdministrationCommand = (
    SuspendChannel
    | HeldMessages
    | Propose
    | ApproveProposal
    | RejectProposal
    | WithdrawProposal
    | Administration
    | ExportChannel
)


class SuspensionReply(Reply, frozen=True, kw_only=True):
    """The channel is suspended. `suspension` is what a proposal to resume must name."""

    suspension: str
    time_ms: int
    duplicate: bool


class HeldMessage(Struct, frozen=True, omit_defaults=True):
    """A message that waits; it becomes a message of the channel with the same key. `kind` as in a message."""

    key: str
    time_ms: int
    kind: str
    text: str = ""
    ref: int = 0
    reaction: str = ""
    removed: bool = False
    mentions: list[str] = []
    precedence: str = ""
    data: str = ""


class HeldReply(Reply, frozen=True, kw_only=True):
    """One's own held messages, and how many there are of one's whole side. Of the other side's nothing is told."""

    channel: str
    suspended: bool
    messages: list[HeldMessage]
    of_side: int


class ApprovalInfo(Struct, frozen=True):
    delegation: str
    user: str
    time_ms: int


class ProposalInfo(Struct, frozen=True, omit_defaults=True):
    """A proposal. `waits_on`: the sides whose approval it lacks; `note`: why it ended, or what came of it."""

    proposal: str
    digest: str
    subject: Subject
    proposed_by: str
    delegation: str
    proposed_ms: int
    expires_ms: int
    state: ProposalState
    approvals: list[ApprovalInfo] = []
    waits_on: list[str] = []
    ended_by: str = ""
    ended_ms: int = 0
    note: str = ""


class ProposalReply(Reply, frozen=True, kw_only=True):
    proposal: ProposalInfo
    duplicate: bool


class SuspensionInfo(Struct, frozen=True):
    """A channel that is suspended: by whom, on whose authority, and why."""

    channel: str
    suspension: str
    delegation: str
    user: str
    authority: str
    reason: str
    time_ms: int


class RetentionInfo(Struct, frozen=True):
    channel: str
    days: int


class ExportInfo(Struct, frozen=True):
    """That heads may export this channel until then."""

    channel: str
    until_ms: int


class AdministrationReply(Reply, frozen=True, kw_only=True):
    """What is in force now, and proposals, newest first."""

    suspensions: list[SuspensionInfo]
    granularity: GranularityName
    retention: list[RetentionInfo]
    exports: list[ExportInfo]
    proposals: list[ProposalInfo]
    more: bool


class ExportReply(Reply, frozen=True, kw_only=True):
    """Messages as in an export; go on after the last one's seq until `head`. The right ends at `until_ms`."""

    channel: str
    epoch: int
    head: int
    until_ms: int
    messages: list[Message]
