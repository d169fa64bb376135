"""Writes what was measured into the documents. (`python -m bench.report`)

It reads bench/results/*.json, and sets the cell of each row of a table in bench/README.md and bench/SCALING.md that it
has a figure for; what was never measured, and all that is told in words, stays as it stands. `bench/results/` gets
servers.md, the table of every load on every server.
"""

import json
import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench import capacity, plots

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results"
README: Final = HERE / "README.md"
SCALING: Final = HERE / "SCALING.md"
SERVERS: Final = RESULTS / "servers.md"

Rows = list[dict[str, Any]]


def reached(folder: Path = RESULTS) -> dict[str, str]:
    """Give the last cell of each row of the table "Reached, and not" that there is data for; bold is reached."""
    data = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    cells: dict[str, str] = {}
    for name, give in _CELLS.items():
        if name in data:
            cells.update(give(data[name]))
    return cells


def modelled(folder: Path = RESULTS) -> dict[str, str]:
    """Give the second cell of each row of the model's table."""
    costs = capacity.fitted(folder)
    return {
        "a message that is committed alone": f"{costs.message_alone:.0f}",
        "a message in a burst of 100": f"{costs.message_in_burst:.0f}",
        "a write to one connection, whatever is in it": f"{costs.write:.1f}",
        "a reader of a burst of 100": f"{costs.reader_of_burst:.0f}",
        "a session, for a second of rest": f"{costs.session_per_s:.1f}",
        "letting a session in": f"{costs.connect:,.0f}",
        "PostgreSQL, a message": f"{costs.postgres_message:.0f}",
        "Redis, a message and each node that hears of it": f"{costs.redis_message:.0f} + {costs.redis_per_node:.0f}",
    }


def with_cells(document: str, cells: Mapping[str, str], column: int) -> str:
    """Set a column of the rows of tables that begin with one of `cells`' names."""
    lines = document.split("\n")
    for number, line in enumerate(lines):
        row = line.split(" | ")
        cell = cells.get(row[0].removeprefix("| "))
        if cell is not None and line.startswith("| ") and len(row) == 3:
            ends_row = column == 2
            lines[number] = " | ".join([*row[:column], f"{cell} |" if ends_row else cell, *row[column + 1 :]])
    return "\n".join(lines)


def table_of_servers(measured: Mapping[str, Mapping[str, Rows]]) -> str:
    """Give every load on every server as a table, medians of the rounds that count."""
    lines = ["# Every load on every server", "", "Made by `python -m bench.report` from servers.json.", ""]
    lines.append(
        "| load | server | rounds | µs of CPU a delivery | deliveries/s | seen p50, ms | p99, ms | ours ÷ it |"
    )
    lines.append("|---|---|---|---|---|---|---|---|")
    for load, by_server in measured.items():
        ours = _median(by_server["liaison"], "us_per_delivery")
        for name, rows in by_server.items():
            cost = _median(rows, "us_per_delivery")
            void = "" if _counting(rows) else ", void"
            lines.append(
                f"| {load} | {name} | {len(_counting(rows)) or len(rows)}{void} | {cost:.3f} |"
                f" {_median(rows, 'deliveries_per_s'):,.0f} | {_median(rows, 'seen_p50_ms'):.1f} |"
                f" {_median(rows, 'seen_p99_ms'):.1f} | {ours / cost:.3f} |"
            )
    return "\n".join(lines) + "\n"


def _counting(rows: Rows) -> Rows:
    return [row for row in rows if not row["void"]]


def _median(rows: Rows, key: str) -> float:
    return float(statistics.median(row[key] for row in _counting(rows) or rows))


def _bold(text: str, *, is_reached: bool) -> str:
    return f"**{text}**" if is_reached else text


# Ratios of CPU a delivery, ours over theirs: the load and the peer, the most that is aimed at, and the row's name.
_RATIOS: Final = (
    ("hot", "c_epoll", 1.5, "hot beside C on epoll, coalesced"),
    ("hot", "nats", 1 / 6, "hot beside NATS"),
    ("hot", "socketio", 1 / 15, "hot beside Socket.IO"),
    ("hot", "ws", 1 / 15, "hot beside ws on Node"),
    ("hot", "python_socketio", 1 / 40, "hot beside python-socketio"),
    ("single", "c_epoll", 1.25, "single beside C on epoll"),
    ("rooms", "nats", 1.0, "10 rooms of 10, durable, as fast as it goes, beside NATS"),
    ("rooms_light", "socketio", 1 / 1.8, "10 rooms of 10, 200 messages/s, beside Socket.IO"),
)


