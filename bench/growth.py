"""How cost grows with the work, as data and plots in bench/results/. (`make bench-growth`)

    python -m bench.growth                       all curves, about ten minutes
    python -m bench.growth subscribers nodes     these alone

The server is as in the bench: real, pinned to one core, each message committed with fsync. Each curve's folder entry is
one JSON file with a row for each point, and an SVG that bench/plots.py draws from it. What bends a curve, and why, is
written in bench/SCALING.md.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench import histories, plots, servers
from bench.loads import Figures, Work, generator_built, run

RESULTS: Final = servers.HERE / "results"
SECONDS: Final = 3.0
CLOCK_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


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
    with histories.filled() as folder:
        yield from histories.measured(folder)


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
