"""An office in PostgreSQL, as a server and as the commands of an operator see it."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from liaison.adapters.postgres_lines import PostgresSettings
from liaison.cli.exits import Exit
from liaison.config import Config, ConfigError, load_config, warnings
from liaison.core.identifiers import DelegationId, UserId
from liaison.core.rights import Account, Role
from liaison.wiring import CannotStart, back_office, serving
from tests.cli.command_line import CommandLine
from tests.postgres_server import PASSWORD, PostgresServer

OPEN_FILES = Path("/proc/self/fd")
KIM = Account(UserId("kim"), "Kim", DelegationId("south"), Role.OFFICIAL)


class TestSettings:
    def test_a_password_belongs_into_its_own_setting(self) -> None:
        for url in ("postgresql://liaison:secret@db/liaison", "postgresql://liaison@db/liaison?password=secret"):
            with pytest.raises(ConfigError, match=r"postgres\.password_file"):
                load_config(None, {}, {"postgres.url": url})

    @pytest.mark.parametrize("url", ["db.example", "mysql://db/liaison", "postgresql://[half"])
    def test_an_address_of_something_else_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigError, match="one looks like 'postgresql://"):
            load_config(None, {}, {"postgres.url": url})

    @pytest.mark.parametrize(
        ("url", "is_warned"),
        [
            ("postgresql://liaison@db.example/liaison", True),
            ("postgresql://liaison@127.0.0.1,db.example:5433/liaison", True),
            ("postgresql://liaison@db.example/liaison?sslmode=require", True),
            ("postgresql://liaison@db.example/liaison?sslmode=verify-full", False),
            ("postgresql://liaison@127.0.0.1:5432/liaison", False),
            ("postgresql:///liaison?host=/run/postgresql", False),
        ],
    )
    def test_a_way_that_others_can_read_is_warned_of(self, url: str, is_warned: bool) -> None:
        found = warnings(load_config(None, {}, {"postgres.url": url}))
        assert any("sslmode=verify-full" in warning for warning in found) == is_warned


@pytest.mark.system
class TestServing:
    @pytest.fixture
    def config(self, postgres_server: PostgresServer, tmp_path: Path) -> Config:
        settings = {
            "office.id": postgres_server.new_office(),
            "postgres.url": postgres_server.url(password=""),
            "postgres.password": PASSWORD,
            "data.directory": str(tmp_path / "data"),
            "server.port": 0,
        }
        return load_config(None, {}, settings)

    async def test_nodes_at_once_serve_one_office_and_have_no_database_of_their_own(
        self, config: Config, tmp_path: Path
    ) -> None:
        async with AsyncExitStack() as stack:
            here, there = [await stack.enter_async_context(serving(config)) for _ in range(2)]
            await here.office.accounts.add_person(KIM, "correct horse battery", by="test")
            await there.office.registry.refresh()
            assert KIM.user in there.office.registry.rights.accounts
        # The folder holds only what must not come back with a restore of the database.
        assert not list((tmp_path / "data").glob("*.db*"))

    async def test_a_command_finds_what_a_server_keeps_and_begins_no_office_by_mistake(self, config: Config) -> None:
        with pytest.raises(CannotStart, match=r"there is no office .*office\.id"):
            async with back_office(config, create=False):
                pass
        async with serving(config) as running, back_office(config, create=False) as office:
            await office.accounts.add_person(KIM, "correct horse battery", by="test")
            await running.office.registry.refresh()
            assert KIM.user in running.office.registry.rights.accounts

    async def test_a_server_that_is_away_stops_the_start_with_one_sentence(self, tmp_path: Path) -> None:
        away = load_config(None, {}, {"postgres.url": "postgresql://liaison@127.0.0.1:1/liaison", "server.port": 0})
        open_files = len(list(OPEN_FILES.iterdir()))
        with pytest.raises(CannotStart, match=r"cannot use PostgreSQL at 127\.0\.0\.1:1"):
            async with serving(away):
                pass
        await asyncio.sleep(0)
        assert len(list(OPEN_FILES.iterdir())) == open_files


@pytest.mark.system
class TestCommands:
    @pytest.fixture
    def office(self, postgres_server: PostgresServer) -> PostgresSettings:
        return PostgresSettings(postgres_server.url(), postgres_server.new_office())

    @pytest.fixture
    def liaison(self, postgres_server: PostgresServer, office: PostgresSettings, tmp_path: Path) -> CommandLine:
        environment = {
            "LIAISON_POSTGRES__URL": postgres_server.url(password=""),
            "LIAISON_POSTGRES__PASSWORD": PASSWORD,
            "LIAISON_OFFICE__ID": office.office,
        }
        return CommandLine(tmp_path / "data", environment)

    def users(self, liaison: CommandLine) -> list[str]:
        return [one["user"] for one in liaison.ok("user", "list", "--json").json]

    def test_people_are_kept_there(self, liaison: CommandLine) -> None:
        liaison.add_user("kim", "--delegation", "south")
        assert self.users(liaison) == ["kim"]
        assert not liaison.data.exists()

    def test_backup_and_restore_say_what_to_do_instead(self, liaison: CommandLine, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        backup, restore = liaison.on("backup", str(tmp_path / "new")), liaison.on("restore", str(tmp_path / "file"))
        assert (backup.code, restore.code) == (Exit.BAD, Exit.BAD)
        assert "pg_dump" in backup.stderr
        assert "liaison bump-epoch" in restore.stderr

    def test_a_dump_is_put_back_into_an_epoch_that_never_was(
        self, postgres_server: PostgresServer, liaison: CommandLine, office: PostgresSettings, tmp_path: Path
    ) -> None:
        liaison.add_user("kim", "--delegation", "south")
        dump = tmp_path / "office.sql"
        postgres_server.run("pg_dump", "--schema", office.namespace, "--file", str(dump))
        liaison.add_user("lee", "--delegation", "south")
        postgres_server.execute(f"DROP SCHEMA {office.namespace} CASCADE")
        postgres_server.run("psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(dump))
        epoch = liaison.ok("bump-epoch", "--json").json["epoch"]
        assert self.users(liaison) == ["kim"]
        assert epoch > 1
        last = json.loads(liaison.ok("audit", "--json").lines[-1])
        assert (last["action"], last["detail"]) == ("office.restored", f"epoch {epoch}")

    def test_an_epoch_is_bumped_only_where_there_is_an_office(self, liaison: CommandLine, tmp_path: Path) -> None:
        nowhere = liaison.on("bump-epoch")
        assert (nowhere.code, "there is no office" in nowhere.stderr) == (Exit.UNAVAILABLE, True)
        embedded = CommandLine(tmp_path / "other").on("bump-epoch")
        assert (embedded.code, "liaison restore" in embedded.stderr) == (Exit.BAD, True)