def _of_servers(measured: Mapping[str, Mapping[str, Rows]]) -> Iterator[tuple[str, str]]:
    if "hot" in measured:
        ours = measured["hot"]["liaison"]
        cost, rate = _median(ours, "us_per_delivery"), _median(ours, "deliveries_per_s")
        text = f"{cost:.2f} µs, {rate / 1e6:.1f} million/s"
        yield "hot: CPU a delivery", _bold(text, is_reached=cost <= 0.65 or rate >= 1.5e6)
    for load, peer, most, name in _RATIOS:
        by_server = measured.get(load, {})
        if peer in by_server:
            ours_us, theirs_us = (_median(by_server[who], "us_per_delivery") for who in ("liaison", peer))
            text = f"{ours_us / theirs_us:.3g}: {ours_us:.3g} µs, and {theirs_us:.3g}"
            yield name, _bold(text, is_reached=ours_us / theirs_us <= most)
    if "steady" in measured:
        p99 = _median(measured["steady"]["liaison"], "ack_p99_ms")
        yield "publish → acknowledgement, p99, 1,000 messages/s", _bold(f"{p99:.1f} ms", is_reached=p99 <= 25)


def _of_connections(rows: Rows) -> Iterator[tuple[str, str]]:
    last = rows[-1]
    kib = last["kib_per_connection"]
    yield "sessions of one process", _bold(f"{last['connections']:,}, {kib:.1f} KiB", is_reached=kib <= 12)
    best, worst = (f(row["connections"] / row["connect_s"] for row in rows) for f in (max, min))
    text = f"{worst:,.0f} to {best:,.0f} with three channels, {last['connect_cpu_us']:,.0f} µs each"
    yield "accepted a second, authentication included", _bold(text, is_reached=worst >= 3_000)


def _of_nodes(rows: Rows) -> Iterator[tuple[str, str]]:
    several = [row for row in rows if row["nodes"] > 1]
    text = ", ".join(f"{row['seen_p99_ms']:.0f} ms with {row['nodes']:.0f}" for row in several)
    is_reached = all(row["seen_p99_ms"] <= 50 and row["messages_per_s"] >= 1_000 for row in several)
    yield "another node's p99, 200 messages/s, everything on one core", _bold(text, is_reached=is_reached)


def _of_subscribers(rows: Rows) -> Iterator[tuple[str, str]]:
    cost = {row["subscribers"]: row["us_per_delivery"] for row in rows}
    whole, last = cost[10_000] / cost[100], cost[10_000] / cost[1_000]
    text = f"× {whole:.2f}; 1,000 → 10,000: × {last:.2f}"
    yield "100 → 10,000 subscribers, a delivery's cost", _bold(text, is_reached=max(whole, last) <= 1.3)


def _of_history(rows: Rows) -> Iterator[tuple[str, str]]:
    first, last = rows[0], rows[-1]
    text = (
        f"{first['resume_50_us']:.0f} µs at {first['messages']:,}, {last['resume_50_us']:.0f} at {last['messages']:,}"
    )
    is_reached = last["messages"] >= 10_000_000 and last["resume_50_us"] <= 1.3 * first["resume_50_us"]
    yield "history of 10 million messages, cost of resuming", _bold(text, is_reached=is_reached)


def _of_presence(row: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    share, p99 = row["presence_share_of_core_per_node"], row["seen_p99_ms"]
    text = f"{row['users']:,} people: {share:.1%} of a core a node, p99 {p99:.0f} ms"
    is_reached = row["users"] >= 10_000 and share <= 0.05 and p99 <= 500
    yield "presence, three nodes, 1 % changing a second", _bold(text, is_reached=is_reached)


def _of_storm(row: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    resumed, p99 = row["resumed_s"], row["others_p99_ms"]
    text = (
        f"{row['clients']:,} in {resumed:.1f} s, {row['cpu_us_per_client']:,.0f} µs each, the others' p99 {p99:.0f} ms"
    )
    is_reached = row["clients"] >= 10_000 and resumed <= 20 and p99 <= 250
    yield "resume of 10,000 at once", _bold(text, is_reached=is_reached)


# What gives the cells of each file.
_CELLS: Final[dict[str, Callable[[Any], Iterator[tuple[str, str]]]]] = {
    "servers": _of_servers,
    "connections": _of_connections,
    "nodes": _of_nodes,
    "subscribers": _of_subscribers,
    "history": _of_history,
    "presence": _of_presence,
    "storm": _of_storm,
}


def main() -> None:
    """Write the tables and draw the curves."""
    README.write_text(with_cells(README.read_text(), reached(), column=2))
    SCALING.write_text(with_cells(SCALING.read_text(), modelled(), column=1))
    servers = RESULTS / "servers.json"
    if servers.exists():
        SERVERS.write_text(table_of_servers(json.loads(servers.read_text())))
    plots.draw_all(RESULTS)


if __name__ == "__main__":
    main()
