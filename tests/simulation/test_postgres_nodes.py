"""The office's nodes over one real PostgreSQL, on the real clock; hints are lost and connections cut."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass

import pytest
import structlog

from liaison.adapters.postgres_engine import PostgresDatabase, open_postgres
from liaison.adapters.postgres_lines import PostgresSettings
from liaison.adapters.postgres_log import PostgresLog, PostgresReadPositions
from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_writer import StorageUnavailableError
from liaison.adapters.system_clock import SystemClock
from tests.postgres_server import PostgresServer
from tests.simulation.scenario import Outcome, Plan, Stores, run_in
from tests.tcp_proxy import TcpProxy


@dataclass(frozen=True)
class RealWorld:
    """scenario.Surroundings as they are; the seed gives the order of the faults and not their moments."""

    clock: SystemClock
    random: random.Random


# While a start holds up the event loop, no more than the fault that is under way can meet it.
_STARTS = 4


async def cut_connections(proxy: TcpProxy, rng: random.Random) -> None:
    """Be in the way of the database until cancelled, once the office is founded and its nodes are up."""
    await asyncio.sleep(4)
    while True:
        await asyncio.sleep(rng.uniform(0.2, 0.6))
        match rng.randrange(3):
            case 0:
                proxy.reset()
            case 1:
                proxy.lose_commit_replies()
            case _:
                proxy.stall()
                await asyncio.sleep(rng.uniform(0, 0.3))
                proxy.flow()


def _open(settings: PostgresSettings) -> PostgresDatabase:
    """Open the database as a node's supervisor does: one that ends because of a fault is started again."""
    for _ in range(_STARTS - 1):
        with suppress(StorageUnavailableError):
            return open_postgres(settings)
    return open_postgres(settings)


async def converge(server: PostgresServer, seed: int) -> Outcome:
    world = RealWorld(SystemClock(), random.Random(seed))
    databases: list[PostgresDatabase] = []
    with TcpProxy(server.port, is_postgres=True) as proxy:
        settings = PostgresSettings(server.url(port=proxy.port), server.furnished_office(), readers=2)

        def open_stores() -> Stores:
            # It holds up the event loop, on which a stall would otherwise end.
            proxy.flow()
            database = _open(settings)
            databases.append(database)
            directory = SqlDirectory(database, world.clock)
            return Stores(PostgresLog(database), PostgresReadPositions(database), directory)

        plan = Plan(storm_s=12.0, heal_s=15.0, fault_every_s=0.5, messages_per_s=4.0)
        run = asyncio.create_task(run_in(world, plan, open_stores))
        cutting = asyncio.create_task(cut_connections(proxy, random.Random(seed)))
        await asyncio.wait([run], timeout=plan.storm_s)
        cutting.cancel()
        with suppress(asyncio.CancelledError):
            await cutting
        proxy.lose_commit_replies(0)
        proxy.flow()
        outcome = await run
        for database in databases:
            await database.close()
    return outcome


# The real clock: a storm of twelve seconds, and fifteen until the last presence must be true again.
@pytest.mark.slow
@pytest.mark.system
@pytest.mark.timeout(120)
async def test_two_nodes_over_one_postgres_converge_and_break_no_promise(postgres_server: PostgresServer) -> None:
    before = structlog.get_config()
    try:
        outcome = await converge(postgres_server, seed=1)
    finally:
        structlog.configure(**before)
    assert outcome.violations == []
    assert outcome.acknowledged > 50
    assert outcome.faults.total() >= 10
