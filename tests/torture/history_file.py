"""The history of a run as a file of JSON lines: written while it happens, and checked again as often as one likes.

Kinds beside those of tests/simulation/history.py: `link_down` has `heard_at`, when the last byte came; `shown_offline`
is what a watcher saw go; `fault` and `fault_over` have the `fault`, its `node` if it is of one, and how many publishes
were `in_flight`; `died` is a process that nobody had killed; `row` is an entry of the final log, `final` what each
client knew in the end, `complaint` a refusal for good that nobody had deserved, and `run` what the run was to do.
`restored` is a backup brought back, with the `epoch` that began and the seqs that were `kept`, by channel; a `lost_row`
follows for each entry that was there before. `again` marks the answer to what was offered again after that.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from tests.simulation.history import Event


class HistoryFile:
    """Writes events in the order in which they happen. `with` closes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self._file = path.open("wb")

    def note(self, at: float, kind: str, **facts: Any) -> None:
        """Add an event; `at` is monotonic time in seconds."""
        self.counts[kind] += 1
        self._file.write(msgspec.json.encode({"at": round(at, 6), "kind": kind, **facts}) + b"\n")

    def flush(self) -> None:
        """Let others read what was noted so far."""
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class RecordedHistory:
    """The events of such a file, read anew each time they are gone through."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[Event]:
        with self._path.open("rb") as lines:
            yield from map(msgspec.json.decode, lines)
