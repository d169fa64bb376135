"""What can go wrong for a bot, as one tree.

    BotError
    ├── Refused         the server said no to one command; the connection stays
    ├── Disconnected    no answer came within the deadline; whether it was done is not known
    ├── FinalClose      the server ended the connection and trying again can't help: fix the cause, start again
    └── MalformedFrame  the server sent what the protocol doesn't allow; the client reconnects by itself

`str()` of each names the server's error reference where there is one: give it to the operators, it finds the log line.
"""

from typing import Final

from liaison.protocol.errors import ErrorCode

CONFLICT: Final = ErrorCode.CONFLICT.value.code
INTERNAL: Final = ErrorCode.INTERNAL.value.code


class BotError(Exception):
    """Anything that this SDK raises on purpose."""


class Refused(BotError):
    """The server refused one command. (PROTOCOL.md §7)

    `code` and `name` are the wire's; `temporary` says that trying again may help, after `retry_after_ms` if given.
    """

    def __init__(
        self,
        code: int,
        name: str,
        message: str,
        *,
        ref: str = "",
        temporary: bool = False,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.message = message
        self.ref = ref
        self.temporary = temporary
        self.retry_after_ms = retry_after_ms

    def __str__(self) -> str:
        return f"{self.message} ({self.name} {self.code}{_reference(self.ref)})"


class Disconnected(BotError):
    """The deadline passed without an answer, or the client was closed meanwhile."""


class FinalClose(BotError):
    """The server told us not to come back. `code` is the WebSocket close code or the HTTP status, None for neither."""

    def __init__(self, code: int | None, reason: str, *, ref: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.ref = ref

    def __str__(self) -> str:
        code = "" if self.code is None else f"code {self.code}"
        detail = f"{code}{_reference(self.ref)}".removeprefix(", ")
        return f"{self.reason} ({detail})" if detail else self.reason


class MalformedFrame(BotError):
    """The server sent something that can't be read as this protocol."""


def refusal(code: ErrorCode, message: str) -> Refused:
    """Give a refusal that this end decides on by itself; it has no reference, for no server knows of it."""
    return Refused(code.value.code, code.wire_name, message, temporary=code.value.temporary)


def _reference(ref: str) -> str:
    return f", reference {ref}" if ref else ""
