"""A server is restarted in good order under load: nothing acknowledged is lost, nobody is shown offline."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import pytest

from tests.live_server import LiveServer
from tests.simulation.checker import violations
from tests.simulation.history import History
from tests.system.socket_clients import NO_PACE, SocketClient, final_state, make_bots, running, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

CLIENTS: Final = 20
MESSAGES_PER_S: Final = 500
_BEAT_S: Final = 0.02


class Watcher(SocketClient):
    """A client that watches presence, and notes whenever somebody whom it has seen there is not."""

    def __init__(self, user: str, token: str, url: str, history: History) -> None:
        super().__init__(user, token, url, history)
        self.present: set[str] = set()
        self.snapshots = 0
        self.offline: list[str] = []

    def _take(self, frame: dict[str, Any]) -> None:
        super()._take(frame)
        match frame["type"]:
            case "reply" if "from_seq" in frame:
                self._command({"type": "presence", "watch": True})
            case "reply" | "presence_snapshot" if "users" in frame:
                self.snapshots += 1
                here = {user["user"] for user in frame["users"]}
                if not frame.get("stale_since_ms"):
                    self.offline += sorted(self.present - here)
                self.present |= here
            case "presence_diff":
                self.present |= {user["user"] for user in frame.get("joins", [])}
                self.offline += [user["user"] for user in frame.get("leaves", [])]


@asynccontextmanager
async def talking(clients: Sequence[SocketClient]) -> AsyncIterator[None]:
    """Let clients write in turn, MESSAGES_PER_S together, whether or not they are connected."""

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for said, client in enumerate(cycle(clients)):
            due_s = began_s + said / MESSAGES_PER_S
            if due_s - loop.time() > _BEAT_S / 2:
                await asyncio.sleep(_BEAT_S)
            client.say()

    async with asyncio.TaskGroup() as tasks:
        talk_task = tasks.create_task(talk())
        try:
            yield
        finally:
            talk_task.cancel()


def all_level(clients: Sequence[SocketClient]) -> Callable[[], bool]:
    """Claim that every outbox is empty and every reader at the head."""
    return lambda: not any(client.outbox for client in clients) and len({client.cursor for client in clients}) == 1


async def test_restarts_under_load_lose_nothing_and_show_nobody_offline(tmp_path: Path) -> None:
    history = History()
    with LiveServer(tmp_path / "data", NO_PACE) as server:
        clients = [Watcher(user, token, server.ws_url, history) for user, token in make_bots(server, CLIENTS).items()]
        async with running(clients):
            await until(lambda: all(len(client.present) == CLIENTS for client in clients), 10, "all see all")
            async with talking(clients):
                for _ in range(2):
                    await asyncio.sleep(1)
                    connections = {client.user: len(client.close_codes) for client in clients}
                    await asyncio.to_thread(server.restart)
                    # They were away for as long as the server, and for their turn after it.
                    await until(lambda: all(client.connected.is_set() for client in clients), 5, "all are back")
                    for client in clients:
                        assert client.close_codes[connections[client.user]] == 1012, client.user
            await until(all_level(clients), 30, "every outbox is empty and every reader at the head")
            # Longer than the grace period: whoever had only been kept in it would be offline now.
            await asyncio.sleep(11)
        broken = violations(history.events, final_state(server, clients))
        said = clients[0].cursor
    assert not broken
    assert said >= 2 * MESSAGES_PER_S
    assert all(client.snapshots >= 3 for client in clients)
    assert {client.user: client.offline for client in clients if client.offline} == {}


async def test_an_event_stream_is_told_when_to_come_back_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", NO_PACE) as server:
        token = server.token("reader", "south", ["joint/general"])
        writer = server.token("writer", "south", ["joint/general"])

        def say(key: str) -> None:
            body = json.dumps({"key": key, "text": key}).encode()
            headers = {"Authorization": f"Bearer {writer}", "Content-Type": "application/json"}
            url = f"{server.url}/api/v1/channels/joint%2Fgeneral/messages"
            with urllib.request.urlopen(urllib.request.Request(url, body, headers)):
                pass

        def follow(last_id: str, *, until_event: str) -> list[tuple[str, str, dict[str, Any]]]:
            headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": last_id}
            url = f"{server.url}/api/v1/stream?channel=joint%2Fgeneral"
            events = []
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as stream:
                event: dict[str, str] = {}
                for line in stream:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name and value:
                        event[name] = value
                    elif event.get("event"):
                        events.append((event["event"], event.get("id", ""), json.loads(event["data"])))
                        event = {}
                        if events[-1][0] == until_event:
                            break
            return events

        say("first")
        reading = asyncio.ensure_future(asyncio.to_thread(follow, "1:0", until_event="go_away"))
        await asyncio.sleep(0.5)
        assert await asyncio.to_thread(server.stop) == 0
        [message, farewell] = await reading
        assert (message[0], message[1]) == ("message", "1:1")
        assert (farewell[0], farewell[2]["code"], farewell[2]["reconnect_after_ms"]) == ("go_away", 1012, 0)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(say, "second")
        [message] = await asyncio.to_thread(follow, message[1], until_event="message")
        assert message[2]["text"] == "second"
