"""Which Redis is good enough, what is said of one that isn't, and the rights and certificates it takes."""

import asyncio
import datetime as dt
import re
import secrets
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.exceptions import NoPermissionError

from liaison.adapters.redis_site import (
    REDIS_FAILURES,
    Address,
    Form,
    RedisRefusedError,
    RedisSettings,
    RedisSite,
    Tls,
    answered,
    unfit_because,
)
from liaison.core.presence import GRACE_MS
from tests.adapters.bus_listener import GENERAL
from tests.adapters.presence_follower import Followed, fill
from tests.adapters.redis_nodes import a_pair, bus_at, presence_at
from tests.redis_server import RedisServer, free_port, redis_server, shared_redis

REDIS_CONF = Path(__file__).parents[2] / "deploy" / "redis.conf"
PASSWORD = "correct horse battery"


async def refusal(settings: RedisSettings) -> str:
    site = RedisSite(settings)
    async with site.open():
        with pytest.raises(RedisRefusedError) as refused:
            await site.check()
    return str(refused.value)


class TestFitness:
    @pytest.mark.parametrize(
        ("info", "form", "problem"),
        [
            ({"redis_version": "7.0.15", "redis_mode": "standalone", "role": "master"}, Form.SINGLE, ""),
            ({"redis_version": "8.0.0", "redis_mode": "standalone", "role": "master"}, Form.SENTINEL, ""),
            ({"redis_version": "7.2.4", "redis_mode": "cluster"}, Form.CLUSTER, ""),
            ({"redis_version": "6.2.14", "redis_mode": "standalone"}, Form.SINGLE, "is version 6.2.14, and .* 7.0"),
            ({"redis_version": "10.1"}, Form.SINGLE, ""),
            ({}, Form.SINGLE, "is version 0"),
            ({"redis_version": "7.0.15", "redis_mode": "cluster"}, Form.SINGLE, "redis.cluster"),
            ({"redis_version": "7.0.15", "redis_mode": "standalone"}, Form.CLUSTER, "is no cluster"),
            ({"redis_version": "7.0.15", "redis_mode": "sentinel"}, Form.SINGLE, "redis.sentinels"),
            ({"redis_version": "7.0.15", "redis_mode": "standalone", "role": "slave"}, Form.SINGLE, "is a replica"),
        ],
    )
    def test_says_why_a_server_cannot_serve(self, info: dict[str, str], form: Form, problem: str) -> None:
        found = unfit_because(info, form)
        assert re.search(problem, found) if problem else found == ""

    def test_passwords_are_not_shown(self) -> None:
        address = (Address("::1", 6379),)
        settings = RedisSettings("office", Form.SINGLE, address, password=PASSWORD, sentinel_password=PASSWORD)
        assert PASSWORD not in repr(settings)
        assert str(settings) == "single Redis at [::1]:6379"


@pytest.fixture(scope="module")
def locked() -> Iterator[RedisServer]:
    with redis_server("--requirepass", PASSWORD) as server:
        yield server


@pytest.mark.system
class TestCheck:
    async def test_good_server_passes(self) -> None:
        site = RedisSite(shared_redis().settings())
        async with site.open():
            await site.check()

    async def test_wrong_address_is_named_with_the_settings_to_look_at(self) -> None:
        port = free_port()
        said = await refusal(RedisSettings("office", Form.SINGLE, (Address("127.0.0.1", port),)))
        assert f"single Redis at 127.0.0.1:{port} can't be reached" in said
        assert "redis.url" in said

    @pytest.mark.parametrize("password", ["", "wrong"])
    async def test_wrong_password_is_told_without_the_password(self, locked: RedisServer, password: str) -> None:
        said = await refusal(locked.settings(password=password))
        assert "redis.password_file" in said
        assert "wrong" not in said

    async def test_right_password_passes(self, locked: RedisServer) -> None:
        site = RedisSite(locked.settings(password=PASSWORD))
        async with site.open():
            await site.check()

    async def test_sentinel_that_is_not_there_is_named(self) -> None:
        address = Address("127.0.0.1", free_port())
        said = await refusal(RedisSettings("office", Form.SENTINEL, (address,), primary_name="liaison"))
        assert str(address) in said
        assert "redis.sentinels" in said

    @pytest.mark.parametrize("form", [Form.CLUSTER, Form.SENTINEL])
    async def test_single_server_in_the_place_of_another_form_is_refused(self, form: Form) -> None:
        said = await refusal(replace(shared_redis().settings(), form=form, primary_name="liaison"))
        assert str(form.value) in said

    async def test_something_else_than_redis_is_refused_in_time(self) -> None:
        # Nobody accepts there, which looks like a server that hangs.
        with redis_server() as server:
            server.pause()
            said = await refusal(server.settings())
        assert "can't be reached: no answer in time" in said


def _acl_rules(text: str) -> str:
    """Give the rules of the user for a single server, as the file has them."""
    lines = [line.removeprefix("#").strip() for line in text.splitlines()]
    first = next(number for number, line in enumerate(lines) if line.startswith("ACL SETUSER liaison reset on"))
    rules = " ".join(lines[first : lines.index("", first)])
    return rules.removeprefix("ACL SETUSER liaison ")


