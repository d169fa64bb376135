"""Python's websockets with its own `broadcast`, which its documentation recommends for this. No compression.

What comes in at /p/N goes to everybody at /s/N; nothing is stored.
"""

import asyncio
import sys
from collections import defaultdict

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

subscribers: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def connect(socket: ServerConnection) -> None:
    assert socket.request is not None
    _, kind, channel = socket.request.path.split("/")
    if kind == "s":
        subscribers[channel].add(socket)
    try:
        async for message in socket:
            broadcast(subscribers[channel], message)
    finally:
        subscribers[channel].discard(socket)


async def main(port: int) -> None:
    async with serve(connect, "127.0.0.1", port, compression=None, backlog=4096):
        # Bounded, so that a peer that nobody stops ends by itself.
        await asyncio.sleep(600)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
