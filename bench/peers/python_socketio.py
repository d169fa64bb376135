"""python-socketio on aiohttp with its rooms and in-memory manager, WebSocket only, no compression."""

import asyncio
import sys
from typing import Any
from urllib.parse import parse_qs

import socketio
from aiohttp import web

io = socketio.AsyncServer(
    async_mode="aiohttp", transports=["websocket"], http_compression=False, cors_allowed_origins=[]
)
rooms: dict[str, str] = {}


@io.event
async def connect(sid: str, environ: dict[str, Any]) -> None:
    query = parse_qs(environ["QUERY_STRING"])
    rooms[sid] = query["room"][0]
    if query["publishes"][0] != "1":
        await io.enter_room(sid, rooms[sid])


@io.event
async def p(sid: str, text: str) -> None:
    await io.emit("p", text, room=rooms[sid])


async def main(port: int) -> None:
    app = web.Application()
    io.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    # Bounded, so that a peer that nobody stops ends by itself.
    await asyncio.sleep(600)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(int(sys.argv[1])))
