"""A node and a back office are there as a whole, or not at all and for a reason that says what to do."""

import asyncio
import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from liaison.adapters.data_directory import DataDirectory
from liaison.config import Config, load_config
from liaison.core.identifiers import DelegationId, UserId
from liaison.core.rights import Account, Role
from liaison.protocol.errors import Refused
from liaison.wiring import CannotStart, back_office, default_origins, serving

OPEN_FILES = Path("/proc/self/fd")
PASSWORD = "correct horse battery"
KIM = Account(UserId("kim"), "Kim", DelegationId("south"), Role.OFFICIAL)


def config_of(data: Path, **settings: object) -> Config:
    named = {name.replace("__", "."): value for name, value in settings.items()}
    return load_config(None, {}, {"data.directory": str(data), "server.port": 0, **named})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


class TestServing:
    async def test_a_node_is_ready_at_the_address_it_gives(self, data: Path) -> None:
        async with (
            serving(config_of(data)) as running,
            aiohttp.ClientSession() as http,
            http.get(f"{running.address}/readyz") as answer,
        ):
            assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})

    async def test_its_folder_and_database_are_for_their_owner_only(self, data: Path) -> None:
        async with serving(config_of(data)):
            assert stat.S_IMODE(data.stat().st_mode) == 0o700
            assert stat.S_IMODE((data / "office.db").stat().st_mode) == 0o600

    async def test_what_was_added_is_there_after_a_restart(self, data: Path) -> None:
        async with serving(config_of(data)) as running:
            await running.office.accounts.add_person(KIM, PASSWORD, by="test")
        async with serving(config_of(data)) as running:
            login = await running.office.accounts.login("kim", PASSWORD, "", "127.0.0.1")
            assert login.actor.account == KIM

    async def test_browsers_of_this_machine_are_let_in_when_no_origin_was_named(self, data: Path) -> None:
        body = json.dumps({"user": "kim", "password": PASSWORD})
        async with serving(config_of(data)) as running, aiohttp.ClientSession() as http:
            await running.office.accounts.add_person(KIM, PASSWORD, by="test")
            statuses = {}
            for origin in (running.address, running.address.replace("127.0.0.1", "localhost"), "http://evil.example"):
                headers = {"Origin": origin, "Content-Type": "application/json"}
                async with http.post(f"{running.address}/api/v1/login", data=body, headers=headers) as answer:
                    statuses[origin] = answer.status
        assert list(statuses.values()) == [200, 200, 403]

    async def test_metrics_can_have_a_port_and_a_token_of_their_own(self, data: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        config = config_of(data, metrics__port=port, metrics__token="s3cret")
        async with serving(config) as running, aiohttp.ClientSession() as http:
            statuses = []
            for url, headers in (
                (f"{running.address}/metrics", {"Authorization": "Bearer s3cret"}),
                (f"http://127.0.0.1:{port}/metrics", {}),
                (f"http://127.0.0.1:{port}/metrics", {"Authorization": "Bearer s3cret"}),
                (f"http://127.0.0.1:{port}/api/v1/channels", {}),
            ):
                async with http.get(url, headers=headers) as answer:
                    statuses.append(answer.status)
        assert statuses == [404, 401, 200, 404]

    async def test_tells_of_a_database_that_can_not_be_trusted_any_more(self, data: Path) -> None:
        async with serving(config_of(data)) as running:
            assert not running.broken.done()
            running.office.log._database._tell_fatal("fsync failed")  # type: ignore[attr-defined]
            assert await running.broken == "fsync failed"

    async def test_settings_reach_the_parts_they_are_for(self, data: Path) -> None:
        config = config_of(data, server__node="n7", limits__sessions_per_user=3, limits__drain_timeout_s=0.5)
        async with serving(config) as running:
            settings = running.office.settings
            assert (running.office.node, settings.sessions_per_user, settings.drain_timeout_s) == ("n7", 3, 0.5)


class TestRefusals:
    async def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(self, data: Path) -> None:
        async with serving(config_of(data)) as running, aiohttp.ClientSession() as http:
            with pytest.raises(CannotStart, match=r"a server or a restore is using .*data: stop it first"):
                async with serving(config_of(data)):
                    pytest.fail("two servers on one folder")
            async with http.get(f"{running.address}/readyz") as answer:
                assert answer.status == 200

    async def test_a_port_in_use_is_named_and_nothing_is_made(self, data: Path, taken_port: int) -> None:
        with pytest.raises(CannotStart, match=rf"cannot listen on 127.0.0.1:{taken_port}: .*server.port"):
            async with serving(config_of(data, server__port=taken_port)):
                pytest.fail("two servers on one port")
        assert not data.exists()

    async def test_a_metrics_port_in_use_is_named_as_such(self, data: Path, taken_port: int) -> None:
        with pytest.raises(CannotStart, match=r"metrics\.port"):
            async with serving(config_of(data, metrics__port=taken_port)):
                pytest.fail("two servers on one port")
        assert not data.exists()

    async def test_a_host_that_is_not_this_machine_is_named(self, data: Path) -> None:
        with pytest.raises(CannotStart, match=r"cannot listen on 192\.0\.2\.1"):
            async with serving(config_of(data, server__host="192.0.2.1")):
                pytest.fail("listens elsewhere")

    async def test_something_else_in_the_place_of_the_database_is_left_alone(self, data: Path) -> None:
        data.mkdir()
        (data / "office.db").write_bytes(b"a letter" * 1000)
        with pytest.raises(CannotStart, match="is not a database of liaison"):
            async with serving(config_of(data)):
                pytest.fail("served a letter")
        assert (data / "office.db").read_bytes() == b"a letter" * 1000
        # Nothing is held: it can be mended and started.
        with DataDirectory(data).lock():
            (data / "office.db").unlink()
        async with serving(config_of(data)):
            pass

    async def test_a_spoilt_epoch_mark_is_named(self, data: Path) -> None:
        data.mkdir()
        (data / "epoch").write_text("many")
        with pytest.raises(CannotStart, match="should hold the highest epoch as a number"):
            async with serving(config_of(data)):
                pytest.fail("guessed an epoch")

    async def test_a_folder_that_can_not_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CannotStart, match="file"):
            async with serving(config_of(tmp_path / "file" / "data")):
                pytest.fail("stored in a file")

    async def test_a_failed_start_leaves_no_task_and_no_open_file(self, data: Path) -> None:
        data.mkdir()
        (data / "epoch").write_text("many")
        tasks, files = asyncio.all_tasks(), len(list(OPEN_FILES.iterdir()))
        with pytest.raises(CannotStart):
            async with serving(config_of(data)):
                pytest.fail("guessed an epoch")
        assert asyncio.all_tasks() == tasks
        assert len(list(OPEN_FILES.iterdir())) == files


