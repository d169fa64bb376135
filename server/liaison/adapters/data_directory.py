"""The folder that holds everything an office stores, and the lock that keeps a server and a restore apart.

office.db            the database (with -wal and -shm beside it while it is open)
epoch                the highest epoch that was ever begun here, kept apart from the database and its backups
marks                numbers that are never given out twice, kept apart like the epoch
attachments          what is attached to entries, one file for each content, named by its hash; `incoming` in it is on
                     its way
presence             who was there when the server stopped, until it starts again
office.db.before-…   what a restore or an upgrade replaced
lock                 held by the one server of this folder, and by a restore
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self


class InUseError(Exception):
    """Another process holds the data directory."""


class EpochMarkError(Exception):
    """The file that remembers the highest epoch holds something else."""


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The names of its files; nothing is opened or made by naming them."""

    path: Path

    @property
    def database(self) -> Path:
        """The database file."""
        return self.path / "office.db"

    @property
    def epoch_mark(self) -> Path:
        """The file that remembers the highest epoch."""
        return self.path / "epoch"

    @property
    def marks(self) -> Path:
        """The file of the numbers that are never given out twice, also after a restore."""
        return self.path / "marks"

    @property
    def attachments(self) -> Path:
        """The folder of what is attached; see file_contents."""
        return self.path / "attachments"

    @property
    def presence_note(self) -> Path:
        """The file by which a server tells the next one who was there."""
        return self.path / "presence"

    def marked_epoch(self) -> int:
        """Give the highest epoch that was noted here, 0 for none. Raises EpochMarkError, OSError."""
        if not self.epoch_mark.exists():
            return 0
        text = self.epoch_mark.read_text("utf-8", errors="replace").strip()
        if not (text.isascii() and text.isdecimal()):
            raise EpochMarkError(f"{self.epoch_mark} should hold the highest epoch as a number: put it right by hand")
        return int(text)

    def mark_epoch(self, epoch: int) -> None:
        """Note the highest epoch so that it survives a power cut. Raises OSError."""
        partial = self.epoch_mark.with_name("epoch.partial")
        with partial.open("w", encoding="ascii") as file:
            file.write(f"{epoch}\n")
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self.epoch_mark)
        sync_folder(self.path)

    def lock(self) -> "DirectoryLock":
        """Give the lock of this folder; `with` takes it. Commands that only write beside a server don't need it."""
        return DirectoryLock(self.path)


class DirectoryLock:
    """Held until the `with` block ends, or the process does, however that happens."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._file = -1

    def __enter__(self) -> Self:
        """Take the lock, making the folder where needed. Raises InUseError, OSError."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise InUseError(f"a server or a restore is using {self._path}: stop it first") from error
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go; the file stays, since another process may already wait with it open."""
        os.close(self._file)
        self._file = -1


def sync_folder(folder: Path) -> None:
    """Bring names that were made or changed in a folder to the disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
