"""Close codes: 4000 to 4499 ask the client to reconnect, 4500 to 4999 tell it not to. (PROTOCOL.md §8)"""

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    """Why the server ended a connection; the range carries the verdict, so that old clients obey new codes."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    MESSAGE_TOO_BIG = 1009
    SERVICE_RESTART = 1012

    SLOW = 4001
    UNKNOWN_OUTCOME = 4002
    NO_PONG = 4003
    OVERLOADED = 4004
    DISCONNECTED = 4005
    AUTHENTICATION_TIMEOUT = 4006

    MALFORMED = 4500
    UNAUTHENTICATED = 4501
    REVOKED = 4503
    TOO_MANY_SESSIONS = 4504
    FLOODING = 4505


# Standard codes after which trying again can't help: the same bytes would be refused again.
_FINAL_STANDARD_CODES: Final = frozenset({1000, 1002, 1003, 1007, 1008, 1009, 1010})


def may_reconnect(code: int | None) -> bool:
    """Say whether a client may connect again after a close with `code`; None is a connection that just broke."""
    if code is None:
        return True
    if code >= 4000:
        return code < 4500
    return code not in _FINAL_STANDARD_CODES
