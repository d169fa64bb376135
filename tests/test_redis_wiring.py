"""Redis in the configuration: what is refused, what a node makes of it, and that it never starts half."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from liaison.adapters.memory_bus import MemoryBusEndpoint
from liaison.adapters.redis_bus import RedisBus
from liaison.adapters.redis_site import Address, Form, Tls
from liaison.config import Config, ConfigError, Secret, effective, load_config, warnings
from liaison.office.registry import Registry
from liaison.ports.directory import DirectoryUnavailableError
from liaison.wiring import CannotStart, redis_settings, serving
from tests.redis_server import free_port, redis_server, shared_redis


def config_of(data: Path, **settings: object) -> Config:
    named = {name.replace("__", "."): value for name, value in settings.items()}
    return load_config(None, {}, {"data.directory": str(data), "server.port": 0, **named})


def problems_of(text: str, folder: Path) -> list[str]:
    file = folder / "liaison.toml"
    file.write_text(f"[redis]\n{text}\n", "utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(file, {})
    return refused.value.problems


class TestConfiguration:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("url = '127.0.0.1:6379'", "redis.url: is no address; one looks like 'redis://127.0.0.1:6379/0'"),
            ("url = 'http://127.0.0.1'", "redis.url: is no address"),
            ("url = 'redis://127.0.0.1:port'", "redis.url: is no address"),
            ("url = 'redis://127.0.0.1/zero'", "redis.url: is no address"),
            ("url = 'rediss://127.0.0.1'", "redis.url: write redis:// and set redis.tls"),
            ("url = 'redis://kim:secret@127.0.0.1'", "redis.url: holds a user or password"),
            ("url = 'redis://a'\ncluster = ['b:1']", "redis.cluster: give one of redis.url and redis.cluster"),
            ("sentinels = ['one.example']", "redis.sentinels: 'one.example' is no address"),
            ("cluster = ['redis://a:1']", "redis.cluster: 'redis://a:1' is no address"),
            ("url = 'redis://a'\ncert_file = 'x'\ntls = true", "redis.cert_file and redis.key_file go together"),
            ("url = 'redis://a'\nca_file = 'x'", "redis.tls: redis.ca_file needs redis.tls"),
            ("password = 'x'\npassword_file = 'y'", "give redis.password or redis.password_file, not both"),
            ("sentinel_password_file = 'nothing'", "nothing cannot be read"),
        ],
    )
    def test_what_cannot_be_is_refused_with_what_to_write(self, tmp_path: Path, text: str, problem: str) -> None:
        problems = problems_of(text, tmp_path)
        assert any(problem in found for found in problems), problems
        assert not any("secret" in found for found in problems)

    @pytest.mark.parametrize("name", ["", "Office", "two words", "{x}", "x" * 33, "*"])
    def test_an_office_id_keeps_to_its_letters(self, name: str) -> None:
        with pytest.raises(ConfigError, match="LIAISON_OFFICE__ID"):
            load_config(None, {"LIAISON_OFFICE__ID": name})

    def test_each_form_leads_where_it_says(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("from a file\n")
        file = tmp_path / "liaison.toml"
        file.write_text("[redis]\nurl = 'redis://[::1]:7000/3'\nusername = 'liaison'\npassword_file = 'secret'\n")
        single = redis_settings("office", load_config(file, {}).redis)
        assert (single.form, single.addresses, single.database) == (Form.SINGLE, (Address("::1", 7000),), 3)
        assert (single.username, single.password, single.tls) == ("liaison", "from a file", None)
        environment = {"LIAISON_REDIS__SENTINELS": "a:1, b:2", "LIAISON_REDIS__TLS": "true"}
        sentinel = redis_settings("office", load_config(None, environment).redis)
        assert (sentinel.form, sentinel.addresses) == (Form.SENTINEL, (Address("a", 1), Address("b", 2)))
        assert (sentinel.primary_name, sentinel.tls) == ("mymaster", Tls())
        cluster = redis_settings("office", load_config(None, {"LIAISON_REDIS__CLUSTER": "[::1]:1"}).redis)
        assert (cluster.form, cluster.addresses) == (Form.CLUSTER, (Address("::1", 1),))

    def test_passwords_are_never_shown(self) -> None:
        environment = {"LIAISON_REDIS__PASSWORD": "hunter2", "LIAISON_REDIS__SENTINEL_PASSWORD": "hunter2"}
        config = load_config(None, environment)
        assert config.redis.password == Secret("hunter2")
        assert "hunter2" not in repr(config) + str(effective(config))

    def test_an_open_redis_elsewhere_is_warned_of(self) -> None:
        elsewhere = load_config(None, {"LIAISON_REDIS__CLUSTER": "127.0.0.1:1,10.0.0.7:2"})
        assert [text.partition(" ")[0] for text in warnings(elsewhere)] == ["redis.tls", "redis"]
        safe = {"LIAISON_REDIS__URL": "redis://10.0.0.7", "LIAISON_REDIS__TLS": "true", "LIAISON_REDIS__PASSWORD": "x"}
        assert warnings(load_config(None, safe)) == []
        assert warnings(load_config(None, {"LIAISON_REDIS__URL": "redis://127.0.0.1:6379"})) == []


async def test_without_a_redis_a_node_needs_none(tmp_path: Path) -> None:
    async with serving(config_of(tmp_path / "data")) as running:
        assert isinstance(running.office.bus, MemoryBusEndpoint)


@pytest.mark.system
class TestServing:
    async def test_a_node_with_a_redis_is_ready_and_says_when_it_is_deaf(self, tmp_path: Path) -> None:
        with redis_server() as server:
            config = config_of(tmp_path / "data", redis__url=f"redis://127.0.0.1:{server.port}")
            async with serving(config) as running, aiohttp.ClientSession() as http:
                assert isinstance(running.office.bus, RedisBus)
                async with http.get(f"{running.address}/readyz") as answer:
                    assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})
                running.office.bus._on_message("of another program", b"no hint")
                async with http.get(f"{running.address}/metrics") as answer:
                    assert 'liaison_bus_hints_total{fate="garbage"} 1.0' in (await answer.text()).splitlines()
                async with http.get(f"{running.address}/metrics") as answer:
                    # Read twice, counted once.
                    assert 'liaison_bus_hints_total{fate="garbage"} 1.0' in (await answer.text()).splitlines()
                server.kill()
                async with asyncio.timeout(5):
                    while True:
                        async with http.get(f"{running.address}/readyz") as answer:
                            if answer.status == 503:
                                assert (await answer.json())["reasons"] == ["deaf to the bus"]
                                break
                        await asyncio.sleep(0.05)

    async def test_a_redis_that_is_not_there_is_no_start_and_leaves_the_data_free(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        with pytest.raises(CannotStart, match=r"single Redis at 127\.0\.0\.1:\d+ can't be reached.*redis\.url"):
            async with serving(config_of(data, redis__url=f"redis://127.0.0.1:{free_port()}")):
                pytest.fail("it started")
        async with serving(config_of(data, redis__url=f"redis://127.0.0.1:{shared_redis().port}")):
            pass

    async def test_what_fails_once_redis_is_there_is_said_as_plainly_as_before(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(_registry: Registry) -> None:
            raise DirectoryUnavailableError("the database is gone")

        monkeypatch.setattr(Registry, "start", fail)
        with pytest.raises(CannotStart, match="the database is gone"):
            async with serving(config_of(tmp_path, redis__url=f"redis://127.0.0.1:{shared_redis().port}")):
                pytest.fail("it started")

    async def test_a_wrong_password_is_no_start(self, tmp_path: Path) -> None:
        with redis_server("--requirepass", "right") as server:
            config = config_of(tmp_path, redis__url=f"redis://127.0.0.1:{server.port}", redis__password="guess")
            with pytest.raises(CannotStart, match=r"redis\.password_file"):
                async with serving(config):
                    pytest.fail("it started")
