import datetime as dt
import random
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from liaison.edges.metrics import Metrics
from liaison.edges.server import EdgeServer, listen
from liaison.edges.settings import EdgeSettings
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.names import SUBPROTOCOL_JSON, WEBSOCKET_PATH
from tests.edges.conftest import Node, make_office, seed

CONNECT = '{"type":"connect","id":1}'


def server_context(directory: Path) -> ssl.SSLContext:
    """A certificate of our own for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain = directory / "chain.pem"
    chain.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    return context


@pytest.fixture
async def node(settings: EdgeSettings, tmp_path: Path) -> AsyncIterator[Node]:
    metrics = Metrics()
    office = make_office(metrics)
    server = EdgeServer(office, replace(settings, uses_tls=True), metrics, random.Random(3))
    listener = listen("127.0.0.1", 0)
    node = Node(listener.getsockname()[1], office=office, server=server, metrics=metrics)
    async with office.running():
        await seed(node)
        async with server.serving([listener], tls=server_context(tmp_path)):
            yield node


async def test_sockets_and_streams_are_taken_over_below_tls_too(node: Node) -> None:
    url = f"https://127.0.0.1:{node.port}"
    headers = node.bearer("south-bot")
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(url, connector=connector) as http:
        async with http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON], headers=headers) as socket:
            await socket.send_str(CONNECT)
            assert (await socket.receive_json())["user"] == "south-bot"
            await socket.send_str("no JSON")
            assert (await socket.receive_json())["name"] == "malformed"
            assert (await socket.receive()).data == CloseCode.MALFORMED
        async with http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON], headers=headers) as socket:
            await socket.send_bytes(b"the wrong kind")
            assert (await socket.receive()).data == CloseCode.UNSUPPORTED_DATA
        body = {"text": "hello", "key": "k1"}
        async with http.post("/api/v1/channels/joint/general/messages", json=body, headers=headers) as response:
            assert response.status == 201
        async with http.get("/api/v1/stream?channel=joint/general&tail=1", headers=headers) as response:
            assert await response.content.readline() == b"id: 1:1\n"
