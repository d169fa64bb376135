"""Every command of the protocol over the wire, by people who are at different workers of one port.

What each command does in all its cases is in tests/office; here each is given once, and whoever else is to hear of it
does, wherever they are.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final, get_args

import aiohttp
import pytest

from liaison.protocol import frames
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.names import SUBPROTOCOL_JSON, WEBSOCKET_PATH
from tests.edges.conftest import Node, Site, appoint

_PATIENCE_S: Final = 10


class Seat:
    """One connection of somebody's: what they ask, and what they are told unasked."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, asked: set[str]) -> None:
        self._socket = socket
        self._asked = asked
        self._told: list[dict[str, Any]] = []
        self._next_id = 0

    async def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        """Give a command's reply."""
        self._next_id += 1
        await self._socket.send_json({"type": command, "id": self._next_id, **fields})
        while (frame := await self._next()).get("id") != self._next_id:
            self._told.append(frame)
        assert frame["type"] == "reply", (command, frame)
        self._asked.add(command)
        return frame

    async def told(self, push: str, **facts: Any) -> dict[str, Any]:
        """Wait for a push of a kind that says this."""
        while True:
            for frame in self._told:
                if frame["type"] == push and facts.items() <= frame.items():
                    self._told.remove(frame)
                    return frame
            self._told.append(await self._next())

    async def closed(self) -> int:
        """Wait until the connection is closed, and give the code."""
        async with asyncio.timeout(_PATIENCE_S):
            while (message := await self._socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        return int(message.data)

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


@pytest.fixture
async def room(site: Site, http: aiohttp.ClientSession) -> AsyncIterator[Room]:
    if isinstance(site, Node):
        site.tokens |= await appoint(site.office.directory)
    async with AsyncExitStack() as stack:
        yield Room(site, http, stack)


def _commands_of(union: Any) -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in get_args(union)}


async def test_every_command_is_answered_and_told_to_everybody_it_concerns(room: Room) -> None:
    channel = {"channel": room.site.channel}
    south, north = await room.seat("south-clerk"), await room.seat("north-clerk")
    colleague, again = await room.seat("south-head"), await room.seat("south-clerk")
    for seat in (south, north, colleague):
        await seat.ask("subscribe", **channel)

    said = {"key": "k1", "text": "수문 3개", **channel}
    assert (await south.ask("publish", **said))["seq"] == 1
    repeated = await again.ask("publish", **said)
    assert (repeated["seq"], repeated["duplicate"]) == (1, True)
    await south.ask("correct", key="k2", seq=1, text="수문 2개", **channel)
    await north.ask("react", key="k3", seq=1, reaction="👍", **channel)
    await south.ask("withdraw", key="k4", seq=1, **channel)
    for seat in (south, north):
        for seq, kind in enumerate(("text", "correction", "reaction", "withdrawal"), 1):
            await seat.told("message", seq=seq, kind=kind, **channel)
    page = await again.ask("history", **channel)
    assert [message["seq"] for message in page["messages"]] == [1, 2, 3, 4]
    await south.ask("publish", key="k5", text="댐 방류", **channel)
    await north.told("message", seq=5, **channel)
    assert [message["seq"] for message in (await north.ask("search", query="방류", **channel))["messages"]] == [5]

    await north.ask("read", seq=5, **channel)
    await south.told("read", delegation="north", seq=5, **channel)
    await south.ask("typing", **channel)
    await colleague.told("typing", user="south-clerk", **channel)
    heads = {one["channel"]: one["head"] for one in (await north.ask("channels"))["channels"]}
    assert heads[room.site.channel] == 5

    await south.ask("presence", watch=True)
    await colleague.ask("availability", state="dnd")
    await _shown(south, "south-head", "dnd")
    assert (await north.ask("presence_stats"))["type"] == "reply"

    name = (await south.ask("open_direct", users=["north-clerk"]))["channel"]["channel"]
    # Another worker hears of it a little later.
    await north.told("channel", event="added")
    await north.ask("subscribe", channel=name)
    await south.ask("publish", channel=name, key="d1", text="둘이서")
    await north.told("message", channel=name, text="둘이서")

    await north.ask("unsubscribe", **channel)
    await south.ask("publish", key="k6", text="그 뒤", **channel)
    await colleague.told("message", seq=6, **channel)
    assert (await north.ask("ping"))["type"] == "reply"
    assert not [frame for frame in north._told if frame.get("seq") == 6]

    await _operators(room, north)
    assert _commands_of(frames.AnyCommand) == room.asked


async def _shown(watcher: Seat, user: str, availability: str) -> None:
    while True:
        diff = await watcher.told("presence_diff")
        if any(one["user"] == user and one["availability"] == availability for one in diff["joins"]):
            return


async def _operators(room: Room, north: Seat) -> None:
    ops, guest = await room.seat("ops"), await room.seat("north-guest")
    await ops.ask("watch_statistics")
    await ops.ask("presence_log")

    async def session_of(user: str) -> str:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                table = await ops.ask("watch_sessions", watch=False, user=user)
                for one in table["sessions"]:
                    if one["user"] == user:
                        return str(one["session"])
                await asyncio.sleep(0.05)

    await ops.ask("disconnect", session=await session_of("north-clerk"))
    assert await north.closed() == CloseCode.DISCONNECTED
    await ops.ask("revoke", user="north-guest", reason="시험")
    assert await guest.closed() == CloseCode.REVOKED
