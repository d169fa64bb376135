"""Measures what a delivery costs, ours beside others in the same run. (`make bench`, `make bench-quick`)

The figure that travels between machines is CPU time of the server process per delivery, by the kernel's accounting, and
the ratio to a peer measured in the same minutes. Servers alternate, A B A B; the median counts. A run in which the
generator had no idle time left measured the generator: it is void and said so.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from bench import servers
from bench.loads import Figures, Work, generator_built, run

HOT = Work(
    "hot",
    "50 publishers × 1,000 subscribers, two messages of each at once, again when all have come and 28 ms have passed",
    1000,
    50,
    window=100,
    every_ms=28,
)
SINGLE = Work("single", "1 publisher × 1,000 subscribers, 50 messages/s", 1000, 1, rate=50)
ROOMS = Work(
    "rooms", "10 rooms × 10 subscribers, a publisher each, as fast as it goes", 100, 10, channels=10, window=100
)
SMALL_ROOMS = Work("rooms_light", "10 rooms × 10 subscribers, 200 messages/s", 100, 10, channels=10, rate=200)
STEADY = Work("steady", "50 publishers × 100 subscribers, 1,000 messages/s", 100, 50, rate=1_000)

ALL: Final = (HOT, SINGLE, ROOMS, SMALL_ROOMS, STEADY)
# How late an acknowledgement is that stands for a commit: the peers have none.
OURS_ALONE: Final = (STEADY,)
QUICK: Final = (HOT, SINGLE)

Start = Callable[[Work], AbstractContextManager[servers.Target]]
SERVERS: Final[dict[str, Start]] = {
    "liaison": lambda work: servers.liaison(work.seats),
    "c_epoll": lambda _work: servers.epoll(coalesces=True),
    "c_epoll_plain": lambda _work: servers.epoll(coalesces=False),
    "nats": lambda _work: servers.nats(),
    "mosquitto": lambda _work: servers.mosquitto(),
    "ws": lambda _work: servers.node_peer("ws", "ws_fanout.mjs"),
    "socketio": lambda _work: servers.node_peer("Socket.IO", "socketio_fanout.mjs", "socketio"),
    "websockets": lambda _work: servers.python_peer("websockets", "websockets_fanout.py"),
    "aiohttp": lambda _work: servers.python_peer("aiohttp", "aiohttp_fanout.py"),
    "python_socketio": lambda _work: servers.python_peer("python-socketio", "python_socketio.py", "socketio"),
}
# What the quick bench promises ratios to.
QUICK_SERVERS: Final = {
    "hot": ("liaison", "c_epoll", "nats", "socketio"),
    "single": ("liaison", "c_epoll"),
}


def main() -> None:
    """Run the bench and print a table and, as the last line, one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 45 seconds: fewer loads, shorter and fewer rounds")
    parser.add_argument(
        "--work", action="append", choices=[work.name for work in ALL], help="this load alone; repeatable"
    )
    parser.add_argument("--rounds", type=int, help="how often each server is measured under each load")
    parser.add_argument("--seconds", type=float, help="how long one measurement takes")
    parser.add_argument("--json", type=Path, help="also write every measurement to this file")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    seconds = arguments.seconds or (2.5 if arguments.quick else 5.0)
    works = [work for work in (QUICK if arguments.quick else ALL) if work.name in (arguments.work or [work.name])]
    with generator_built() as generator:
        measured = {}
        for work in works:
            names = QUICK_SERVERS[work.name] if arguments.quick else tuple(SERVERS)
            if work in OURS_ALONE:
                names = ("liaison",)
            measured[work.name] = _measure(work, names, generator, rounds, seconds)
    _print_table(works, measured)
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1))
    print(json.dumps(_summary(measured)))


def _measure(
    work: Work, names: tuple[str, ...], generator: Path, rounds: int, seconds: float
) -> dict[str, list[Figures]]:
    measured: dict[str, list[Figures]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in list(measured):
            try:
                with SERVERS[name](work) as target:
                    figures = run(target, work, generator, seconds)
            except FileNotFoundError as error:
                print(f"{name} is left out, because {error} is not installed", file=sys.stderr)
                del measured[name]
                continue
            measured[name].append(figures)
            print(_round_line(work, name, figures), file=sys.stderr, flush=True)
    return measured


def _round_line(work: Work, name: str, figures: Figures) -> str:
    void = "  VOID: the generator had no idle time" if figures["void"] else ""
    return (
        f"{work.name:12} {name:15} {figures['us_per_delivery']:8.3f} µs  {figures['deliveries_per_s']:10,.0f}/s  "
        f"seen p99 {figures['seen_p99_ms']:7.1f} ms  generator idle {figures['generator_idle']:.0%}{void}"
    )


def _median(rows: list[Figures], key: str) -> float:
    """Give the median of the rounds that count; of all, where none does, and then `_is_void` says so."""
    good = [row for row in rows if not row["void"]] or rows
    return float(statistics.median(row[key] for row in good))


def _is_void(rows: list[Figures]) -> bool:
    return all(row["void"] for row in rows)


def _print_table(works: Sequence[Work], measured: dict[str, dict[str, list[Figures]]]) -> None:
    for work in works:
        print(f"\n{work.title} (200-byte texts; liaison commits each with fsync first)")
        print(f"  {'server':17}{'µs CPU/delivery':>16}{'deliveries/s':>14}{'seen p50':>10}{'p99 ms':>9}{'ratio':>8}")
        ours = _median(measured[work.name]["liaison"], "us_per_delivery")
        for name, rows in measured[work.name].items():
            cost = _median(rows, "us_per_delivery")
            print(
                f"  {name:17}{cost:16.3f}{_median(rows, 'deliveries_per_s'):14,.0f}"
                f"{_median(rows, 'seen_p50_ms'):10.1f}{_median(rows, 'seen_p99_ms'):9.1f}{ours / cost:8.2f}"
                f"{'  void: the generator was busy' if _is_void(rows) else ''}"
            )


def _summary(measured: dict[str, dict[str, list[Figures]]]) -> Figures:
    """The figures by the names that scripts look for; ratios are ours over theirs."""
    summary: Figures = {"void": [f"{w} {n}" for w, by in measured.items() for n, rows in by.items() if _is_void(rows)]}
    for work, by_server in measured.items():
        ours = _median(by_server["liaison"], "us_per_delivery")
        summary[f"{work}_us_per_delivery"] = round(ours, 4)
        for name, rows in by_server.items():
            if name != "liaison":
                summary[f"{work}_vs_{name}"] = round(ours / _median(rows, "us_per_delivery"), 4)
    return summary


if __name__ == "__main__":
    main()
