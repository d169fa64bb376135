"""The attachments of an exported channel: files beside the export, named by their hash, and the check of them."""

import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from liaison.cli.exits import Exit, Failure
from liaison.core.attachments import attachments_of
from liaison.core.transcript import messages
from liaison.protocol.frames import Attachment

_PIECE_BYTES: Final = 1024 * 1024


def folder_of(file: Path) -> Path:
    """Say where the attachments of an export are."""
    return file.with_name(f"{file.name}.attachments")


def named_in(lines: Iterable[bytes]) -> Mapping[str, Attachment]:
    """Give what the messages of a transcript name, by hash; of a line that isn't a message, nothing."""
    return {
        attachment.sha256: attachment
        for message in messages(lines)
        for attachment in attachments_of(message.kind, message.data)
    }


async def write(folder: Path, wanted: Iterable[str], read: Callable[[str], AsyncIterator[bytes]]) -> None:
    """Write these contents into a folder, in the order given. Raises Failure when one is not what its hash says."""
    for sha256 in wanted:
        digest = hashlib.sha256()
        with os.fdopen(os.open(folder / sha256, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            async for piece in read(sha256):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != sha256:
            raise Failure(f"the attachment {sha256} is damaged where it is stored", Exit.UNAVAILABLE)


def check_beside(file: Path) -> int:
    """Check what a sound transcript names, if its folder is there; give how many that are. Raises Failure."""
    folder = folder_of(file)
    if not folder.is_dir():
        return 0
    with file.open("rb") as lines:
        named = named_in(lines)
    _check(folder, named)
    return len(named)


def _check(folder: Path, named: Mapping[str, Attachment]) -> None:
    """Compare a folder's files with what a transcript names. Raises Failure, which names the first that differs."""
    for sha256, attachment in named.items():
        path = folder / sha256
        if not path.is_file():
            raise Failure(f"{path}, attached as {attachment.name!r}, is missing")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != sha256:
            raise Failure(f"{path}, attached as {attachment.name!r}, is not what was attached: its hash is {digest}")
