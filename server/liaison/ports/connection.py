"""One client's connection, as the office sees it: bytes of finished frames go out, nobody waits."""

from typing import Protocol

from liaison.protocol.close_codes import CloseCode


class Connection(Protocol):
    """The sending half. The edge that owns it calls the session for what comes in."""

    def send(self, frames: bytes) -> None:
        """Queue the bytes of one or more finished frames; what one turn of the loop queues leaves in one write.

        Never blocks or raises; after the connection broke it does nothing.
        """
        ...

    def offer(self, frames: bytes) -> bool:
        """Queue frames as `send` does, if the peer takes enough; else queue nothing and give False.

        The hub calls this for each delivery and nothing else, so it must cost next to nothing.
        """
        ...

    @property
    def is_writable(self) -> bool:
        """False while the peer takes too little: send no more messages, let them be read from the log later."""
        ...

    @property
    def has_unread(self) -> bool:
        """Whether something has come that wasn't read yet, because others have their turn: the peer isn't silent."""
        ...

    def buffered_bytes(self) -> int:
        """How much waits to be written."""
        ...

    def close(self, code: CloseCode, reason: str) -> None:
        """Send what is queued, then end with a close frame; idempotent. `reason` is at most 123 bytes of ASCII."""
        ...

    def pause_reading(self) -> None:
        """Take no more from the peer until `resume_reading`; idempotent."""
        ...

    def resume_reading(self) -> None:
        """Undo `pause_reading`; idempotent."""
        ...
