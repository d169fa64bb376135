"""Errors of the wire: one row each, and the exceptions that carry them. (PROTOCOL.md §7)

    LiaisonError
    ├── RemoteProtocolError     the peer broke the protocol: answer, then close with the row's close code
    └── Refused                 the peer asked for what it can't have: answer, keep the connection
        └── Unavailable         not now: `temporary` is true, trying again may help

A bug of our own is none of these: it is logged with its reference and answered as `internal`.
"""

from dataclasses import dataclass
from enum import Enum

from liaison.protocol.close_codes import CloseCode


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One error of the wire: its number, whether trying again may help, and what HTTP and WebSocket do with it."""

    code: int
    temporary: bool
    http_status: int
    close_code: CloseCode | None = None


class ErrorCode(Enum):
    """Every error a client can meet; the member's lower-case name is the wire's `name`."""

    MALFORMED = ErrorRow(100, False, 400, CloseCode.MALFORMED)
    UNKNOWN_COMMAND = ErrorRow(101, False, 404)
    NOT_CONNECTED = ErrorRow(102, False, 401, CloseCode.UNAUTHENTICATED)
    ALREADY_CONNECTED = ErrorRow(103, False, 409)
    INVALID = ErrorRow(104, False, 400)
    TOO_LARGE = ErrorRow(105, False, 413)

    UNAUTHENTICATED = ErrorRow(200, False, 401, CloseCode.UNAUTHENTICATED)
    AUTHENTICATION_TIMEOUT = ErrorRow(201, True, 408, CloseCode.AUTHENTICATION_TIMEOUT)
    REVOKED = ErrorRow(202, False, 401, CloseCode.REVOKED)
    WRONG_CREDENTIALS = ErrorRow(203, False, 401)
    FORBIDDEN = ErrorRow(204, False, 403)
    ORIGIN_REFUSED = ErrorRow(205, False, 403)
    TOO_MANY_SESSIONS = ErrorRow(206, False, 429, CloseCode.TOO_MANY_SESSIONS)

    NO_SUCH_CHANNEL = ErrorRow(300, False, 404)
    NO_SUCH_MESSAGE = ErrorRow(301, False, 404)
    NO_SUCH_USER = ErrorRow(302, False, 404)
    NOT_AUTHOR = ErrorRow(303, False, 403)
    WITHDRAWN = ErrorRow(304, False, 409)
    CONFLICT = ErrorRow(305, False, 409)
    NO_SUCH_SESSION = ErrorRow(306, False, 404)

    RATE_LIMITED = ErrorRow(400, True, 429)
    BUSY = ErrorRow(401, True, 429)
    FLOODING = ErrorRow(402, False, 429, CloseCode.FLOODING)

    UNAVAILABLE = ErrorRow(500, True, 503)
    STORAGE_FULL = ErrorRow(501, True, 507)
    UNKNOWN_OUTCOME = ErrorRow(502, True, 504, CloseCode.UNKNOWN_OUTCOME)
    DRAINING = ErrorRow(503, True, 503)
    INTERNAL = ErrorRow(504, True, 500)

    NO_SUCH_DISPATCH = ErrorRow(600, False, 404)
    DISPATCH_STATE = ErrorRow(601, False, 409)
    DISPATCH_CLOSED = ErrorRow(602, False, 409)
    DISPATCH_CHANGED = ErrorRow(603, False, 409)
    DISPATCH_OTHER_SIDE = ErrorRow(604, False, 403)
    DISPATCH_OWN_CLEARANCE = ErrorRow(605, False, 403)
    DISPATCH_NOT_CLEARED = ErrorRow(606, False, 409)
    DISPATCH_NOT_READ_BACK = ErrorRow(607, False, 409)
    DISPATCH_ITEMS = ErrorRow(608, False, 400)
    DISPATCH_ANSWER = ErrorRow(609, False, 409)
    DISPATCH_TIME = ErrorRow(610, False, 400)

    NO_SUCH_LINE_CHECK = ErrorRow(620, False, 404)
    LINE_CHECK_ENDED = ErrorRow(621, False, 409)
    LINE_CHECK_NOT_CALLED = ErrorRow(622, False, 409)
    LINE_CHECK_CALLED = ErrorRow(623, False, 409)
    LINE_CHECK_OTHER_SIDE = ErrorRow(624, False, 403)
    LINE_CHECK_OPEN = ErrorRow(625, False, 409)
    ROSTER_SYNTAX = ErrorRow(626, False, 400)
    ROSTER_HOLE = ErrorRow(627, False, 400)
    ROSTER_OVERLAP = ErrorRow(628, False, 400)
    ROSTER_PERSON = ErrorRow(629, False, 400)
    ROSTER_CHANGED = ErrorRow(630, False, 409)
    NO_ROSTER = ErrorRow(631, False, 404)
    NOT_ON_DUTY = ErrorRow(632, False, 403)
    NO_SUCH_HANDOVER = ErrorRow(633, False, 404)
    HANDOVER_CHANGED = ErrorRow(634, False, 409)
    HANDOVER_ENDED = ErrorRow(635, False, 409)
    OWN_HANDOVER = ErrorRow(636, False, 403)
    HANDOVER_OPEN = ErrorRow(637, False, 409)

    NO_SUCH_PROPOSAL = ErrorRow(640, False, 404)
    PROPOSAL_ENDED = ErrorRow(641, False, 409)
    PROPOSAL_EXPIRED = ErrorRow(642, False, 409)
    PROPOSAL_APPROVED = ErrorRow(643, False, 409)
    PROPOSAL_NOT_APPROVED = ErrorRow(644, False, 409)
    PROPOSAL_DIGEST = ErrorRow(645, False, 409)
    ALREADY_APPROVED = ErrorRow(646, False, 409)
    SIDE_HAS_APPROVED = ErrorRow(647, False, 409)
    PROPOSAL_OTHER_SIDE = ErrorRow(648, False, 403)
    PROPOSAL_TIME = ErrorRow(649, False, 400)
    NOT_FOR_BOTH_SIDES = ErrorRow(650, False, 400)
    NOT_A_PERSON = ErrorRow(651, False, 400)
    NOT_A_BOT = ErrorRow(652, False, 400)
    ALREADY_SUSPENDED = ErrorRow(653, False, 409)
    NOT_SUSPENDED = ErrorRow(654, False, 409)
    EXPORT_NOT_APPROVED = ErrorRow(655, False, 403)

    NO_SUCH_KEY = ErrorRow(660, False, 404)
    KEY_OTHER_SIDE = ErrorRow(661, False, 403)
    KEY_ENDED = ErrorRow(662, False, 409)
    KEY_EXISTS = ErrorRow(663, False, 409)
    KEY_INVALID = ErrorRow(664, False, 400)
    TOO_MANY_KEYS = ErrorRow(665, False, 409)
    SIGNATURE_WRONG = ErrorRow(666, False, 400)
    HEAD_EPOCH = ErrorRow(667, False, 409)
    HEAD_SEQ = ErrorRow(668, False, 409)
    HEAD_LINK = ErrorRow(669, False, 409)
    HEAD_OLDER = ErrorRow(670, False, 409)
    HEAD_TIME = ErrorRow(671, False, 400)

    NO_SUCH_ATTACHMENT = ErrorRow(680, False, 404)
    ATTACHMENT_TYPE = ErrorRow(681, False, 415)
    ATTACHMENT_MISMATCH = ErrorRow(682, False, 415)
    ATTACHMENT_TOO_LARGE = ErrorRow(683, False, 413)
    ATTACHMENT_NAME = ErrorRow(684, False, 400)
    ATTACHMENT_INCOMPLETE = ErrorRow(685, False, 400)
    ATTACHMENT_SLOW = ErrorRow(686, False, 408)
    ATTACHMENT_QUOTA = ErrorRow(687, False, 403)
    ATTACHMENT_NOT_UPLOADED = ErrorRow(688, False, 409)
    ATTACHMENTS_OFF = ErrorRow(689, False, 403)

    @property
    def wire_name(self) -> str:
        """The stable name that stands beside the number on the wire."""
        return self.name.lower()


class LiaisonError(Exception):
    """Anything that is answered to a client as an error row."""

    def __init__(self, code: ErrorCode, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms


class RemoteProtocolError(LiaisonError):
    """The peer sent what the protocol does not allow; the connection ends with the row's close code."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.MALFORMED) -> None:
        super().__init__(code, message)


class Refused(LiaisonError):
    """The peer asked for something it can't have; the connection stays."""


class Unavailable(Refused):
    """Not now; definitely not done, and trying again may help."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.UNAVAILABLE, *, retry_after_ms: int = 1000) -> None:
        super().__init__(code, message, retry_after_ms=retry_after_ms)
