"""Backup to one file beside a running server, and restore into a folder that no server uses.

What is attached to the entries stands beside the file as `FILE.attachments`, if there is any.

A restore begins a new epoch, because seqs after the backup may be given again to other messages. The highest epoch
ever begun is kept apart from the database as well, so that restoring the same backup twice gives two epochs.
(PROTOCOL.md §5.2)
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from liaison.adapters.attachment_copies import WrongContentError, add_contents, copy_contents, hashes_in
from liaison.adapters.data_directory import DataDirectory, EpochMarkError, sync_folder
from liaison.adapters.sql_engine import SchemaError, connect, migrate
from liaison.adapters.sql_writer import driver_of

# 4 MiB a step: the progress moves, and a writer gets its turn in between.
_PAGES_PER_STEP: Final = 1024

# Pages copied so far, and pages in all.
Progress = Callable[[int, int], None]


class BackupError(Exception):
    """The backup or restore could not be done; what was there is as it was."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: the new epoch, and where the database that it replaced is kept (None if there was none)."""

    epoch: int
    kept: Path | None


def back_up(directory: DataDirectory, target: Path, progress: Progress) -> None:
    """Copy the database as of one moment into a new file, also while a server writes; blocking.

    The file appears under its name only once it is complete and on the disk. Raises BackupError.
    """
    if not directory.database.is_file():
        raise BackupError(f"there is no database in {directory.path}")
    if target.exists():
        raise BackupError(f"{target} exists: name a new file")
    partial = target.with_name(f".{target.name}.partial")
    try:
        with closing(sqlite3.connect(f"file:{directory.database}?mode=ro", uri=True, timeout=5.0)) as source:
            _copy(source, partial, progress)
        # After the database: what it names is there by then, and what is named is never removed.
        _copy_attachments(directory, partial, attachments_of(target))
        # Beside the target, so that the renaming is one step; a hard link, unlike it, never replaces a file.
        os.link(partial, target)
        sync_folder(target.parent)
    except (sqlite3.Error, OSError, WrongContentError) as error:
        raise BackupError(f"backup to {target} failed: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def restore(directory: DataDirectory, backup: Path, *, stamp: str, progress: Progress) -> Restored:
    """Put a backup in the place of the database, in an epoch that never was; blocking.

    What was there is kept beside it as `office.db.before-restore-<stamp>`; give the time as the stamp.
    Everything happens in a copy first: interrupted at any moment, the folder holds the old database or the new one.

    Raises:
        InUseError: a server holds the folder.
        BackupError: the file is no backup, or can't be read or copied.
    """
    with directory.lock():
        fresh = directory.database.with_name("office.db.restoring")
        try:
            with _backup_errors(backup):
                _remove(fresh)
                _check_and_copy(backup, fresh, progress)
                # Before the database changes places: whichever is there finds its own.
                add_contents(attachments_of(backup), directory.attachments, _named_by(fresh))
                epoch = _begin_epoch(directory, fresh)
                kept = _set_aside(directory.database, stamp)
                fresh.rename(directory.database)
                sync_folder(directory.path)
        finally:
            _remove(fresh)
    return Restored(epoch, kept)


@contextmanager
def _backup_errors(backup: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, SchemaError, EpochMarkError, WrongContentError) as error:
        raise BackupError(f"restore of {backup} failed: {error}") from error


def attachments_of(file: Path) -> Path:
    """Say where the attachments of a backup, or of an export, are."""
    return file.with_name(f"{file.name}.attachments")


def _copy_attachments(directory: DataDirectory, database: Path, target: Path) -> None:
    named = _named_by(database)
    if not named:
        return
    if target.exists():
        raise BackupError(f"{target} exists: name a new file")
    copy_contents(directory.attachments, target, named)


def _named_by(database: Path) -> frozenset[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        return hashes_in(opened)


def _check_and_copy(backup: Path, fresh: Path, progress: Progress) -> None:
    if not backup.is_file():
        raise BackupError(f"{backup} is not a file")
    with closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as source:
        damage = source.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if damage != "ok":
            raise BackupError(f"{backup} is damaged: {damage}")
        tables = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"office", "message", "alembic_version"} <= tables:
            raise BackupError(f"{backup} is not a backup of liaison")
        _copy(source, fresh, progress)


def _begin_epoch(directory: DataDirectory, fresh: Path) -> int:
    """Give the copied database an epoch above its own, the present one's and the mark, and note it in the mark."""
    connection = connect(fresh)
    try:
        migrate(connection, None)
        driver = driver_of(connection)
        known = (_epoch_of(driver), directory.marked_epoch(), _present_epoch(directory))
        epoch = max(known) + 1
        # First the mark: if we stop in between, an epoch is skipped and none is used twice.
        directory.mark_epoch(epoch)
        driver.execute("UPDATE office SET epoch = ?", (epoch,))
        # One file, so that it can be renamed.
        driver.execute("PRAGMA journal_mode = DELETE").close()
    finally:
        connection.engine.dispose()
    return epoch


def _present_epoch(directory: DataDirectory) -> int:
    if not directory.database.is_file():
        return 0
    # It may be what makes the restore needful: a file that can't be read has only the mark to tell its epoch.
    try:
        with closing(sqlite3.connect(f"file:{directory.database}?mode=ro", uri=True)) as present:
            return _epoch_of(present)
    except sqlite3.Error:
        return 0


def _epoch_of(driver: sqlite3.Connection) -> int:
    (epoch,) = driver.execute("SELECT epoch FROM office").fetchone()
    return int(epoch)


def _set_aside(database: Path, stamp: str) -> Path | None:
    """Give the present database a second name, with what belongs to it; the first is then free to be taken over.

    The -wal belongs to the file by its name: left there, it would be replayed into the new database.
    """
    if not database.exists():
        return None
    kept = database.with_name(f"{database.name}.before-restore-{stamp}")
    if kept.exists():
        raise BackupError(f"{kept} exists: was there a restore within the same second?")
    # So that the file alone is whole when the -wal goes. A damaged one can't, and is kept as it is.
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as present:
        present.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    for suffix in ("-wal", ""):
        part = database.with_name(database.name + suffix)
        if part.exists():
            os.link(part, kept.with_name(kept.name + suffix))
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    return kept


def _copy(source: sqlite3.Connection, target: Path, progress: Progress) -> None:
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    with closing(sqlite3.connect(target)) as copy:
        source.backup(
            copy, pages=_PAGES_PER_STEP, progress=lambda _status, left, total: progress(total - left, total), sleep=0.0
        )
        # The copy of a database in WAL mode says so too; as one plain file it can be opened from a read-only place.
        copy.execute("PRAGMA journal_mode = DELETE").close()
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _remove(database: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
