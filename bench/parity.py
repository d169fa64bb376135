"""`python -m bench.parity`: how long one side waits for its acknowledgements while the other one floods the channel.

One server as it is deployed; with `--raised` the limits of rates are raised, so that only its fair queues stand between
the sides. Somebody of one side says something fifty times a second; of the other side nobody says anything, or ten
people say as much as the server is asked for on a busy day, or ten people keep as much in flight as they may, mind no
refusal and come back when they are thrown out. They are a process of their own, which has what the one who waits leaves
of the generator's core: that one's process goes before it where that is permitted, or the generator would measure
itself. On a machine with other work, give the bench a session of its own (`setsid`). Rounds alternate, and the sides
change places. The last line is one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import secrets
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from bench import servers
from liaison.protocol.limits import MAX_PUBLISHES_IN_FLIGHT
from liaison.protocol.names import SUBPROTOCOL_MSGPACK

CHANNEL: Final = f"{servers.CHANNEL_PREFIX}0"
SIDES: Final = ("south", "north")
FLOODING: Final = 10
# From half of the bound on the server stops reading, which is what it does to a flood.
WINDOW: Final = MAX_PUBLISHES_IN_FLIGHT // 2
EVERY_S: Final = 0.02
BUSY_PER_S: Final = 600
TEXT: Final = "가" * 60


@dataclass
class Seat:
    """A connection that is let in, and what it has in flight: the moment by the command's id."""

    socket: ClientConnection
    in_flight: dict[int, float]
    next_id: int = 2
    # Keys are of a user, who comes again.
    keys: str = field(default_factory=lambda: secrets.token_hex(4))

    async def say(self) -> None:
        number, self.next_id = self.next_id, self.next_id + 1
        self.in_flight[number] = time.perf_counter()
        frame = {"type": "publish", "id": number, "channel": CHANNEL, "key": f"{self.keys}-{number}", "text": TEXT}
        await self.socket.send(msgpack.packb(frame))

    async def answer(self) -> float | None:
        """Give how long the next answer took, in seconds; None if it is a refusal."""
        while True:
            frame: dict[str, Any] = msgpack.unpackb(await self.socket.recv())
            if frame["type"] in ("reply", "error"):
                took_s = time.perf_counter() - self.in_flight.pop(frame["id"])
                return took_s if frame["type"] == "reply" else None

    async def reply(self) -> float:
        """Give how long the next answer took, in seconds, which is no refusal."""
        took_s = await self.answer()
        if took_s is None:
            raise RuntimeError("refused")
        return took_s


@contextlib.asynccontextmanager
async def seat(port: str, token: str) -> AsyncIterator[Seat]:
    """Come in."""
    address = f"ws://127.0.0.1:{port}/api/v1/socket"
    protocols = [Subprotocol(SUBPROTOCOL_MSGPACK)]
    async with connect(address, subprotocols=protocols, compression=None, proxy=None, close_timeout=0.2) as socket:
        await socket.send(msgpack.packb({"type": "connect", "id": 1, "token": token, "client": "bench"}))
        found = Seat(socket, {1: time.perf_counter()})
        await found.reply()
        yield found


async def flood(one: Seat) -> AsyncIterator[bool]:
    """Keep the window full, without end; tell of each answer whether it was taken."""
    for _ in range(WINDOW):
        await one.say()
    while True:
        yield await one.answer() is not None
        await one.say()


async def be_busy(one: Seat) -> AsyncIterator[bool]:
    """Say something at this person's part of the rate, without end; tell of each answer whether it was taken."""
    while True:
        await one.say()
        yield await one.answer() is not None
        await asyncio.sleep(FLOODING / BUSY_PER_S)


async def waits_ms(one: Seat, seconds: float) -> list[float]:
    """Say something at a steady pace, whatever the answers do, and give how long each took."""
    count = round(seconds / EVERY_S)
    began_s = time.perf_counter()

    async def speak() -> None:
        for place in range(count):
            await asyncio.sleep(max(0.0, began_s + place * EVERY_S - time.perf_counter()))
            await one.say()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(speak())
        return [await one.reply() * 1000 for _ in range(count)]


