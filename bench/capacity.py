"""The capacity model of SCALING.md, fitted to bench/results/. (`python -m bench.capacity`)

CPU time is all that grows; so the model is a sum of costs, each of which a growth curve gives as the slope or the
foot of a straight line.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).parent / "results"
# As `growth.subscribers` sends them.
BURST: Final = 100
# A node that does no more than this has room for a burst, and for the clients of one that is restarted.
BUSY: Final = 0.5
# File descriptors of one process where the kernel's usual limit stands.
CONNECTIONS_PER_NODE: Final = 19_400


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of CPU of the node, but for the last two, which are those of what several nodes share."""

    message_alone: float
    message_in_burst: float
    write: float
    reader_of_burst: float
    session_per_s: float
    connect: float
    postgres_message: float
    redis_message: float
    redis_per_node: float


def fitted(folder: Path = RESULTS) -> Costs:
    """Fit the model to the curves in a folder."""
    curves = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    bursts = [
        (row["subscribers"], row["us_per_delivery"] * row["subscribers"] * BURST) for row in curves["subscribers"]
    ]
    per_reader, foot = _line(bursts)
    rows = curves["connections"]
    # Each session gets one message a second.
    session_and_write, _ = _line([(row["sessions"], row["cpu_share"] * 1e6) for row in rows])
    nodes = curves["nodes"]
    # There each message reaches 480 readers and is committed alone; what is left beside that is writes.
    alone = _mean([row["us_per_delivery"] for row in curves["channels"]])
    write = (nodes[0]["us_per_delivery"] * 480 - alone) / 480
    redis_per_node, redis_message = _line([(row["nodes"], row["redis_us_per_message"]) for row in nodes])
    return Costs(
        message_alone=alone,
        message_in_burst=foot / BURST,
        write=write,
        reader_of_burst=per_reader,
        session_per_s=session_and_write - write,
        connect=_mean([row["connect_cpu_us"] for row in rows]),
        postgres_message=_mean([row["postgres_us_per_message"] for row in nodes]),
        redis_message=redis_message,
        redis_per_node=redis_per_node,
    )


def share_of_a_core(costs: Costs, *, sessions: float, messages_per_s: float, readers: float) -> float:
    """Give how much of a core a node needs when each message is committed alone, for each second of it."""
    per_message = costs.message_alone + readers * costs.write
    return (sessions * costs.session_per_s + messages_per_s * per_message) / 1e6


def nodes_for(costs: Costs, *, sessions: int, messages_per_s: float, readers_per_message: float) -> int:
    """Give how many nodes an office needs: bounded by descriptors, and by half a core each."""
    nodes = ceil(sessions / CONNECTIONS_PER_NODE)
    while (
        share_of_a_core(
            costs, sessions=sessions / nodes, messages_per_s=messages_per_s, readers=readers_per_message / nodes
        )
        > BUSY
    ):
        nodes += 1
    return nodes


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Give slope and foot of the straight line with the least squared errors."""
    middle_x, middle_y = _mean([x for x, _ in points]), _mean([y for _, y in points])
    slope = sum((x - middle_x) * (y - middle_y) for x, y in points) / sum((x - middle_x) ** 2 for x, _ in points)
    return slope, middle_y - slope * middle_x


def _mean(values: Sequence[Any]) -> float:
    return float(sum(values) / len(values))


def main() -> None:
    """Print the model, and what it says of three questions."""
    costs = fitted()
    for name in Costs.__slots__:
        print(f"{name:20}{getattr(costs, name):10.1f} µs")
    light = share_of_a_core(costs, sessions=110, messages_per_s=200, readers=10)
    print(f"10 rooms of 10, 200 messages/s: {light:.3f} of a core, {light * 1e6 / 2000:.1f} µs a delivery")
    single = share_of_a_core(costs, sessions=1001, messages_per_s=50, readers=1000)
    print(f"1,000 readers, 50 messages/s: {single:.3f} of a core, {single * 1e6 / 50_000:.2f} µs a delivery")
    office = share_of_a_core(costs, sessions=80, messages_per_s=1, readers=80)
    print(f"an office of 40 with two devices each, a message a second: {office:.5f} of a core")
    for rate in (0.1, 1.0, 5.0):
        nodes = nodes_for(costs, sessions=1_000_000, messages_per_s=rate, readers_per_message=1_000_000)
        print(f"1,000,000 connections that all read {rate:g} messages a second: {nodes} nodes")


if __name__ == "__main__":
    main()
