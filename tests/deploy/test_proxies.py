"""The real nginx with deploy/nginx.conf before real servers: sockets, streams, addresses, and a node that goes away."""

import asyncio
import datetime as dt
import io
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from liaison.protocol.names import SUBPROTOCOL_JSON, WEBSOCKET_PATH
from tests.live_server import LiveServer
from tests.redis_server import free_port

pytestmark = pytest.mark.system

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
_START_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True)
class Proxied:
    """An office behind nginx: `address` is what people type; `tls` trusts its certificate."""

    server: LiveServer
    address: str
    tls: ssl.SSLContext

    @property
    def socket_address(self) -> str:
        return self.address.replace("https", "wss", 1) + WEBSOCKET_PATH


def make_certificate(folder: Path) -> None:
    """Write a certificate for localhost and its key, as the configuration names them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def configuration(folder: Path, port: int, nodes: tuple[int, int]) -> str:
    """Give deploy/nginx.conf with this test's addresses in the place of an operator's, and nothing else changed."""
    text = (DEPLOY / "nginx.conf").read_text()
    for pattern, ours, times in (
        (r"listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;", 1),
        (r"listen 80;", f"listen 127.0.0.1:{free_port()};", 1),
        (r"server_name office\.example;", "server_name localhost;", 2),
        (r"liaison-1:8000", f"127.0.0.1:{nodes[0]}", 1),
        (r"liaison-2:8000", f"127.0.0.1:{nodes[1]}", 1),
        (r"/etc/liaison/", f"{folder}/", 2),
        # Where a user who isn't root may write.
        (r"http \{", "http {" + "".join(f"{kind}_temp_path {folder}/{kind};" for kind in _BUFFERS), 1),
    ):
        text, found = re.subn(pattern, ours, text)
        assert found == times, pattern
    return f"pid {folder}/nginx.pid;\ndaemon off;\n{text}"


_BUFFERS: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_program() -> str:
    # Debian puts it where only root's path leads.
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.fail("These tests need nginx; `.ci/system-packages` installs it.")
    return program


@contextmanager
def nginx(folder: Path, port: int, nodes: tuple[int, int]) -> Iterator[None]:
    file = folder / "nginx.conf"
    file.write_text(configuration(folder, port, nodes))
    command = [nginx_program(), "-p", str(folder), "-e", "stderr", "-c", str(file)]
    with (folder / "journal").open("wb") as journal:
        process = subprocess.Popen(command, stdout=journal, stderr=journal)
    try:
        _wait_until_it_listens(process, port, folder / "journal")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, journal: Path) -> None:
    import socket

    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise AssertionError(f"nginx did not start:\n{journal.read_text()}") from None
        time.sleep(0.01)


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Proxied]:
    port = free_port()
    address = f"https://localhost:{port}"
    make_certificate(tmp_path)
    tls = ssl.create_default_context(cafile=str(tmp_path / "fullchain.pem"))
    settings = {
        "LIAISON_SERVER__USES_TLS": "true",
        "LIAISON_SERVER__ALLOWED_ORIGINS": address,
        "LIAISON_SERVER__TRUSTED_PROXIES": "127.0.0.1",
        "LIAISON_LIMITS__CONNECTS_PER_ADDRESS_PER_S": "3",
    }
    with ExitStack() as stack:
        server = stack.enter_context(LiveServer(tmp_path / "data", settings))
        # The second node is away: one office in a data directory has one.
        stack.enter_context(nginx(tmp_path, port, (free_port(), server.port)))
        yield Proxied(server, address, tls)


@asynccontextmanager
async def http_session(proxied: Proxied, token: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connector = aiohttp.TCPConnector(ssl=proxied.tls)
    async with aiohttp.ClientSession(proxied.address, headers=headers, connector=connector) as http:
        yield http
    # The client doesn't wait for its TLS connections to close. (aiohttp's documentation, "Graceful Shutdown")
    await asyncio.sleep(0.25)


async def connect(socket: "aiohttp.ClientWebSocketResponse[Any]") -> dict[str, Any]:
    await socket.send_json({"type": "connect", "id": 1, "client": "test"})
    reply = await socket.receive_json()
    assert isinstance(reply, dict)
    return reply


def test_the_configuration_is_one_that_nginx_takes(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    file = tmp_path / "nginx.conf"
    file.write_text(configuration(tmp_path, free_port(), (free_port(), free_port())))
    command = [nginx_program(), "-t", "-q", "-p", str(tmp_path), "-e", "stderr", "-c", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


async def test_people_sign_in_and_talk_through_it_over_tls(proxied: Proxied) -> None:
    body = {"user": "south-1", "password": proxied.server.password_of("south-1")}
    origin = {"Origin": proxied.address}
    async with http_session(proxied) as http:
        async with http.post("/api/v1/login", json=body, headers=origin) as answer:
            assert answer.status == 200
            assert answer.headers["Set-Cookie"].startswith("__Host-")
        async with http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON], headers=origin) as socket:
            assert (await connect(socket))["user"] == "south-1"
            publish = {"type": "publish", "id": 2, "channel": "joint/general", "key": "k1", "text": "안녕하십니까"}
            await socket.send_json(publish)
            assert (await socket.receive_json())["seq"] == 1


async def test_a_file_of_megabytes_passes_and_no_other_request_of_that_size(proxied: Proxied) -> None:
    token = proxied.server.token("writer", "south", ["joint/general"])
    file = "회의록\n".encode() * 200_000
    text = {"Content-Type": "text/plain"}
    async with http_session(proxied, token) as http:
        place = "/api/v1/channels/joint/general/attachments"
        async with http.post(place, params={"name": "회의록.txt"}, data=io.BytesIO(file), headers=text) as answer:
            assert answer.status == 201, await answer.text()
            sha256 = (await answer.json())["sha256"]
        async with http.get(f"{place}/{sha256}") as answer:
            assert await answer.read() == file
        async with http.post("/api/v1/channels/joint/general/messages", data=io.BytesIO(file), headers=text) as answer:
            assert (answer.status, answer.headers["Server"]) == (413, "nginx")


async def test_an_event_leaves_as_it_comes(proxied: Proxied) -> None:
    token = proxied.server.token("reader", "south", ["joint/general"])
    writer = proxied.server.token("writer", "north", ["joint/general"])
    async with (
        http_session(proxied, token) as http,
        http_session(proxied, writer) as other,
        http.get("/api/v1/stream", params={"channel": "joint/general"}) as stream,
    ):
        assert stream.status == 200
        for number in range(3):
            message = {"key": f"k{number}", "text": f"소식 {number}"}
            async with other.post("/api/v1/channels/joint/general/messages", json=message) as answer:
                assert answer.status == 201
            # Buffered, it would wait for more than these few bytes.
            async with asyncio.timeout(2):
                line = b""
                while not line.startswith(b"data: "):
                    line = await stream.content.readline()
            assert json.loads(line.removeprefix(b"data: "))["text"] == f"소식 {number}"
        # A stream has no end, and TLS would wait half a minute for one.
        assert stream.connection is not None
        assert stream.connection.transport is not None
        stream.connection.transport.abort()


async def test_the_server_sees_the_client_and_not_the_proxy_and_believes_no_client_about_it(proxied: Proxied) -> None:
    token = proxied.server.token("reader", "south", ["joint/general"])
    statuses = []
    async with http_session(proxied, token) as http:
        for number in range(12):
            # Whoever could choose an address could connect as often as they liked.
            headers = {"X-Forwarded-For": f"203.0.113.{number}", "Sec-WebSocket-Protocol": SUBPROTOCOL_JSON}
            try:
                async with http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON], headers=headers) as socket:
                    statuses.append(101)
                    await socket.close()
            except aiohttp.WSServerHandshakeError as refused:
                statuses.append(refused.status)
        async with http.get("/api/v1/channels") as answer:
            assert answer.status == 200, "whoever is connected goes on"
    assert statuses[0] == 101
    assert 429 in statuses or 503 in statuses


async def test_what_is_for_the_inside_stays_inside(proxied: Proxied) -> None:
    async with http_session(proxied) as http:
        for path in ("/metrics", "/livez", "/readyz"):
            async with http.get(path) as answer:
                assert (answer.status, answer.headers["Server"]) == (404, "nginx")
        async with http.get("/") as answer:
            assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


async def test_a_client_is_told_of_a_restart_through_it(proxied: Proxied) -> None:
    token = proxied.server.token("reader", "south", ["joint/general"])
    async with http_session(proxied, token) as http:
        async with http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON]) as socket:
            await connect(socket)
            stopping = asyncio.ensure_future(asyncio.to_thread(proxied.server.restart))
            assert "go_away" in [message.json()["type"] async for message in socket]
            assert socket.close_code == 1012
        await stopping
        async with http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON]) as socket:
            assert (await connect(socket))["type"] == "reply"


def test_caddy_takes_its_configuration(tmp_path: Path) -> None:
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("Caddy isn't installed; its configuration is checked where it is.")
    command = [program, "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    checked = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert checked.returncode == 0, checked.stderr