class TestBackOffice:
    async def test_is_refused_where_there_is_no_office_and_makes_none(self, data: Path) -> None:
        with pytest.raises(CannotStart, match="there is no office in"):
            async with back_office(config_of(data), create=False):
                pytest.fail("an office from nothing")
        assert not data.exists()

    async def test_a_running_server_knows_of_its_changes_within_a_second(self, data: Path) -> None:
        async with serving(config_of(data)) as running:
            async with back_office(config_of(data), create=False) as beside:
                await beside.accounts.add_person(KIM, PASSWORD, by="test")
            known = asyncio.Event()
            running.office.registry.on_change(lambda _before, after: known.set() if "kim" in after.accounts else None)
            async with asyncio.timeout(1):
                if "kim" not in running.office.rights.accounts:
                    await known.wait()
            await running.office.accounts.login("kim", PASSWORD, "", "127.0.0.1")

    async def test_what_an_office_refuses_is_refused_here_too(self, data: Path) -> None:
        async with back_office(config_of(data), create=True) as office:
            with pytest.raises(Refused, match="there is no delegation 'east'"):
                await office.accounts.add_person(
                    Account(UserId("a"), "A", DelegationId("east"), Role.OFFICIAL), PASSWORD, by="test"
                )


@pytest.mark.parametrize(
    ("host", "some"),
    [
        ("127.0.0.1", {"http://127.0.0.1:80", "http://localhost:80"}),
        ("::1", {"http://[::1]:80", "http://localhost:80"}),
        ("0.0.0.0", {"http://127.0.0.1:80", "http://localhost:80", f"http://{socket.gethostname().lower()}:80"}),
        ("office.example", {"http://office.example:80"}),
    ],
)
def test_default_origins_are_those_of_a_browser_on_this_machine(host: str, some: set[str]) -> None:
    assert some <= default_origins(host, 80)
