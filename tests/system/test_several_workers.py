"""Four workers on one port, with a real Redis and PostgreSQL between them, are one server for everybody."""

import asyncio
import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.live_server import LiveServer
from tests.postgres_server import PostgresServer
from tests.simulation.checker import violations
from tests.simulation.history import History
from tests.system.shared_stores import settings_of_workers
from tests.system.socket_clients import NO_PACE, final_state, make_bots, running, until
from tests.system.watchers import MESSAGES_PER_S, Watcher, all_level, talking

# One set of workers and of clients for all tests, and so one event loop.
pytestmark = [pytest.mark.system, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

WORKERS: Final = 4
# So many that it would be a wonder if the kernel left a worker without one.
CLIENTS: Final = 40


class Workers:
    """The server, and where each of its workers tells of itself."""

    def __init__(self, folder: Path, postgres: PostgresServer) -> None:
        settings = settings_of_workers(postgres, WORKERS)
        self.metrics_port = int(settings["LIAISON_METRICS__PORT"])
        self.server = LiveServer(folder / "data", {**NO_PACE, **settings})
        self.server.seed()
        # Made before the start: a token of just now is known to one worker earlier than to another.
        bots = make_bots(self.server, CLIENTS)
        self.history = History()
        self.clients = [Watcher(user, token, self.server.ws_url, self.history) for user, token in bots.items()]

    def pids(self) -> list[int]:
        return [
            int(pid) for pid in Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text().split()
        ]

    def connections(self) -> list[int]:
        """How many clients each worker has."""
        return [int(self._metric(number, "liaison_connections")) for number in range(WORKERS)]

    def all_serve(self) -> bool:
        """Whether each worker has come as far as to tell of itself: before that, being told to end is no order."""
        try:
            return len(self.connections()) == WORKERS
        except OSError:
            return False

    def _metric(self, worker: int, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port + worker}/metrics", timeout=5) as answer:
            found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
        assert found is not None
        return float(found.group(1))


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Workers]:
    workers = Workers(tmp_path_factory.mktemp("workers"), postgres_server)
    with workers.server:
        yield workers
        assert workers.server.stop() == 0


async def test_what_one_worker_is_told_all_others_tell_and_all_show_the_same_people(workers: Workers) -> None:
    clients = workers.clients
    before = clients[0].cursor
    async with running(clients):
        spread = workers.connections()
        assert sum(spread) == CLIENTS
        assert all(spread), "each worker has some"
        await until(lambda: all(len(client.present) == CLIENTS for client in clients), 10, "all see all")
        for client in clients:
            for _ in range(10):
                client.say()
        await until(all_level(clients), 30, "every outbox is empty and every reader at the head")
    assert clients[0].cursor == before + CLIENTS * 10
    assert not violations(workers.history.events, final_state(workers.server, clients))


# Whoever is away for longer than the grace period, because others have the machine, is rightly shown offline.
@pytest.mark.alone
async def test_workers_are_renewed_one_by_one_under_load_and_nothing_is_lost_nobody_shown_offline(
    workers: Workers,
) -> None:
    clients = workers.clients
    before = workers.pids()
    assert len(before) == WORKERS
    async with running(clients):
        await until(lambda: all(len(client.present) == CLIENTS for client in clients), 10, "all see all")
        async with talking(clients):
            await asyncio.sleep(1)
            os.kill(workers.server.pid, signal.SIGHUP)
            await until(lambda: len(set(workers.pids()) - set(before)) == WORKERS, 60, "all workers are new")
            await until(lambda: all(client.connected.is_set() for client in clients), 10, "all are connected")
            await asyncio.sleep(1)
        await until(all_level(clients), 30, "every outbox is empty and every reader at the head")
        # Longer than the grace period: whoever had only been kept in it would be offline now.
        await asyncio.sleep(11)
    assert not violations(workers.history.events, final_state(workers.server, clients))
    assert clients[0].cursor >= 2 * MESSAGES_PER_S
    assert {push["code"] for client in clients for push in client.pushes["go_away"]} == {1012}
    assert all(client.pushes["go_away"] for client in clients)
    assert {client.user: client.offline for client in clients if client.offline} == {}


async def test_who_was_at_a_worker_that_is_killed_goes_on_at_another_where_they_were(workers: Workers) -> None:
    clients = workers.clients
    async with running(clients):
        await until(lambda: all(len(client.present) == CLIENTS for client in clients), 10, "all see all")
        async with talking(clients):
            await asyncio.sleep(0.5)
            victim = workers.pids()[0]
            cut_off = _lost_connections(clients)
            os.kill(victim, signal.SIGKILL)
            await until(lambda: _lost_connections(clients) > cut_off, 5, "somebody noticed")
            await until(lambda: all(client.connected.is_set() for client in clients), 10, "all are connected")
            await until(lambda: len(workers.pids()) == WORKERS, 20, "another worker takes the place")
            await until(workers.all_serve, 20, "and serves")
        await until(all_level(clients), 30, "every outbox is empty and every reader at the head")
    assert victim not in workers.pids()
    assert not violations(workers.history.events, final_state(workers.server, clients))


def _lost_connections(clients: list[Watcher]) -> int:
    return sum(len(client.close_codes) for client in clients)
