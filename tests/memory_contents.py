"""ports.attachments.Contents in a dictionary, which outlives the nodes of a simulation."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from liaison.core.identifiers import Millis
from liaison.ports.attachments import MissingContentError
from liaison.ports.clock import Clock


class MemoryContents:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.contents: Final[dict[str, bytes]] = {}
        self.removals = 0
        self._kept_ms: dict[str, int] = {}

    @asynccontextmanager
    async def incoming(self) -> AsyncIterator["MemoryIncoming"]:
        yield MemoryIncoming(self)

    def keep(self, sha256: str, content: bytes) -> None:
        self.contents[sha256] = content
        self._kept_ms[sha256] = self._clock.wall_ms()

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        if sha256 not in self.contents:
            raise MissingContentError(sha256)
        yield self.contents[sha256]

    async def kept_before(self, before_ms: Millis) -> Sequence[str]:
        return [sha256 for sha256, kept_ms in self._kept_ms.items() if kept_ms < before_ms]

    async def remove(self, sha256: str, before_ms: Millis) -> bool:
        if self._kept_ms.get(sha256, before_ms) >= before_ms:
            return False
        del self.contents[sha256], self._kept_ms[sha256]
        self.removals += 1
        return True


class MemoryIncoming:
    def __init__(self, contents: MemoryContents) -> None:
        self._contents = contents
        self._written = b""

    @property
    def size_bytes(self) -> int:
        return len(self._written)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self._written).hexdigest()

    async def write(self, piece: bytes) -> None:
        self._written += piece

    async def keep(self) -> None:
        self._contents.keep(self.sha256, self._written)
