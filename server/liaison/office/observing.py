"""Two observers where the office knows one."""

from liaison.core.identifiers import DelegationId
from liaison.ports.observer import Observer


class BothObservers:
    """Implements ports.observer.Observer: tells each of two, one after the other."""

    def __init__(self, first: Observer, second: Observer) -> None:
        self._first = first
        self._second = second

    def session_opened(self, role: str, wire: str) -> None:
        """See ports.observer."""
        self._first.session_opened(role, wire)
        self._second.session_opened(role, wire)

    def session_closed(self, role: str, wire: str, cause: str) -> None:
        """See ports.observer."""
        self._first.session_closed(role, wire, cause)
        self._second.session_closed(role, wire, cause)

    def published(self, delegation: DelegationId, messages: int) -> None:
        """See ports.observer."""
        self._first.published(delegation, messages)
        self._second.published(delegation, messages)

    def acknowledged(self, delegation: DelegationId, latency_ms: float) -> None:
        """See ports.observer."""
        self._first.acknowledged(delegation, latency_ms)
        self._second.acknowledged(delegation, latency_ms)

    def delivered(
        self, sender: DelegationId, receiver: DelegationId, *, messages: int, receivers: int, latency_ms: float
    ) -> None:
        """See ports.observer."""
        self._first.delivered(sender, receiver, messages=messages, receivers=receivers, latency_ms=latency_ms)
        self._second.delivered(sender, receiver, messages=messages, receivers=receivers, latency_ms=latency_ms)

    def caught_up(self, messages: int) -> None:
        """See ports.observer."""
        self._first.caught_up(messages)
        self._second.caught_up(messages)

    def hint_missed(self) -> None:
        """See ports.observer."""
        self._first.hint_missed()
        self._second.hint_missed()

    def refused(self, error_name: str) -> None:
        """See ports.observer."""
        self._first.refused(error_name)
        self._second.refused(error_name)

    def slow_consumer(self) -> None:
        """See ports.observer."""
        self._first.slow_consumer()
        self._second.slow_consumer()

    def attachment_moved(self, delegation: DelegationId, direction: str, size_bytes: int) -> None:
        """See ports.observer."""
        self._first.attachment_moved(delegation, direction, size_bytes)
        self._second.attachment_moved(delegation, direction, size_bytes)

    def append_finished(self, messages: int, latency_ms: float, result: str) -> None:
        """See ports.observer."""
        self._first.append_finished(messages, latency_ms, result)
        self._second.append_finished(messages, latency_ms, result)

    def line_check_ended(self, outcome: str) -> None:
        """See ports.observer."""
        self._first.line_check_ended(outcome)
        self._second.line_check_ended(outcome)

    def desk_looked_at(self, delegation: DelegationId, *, is_unstaffed: bool) -> None:
        """See ports.observer."""
        self._first.desk_looked_at(delegation, is_unstaffed=is_unstaffed)
        self._second.desk_looked_at(delegation, is_unstaffed=is_unstaffed)
