"""Ports that matter to no promise: nobody watches the numbers, and nobody signs in by password."""

from liaison.core.identifiers import DelegationId


class SilentObserver:
    """ports.observer.Observer that keeps nothing."""

    def session_opened(self, role: str, wire: str) -> None: ...

    def session_closed(self, role: str, wire: str, cause: str) -> None: ...

    def published(self, delegation: DelegationId, messages: int) -> None: ...

    def acknowledged(self, delegation: DelegationId, latency_ms: float) -> None: ...

    def delivered(
        self, sender: DelegationId, receiver: DelegationId, *, messages: int, receivers: int, latency_ms: float
    ) -> None: ...

    def caught_up(self, messages: int) -> None: ...

    def hint_missed(self) -> None: ...

    def refused(self, error_name: str) -> None: ...

    def slow_consumer(self) -> None: ...

    def attachment_moved(self, delegation: DelegationId, direction: str, size_bytes: int) -> None: ...

    def append_finished(self, messages: int, latency_ms: float, result: str) -> None: ...

    def line_check_ended(self, outcome: str) -> None: ...

    def desk_looked_at(self, delegation: DelegationId, *, is_unstaffed: bool) -> None: ...


class NobodysPasswords:
    """ports.passwords.Passwords for a world where everybody comes in by token."""

    async def hash(self, password: str) -> str:
        raise AssertionError("nobody has a password here")

    async def verify(self, password_hash: str, password: str) -> bool:
        raise AssertionError("nobody has a password here")

    def is_outdated(self, password_hash: str) -> bool:
        raise AssertionError("nobody has a password here")
