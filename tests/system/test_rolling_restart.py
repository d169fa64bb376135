"""A server is restarted in good order under load: nothing acknowledged is lost, nobody is shown offline."""

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest

from tests.live_server import LiveServer
from tests.simulation.checker import violations
from tests.simulation.history import History
from tests.system.socket_clients import NO_PACE, final_state, make_bots, running, until
from tests.system.watchers import MESSAGES_PER_S, Watcher, all_level, talking

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

CLIENTS: Final = 20


async def test_restarts_under_load_lose_nothing_and_show_nobody_offline(tmp_path: Path) -> None:
    history = History()
    with LiveServer(tmp_path / "data", NO_PACE) as server:
        clients = [Watcher(user, token, server.ws_url, history) for user, token in make_bots(server, CLIENTS).items()]
        async with running(clients):
            await until(lambda: all(len(client.present) == CLIENTS for client in clients), 10, "all see all")
            async with talking(clients):
                for _ in range(2):
                    await asyncio.sleep(1)
                    farewells = {client.user: len(client.pushes["go_away"]) for client in clients}
                    await asyncio.to_thread(server.restart)
                    # They were away for as long as the server, and for their turn after it.
                    await until(lambda: all(client.connected.is_set() for client in clients), 5, "all are back")
                    for client in clients:
                        [farewell] = client.pushes["go_away"][farewells[client.user] :]
                        assert farewell["code"] == 1012, client.user
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
