"""Where contents are written while they come in: a file without a future, hashed as it grows."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Final

from liaison.ports.attachments import AttachmentsFullError, AttachmentsUnavailableError

PIECE_BYTES: Final = 256 * 1024


class Spooled:
    """ports.attachments.Incoming: `store` takes the whole file, by its path, under its hash."""

    def __init__(self, path: Path, file: BinaryIO, store: Callable[["Spooled"], Awaitable[None]]) -> None:
        self.path: Final = path
        self._file: Final = file
        self._store: Final = store
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """See ports.attachments."""
        return self._hash.hexdigest()

    async def write(self, piece: bytes) -> None:
        """See ports.attachments."""

        def work() -> None:
            self._file.write(piece)
            self._hash.update(piece)

        with file_errors():
            await asyncio.to_thread(work)
        self.size_bytes += len(piece)

    async def keep(self) -> None:
        """See ports.attachments."""

        def to_disk() -> None:
            self._file.flush()
            os.fsync(self._file.fileno())

        with file_errors():
            await asyncio.to_thread(to_disk)
        await self._store(self)


@asynccontextmanager
async def spooled(folder: Path, store: Callable[[Spooled], Awaitable[None]]) -> AsyncIterator[Spooled]:
    """Give a file to write to; it is gone when the context ends, but for what `store` made of it."""
    path = folder / token_hex(16)
    with file_errors():
        file = await asyncio.to_thread(_begin, path)
    try:
        yield Spooled(path, file, store)
    finally:
        # On the spot, so that a cancellation can't leave it behind; `store` may have moved it away.
        file.close()
        path.unlink(missing_ok=True)


def _begin(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Unbuffered: pieces are large, and closing must write nothing that could fail.
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "r+b", buffering=0)


def forget_spooled(folder: Path, before_ms: int) -> None:
    """Remove what a process that ended in the middle has left behind. Raises OSError."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.stat().st_mtime * 1000 < before_ms:
                path.unlink(missing_ok=True)


@contextmanager
def file_errors() -> Iterator[None]:
    """Turn the system's errors into the port's."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise AttachmentsFullError("the disk is full") from error
        raise AttachmentsUnavailableError(str(error)) from error