OTHERS: Final = {"silent": None, "busy": be_busy, "flooding": flood}


class Crowd:
    """The other side, in a process of its own, until `stop`; of its answers it counts who was taken and who refused."""

    def __init__(self, port: str, tokens: list[str], other: str) -> None:
        fork = multiprocessing.get_context("fork")
        self.taken, self.refused = fork.RawValue("Q"), fork.RawValue("Q")
        self._process = fork.Process(target=self._run, args=(port, tokens, other), daemon=True)
        self._process.start()

    def stop(self) -> None:
        """Take it away."""
        self._process.kill()
        self._process.join()

    def _run(self, port: str, tokens: list[str], other: str) -> None:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, 19)
        asyncio.run(self._act(port, tokens, other))

    async def _act(self, port: str, tokens: list[str], other: str) -> None:
        async with asyncio.TaskGroup() as tasks:
            for token in tokens:
                tasks.create_task(self._person(port, token, other))

    async def _person(self, port: str, token: str, other: str) -> None:
        act = OTHERS[other]
        assert act is not None
        while True:
            # Thrown out for flooding, or refused at the door for coming too often.
            with contextlib.suppress(OSError, WebSocketException, RuntimeError):
                async with seat(port, token) as one:
                    async for was_taken in act(one):
                        (self.taken if was_taken else self.refused).value += 1
            await asyncio.sleep(0.1)


@contextlib.contextmanager
def crowd(port: str, tokens: list[str], other: str) -> Iterator[Crowd | None]:
    """Let the other side be as is said."""
    found = None if OTHERS[other] is None else Crowd(port, tokens, other)
    try:
        yield found
    finally:
        if found is not None:
            found.stop()


async def measure(port: str, token: str, others: Crowd | None, seconds: float) -> Any:
    """Give one round's percentiles, and how much the other side said and was refused."""
    async with seat(port, token) as mine:
        await asyncio.sleep(1)
        before = (0, 0) if others is None else (others.taken.value, others.refused.value)
        waits = sorted(await waits_ms(mine, seconds))
        after = (0, 0) if others is None else (others.taken.value, others.refused.value)
    return {
        "p50_ms": waits[len(waits) // 2],
        "p99_ms": waits[int(len(waits) * 0.99)],
        "taken_per_s": round((after[0] - before[0]) / seconds),
        "refused_per_s": round((after[1] - before[1]) / seconds),
    }


def main(rounds: int, seconds: float, *, raises_rates: bool) -> Any:
    """Give the medians of all rounds, by whose side waited and what the other one did."""
    os.sched_setaffinity(0, {servers.GENERATOR_CORE})
    found: dict[tuple[str, str], list[Any]] = {(side, other): [] for side in SIDES for other in OTHERS}
    seats = servers.Seats(0, 2 * (FLOODING + 1) * servers.CONNECTIONS_PER_USER)
    with servers.liaison(seats, raises_rates=raises_rates) as target:
        options = target.generator_options
        lines = Path(options[options.index("--tokens") + 1]).read_text().splitlines()
        # After the server was started, which keeps its own.
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        # Users of the bench are of the two sides in turn, and each has one token.
        tokens = {"north": lines[0::2], "south": lines[1::2]}
        for _ in range(rounds):
            for (side, other), results in found.items():
                (across,) = (one for one in SIDES if one != side)
                with crowd(target.port, tokens[across][:FLOODING], other) as others:
                    results.append(asyncio.run(measure(target.port, tokens[side][-1], others, seconds)))
    return {
        f"{side} beside {other}": {
            name: round(statistics.median(result[name] for result in results), 2) for name in results[0]
        }
        for (side, other), results in found.items()
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.parity")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--raised", action="store_true", help="raise the limits of rates")
    arguments = parser.parse_args()
    results = main(arguments.rounds, arguments.seconds, raises_rates=arguments.raised)
    sys.stdout.write(json.dumps(results) + "\n")
