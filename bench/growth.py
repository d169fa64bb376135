"""How cost grows with the work, as data and plots in bench/results/. (`make bench-growth`)

    python -m bench.growth                       all curves, about ten minutes
    python -m bench.growth subscribers nodes     these alone

The server is as in the bench: real, pinned to one core, each message committed with fsync. Each curve's folder entry is
one JSON file with a row for each point, and an SVG that bench/plots.py draws from it. What bends a curve, and why, is
written in bench/SCALING.md.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from bench import plots, servers
from bench.loads import Figures, Work, generator_built, run
from liaison.adapters.sql_engine import open_database
from liaison.adapters.sql_log import SqlLog
from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId

RESULTS: Final = servers.HERE / "results"
SECONDS: Final = 3.0
CLOCK_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
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


def subscribers(generator: Path) -> Iterator[Figures]:
    """One channel, 50 publishers, 100 messages at once; as many readers as each row says."""
    for readers in (100, 300, 1_000, 3_000, 10_000):
        work = Work("subscribers", "", readers, 50, window=100, every_ms=28 * readers / 1_000)
        with servers.liaison(work.seats) as target:
            yield {"subscribers": readers, **run(target, work, generator, max(SECONDS, readers / 1_000))}


def channels(generator: Path) -> Iterator[Figures]:
    """A reader in each channel, 100 publishers, 500 messages a second to at most 100 of the channels."""
    for followed in (1, 10, 100, 1_000, 10_000):
        work = Work("channels", "", followed, 100, channels=followed, rate=500)
        with servers.liaison(work.seats) as target:
            yield {"channels": followed, **run(target, work, generator, SECONDS)}


def connections(generator: Path) -> Iterator[Figures]:
    """Sessions that follow three channels each, and one message a second in one of these."""
    for sessions in (999, 3_000, 9_999, 19_398):
        work = Work("connections", "", sessions, 1, channels=3, follows=3, rate=1)
        with servers.liaison(work.seats) as target:
            yield {"sessions": sessions, **run(target, work, generator, SECONDS)}


def nodes(generator: Path) -> Iterator[Figures]:
    """An office on so many nodes over PostgreSQL and Redis: 480 readers of a channel, 8 publishers, 200 messages/s."""
    for nodes_ in (1, 2, 3, 4):
        work = Work("nodes", "", 480, 8, rate=200)
        with servers.liaison_nodes(work.seats, nodes_) as site:
            before = _cpu_s(site.postgres_pid), _cpu_s(site.redis_pid)
            figures = run(site.target, work, generator, 2 * SECONDS)
            after = _cpu_s(site.postgres_pid), _cpu_s(site.redis_pid)
        messages = figures["messages_per_s"] * (figures["seconds"] + 1)
        yield {
            "nodes": nodes_,
            "postgres_us_per_message": round((after[0] - before[0]) * 1e6 / messages, 1),
            "redis_us_per_message": round((after[1] - before[1]) * 1e6 / messages, 1),
            **figures,
        }


def _cpu_s(pid: int) -> float:
    """Give the CPU time of a process and of its children, those that have ended included."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    total = 0
    for process in (str(pid), *children):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15] if process == str(pid) else fields[11:13]))
    return total / CLOCK_TICKS_PER_S


def history(_generator: Path) -> Iterator[Figures]:
    """The log itself, on SQLite: what an append, a page, a resume and a search cost when so much is there already."""
    with tempfile.TemporaryDirectory(prefix="liaison-bench-") as folder:
        yield from asyncio.run(_histories(Path(folder) / "office.db"))


async def _histories(path: Path) -> list[Figures]:
    database = open_database(path)
    log = SqlLog(database)
    channel = ChannelId("joint/bench-0")
    numbers = count()
    rows = []

    async def append(batches: int) -> float:
        began = time.process_time()
        for _ in range(batches):
            await log.append(channel, [_draft(next(numbers)) for _ in range(100)], Millis(int(time.time() * 1000)))
        return (time.process_time() - began) * 1e6 / batches / 100

    async def cost_us(times: int, work: Callable[[], Awaitable[object]]) -> float:
        began = time.process_time()
        for _ in range(times):
            await work()
        return (time.process_time() - began) * 1e6 / times

    async def head_now() -> int:
        return (await log.heads([channel]))[channel].seq

    for size in (10_000, 100_000, 1_000_000):
        await append((size - await head_now()) // 100 - 20)
        appended_us = await append(20)
        # Bound now, as what it reads is to be of this head.
        last = partial(log.read, channel, after=await head_now() - 50, limit=100, max_bytes=1 << 16)
        rows.append(
            {
                "messages": await head_now(),
                "append_us": round(appended_us, 1),
                "resume_50_us": round(await cost_us(100, last), 1),
                "oldest_50_us": round(
                    await cost_us(100, lambda: log.read(channel, after=0, limit=50, max_bytes=1 << 16)), 1
                ),
                "heads_us": round(await cost_us(100, lambda: log.heads([channel])), 1),
                "search_us": round(
                    await cost_us(20, lambda: log.search("댐 방류", [channel], before_ms=None, limit=20)), 1
                ),
            }
        )
    await database.close()
    return rows


def _draft(number: int) -> Draft:
    words = " ".join(_WORDS[(number * step) % len(_WORDS)] for step in (1, 3, 5, 7, 11, 13))
    side = "south" if number % 2 else "north"
    text = f"{words} {number}"
    return Draft(UserId(f"{side}-bench"), DelegationId(side), f"k{number}", EntryKind.TEXT, text=text)


CURVES: Final[dict[str, Callable[[Path], Iterator[Figures]]]] = {
    "subscribers": subscribers,
    "channels": channels,
    "connections": connections,
    "history": history,
    "nodes": nodes,
}


def main() -> None:
    """Measure the curves that were asked for, and write them down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("curves", nargs="*", metavar="CURVE", help=f"of {', '.join(CURVES)}; default: all")
    names = parser.parse_args().curves or list(CURVES)
    RESULTS.mkdir(exist_ok=True)
    with generator_built() as generator:
        for name in names:
            rows = []
            for row in CURVES[name](generator):
                rows.append(row)
                print(name, json.dumps(row), flush=True)
            lines = ",\n".join(f" {json.dumps(row)}" for row in rows)
            (RESULTS / f"{name}.json").write_text(f"[\n{lines}\n]\n")
    plots.draw_all(RESULTS)


if __name__ == "__main__":
    main()
