"""Commands and replies of the register of dispatches. (PROTOCOL.md §13)"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from liaison.protocol import limits
from liaison.protocol.frames import Attachment, Attachments, Command, Key, PageLimit, PrecedenceName, Reply, Seq, Text

# A dispatch's id on its own side, or its number.
DispatchName = Annotated[str, Meta(min_length=1, max_length=limits.MAX_DISPATCH_NAME_CHARS)]
Line = Annotated[str, Meta(min_length=1, max_length=limits.MAX_DISPATCH_LINE_CHARS)]
Note = Annotated[str, Meta(max_length=limits.MAX_DISPATCH_NOTE_CHARS)]
Reason = Annotated[str, Meta(min_length=1, max_length=limits.MAX_DISPATCH_NOTE_CHARS)]
ItemValue = Annotated[str, Meta(min_length=1, max_length=limits.MAX_DISPATCH_LINE_CHARS)]
ItemKind = Literal["figure", "name", "time"]
StateName = Literal[
    "",
    "draft",
    "cleared",
    "numbered",
    "tendered",
    "deferred",
    "declined",
    "accepted",
    "delivered",
    "awaiting_read_back",
    "read_back",
    "confirmed",
    "delivered_otherwise",
    "acknowledged",
    "answered",
    "closed",
    "void",
]


class DispatchItem(Struct, frozen=True, forbid_unknown_fields=True):
    """A figure, name or time that must arrive exactly."""

    kind: ItemKind
    label: Line
    value: ItemValue


Items = Annotated[list[DispatchItem], Meta(max_length=limits.MAX_DISPATCH_ITEMS)]


class _Letter(Command, frozen=True):
    key: Key
    subject: Line
    body: Text
    signatory: Line
    rank: Line
    addressee: Line
    precedence: PrecedenceName = ""
    items: Items = field(default_factory=list)
    attachments: Attachments = field(default_factory=list)
    reference: Annotated[str, Meta(max_length=limits.MAX_DISPATCH_NAME_CHARS)] = ""


class DispatchDraft(_Letter, frozen=True, tag="dispatch_draft"):
    """Begin a dispatch; only one's own side sees it."""


class DispatchRevise(_Letter, frozen=True, kw_only=True, tag="dispatch_revise"):
    """Put other words in the place of a draft's, before it is cleared."""

    dispatch: DispatchName
    revision: Seq


class _Step(Command, frozen=True):
    key: Key
    dispatch: DispatchName
    revision: Seq


class DispatchClear(_Step, frozen=True, tag="dispatch_clear"):
    """Clear a draft that somebody else of one's side has written."""


class DispatchTender(_Step, frozen=True, tag="dispatch_tender"):
    """Number a cleared dispatch and tender it, or tender again what was deferred or declined.

    Life safety is delivered at once, also without clearance.
    """


class DispatchAccept(_Step, frozen=True, tag="dispatch_accept"):
    """Take what the other side tenders; its text follows by itself."""


class DispatchDefer(_Step, frozen=True, tag="dispatch_defer"):
    """Say until when a tender must wait."""

    until_ms: Seq
    note: Note = ""


class DispatchDecline(_Step, frozen=True, tag="dispatch_decline"):
    """Say why a tender is not accepted."""

    note: Reason


class DispatchReadBack(_Step, frozen=True, tag="dispatch_read_back"):
    """Read the items back, each as one has it, in their order."""

    values: Annotated[list[ItemValue], Meta(min_length=1, max_length=limits.MAX_DISPATCH_ITEMS)]


class DispatchConfirmReadBack(_Step, frozen=True, tag="dispatch_confirm_read_back"):
    """Say of each item whether it was read back rightly; with one that wasn't, it must be read back again."""

    confirmed: Annotated[list[bool], Meta(min_length=1, max_length=limits.MAX_DISPATCH_ITEMS)]


class DispatchAcknowledge(_Step, frozen=True, tag="dispatch_acknowledge"):
    """Acknowledge a dispatch by name, for one's side."""


