"""High-water marks in a file of the data directory, beside the database and in none of its backups."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from liaison.adapters.data_directory import sync_folder
from liaison.ports.marks import MarksUnavailableError

T = TypeVar("T")


class FileMarks:
    """ports.marks.Marks: one line `name value` for each mark; the whole file is replaced at once.

    For the one server of its folder: two of them would each overwrite what the other has raised.
    """

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._marks: dict[str, int] | None = None
        self._writing = asyncio.Lock()

    async def get(self, name: str) -> int:
        """See ports.marks.Marks."""
        async with self._writing:
            return (await self._known()).get(name, 0)

    async def raise_to(self, name: str, value: int) -> None:
        """See ports.marks.Marks."""
        async with self._writing:
            marks = await self._known()
            if value > marks.get(name, 0):
                raised = {**marks, name: value}
                await self._in_thread(lambda: _write(self._path, raised))
                self._marks = raised

    async def _known(self) -> dict[str, int]:
        if self._marks is None:
            self._marks = await self._in_thread(lambda: _read(self._path))
        return self._marks

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


def _write(path: Path, marks: dict[str, int]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="ascii") as file:
        file.writelines(f"{name} {value}\n" for name, value in sorted(marks.items()))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    sync_folder(path.parent)
