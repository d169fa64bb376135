"""The server most people would write first: aiohttp, one `send_bytes` for each subscriber and message.

What comes in at /p/N goes to everybody at /s/N. It stores nothing, checks nobody and keeps no order across restarts:
the comparison is in its favour. No compression, as ours.
"""

import asyncio
import sys
from collections import defaultdict

from aiohttp import WSMsgType, web

subscribers: defaultdict[str, list[web.WebSocketResponse]] = defaultdict(list)


async def connect(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    channel = request.match_info["channel"]
    if request.match_info["kind"] == "s":
        subscribers[channel].append(socket)
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            for subscriber in subscribers[channel]:
                await subscriber.send_bytes(message.data)
    if socket in subscribers[channel]:
        subscribers[channel].remove(socket)
    return socket


async def main(port: int) -> None:
    app = web.Application()
    app.router.add_get("/{kind}/{channel}", connect)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    # Bounded, so that a peer that nobody stops ends by itself.
    await asyncio.sleep(600)


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main(int(sys.argv[1])))
    else:
        uvloop.run(main(int(sys.argv[1])))
