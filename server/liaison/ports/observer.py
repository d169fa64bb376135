"""What the office tells those who watch it: numbers for metrics, never message text."""

from typing import Protocol

from liaison.core.identifiers import DelegationId


class Observer(Protocol):
    """Called on the hot path: each must cost next to nothing, and none may raise."""

    def session_opened(self, role: str, wire: str) -> None: ...

    def session_closed(self, role: str, wire: str, cause: str) -> None: ...

    def published(self, delegation: DelegationId, messages: int) -> None:
        """So many messages of this side were committed now (repeats not counted)."""
        ...

    def acknowledged(self, delegation: DelegationId, latency_ms: float) -> None:
        """From the command's arrival to its reply being handed to the socket."""
        ...

    def delivered(
        self, sender: DelegationId, receiver: DelegationId, *, messages: int, receivers: int, latency_ms: float
    ) -> None:
        """So many messages of `sender`'s side went to each of so many live subscriptions of `receiver`'s side.

        `latency_ms` is from the beginning of their commit to their being handed to the sockets.
        """
        ...

    def caught_up(self, messages: int) -> None:
        """So many messages were served from the log to subscriptions that were behind."""
        ...

    def hint_missed(self) -> None:
        """A gap or a silent head was found and filled from the log."""
        ...

    def refused(self, error_name: str) -> None: ...

    def slow_consumer(self) -> None:
        """A subscription fell behind its socket and turned to catching up."""
        ...

    def attachment_moved(self, delegation: DelegationId, direction: str, size_bytes: int) -> None:
        """Somebody of this side uploaded (`in`) or fetched (`out`) an attachment of this size."""
        ...

    def append_finished(self, messages: int, latency_ms: float, result: str) -> None:
        """An append ended as `committed`, `refused` or `unknown`."""
        ...

    def line_check_ended(self, outcome: str) -> None:
        """A line check came to this outcome, and this node recorded it."""
        ...

    def desk_looked_at(self, delegation: DelegationId, *, is_unstaffed: bool) -> None:
        """Whether the alarm of an empty desk stands for a side, as this node sees it."""
        ...
