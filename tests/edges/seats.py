"""People at an office's port, each with a socket of their own, for tests that give commands over the wire."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp

from liaison.protocol.names import SUBPROTOCOL_JSON, WEBSOCKET_PATH
from tests.edges.conftest import Site

_PATIENCE_S: Final = 10


class Seat:
    """One connection of somebody's: what they ask, and what they are told unasked."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, asked: set[str]) -> None:
        self._socket = socket
        self._asked = asked
        self.unasked: list[dict[str, Any]] = []
        """What it was told and nobody has waited for yet."""
        self._next_id = 0

    async def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        """Give a command's reply."""
        frame = await self._answer(command, fields)
        assert frame["type"] == "reply", (command, frame)
        self._asked.add(command)
        return frame

    async def refused(self, command: str, **fields: Any) -> str:
        """Give the name of the error that a command is refused with."""
        frame = await self._answer(command, fields)
        assert frame["type"] == "error", (command, frame)
        self._asked.add(command)
        return str(frame["name"])

    async def told(self, push: str, **facts: Any) -> dict[str, Any]:
        """Wait for a push of a kind that says this."""
        while True:
            for frame in self.unasked:
                if frame["type"] == push and facts.items() <= frame.items():
                    self.unasked.remove(frame)
                    return frame
            self.unasked.append(await self._next())

    async def closed(self) -> int:
        """Wait until the connection is closed, and give the code."""
        async with asyncio.timeout(_PATIENCE_S):
            while (message := await self._socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        return int(message.data)

    async def _answer(self, command: str, fields: dict[str, Any]) -> dict[str, Any]:
        self._next_id += 1
        await self._socket.send_json({"type": command, "id": self._next_id, **fields})
        while (frame := await self._next()).get("id") != self._next_id:
            self.unasked.append(frame)
        return frame

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(_PATIENCE_S):
            frame = await self._socket.receive_json()
        assert isinstance(frame, dict)
        return frame


class Room:
    """Where people take seats; `asked` is every command that was carried out."""

    def __init__(self, site: Site, http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        self.site = site
        self.asked: set[str] = set()
        self._http = http
        self._stack = stack

    async def seat(self, user: str) -> Seat:
        socket = await self._stack.enter_async_context(
            self._http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON])
        )
        seat = Seat(socket, self.asked)
        assert (await seat.ask("connect", token=self.site.tokens[user]))["user"] == user
        return seat
