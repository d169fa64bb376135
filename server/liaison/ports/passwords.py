"""Password hashing, behind a port because it is slow on purpose and must not run on the event loop."""

from typing import Protocol


class Passwords(Protocol):
    """A bounded number of hashes run at once; the rest wait in line."""

    async def hash(self, password: str) -> str:
        """Give a salted hash in PHC form."""
        ...

    async def verify(self, password_hash: str, password: str) -> bool:
        """Say whether the password fits. An empty hash fits nothing, but takes as long as a real one."""
        ...
