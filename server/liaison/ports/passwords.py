"""Password hashing, behind a port because it is slow on purpose and must not run on the event loop."""

from typing import Protocol


class Passwords(Protocol):
    """A bounded number of hashes run at once and a bounded number wait in line.

    `hash` and `verify` raise protocol.errors.Unavailable when the line is full.
    """

    async def hash(self, password: str) -> str:
        """Give a salted hash in PHC form."""
        ...

    async def verify(self, password_hash: str, password: str) -> bool:
        """Say whether the password fits. An empty hash fits nothing, but takes as long as a real one."""
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Say whether `hash` would choose other parameters today, so that the hash should be made anew."""
        ...
