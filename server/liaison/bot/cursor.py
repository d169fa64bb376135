"""How far a bot has come in each channel, so that it goes on there after a restart."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Everything up to and including `seq` of `epoch` has been seen. (PROTOCOL.md §5.2)"""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"


class Cursors(Protocol):
    """One position per channel."""

    def position(self, channel: str) -> Position | None:
        """Give where the bot stopped; None when it has never been in this channel."""
        ...

    async def store(self, channel: str, position: Position) -> None:
        """Note that everything up to `position` is done with. May raise OSError; `position` gives it all the same."""
        ...


class MemoryCursors:
    """Forgotten with the process: for `replay="none"`."""

    def __init__(self) -> None:
        self._positions: dict[str, Position] = {}

    def position(self, channel: str) -> Position | None:
        return self._positions.get(channel)

    async def store(self, channel: str, position: Position) -> None:
        self._positions[channel] = position


class BrokenCursorError(Exception):
    """The cursor file can't be understood. Starting at the newest message instead would silently skip the rest."""


class FileCursors:
    """A JSON file `{channel: {"epoch": …, "seq": …}}`, replaced whole and synced at each store.

    A crash leaves the old or the new file, never a half one. Raises BrokenCursorError, and OSError where the file
    can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._positions = _load(path)
        self._writing = asyncio.Lock()

    def position(self, channel: str) -> Position | None:
        return self._positions.get(channel)

    async def store(self, channel: str, position: Position) -> None:
        self._positions[channel] = position
        async with self._writing:
            await asyncio.to_thread(self._replace, dict(self._positions))

    def _replace(self, positions: Mapping[str, Position]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({name: {"epoch": at.epoch, "seq": at.seq} for name, at in positions.items()}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        _sync_directory(self._path.parent)


def default_path(user: str, environment: Mapping[str, str]) -> Path:
    """Give the file for a bot's account that nobody named one for. (XDG Base Directory Specification)"""
    state = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "liaison" / f"{user}.cursor.json"


def _load(path: Path) -> dict[str, Position]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        return {str(name): Position(int(at["epoch"]), int(at["seq"])) for name, at in json.loads(text).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenCursorError(
            f"{path} is not a cursor file: {error}. Mend it, or delete it to begin at the newest message."
        ) from error


def _sync_directory(directory: Path) -> None:
    # The rename itself is lost in a power cut unless the directory is synced too.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
