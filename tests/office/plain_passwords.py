"""Passwords without the cost: for tests and simulations, where nobody guesses and no thread may run."""

import hashlib


class PlainPasswords:
    """ports.passwords.Passwords on one SHA-256, done on the spot; counts what it was asked to verify."""

    def __init__(self, *, scheme: str = "plain1") -> None:
        self.scheme = scheme
        self.verified = 0

    async def hash(self, password: str) -> str:
        return f"{self.scheme}${hashlib.sha256(password.encode()).hexdigest()}"

    async def verify(self, password_hash: str, password: str) -> bool:
        self.verified += 1
        return password_hash.rpartition("$")[2] == hashlib.sha256(password.encode()).hexdigest()

    def is_outdated(self, password_hash: str) -> bool:
        return not password_hash.startswith(f"{self.scheme}$")
