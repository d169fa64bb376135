"""Clients that stop reading cost the others nothing and the server little, and get everything once they read again."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.live_server import LiveServer
from tests.simulation.checker import violations
from tests.simulation.history import History
from tests.system.socket_clients import CHANNEL, NO_PACE, SocketClient, final_state, make_bots, running, until

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(300)]

PUBLISHERS: Final = 10
READERS: Final = 10
# Several, so that what each costs the server stands out of the noise of its memory.
STALLED: Final = 8
MESSAGES_PER_S: Final = 500
# With 1.2 KB a message the sockets' buffers are full within a second.
SIZE_CHARS: Final = 400
MAX_BYTES_EACH: Final = 512 * 1024
# Scheduling on a shared machine alone moves a p99 of a few milliseconds by this much.
NOISE_S: Final = 0.004


class Latencies:
    """How long each message took from its writing to each reader, by the second it was written in."""

    def __init__(self) -> None:
        self._by_second: dict[int, list[float]] = {}

    def take(self, message: dict[str, Any]) -> None:
        written = float(message["text"].split(" ", 2)[1])
        self._by_second.setdefault(int(written), []).append(time.monotonic() - written)

    def p99(self, phases: Sequence[tuple[float, float]]) -> float:
        """Give the median of the p99s of all whole seconds within the phases: one bad second decides nothing."""
        seconds = [
            sorted(found)[int(len(found) * 0.99)]
            for second, found in self._by_second.items()
            if any(begin <= second and second + 1 <= end for begin, end in phases)
        ]
        assert len(seconds) >= 4, "too few seconds to compare"
        return statistics.median(seconds)


async def _publish(publishers: Sequence[SocketClient], seconds: float) -> tuple[float, float]:
    """Publish at an even pace, and give when it began and ended."""
    began = time.monotonic()
    sayers = itertools.cycle(publishers)
    for number in range(int(seconds * MESSAGES_PER_S)):
        await asyncio.sleep(began + number / MESSAGES_PER_S - time.monotonic())
        next(sayers).say(SIZE_CHARS)
    return began, time.monotonic()


def _memory_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


async def _measured(
    server: LiveServer, publishers: Sequence[SocketClient], seconds: float
) -> tuple[tuple[float, float], int]:
    """Publish, and give when that was and by how much the server's memory grew."""
    before_bytes = _memory_bytes(server.pid)
    phase = await _publish(publishers, seconds)
    return phase, _memory_bytes(server.pid) - before_bytes


async def test_clients_that_read_nothing_cost_the_others_nothing_and_get_everything_in_order_afterwards(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    stall_s = 60.0 if request.config.getoption("--long-stall") else 10.0
    history, latencies = History(), Latencies()
    with LiveServer(tmp_path / "data", NO_PACE) as server:
        clients = [
            SocketClient(user, token, server.ws_url, history)
            for user, token in make_bots(server, PUBLISHERS + READERS + STALLED).items()
        ]
        publishers, others = clients[:PUBLISHERS], clients[PUBLISHERS:]
        readers, stalled = others[:READERS], others[READERS:]
        for reader in readers:
            reader.on_message = latencies.take
        async with running(clients):
            # The first seconds fill caches, also the server's, and are counted to neither side.
            await _publish(publishers, 3)
            alone_phase, alone_bytes = await _measured(server, publishers, stall_s)
            for client in stalled:
                client.stop_reading()
            beside_phase, beside_bytes = await _measured(server, publishers, stall_s)
            behind = [client.cursor for client in stalled]
            for client in stalled:
                client.read_on()
            await until(lambda: len({client.cursor for client in clients}) == 1, 60, "the stalled ones are level")
            last_phase = await _publish(publishers, 5)
            await until(
                lambda: (
                    not any(client.outbox for client in clients) and len({client.cursor for client in clients}) == 1
                ),
                20,
                "everybody is at the head",
            )
        head = readers[0].cursor
        broken = violations(history.events, final_state(server, clients))
    assert not broken
    # They really were behind: the server had to keep what they missed somewhere that isn't memory.
    missed_bytes = (head - max(behind)) * SIZE_CHARS * 3
    assert missed_bytes > 4 * MAX_BYTES_EACH, (CHANNEL, head, behind)
    # The same messages make the database's cache and the like grow by themselves.
    each_bytes = (beside_bytes - alone_bytes) / STALLED
    assert each_bytes < MAX_BYTES_EACH, f"{each_bytes / 1024:.0f} KiB each"
    alone, beside = latencies.p99([alone_phase, last_phase]), latencies.p99([beside_phase])
    assert beside <= alone * 1.2 + NOISE_S, f"p99 {beside * 1000:.1f} ms beside them, {alone * 1000:.1f} ms without"
