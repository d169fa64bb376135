"""Commands and replies of the register of line checks. (PROTOCOL.md §13)"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from liaison.protocol import limits
from liaison.protocol.frames import Command, Key, Reply

CheckName = Annotated[str, Meta(min_length=1, max_length=limits.MAX_LINE_CHECK_NAME_CHARS)]
Days = Annotated[int, Meta(ge=1, le=limits.MAX_LINE_CHECK_DAYS)]
# Besides the states of the table: still to come, and due before the register began.
CheckState = Literal["scheduled", "not_kept", "open", "called", "ended", "missed"]


class LineCheckCall(Command, frozen=True, tag="line_check_call"):
    """Read the test text out, as it were: the calling side's desk has the check in front of it."""

    key: Key
    check: CheckName


class LineCheckAnswer(Command, frozen=True, tag="line_check_answer"):
    """Answer a check that the other side's desk has called."""

    key: Key
    check: CheckName


class LineCheckRequest(Command, frozen=True, tag="line_check_request"):
    """Call the other side's desk besides the schedule."""

    key: Key


class LineChecks(Command, frozen=True, tag="line_checks"):
    """The last days, the same for both sides."""

    days: Days = limits.DEFAULT_LINE_CHECK_DAYS


LineCheckCommand = LineCheckCall | LineCheckAnswer | LineCheckRequest | LineChecks


class HeartbeatInfo(Struct, frozen=True):
    """What the office itself knows of one side: whether any client of it is connected, and anybody of the desk."""

    delegation: str
    line_up: bool
    staffed: bool


class LineCheckInfo(Struct, frozen=True, omit_defaults=True):
    """One check. `side` is at which side it failed; `reason` says why the line counts as down.

    `heartbeat` is as of the end of a check that nobody answered.
    """

    check: str
    due_ms: int
    caller: str
    answerer: str
    state: CheckState
    outcome: str = ""
    side: str = ""
    reason: str = ""
    requested: bool = False
    text: str = ""
    opened_ms: int = 0
    deadline_ms: int = 0
    called_ms: int = 0
    called_by: str = ""
    answered_ms: int = 0
    answered_by: str = ""
    ended_ms: int = 0
    heartbeat: list[HeartbeatInfo] = []


class LineCheckDay(Struct, frozen=True):
    """A day of the office's clock: who calls first, and its checks in the order of their times."""

    date: str
    caller: str
    checks: list[LineCheckInfo]


class LineCheckReply(Reply, frozen=True, kw_only=True):
    """The step is durable. `duplicate`: it already was."""

    check: LineCheckInfo
    duplicate: bool


class LineChecksReply(Reply, frozen=True, kw_only=True):
    """Days rise, the last is today; `heartbeat` is as of `time_ms`, and empty when the office can't tell."""

    time_ms: int
    time_zone: str
    times: list[str]
    answer_within_ms: int
    days: list[LineCheckDay]
    open: list[LineCheckInfo]
    heartbeat: list[HeartbeatInfo]
    next: LineCheckInfo | None = None
