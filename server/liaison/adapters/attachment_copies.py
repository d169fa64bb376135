"""Contents beside a backup or an export: copied by hash, and each checked to be what its hash says. Blocking."""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from liaison.adapters.data_directory import sync_folder
from liaison.adapters.file_contents import content_path, hash_of_file
from liaison.adapters.schema import ATTACHES
from liaison.core.attachments import attachments_of

_PIECE_BYTES: Final = 1024 * 1024


class WrongContentError(Exception):
    """A content is missing, or is not what its hash says; the message names it."""


def hashes_in(database: sqlite3.Connection) -> frozenset[str]:
    """Give every content that a database names, by an entry, a held draft or an upload; an older schema has none."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'upload'").fetchone():
        return frozenset()
    found = {sha256 for (sha256,) in database.execute("SELECT sha256 FROM upload")}
    for table in ("message", "held"):
        for kind, data in database.execute(f"SELECT kind, data FROM {table} WHERE {ATTACHES['sqlite']}"):  # noqa: S608
            found.update(each.sha256 for each in attachments_of(kind, data))
    return frozenset(found)


def copy_contents(source: Path, target: Path, hashes: Iterable[str]) -> None:
    """Make a folder with these contents; it is there whole or not at all. Raises WrongContentError, OSError."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(mode=0o700)
        for sha256 in sorted(hashes):
            _copy(content_path(source, sha256), partial / sha256, sha256)
        sync_folder(partial)
        partial.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def add_contents(source: Path, contents: Path, hashes: Iterable[str]) -> None:
    """Add what a folder of contents lacks, from a folder that `copy_contents` made; what is there stays.

    Everything is looked at before anything is added. Raises WrongContentError, OSError.
    """
    lacking = [sha256 for sha256 in sorted(hashes) if not _is_sound(content_path(contents, sha256), sha256)]
    for sha256 in lacking:
        if not _is_sound(source / sha256, sha256):
            raise WrongContentError(f"the attachment {source / sha256} is missing or damaged")
    for sha256 in lacking:
        target = content_path(contents, sha256)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = target.with_name(f".{sha256}.partial")
        try:
            _copy(source / sha256, partial, sha256)
            partial.rename(target)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(target.parent)
    if lacking:
        sync_folder(contents)


def _is_sound(path: Path, sha256: str) -> bool:
    return path.is_file() and hash_of_file(path) == sha256


def _copy(source: Path, target: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    try:
        with (
            source.open("rb") as read,
            os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written,
        ):
            while piece := read.read(_PIECE_BYTES):
                digest.update(piece)
                written.write(piece)
            written.flush()
            os.fsync(written.fileno())
    except FileNotFoundError as error:
        raise WrongContentError(f"the attachment {source} is missing") from error
    if digest.hexdigest() != sha256:
        raise WrongContentError(f"the attachment {source} is damaged")
