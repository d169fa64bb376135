"""Logs of ten thousand to ten million messages, and what the log's own interface costs on each.

    python -m bench.histories FOLDER    fill FOLDER, once: 12 GB, half an hour and more

`python -m bench.growth history` measures those of the folder that LIAISON_BENCH_HISTORIES names, so that filling may be
done while the machine does other work. Without it, it fills a folder of its own up to a million.
"""

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench.loads import Figures
from liaison.adapters.sql_engine import open_database
from liaison.adapters.sql_log import SqlLog
from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId

SIZES: Final = (10_000, 100_000, 1_000_000, 10_000_000)
# Left to be appended while that is measured.
_MEASURED: Final = 2_000
_BATCH: Final = 100
_FILLING_BATCH: Final = 1_000
_CHANNEL: Final = ChannelId("joint/bench-0")
_WORDS: Final = [
    "남북",
    "공동연락사무소",
    "오전",
    "통화",
    "수신",
    "확인",
    "댐",
    "방류",
    "일정",
    "전달",
    "회신",
    "요청",
    "도로",
    "점검",
    "산불",
    "기상",
    "통보",
    "회의",
    "의제",
]


@contextmanager
def filled() -> Iterator[Path]:
    """Give a folder of histories: the one that was filled before, or one for now, without the largest."""
    kept = os.environ.get("LIAISON_BENCH_HISTORIES")
    if kept:
        yield Path(kept)
        return
    with tempfile.TemporaryDirectory(prefix="liaison-bench-") as folder:
        asyncio.run(fill(Path(folder), SIZES[:-1]))
        yield Path(folder)


def measured(folder: Path) -> Iterator[Figures]:
    """Measure each history of a folder, from the smallest to the largest. What is appended meanwhile stays."""
    for path in sorted(folder.glob("*.db"), key=lambda path: int(path.stem)):
        yield asyncio.run(_measure(path))


async def fill(folder: Path, sizes: tuple[int, ...]) -> None:
    """Make a history for each size, named after it. One that was broken off goes on from the largest there is."""
    growing = folder / "growing"
    database = open_database(growing)
    log = SqlLog(database)
    number = await _head(log)
    for size in sizes:
        while number < size - _MEASURED:
            drafts = [_draft(number + step) for step in range(_FILLING_BATCH)]
            await log.append(_CHANNEL, drafts, Millis(int(time.time() * 1000)))
            number += _FILLING_BATCH
        if not (folder / f"{size}.db").exists():
            await asyncio.to_thread(_copy, growing, folder / f"{size}.db")
    await database.close()
    growing.unlink()


def _copy(source: Path, target: Path) -> None:
    partial_target = target.with_suffix(".partial")
    with closing(sqlite3.connect(source)) as reader, closing(sqlite3.connect(partial_target)) as writer:
        reader.backup(writer)
    partial_target.rename(target)


async def _measure(path: Path) -> Figures:
    database = open_database(path)
    log = SqlLog(database)
    head = await _head(log)

    async def append() -> None:
        nonlocal head
        drafts = [_draft(head + step) for step in range(_BATCH)]
        await log.append(_CHANNEL, drafts, Millis(int(time.time() * 1000)))
        head += _BATCH

    append_us = await _cost_us(_MEASURED // _BATCH, append) / _BATCH
    # Bound now, as what it reads is to be of this head.
    last = partial(log.read, _CHANNEL, after=head - 50, limit=100, max_bytes=1 << 16)
    first = partial(log.read, _CHANNEL, after=0, limit=50, max_bytes=1 << 16)
    figures = {
        "messages": head,
        "append_us": round(append_us, 1),
        "resume_50_us": round(await _cost_us(100, last), 1),
        "oldest_50_us": round(await _cost_us(100, first), 1),
        "heads_us": round(await _cost_us(100, lambda: log.heads([_CHANNEL])), 1),
        "search_us": round(await _cost_us(20, lambda: log.search("댐 방류", [_CHANNEL], before_ms=None, limit=20)), 1),
    }
    await database.close()
    return figures


async def _cost_us(times: int, work: Callable[[], Awaitable[object]]) -> float:
    began = time.process_time()
    for _ in range(times):
        await work()
    return (time.process_time() - began) * 1e6 / times


async def _head(log: SqlLog) -> int:
    return (await log.heads([_CHANNEL]))[_CHANNEL].seq


def _draft(number: int) -> Draft:
    words = " ".join(_WORDS[(number * step) % len(_WORDS)] for step in (1, 3, 5, 7, 11, 13))
    side = "south" if number % 2 else "north"
    text = f"{words} {number}"
    return Draft(UserId(f"{side}-bench"), DelegationId(side), f"k{number}", EntryKind.TEXT, text=text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target_folder = Path(sys.argv[1])
    target_folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(fill(target_folder, SIZES))
