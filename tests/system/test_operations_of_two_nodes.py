"""Ops at one of two servers, with a real Redis and PostgreSQL between them, see and end what goes on at the other."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from liaison.protocol.close_codes import CloseCode
from liaison.protocol.names import SUBPROTOCOL_JSON
from tests.live_server import LiveServer
from tests.postgres_server import PostgresServer
from tests.system.shared_stores import settings_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]


@pytest.fixture
def nodes(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[tuple[LiveServer, LiveServer]]:
    settings = settings_of(postgres_server)
    here, there = (
        LiveServer(tmp_path / name, {**settings, "LIAISON_SERVER__NODE": name}, is_seeded=name == "there")
        for name in ("here", "there")
    )
    with here, there:
        yield here, there


class Line:
    """A browser's connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last_id = 0

    async def ask(self, command: str, **fields: object) -> dict[str, Any]:
        """Send a command and give its answer; what is pushed before is passed over."""
        self._last_id += 1
        await self._socket.send_json({"type": command, "id": self._last_id, **fields})
        return await self.next(id=self._last_id)

    async def next(self, **wanted: object) -> dict[str, Any]:
        """Give the next frame that has these fields."""
        while True:
            frame: dict[str, Any] = await self._socket.receive_json(timeout=10)
            if wanted.items() <= frame.items():
                return frame

    async def close_code(self) -> int | None:
        """Read on until the server closes, and give its code."""
        async for _ in self._socket:
            pass
        return self._socket.close_code


@asynccontextmanager
async def line(server: LiveServer, user: str) -> AsyncIterator[Line]:
    """Sign somebody in and connect, as a browser does."""
    async with aiohttp.ClientSession(server.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        origin = {"Origin": server.url}
        body = {"user": user, "password": server.password_of(user)}
        async with http.post("/api/v1/login", json=body, headers=origin) as response:
            assert response.status == 200
        async with http.ws_connect("/api/v1/socket", protocols=[SUBPROTOCOL_JSON], headers=origin) as socket:
            connected = Line(socket)
            assert (await connected.ask("connect"))["user"] == user
            yield connected


class Table:
    """The table of sessions as ops have it: the answer, and what was told since."""

    def __init__(self, ops: Line) -> None:
        self._ops = ops
        self.sessions: dict[str, dict[str, Any]] = {}
        self.nodes: list[dict[str, Any]] = []

    async def watch(self) -> None:
        answer = await self._ops.ask("watch_sessions")
        self.sessions = {row["session"]: row for row in answer["sessions"]}
        self.nodes = answer["nodes"]

    async def until(self, users: dict[str, str]) -> None:
        """Follow what is told until just these users are shown, each with the node that they are at."""
        while {row["user"]: row["node"] for row in self.sessions.values()} != users:
            diff = await self._ops.next(type="sessions_diff")
            for row in diff["opened"]:
                self.sessions[row["session"]] = row
            for session in diff["closed"]:
                del self.sessions[session]
            self.nodes = diff.get("nodes") or self.nodes


async def test_sessions_of_the_other_node_are_shown_and_can_be_ended(nodes: tuple[LiveServer, LiveServer]) -> None:
    here, there = nodes
    async with line(here, "ops") as ops, line(there, "south-1") as south:
        table = Table(ops)
        await table.watch()
        await table.until({"ops": "here", "south-1": "there"})
        states = [(node["node"], node["state"], node["total"]) for node in table.nodes]
        assert states == [("here", "current", 1), ("there", "current", 1)]
        [session] = [row["session"] for row in table.sessions.values() if row["user"] == "south-1"]
        code = asyncio.ensure_future(south.close_code())
        assert (await ops.ask("disconnect", session=session))["type"] == "reply"
        assert await code == CloseCode.DISCONNECTED
        # What was pushed before the answer was passed over, so that it is asked for anew.
        await table.watch()
        await table.until({"ops": "here"})
        async with line(there, "north-1"):
            await table.until({"ops": "here", "north-1": "there"})
        await table.until({"ops": "here"})
