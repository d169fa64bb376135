"""Commands and replies of the register of duty: roster, handovers, who is at the desk. (PROTOCOL.md §13)"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from liaison.protocol import limits
from liaison.protocol.frames import Command, Key, PageLimit, Reply, Seq
from liaison.protocol.line_check_frames import Days, LineCheckDay

RosterFormat = Literal["csv", "icalendar"]
DutyName = Literal["officer", "staff"]
HandoverName = Annotated[str, Meta(min_length=1, max_length=limits.MAX_HANDOVER_NAME_CHARS)]
HandoverNote = Annotated[str, Meta(min_length=1, max_length=limits.MAX_HANDOVER_NOTE_CHARS)]
Digest = Annotated[str, Meta(min_length=1, max_length=limits.MAX_KEY_CHARS)]
HandoverState = Literal["offered", "acknowledged", "withdrawn"]


class Duty(Command, frozen=True, tag="duty"):
    """Who is on duty on both sides now, the other side as finely as was agreed."""


class DutyRoster(Command, frozen=True, tag="duty_roster"):
    """Own side's shifts in a time."""

    from_ms: Seq | None = None
    days: Annotated[int, Meta(ge=1, le=limits.MAX_ROSTER_DAYS)] = limits.DEFAULT_ROSTER_DAYS


class DutyImport(Command, frozen=True, tag="duty_import"):
    """Put another roster in the place of the one whose `revision` one has seen, 0 for none."""

    key: Key
    format: RosterFormat
    text: Annotated[str, Meta(min_length=1, max_length=limits.MAX_ROSTER_CHARS)]
    revision: Seq


class DutyExport(Command, frozen=True, tag="duty_export"):
    """Own side's roster as a file."""

    format: RosterFormat


class DutyHandovers(Command, frozen=True, tag="duty_handovers"):
    """Own side's handovers, newest first, and what is open now."""

    limit: PageLimit = limits.DEFAULT_PAGE_MESSAGES


class DutyHandOver(Command, frozen=True, tag="duty_hand_over"):
    """Offer what is open, with notes of one's own, to whoever comes in."""

    key: Key
    notes: Annotated[list[HandoverNote], Meta(max_length=limits.MAX_HANDOVER_NOTES)] = field(default_factory=list)


class DutyAcknowledge(Command, frozen=True, tag="duty_acknowledge"):
    """Take over what was offered; `digest` says what one has read."""

    key: Key
    handover: HandoverName
    digest: Digest


class DutyWithdraw(Command, frozen=True, tag="duty_withdraw"):
    """Take back what one has offered."""

    key: Key
    handover: HandoverName


class Desks(Command, frozen=True, tag="desks"):
    """Both desks and what came of the line checks of the last days, for ops."""

    days: Days = limits.DEFAULT_LINE_CHECK_DAYS


DutyCommand = (
    Duty | DutyRoster | DutyImport | DutyExport | DutyHandovers | DutyHandOver | DutyAcknowledge | DutyWithdraw | Desks
)


class DutySide(Struct, frozen=True, omit_defaults=True):
    """One side's desk. What the granularity doesn't tell of the other side is left out.

    `until_ms`, `holder` and `unstaffed_since_ms` are own only. `outside_hours`: the office asks for no officer now.
    """

    delegation: str
    granularity: Literal["named", "count", "staffed"]
    staffed: bool
    present: int | None = None
    officer: str = ""
    on_duty: list[str] = []
    here: list[str] = []
    until_ms: int = 0
    holder: str = ""
    unstaffed_since_ms: int = 0
    outside_hours: bool = False


class DutyReply(Reply, frozen=True, kw_only=True):
    """Both sides' desks. While `is_stale` the office can't tell who is connected: show "unknown"."""

    time_ms: int
    sides: list[DutySide]
    is_stale: bool = False


class ShiftInfo(Struct, frozen=True):
    """One shift on one day."""

    user: str
    duty: DutyName
    start_ms: int
    end_ms: int


class DutyRosterReply(Reply, frozen=True, kw_only=True):
    """In the order of their beginnings. `revision` is 0 where there is no roster."""

    revision: int
    time_zone: str
    from_ms: int
    until_ms: int
    shifts: list[ShiftInfo]


class DutyImportReply(Reply, frozen=True, kw_only=True):
    """The roster is in force. `duplicate`: it already was."""

    revision: int
    shifts: int
    duplicate: bool


class DutyExportReply(Reply, frozen=True, kw_only=True):
    """The roster as `duty_import` takes it."""

    revision: int
    format: RosterFormat
    text: str


class OpenItem(Struct, frozen=True):
    """What is open: a dispatch that waits on one's side, a line check without an answer, or somebody's note."""

    kind: Literal["dispatch", "line_check", "note"]
    name: str
    text: str


class HandoverInfo(Struct, frozen=True, omit_defaults=True):
    """One handover with its list."""

    handover: str
    state: HandoverState
    offered_by: str
    offered_ms: int
    items: list[OpenItem]
    digest: str
    ended_by: str = ""
    ended_ms: int = 0


class DutyHandoversReply(Reply, frozen=True, kw_only=True):
    """`items` are what a handover would offer now."""

    items: list[OpenItem]
    handovers: list[HandoverInfo]
    more: bool


class DeskInfo(Struct, frozen=True, omit_defaults=True):
    """One side's desk as ops see it. `unstaffed_since_ms` is since when the alarm stands, 0 for none.

    `line_up` and `staffed` say nothing while the reply `is_stale`. `outside_hours`: the office asks for no officer now.
    """

    delegation: str
    line_up: bool
    staffed: bool
    has_roster: bool
    unstaffed_since_ms: int = 0
    outside_hours: bool = False


class DesksReply(Reply, frozen=True, kw_only=True):
    """Days rise, the last is today; their checks have no text and nobody's name."""

    time_ms: int
    desks: list[DeskInfo]
    days: list[LineCheckDay]
    is_stale: bool = False


class DutyHandoverReply(Reply, frozen=True, kw_only=True):
    """The step is durable. `duplicate`: it already was."""

    handover: HandoverInfo
    duplicate: bool
