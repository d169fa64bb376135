"""Contents as files of the data directory, for an office on one node: `attachments/ab/abcd…`, named by their hash.

A file appears under its name by one renaming, whole and on the disk; its time of change says when it was kept last.
Files and not the database, so that a backup of the database stays small and quick however much is attached.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final

from liaison.adapters.attachment_spool import PIECE_BYTES, Spooled, file_errors, forget_spooled, spooled
from liaison.adapters.data_directory import sync_folder
from liaison.core.identifiers import Millis
from liaison.ports.attachments import MissingContentError
from liaison.ports.clock import Clock

_HASH: Final = re.compile(r"[0-9a-f]{64}")


def content_path(folder: Path, sha256: str) -> Path:
    """Say where a folder of contents has one; in folders of its first two digits, so that none has too many files."""
    if _HASH.fullmatch(sha256) is None:
        raise ValueError("no hash")
    return folder / sha256[:2] / sha256


def contents_in(folder: Path) -> Iterator[Path]:
    """Give every content of a folder. Raises OSError."""
    if folder.is_dir():
        for part in sorted(folder.iterdir()):
            if len(part.name) == 2:
                yield from (path for path in sorted(part.iterdir()) if _HASH.fullmatch(path.name))


def hash_of_file(path: Path) -> str:
    """Give a file's hash; blocking. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileContents:
    """ports.attachments.Contents in a folder that one process writes to."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder: Final = folder
        self._spool: Final = folder / "incoming"
        self._clock: Final = clock
        # Between looking at a file's time and removing it nobody may keep it again.
        self._lock: Final = Lock()

    def incoming(self) -> AbstractAsyncContextManager[Spooled]:
        """See ports.attachments."""
        return spooled(self._spool, self._store)

    async def _store(self, spooled_file: Spooled) -> None:
        target, now_s = content_path(self._folder, spooled_file.sha256), self._clock.wall_ms() / 1000

        def work() -> None:
            with self._lock:
                if not target.exists():
                    if not target.parent.exists():
                        target.parent.mkdir(mode=0o700)
                        sync_folder(self._folder)
                    # The time first: once it has its name it must not look old.
                    os.utime(spooled_file.path, (now_s, now_s))
                    spooled_file.path.rename(target)
                    sync_folder(target.parent)
                else:
                    os.utime(target, (now_s, now_s))

        with file_errors():
            await asyncio.to_thread(work)

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        """See ports.attachments."""
        path = content_path(self._folder, sha256)
        with file_errors():
            try:
                file: BinaryIO = await asyncio.to_thread(path.open, "rb", 0)
            except FileNotFoundError as error:
                raise MissingContentError(sha256) from error
        with file:
            while True:
                with file_errors():
                    piece = await asyncio.to_thread(file.read, PIECE_BYTES)
                if not piece:
                    return
                yield piece

    async def kept_before(self, before_ms: Millis) -> Sequence[str]:
        """See ports.attachments; also clears away what was being written when a process ended."""

        def work() -> list[str]:
            forget_spooled(self._spool, before_ms)
            return [path.name for path in contents_in(self._folder) if path.stat().st_mtime * 1000 < before_ms]

        with file_errors():
            return await asyncio.to_thread(work)

    async def remove(self, sha256: str, before_ms: Millis) -> bool:
        """See ports.attachments."""
        path = content_path(self._folder, sha256)

        def work() -> bool:
            with self._lock:
                if not path.exists() or path.stat().st_mtime * 1000 >= before_ms:
                    return False
                path.unlink()
                return True

        with file_errors():
            return await asyncio.to_thread(work)
