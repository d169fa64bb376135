"""What an office needs of a PostgreSQL, how nodes come to share it, and how its schema moves on beneath them."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text

from liaison.adapters.postgres_engine import PostgresDatabase, begin_epoch, open_postgres
from liaison.adapters.postgres_lines import PostgresSettings
from liaison.adapters.postgres_log import PostgresLog
from liaison.adapters.sql_engine import SchemaError
from liaison.adapters.sql_migrations import STEPS
from liaison.adapters.sql_writer import StorageUnavailableError
from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.position import Position
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.system

GENERAL = ChannelId("joint/general")
NOON = Millis(1_790_000_000_000)


def says(key: str) -> Draft:
    return Draft(UserId("kim"), DelegationId("south"), key, EntryKind.TEXT, "안녕하십니까")


@pytest.fixture
def settings(postgres_server: PostgresServer) -> PostgresSettings:
    return PostgresSettings(postgres_server.url(), postgres_server.new_office(), readers=1)


@pytest.fixture
async def database(settings: PostgresSettings) -> AsyncIterator[PostgresDatabase]:
    opened = open_postgres(settings)
    yield opened
    await opened.close()


class TestRefusals:
    def test_nobody_at_the_address(self, settings: PostgresSettings) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"postgresql://liaison@127.0.0.1:{free.getsockname()[1]}/liaison"
            with pytest.raises(StorageUnavailableError, match=r"cannot use PostgreSQL at 127\.0\.0\.1:\d+.*refused"):
                open_postgres(replace(settings, url=url))

    def test_a_wrong_password_and_the_message_does_not_tell_it(self, postgres_server: PostgresServer) -> None:
        url = postgres_server.url(password="hunter2")
        with pytest.raises(StorageUnavailableError, match="password authentication failed") as refused:
            open_postgres(PostgresSettings(url, "office"))
        assert "hunter2" not in str(refused.value)
        assert "hunter2" not in repr(PostgresSettings(url, "office"))

    def test_a_database_that_is_not_there(self, postgres_server: PostgresServer) -> None:
        with pytest.raises(StorageUnavailableError, match=r"database \"nowhere\" does not exist"):
            open_postgres(PostgresSettings(postgres_server.url("nowhere"), "office"))

    def test_a_url_that_is_none(self) -> None:
        with pytest.raises(StorageUnavailableError, match="one looks like postgresql://"):
            open_postgres(PostgresSettings("postgresql://[half", "office"))

    @pytest.mark.parametrize("office", ["", "Seoul", "a b", "a_b", "x; DROP SCHEMA public", "가", "a" * 33])
    def test_an_office_that_can_name_no_namespace(self, settings: PostgresSettings, office: str) -> None:
        with pytest.raises(SchemaError, match="can't name a namespace"):
            open_postgres(replace(settings, office=office))

    def test_a_server_that_would_lose_what_it_acknowledged(
        self, postgres_server: PostgresServer, settings: PostgresSettings
    ) -> None:
        url = postgres_server.url() + "?options=-c%20synchronous_commit%3Doff"
        with pytest.raises(StorageUnavailableError, match=r"synchronous_commit off.*set it to on"):
            open_postgres(replace(settings, url=url))

    def test_a_version_that_is_too_old(self, settings: PostgresSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 130_014)
        with pytest.raises(StorageUnavailableError, match="is version 13; liaison needs 14 or later"):
            open_postgres(settings)

    def test_a_namespace_that_holds_something_else(
        self, postgres_server: PostgresServer, settings: PostgresSettings
    ) -> None:
        postgres_server.execute(f"CREATE SCHEMA {settings.namespace}")
        postgres_server.execute(f"CREATE TABLE {settings.namespace}.invoices (id int)")
        with pytest.raises(SchemaError, match="holds tables of something else"):
            open_postgres(settings)
        assert postgres_server.execute(f"SELECT count(*) FROM pg_tables WHERE schemaname = '{settings.namespace}'") == [
            (1,)
        ]

    def test_a_role_that_may_not_make_a_namespace_uses_one_that_was_made_for_it(
        self, postgres_server: PostgresServer, settings: PostgresSettings
    ) -> None:
        role = settings.namespace
        postgres_server.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'horse'")
        own = replace(settings, url=f"postgresql://{role}:horse@127.0.0.1:{postgres_server.port}/postgres")
        with pytest.raises(StorageUnavailableError, match="permission denied"):
            open_postgres(own)
        postgres_server.execute(f"CREATE SCHEMA {settings.namespace} AUTHORIZATION {role}")
        asyncio.run(open_postgres(own).close())


class TestSharing:
    def test_nodes_that_start_at_once_make_one_office(self, settings: PostgresSettings) -> None:
        with ThreadPoolExecutor(6) as threads:
            databases = list(threads.map(open_postgres, [settings] * 6))
        for database in databases:
            asyncio.run(database.close())

    async def test_offices_of_one_server_know_nothing_of_each_other(self, postgres_server: PostgresServer) -> None:
        here, there = (
            open_postgres(PostgresSettings(postgres_server.url(), postgres_server.new_office())) for _ in range(2)
        )
        await PostgresLog(here).append(GENERAL, [says("a")], NOON)
        assert (await PostgresLog(there).heads([GENERAL]))[GENERAL].seq == 0
        await here.close()
        await there.close()

    async def test_closed_it_refuses(self, database: PostgresDatabase) -> None:
        await database.close()
        with pytest.raises(StorageUnavailableError, match="closed"):
            await database.write(lambda connection: None)
        with pytest.raises(StorageUnavailableError, match="closed"):
            await database.read(lambda connection: None)


class TestTransactions:
    async def test_what_work_raises_comes_out_and_nothing_of_it_is_stored(self, database: PostgresDatabase) -> None:
        def work(connection: Connection) -> None:
            connection.execute(text("UPDATE office SET epoch = 99"))
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await database.write(work)
        assert (
            await database.read(lambda connection: connection.execute(text("SELECT epoch FROM office")).scalar()) == 1
        )

    async def test_a_connection_that_was_lost_while_idle_is_made_anew_and_nobody_notices(
        self, postgres_server: PostgresServer, database: PostgresDatabase, settings: PostgresSettings
    ) -> None:
        raise_epoch = text("UPDATE office SET epoch = epoch + 1 RETURNING epoch")
        epoch = text("SELECT epoch FROM office")
        kill = """
            SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
            WHERE application_name = 'liaison' AND pid <> pg_backend_pid()
        """
        for expected in (2, 3):
            assert await database.write(lambda connection: connection.execute(raise_epoch).scalar()) == expected
            postgres_server.execute(kill)
            assert await database.read(lambda connection: connection.execute(epoch).scalar()) == expected
            postgres_server.execute(kill)

    async def test_a_statement_that_takes_too_long_is_refused(self, settings: PostgresSettings) -> None:
        database = open_postgres(replace(settings, statement_timeout_s=0.05))
        with pytest.raises(StorageUnavailableError, match="statement timeout"):
            await database.read(lambda connection: connection.execute(text("SELECT pg_sleep(5)")))
        assert await database.read(lambda connection: connection.execute(text("SELECT 1")).scalar()) == 1
        await database.close()


def later(steps: int) -> str:
    """Give the revision that is so many steps after the newest one of ours."""
    return f"{max(int(path.name[:4]) for path in (STEPS / 'versions').glob('0*.py')) + steps:04}"


class TestUpgrades:
    def next_steps(self, folder: Path, *revisions: str) -> Path:
        """Our migrations, and after them steps that each add a column."""
        steps = folder / "migrations"
        shutil.copytree(STEPS, steps, ignore=shutil.ignore_patterns("__pycache__"))
        before = max(path.name[:4] for path in (STEPS / "versions").glob("0*.py"))
        for revision in revisions:
            (steps / "versions" / f"{revision}_more.py").write_text(
                f'"""More."""\nfrom alembic import op\nrevision = "{revision}"\ndown_revision = "{before}"\n'
                "def upgrade():\n"
                f'    op.execute("ALTER TABLE message ADD COLUMN more_{revision} int NOT NULL DEFAULT 7")\n'
            )
            before = revision
        return steps

    async def test_a_node_of_the_version_before_works_on_through_a_rolling_upgrade(
        self, settings: PostgresSettings, database: PostgresDatabase, tmp_path: Path
    ) -> None:
        old = PostgresLog(database)
        await old.append(GENERAL, [says("before")], NOON)
        upgrade = asyncio.to_thread(open_postgres, settings, steps=self.next_steps(tmp_path, later(1)))
        upgrading = asyncio.create_task(upgrade)
        meanwhile = 0
        while not upgrading.done():
            await old.append(GENERAL, [says(f"meanwhile {meanwhile}")], NOON)
            meanwhile += 1
        newer = await upgrading
        new = PostgresLog(newer)
        await new.append(GENERAL, [says("new")], NOON)
        await old.append(GENERAL, [says("old")], NOON)
        page = await new.read(GENERAL, after=0, limit=meanwhile + 9, max_bytes=1 << 20)
        assert [entry.seq for entry in page.entries] == list(range(1, meanwhile + 4))
        assert [entry.draft.key for entry in page.entries[-2:]] == ["new", "old"]
        # One of the old version that is started again, as when a machine reboots in between, is let in as well.
        again = open_postgres(settings)
        await PostgresLog(again).append(GENERAL, [says("again")], NOON)
        await again.close()
        await newer.close()

    def test_two_steps_ahead_is_too_far(self, settings: PostgresSettings, tmp_path: Path) -> None:
        asyncio.run(open_postgres(settings, steps=self.next_steps(tmp_path, later(1), later(2))).close())
        with pytest.raises(
            SchemaError, match=rf"has schema {later(2)}.*knows those up to {later(0)}: install the version"
        ):
            open_postgres(settings)

    def test_an_upgrade_that_fails_changes_nothing(
        self, postgres_server: PostgresServer, settings: PostgresSettings, tmp_path: Path
    ) -> None:
        asyncio.run(open_postgres(settings).close())
        steps = self.next_steps(tmp_path, later(1))
        broken = steps / "versions" / f"{later(1)}_more.py"
        broken.write_text(broken.read_text() + '    op.execute("SELECT nonsense")\n')
        with pytest.raises(StorageUnavailableError, match="nonsense"):
            open_postgres(settings, steps=steps)
        assert postgres_server.execute(f"SELECT version_num FROM {settings.namespace}.alembic_version") == [(later(0),)]


class TestEpochs:
    async def test_appends_after_it_are_of_the_new_epoch(
        self, settings: PostgresSettings, database: PostgresDatabase
    ) -> None:
        log = PostgresLog(database)
        await log.append(GENERAL, [says("a")], NOON)
        epoch = begin_epoch(settings, NOON)
        assert epoch > 1
        appended = await log.append(GENERAL, [says("b")], NOON)
        assert appended.epoch == epoch
        assert (await log.heads([GENERAL]))[GENERAL] == Position(epoch, 2)

    async def test_each_is_above_all_that_were_begun_before_also_those_a_restore_forgot(
        self, postgres_server: PostgresServer, settings: PostgresSettings, database: PostgresDatabase
    ) -> None:
        first = begin_epoch(settings, NOON)
        # The clock went back, or two restores fell into one second.
        second = begin_epoch(settings, Millis(NOON - 5000))
        # A backup from before all that comes back.
        postgres_server.execute(f"UPDATE {settings.namespace}.office SET epoch = 1")
        third = begin_epoch(settings, Millis(NOON + 60_000))
        assert first < second < third

    def test_an_office_that_is_not_there_is_not_made(
        self, postgres_server: PostgresServer, settings: PostgresSettings
    ) -> None:
        with pytest.raises(SchemaError, match="there is no office"):
            begin_epoch(settings, NOON)
        assert postgres_server.execute(f"SELECT to_regnamespace('{settings.namespace}')") == [(None,)]


def test_the_settings_in_deploy_are_accepted_by_a_real_server_and_by_a_node() -> None:
    lines = (Path(__file__).parents[2] / "deploy" / "postgresql.conf").read_text().splitlines()
    given = dict(line.split(" = ") for line in lines if line and not line.startswith("#"))
    assert {"fsync", "synchronous_commit", "full_page_writes"} <= given.keys()
    with PostgresServer(given) as server:
        database = open_postgres(PostgresSettings(server.url(), "office"))
        assert [remark for remark in database.remarks if "upgraded" not in remark] == []
        asyncio.run(database.close())