@pytest.mark.system
class TestRights:
    @pytest.fixture
    def server(self) -> Iterator[RedisServer]:
        with redis_server() as server:
            rules = _acl_rules(REDIS_CONF.read_text("utf-8"))
            rules = rules.replace("OFFICE", "office").replace("SHA256", sha256(PASSWORD.encode()).hexdigest())
            server.ask("ACL", "SETUSER", "liaison", *rules.split())
            yield server

    async def test_rights_in_redis_conf_are_enough(self, server: RedisServer) -> None:
        settings = server.settings(username="liaison", password=PASSWORD)
        server.ask("ACL", "LOG", "RESET")
        site = RedisSite(settings)
        async with site.open():
            await site.check()
        async with AsyncExitStack() as stack:
            pair = await a_pair(stack, settings)
            await pair.goes_through()
            pair.there.unsubscribe(GENERAL)
            await pair.there.subscribe(GENERAL)
            followed = Followed(await stack.enter_async_context(presence_at(settings)))
            await fill(followed.store, "a", 3)
            await followed.store.renew("a")
            await followed.store.unregister("a", grace_ms=GRACE_MS)
            await fill(followed.store, "b", 1)
            server.ask("ZADD", "liaison:{office}:presence:leases", "1", "a", "1", "b")
            assert await followed.store.reap() == 4
            # And an epoch that begins while there is something to forget.
            await fill(followed.store, "c", 1)
            server.ask("HSET", "liaison:{office}:presence", "run_id", "another")
            assert (await followed.store.snapshot()).users == {}
            await pair.goes_through()
        assert server.ask("ACL", "LOG") == []

    @pytest.mark.parametrize(
        "command",
        [
            ("GET", "liaison:{office}:presence"),
            ("HGETALL", "liaison:{other}:presence"),
            ("SPUBLISH", "liaison:other:bus:directory", "x"),
            ("CONFIG", "GET", "*"),
            ("FLUSHALL",),
            ("KEYS", "*"),
            ("ACL", "LIST"),
        ],
        ids=" ".join,
    )
    def test_rights_in_redis_conf_are_no_more_than_that(self, server: RedisServer, command: tuple[str, ...]) -> None:
        with (
            Redis(port=server.port, username="liaison", password=PASSWORD, protocol=2) as client,
            pytest.raises(NoPermissionError),
        ):
            client.execute_command(*command)

    async def test_user_without_rights_is_refused_with_where_they_are_described(self, server: RedisServer) -> None:
        server.ask("ACL", "SETUSER", "guest", "on", f">{PASSWORD}", "+ping", "+client", "+select")
        said = await refusal(server.settings(username="guest", password=PASSWORD))
        assert "deploy/redis.conf" in said


def _certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Make a certificate that signs itself, for one address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    stem = secrets.token_hex(4)
    certificate_file, key_file = folder / f"{stem}.crt", folder / f"{stem}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


@pytest.mark.system
class TestTls:
    @pytest.fixture
    def tls_port(self, tmp_path: Path) -> Iterator[tuple[RedisServer, int, Path]]:
        certificate, key = _certificate(tmp_path, "127.0.0.1")
        port = free_port()
        with redis_server(
            *("--tls-port", str(port)),
            *("--tls-cert-file", str(certificate)),
            *("--tls-key-file", str(key)),
            *("--tls-ca-cert-file", str(certificate)),
            *("--tls-auth-clients", "no"),
        ) as server:
            yield server, port, certificate

    async def test_hints_and_presence_pass_by_tls(self, tls_port: tuple[RedisServer, int, Path]) -> None:
        _, port, certificate = tls_port
        settings = RedisSettings(
            "office", Form.SINGLE, (Address("127.0.0.1", port),), tls=Tls(ca_file=str(certificate))
        )
        site = RedisSite(settings)
        async with site.open():
            await site.check()
        async with AsyncExitStack() as stack:
            await (await a_pair(stack, settings)).goes_through()
            await fill(await stack.enter_async_context(presence_at(settings)), "a", 1)

    async def test_server_that_nobody_vouches_for_is_refused(
        self, tls_port: tuple[RedisServer, int, Path], tmp_path: Path
    ) -> None:
        _, port, _ = tls_port
        other, _ = _certificate(tmp_path, "127.0.0.1")
        settings = RedisSettings("office", Form.SINGLE, (Address("127.0.0.1", port),), tls=Tls(ca_file=str(other)))
        assert "certificate" in (await refusal(settings)).lower()
        async with bus_at(settings) as bus:
            assert not bus.is_up


def test_writing_to_a_connection_that_uvloop_has_closed_is_a_failure_of_redis_and_no_crash() -> None:
    async def write_after_the_end() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", shared_redis().port)
        writer.transport.abort()
        await reader.read()
        writer.writelines([b"PING\r\n"])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, pytest.raises(REDIS_FAILURES):
        runner.run(answered(write_after_the_end()))


async def test_any_other_runtime_error_is_a_bug_and_stays_one() -> None:
    async def crash() -> None:
        raise RuntimeError("dictionary changed size during iteration")

    with pytest.raises(RuntimeError, match="dictionary"):
        await answered(crash())
