"""Who was there when a server of its own kind stopped, for the one that starts in its place: nobody goes offline.

With Redis other nodes keep presence meanwhile; an office of one process has nothing but this file, which is read once.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import structlog

from liaison.core.identifiers import Millis
from liaison.core.presence import Device

_journal = structlog.get_logger(__name__)

# A restart takes seconds. What is older tells of another working day.
MAX_AGE_MS: Final = 60_000


class _Note(msgspec.Struct, forbid_unknown_fields=True):
    written_ms: int
    devices: list[Device]


def leave_note(file: Path, devices: Iterable[Device], now_ms: Millis) -> None:
    """Write who is there. Failing is journalled and harms nobody: people are then offline until they are back."""
    note = _Note(now_ms, [replace(device, confirmed=False) for device in devices])
    partial = file.with_name(file.name + ".partial")
    try:
        # Not synced: after a power cut nobody comes back within the time that it is good for.
        with open(partial, "wb", opener=_for_owner) as written:
            written.write(msgspec.json.encode(note))
        partial.rename(file)
    except FileNotFoundError:
        # The data is elsewhere, and the folder was never made.
        return
    except OSError as error:
        _journal.warning("presence is not kept for the next start", reason=str(error))


def take_note(file: Path, now_ms: Millis) -> Sequence[Device]:
    """Give who was there, unconfirmed, and remove the file; nobody when it is missing, too old or no such note."""
    try:
        content = file.read_bytes()
        file.unlink()
        note = msgspec.json.decode(content, type=_Note)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        _journal.warning("presence of before the start is not known", reason=str(error))
        return ()
    return note.devices if 0 <= now_ms - note.written_ms <= MAX_AGE_MS else ()


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
