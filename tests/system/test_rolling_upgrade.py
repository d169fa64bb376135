"""Nodes of two versions over one PostgreSQL and one Redis: the newer one adds to the schema while the older one serves.

The newer version is today's with one step more in its migrations.
"""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from liaison.adapters.sql_migrations import STEPS, Migrations
from tests.live_server import LiveServer
from tests.postgres_server import PostgresServer
from tests.simulation.checker import violations
from tests.simulation.history import History
from tests.system.shared_stores import settings_of
from tests.system.socket_clients import NO_PACE, final_state, make_bots, running, until
from tests.system.watchers import Watcher, all_level, talking

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

# So many that each stays below its pace of commands.
CLIENTS: Final = 20
TODAY: Final = int(Migrations(STEPS).head)

# What `python -m liaison` is in the version that has these steps.
_PROGRAM: Final = """
from pathlib import Path
from liaison.adapters import postgres_engine
postgres_engine.open_postgres.__kwdefaults__["steps"] = Path({steps!r})
from liaison.cli import main
main()
"""


def version(folder: Path, number: int) -> tuple[str, str]:
    """Give the program of the version whose schema is of this number: each step adds a column, as steps may."""
    steps = folder / f"steps-{number}"
    shutil.copytree(STEPS, steps, ignore=shutil.ignore_patterns("__pycache__"))
    for later in range(TODAY + 1, number + 1):
        (steps / "versions" / f"{later:04}_more.py").write_text(
            f'"""More."""\nfrom alembic import op\nrevision, down_revision = "{later:04}", "{later - 1:04}"\n'
            f'def upgrade():\n    op.execute("ALTER TABLE message ADD COLUMN more_{later} int NOT NULL DEFAULT 7")\n'
        )
    return "-c", _PROGRAM.format(steps=str(steps))


class Site:
    """Nodes of one office, each with a version of its own."""

    def __init__(self, folder: Path, postgres: PostgresServer, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._settings = {**NO_PACE, **settings_of(postgres)}

    def node(self, name: str, number: int = TODAY, *, is_seeded: bool = True) -> LiveServer:
        """Give a node, not yet started; what becomes of it is the site's."""
        program = ("-m", "liaison") if number == TODAY else version(self._folder / f"{name}-program", number)
        settings = {**self._settings, "LIAISON_SERVER__NODE": name}
        node = LiveServer(self._folder / name, settings, is_seeded=is_seeded, program=program)
        self._stack.callback(node.kill)
        return node


@pytest.fixture
def site(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, postgres_server, stack)


async def test_a_node_serves_on_while_a_newer_one_adds_to_the_schema_and_starts_again_after(site: Site) -> None:
    old, new = site.node("old", is_seeded=False), site.node("new", TODAY + 1)
    await asyncio.to_thread(old.start)
    tokens = await asyncio.to_thread(make_bots, old, CLIENTS)
    history = History()
    # Both sides at both nodes: sides take turns.
    at_old = [Watcher(user, token, old.ws_url, history) for user, token in list(tokens.items())[: CLIENTS // 2]]
    at_new = [Watcher(user, token, new.ws_url, history) for user, token in list(tokens.items())[CLIENTS // 2 :]]
    clients = [*at_old, *at_new]
    async with running(at_old):
        async with talking(at_old):
            await asyncio.to_thread(new.start)
        assert not any(client.close_codes for client in at_old), "the upgrade closed nobody's connection"
        async with running(at_new):
            async with talking(clients):
                await until(lambda: all(len(client.present) == CLIENTS for client in clients), 20, "all see all")
                # An operator who goes back, or a crash: the version before may also start on what the newer one made.
                await asyncio.to_thread(old.restart)
                await until(lambda: all(client.connected.is_set() for client in clients), 10, "all are back")
            await until(all_level(clients), 30, "every outbox is empty and every reader at the head")
    assert f"upgraded the schema from {TODAY:04} to {TODAY + 1:04}" in new.journal.read_text()
    assert f"the schema is {TODAY + 1:04}, one step ahead of this version of liaison" in old.journal.read_text()
    final = final_state(old, clients)
    assert {row.sender for row in final.rows} == set(tokens)
    assert not violations(history.events, final)


async def test_a_node_that_is_two_steps_behind_refuses_to_start_and_says_what_to_do(site: Site) -> None:
    newest, old = site.node("newest", TODAY + 2), site.node("old", is_seeded=False)
    old.seed()
    newest.start()
    with pytest.raises(AssertionError, match="did not start") as refusal:
        old.start()
    said = str(refusal.value)
    assert f"has schema {TODAY + 2:04}" in said
    assert f"this version of liaison knows those up to {TODAY:04}: install the version that wrote it" in said
    assert newest.is_running
