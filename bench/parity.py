"""`python -m bench.parity`: how long one side waits for its acknowledgements while the other one floods the channel.

One server as it is deployed, with the limits of rates raised, so that only its fair queues stand between the sides.
Somebody of one side says something fifty times a second; of the other side nobody says anything, or ten people say as
much as the server is asked for on a busy day, or ten people keep as much in flight as they may. Rounds alternate, and
the sides change places. The last line is one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgpack
from websockets.asyncio.client import ClientConnection, connect
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

    async def say(self) -> None:
        number, self.next_id = self.next_id, self.next_id + 1
        self.in_flight[number] = time.perf_counter()
        frame = {"type": "publish", "id": number, "channel": CHANNEL, "key": f"k{number}", "text": TEXT}
        await self.socket.send(msgpack.packb(frame))

    async def answer(self) -> float:
        """Give how long the next answer took, in seconds."""
        frame: dict[str, Any] = msgpack.unpackb(await self.socket.recv())
        if frame["type"] != "reply":
            raise RuntimeError(f"refused: {frame}")
        return time.perf_counter() - self.in_flight.pop(frame["id"])


@contextlib.asynccontextmanager
async def seat(port: str, token: str) -> AsyncIterator[Seat]:
    """Come in. Keys repeat from one connection to the next, so each token is used once."""
    address = f"ws://127.0.0.1:{port}/api/v1/socket"
    protocols = [Subprotocol(SUBPROTOCOL_MSGPACK)]
    async with connect(address, subprotocols=protocols, compression=None, proxy=None, close_timeout=0.2) as socket:
        await socket.send(msgpack.packb({"type": "connect", "id": 1, "token": token, "client": "bench"}))
        found = Seat(socket, {1: time.perf_counter()})
        await found.answer()
        yield found


async def flood(one: Seat) -> None:
    """Keep the window full, until cancelled."""
    for _ in range(WINDOW):
        await one.say()
    while True:
        await one.answer()
        await one.say()


async def be_busy(one: Seat) -> None:
    """Say something at this person's part of the rate, until cancelled."""
    while True:
        await one.say()
        await one.answer()
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
        return [await one.answer() * 1000 for _ in range(count)]


OTHERS: Final = {"silent": None, "busy": be_busy, "flooding": flood}


async def measure(target: servers.Target, tokens: dict[str, list[str]], waiting: str, other: str, s: float) -> Any:
    """Give one round's percentiles, and how much the other side got through."""
    act = OTHERS[other]
    (across,) = (side for side in SIDES if side != waiting)
    async with contextlib.AsyncExitStack() as stack:
        mine = await stack.enter_async_context(seat(target.port, tokens[waiting].pop()))
        theirs = [
            await stack.enter_async_context(seat(target.port, tokens[across].pop()))
            for _ in range(FLOODING if act else 0)
        ]
        acting = [asyncio.create_task(act(one)) for one in theirs if act]
        await asyncio.sleep(0.5)
        before = sum(one.next_id for one in theirs)
        waits = sorted(await waits_ms(mine, s))
        others_per_s = round((sum(one.next_id for one in theirs) - before) / s)
        for task in acting:
            task.cancel()
        await asyncio.gather(*acting, return_exceptions=True)
    return {"p50_ms": waits[len(waits) // 2], "p99_ms": waits[int(len(waits) * 0.99)], "others_per_s": others_per_s}


def main(rounds: int, seconds: float) -> Any:
    """Give the medians of all rounds, by whose side waited and what the other one did."""
    os.sched_setaffinity(0, {servers.GENERATOR_CORE})
    found: dict[tuple[str, str], list[Any]] = {(side, other): [] for side in SIDES for other in OTHERS}
    seats = servers.Seats(0, 2 * rounds * len(found) * (FLOODING + 1) * servers.CONNECTIONS_PER_USER)
    with servers.liaison(seats) as target:
        options = target.generator_options
        secrets = Path(options[options.index("--tokens") + 1]).read_text().splitlines()
        # Users of the bench are of the two sides in turn.
        tokens = {"north": secrets[0::2], "south": secrets[1::2]}
        for _ in range(rounds):
            for (side, other), results in found.items():
                results.append(asyncio.run(measure(target, tokens, side, other, seconds)))
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
    arguments = parser.parse_args()
    sys.stdout.write(json.dumps(main(arguments.rounds, arguments.seconds)) + "\n")
