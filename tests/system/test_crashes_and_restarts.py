"""A real server is killed, stopped and started again under real clients: nothing acknowledged is lost or doubled."""

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.live_server import LiveServer
from tests.simulation.checker import violations
from tests.simulation.history import History
from tests.system.socket_clients import NO_PACE, SocketClient, final_state, make_bots, running, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

CLIENTS: Final = 20
# So many of them read along. What each reads costs as much as what all write.
READERS: Final = 5
PUBLISHES: Final = 2_000
ROUNDS: Final = 10


def _clients(server: LiveServer, history: History, number: int = CLIENTS) -> list[SocketClient]:
    bots = make_bots(server, number).items()
    return [
        SocketClient(user, token, server.ws_url, history, reads=place < READERS)
        for place, (user, token) in enumerate(bots)
    ]


def _all_level(clients: Sequence[SocketClient]) -> bool:
    return not any(client.outbox for client in clients) and len({one.cursor for one in clients if one.reads}) == 1


async def test_nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed_ten_times_while_20_clients_publish(
    tmp_path: Path,
) -> None:
    history = History()
    rng = random.Random(20180914)
    with LiveServer(tmp_path / "data", NO_PACE) as server:
        clients = _clients(server, history)
        interrupted = 0
        async with running(clients):
            for _ in range(ROUNDS):
                interrupted += await _publish_and_kill(server, clients, kill_after_acks=rng.randrange(PUBLISHES // 4))
                await asyncio.to_thread(server.start)
                await until(lambda: _all_level(clients), 60, "every outbox is empty and every reader at the head")
        broken = violations(history.events, final_state(server, clients))
        head = clients[0].cursor
    assert not broken
    assert head == ROUNDS * PUBLISHES
    # A round that had finished before the kill would prove nothing: the server may be far ahead of the acks read here.
    assert interrupted >= ROUNDS - 1


async def _publish_and_kill(server: LiveServer, clients: Sequence[SocketClient], *, kill_after_acks: int) -> bool:
    acks = 0
    pid = server.pid

    def count() -> None:
        nonlocal acks
        acks += 1
        if acks == kill_after_acks:
            os.kill(pid, signal.SIGKILL)

    for client in clients:
        client.on_ack = count
        for _ in range(PUBLISHES // CLIENTS):
            client.say()
    if kill_after_acks == 0:
        os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(server.wait)
    waiting = sum(len(client.outbox) for client in clients)
    for client in clients:
        client.on_ack = lambda: None
    return waiting > 0


async def test_a_server_told_to_stop_finishes_what_it_has_tells_everybody_and_all_go_on_at_its_next_start(
    tmp_path: Path,
) -> None:
    history = History()
    with LiveServer(tmp_path / "data", NO_PACE) as server:
        clients = _clients(server, history)
        async with running(clients):
            acks = 0
            pid = server.pid

            def stop_in_the_middle() -> None:
                nonlocal acks
                acks += 1
                if acks == 300:
                    os.kill(pid, signal.SIGTERM)

            for client in clients:
                client.on_ack = stop_in_the_middle
                for _ in range(100):
                    client.say()
            assert await asyncio.to_thread(server.wait) == 0
            await until(lambda: all(client.close_codes for client in clients), 5, "every client is cut off")
            for client in clients:
                assert client.close_codes[0] == 1012, client.user
                [announced, *_] = client.pushes["go_away"]
                assert announced["code"] == 1012
                assert 0 <= announced["reconnect_after_ms"] <= 200
            await asyncio.to_thread(server.start)
            await until(lambda: _all_level(clients), 30, "every outbox is empty and every reader at the head")
        broken = violations(history.events, final_state(server, clients))
    assert not broken
    assert clients[0].cursor == CLIENTS * 100