class DispatchAnswer(_Step, frozen=True, tag="dispatch_answer"):
    """Say which dispatch of one's own side answers this one."""

    answer: DispatchName


class DispatchClose(_Step, frozen=True, tag="dispatch_close"):
    """Close one's side's dispatch, or put a draft away."""


class DispatchRecordOtherMeans(_Step, frozen=True, tag="dispatch_record_other_means"):
    """Note that a dispatch was delivered by other means, where and when."""

    place: Line
    at_ms: Seq
    note: Note = ""


class Dispatches(Command, frozen=True, tag="dispatches"):
    """The register as one's side may see it, newest first; go on with the last one's `begun_ms` as `before_ms`."""

    state: StateName = ""
    side: Annotated[str, Meta(max_length=limits.MAX_USER_CHARS)] = ""
    # Here empty is any, so that routine needs a name of its own.
    precedence: Literal["", "routine", "priority", "flash", "life_safety"] = ""
    waits_on: Annotated[str, Meta(max_length=limits.MAX_USER_CHARS)] = ""
    overdue: bool = False
    year: Annotated[int, Meta(ge=0, le=9999)] = 0
    before_ms: Seq | None = None
    limit: PageLimit = limits.DEFAULT_PAGE_MESSAGES


class DispatchView(Command, frozen=True, tag="dispatch"):
    """One dispatch with its whole history."""

    dispatch: DispatchName


DispatchCommand = (
    DispatchDraft
    | DispatchRevise
    | DispatchClear
    | DispatchTender
    | DispatchAccept
    | DispatchDefer
    | DispatchDecline
    | DispatchReadBack
    | DispatchConfirmReadBack
    | DispatchAcknowledge
    | DispatchAnswer
    | DispatchClose
    | DispatchRecordOtherMeans
    | Dispatches
    | DispatchView
)


class DispatchLine(Struct, frozen=True, omit_defaults=True):
    """A dispatch in the register. `dispatch` is what commands call it; `side` sends it.

    `waits_on` is the side that has to act next, empty for neither; `due_ms` is 0 where no time is set.
    """

    dispatch: str
    side: str
    state: str
    revision: int
    subject: str
    signatory: str
    rank: str
    addressee: str
    begun_ms: int
    since_ms: int
    overdue: bool
    number: str = ""
    precedence: str = ""
    reference: str = ""
    waits_on: str = ""
    due_ms: int = 0
    needs_read_back: bool = False


class DispatchContent(Struct, frozen=True, omit_defaults=True):
    """The text, once one may read it, with the SHA-256 of its UTF-8; attachments have hashes of their own.

    `channel` is where they are fetched from, empty for none.
    """

    body: str
    sha256: str
    items: list[DispatchItem] = []
    attachments: list[Attachment] = []
    channel: str = ""


class DispatchStep(Struct, frozen=True, omit_defaults=True):
    """One entry of a dispatch's history, and where it is. `matching` says of each value whether it is the item's."""

    event: str
    user: str
    name: str
    delegation: str
    time_ms: int
    channel: str
    seq: int
    note: str = ""
    until_ms: int = 0
    place: str = ""
    at_ms: int = 0
    values: list[str] = []
    matching: list[bool] = []
    confirmed: list[bool] = []
    answer: str = ""


class DispatchChoice(Struct, frozen=True, omit_defaults=True):
    """A command about a dispatch, and the name of the error with which whoever asks would be refused now."""

    command: str
    refusal: str = ""


class DispatchesReply(Reply, frozen=True, kw_only=True):
    """Newest first; overdue is as of `time_ms`."""

    time_ms: int
    dispatches: list[DispatchLine]
    more: bool


class DispatchReply(Reply, frozen=True, kw_only=True):
    """One dispatch as it stands now, and what one may do about it; `content` is missing where one may not read it."""

    dispatch: DispatchLine
    history: list[DispatchStep]
    choices: list[DispatchChoice]
    content: DispatchContent | None = None


class DispatchStepReply(Reply, frozen=True, kw_only=True):
    """The step is durable. `duplicate`: it already was."""

    dispatch: DispatchLine
    duplicate: bool
