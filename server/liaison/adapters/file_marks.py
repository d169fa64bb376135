"""High-water marks in a file of the data directory, beside the database and in none of its backups.

Nodes that share a database and no folder each keep a file of their own: what one of them has given out, the others
learn from the log within seconds and raise their marks to it.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from liaison.adapters.data_directory import sync_folder
from liaison.ports.marks import MarksUnavailableError

T = TypeVar("T")


class FileMarks:
    """ports.marks.Marks: one line `name value` for each mark; the whole file is replaced at once.

    Several processes may use one file: it is read anew each time, and changed under a lock.
    """

    def __init__(self, path: Path) -> None:
        self._path: Final = path

    async def get(self, name: str) -> int:
        """See ports.marks.Marks."""
        return (await self._in_thread(lambda: _read(self._path))).get(name, 0)

    async def raise_to(self, name: str, value: int) -> None:
        """See ports.marks.Marks."""
        await self._in_thread(lambda: _raise(self._path, name, value))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except (OSError, ValueError) as error:
            raise MarksUnavailableError(f"{self._path}: {error}") from error


def _read(path: Path) -> dict[str, int]:
    if not path.exists():
        return {}
    marks = {}
    for line in path.read_text("ascii").splitlines():
        name, _, value = line.partition(" ")
        # Not what this wrote: a mark that was taken for lower than it is would give a number out twice.
        if not (name and value.isdecimal()):
            raise ValueError(f"{line!r} is no mark: put it right by hand")
        marks[name] = int(value)
    return marks


def _raise(path: Path, name: str, value: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path.with_name(f"{path.name}.lock")):
        marks = _read(path)
        if value > marks.get(name, 0):
            _write(path, {**marks, name: value})


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Held for the milliseconds of one write, also between threads: each opens the file for itself.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _write(path: Path, marks: dict[str, int]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="ascii") as file:
        file.writelines(f"{name} {value}\n" for name, value in sorted(marks.items()))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    sync_folder(path.parent)
