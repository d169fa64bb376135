import aiohttp
import msgspec
import pytest

from liaison.protocol.close_codes import CloseCode
from liaison.protocol.limits import MAX_UNAUTHENTICATED_FRAME_BYTES
from liaison.protocol.names import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, WEBSOCKET_PATH
from tests.edges.conftest import ORIGIN, PASSWORD, Node, Site

CONNECT = '{"type":"connect","id":1}'
UPGRADE = {
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": SUBPROTOCOL_JSON,
}


async def cookie_of(http: aiohttp.ClientSession, user: str) -> dict[str, str]:
    """Sign in as a browser would, and give the header that its next requests carry."""
    body = {"user": user, "password": PASSWORD}
    async with http.post("/api/v1/login", json=body, headers={"Origin": ORIGIN}) as response:
        assert response.status == 200
        return {"Cookie": f"liaison_session={response.cookies['liaison_session'].value}"}


async def test_a_browser_connects_by_its_cookie_from_an_allowed_origin(site: Site, http: aiohttp.ClientSession) -> None:
    headers = {**await cookie_of(http, "south-1"), "Origin": ORIGIN}
    async with http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON], headers=headers) as socket:
        await socket.send_str(CONNECT)
        assert (await socket.receive_json())["user"] == "south-1"


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test",
        "null",
        "",
        "https://liaison.test:8000",
        "http://liaison.test",
        "http://liaison.test:80000",
        "http://liaison.test:8000.evil.test",
        "http://evil.test#http://liaison.test:8000",
        "http://LIAISON.test:8000",
        "http://liaison.test:8000/",
        " http://liaison.test:8000, http://evil.test",
    ],
)
async def test_a_foreign_origin_is_refused_before_the_upgrade(
    site: Site, http: aiohttp.ClientSession, origin: str
) -> None:
    headers = {**UPGRADE, **await cookie_of(http, "south-1"), "Origin": origin}
    async with http.get(WEBSOCKET_PATH, headers=headers) as response:
        assert response.status == 403
        assert (await response.json())["name"] == "origin_refused"


async def test_without_an_origin_a_cookie_counts_for_nothing_and_the_token_of_connect_does(
    site: Site, http: aiohttp.ClientSession
) -> None:
    cookie = await cookie_of(http, "south-1")
    async with http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON], headers=cookie) as socket:
        await socket.send_str(CONNECT)
        assert (await socket.receive_json())["name"] == "unauthenticated"
        assert (await socket.receive()).data == CloseCode.UNAUTHENTICATED
    async with http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_MSGPACK], headers=cookie) as socket:
        token = site.tokens["north-bot"]
        await socket.send_bytes(msgspec.msgpack.encode({"type": "connect", "id": 1, "token": token}))
        assert msgspec.msgpack.decode((await socket.receive()).data)["user"] == "north-bot"


async def test_the_first_subprotocol_that_is_spoken_is_taken_and_no_extension(
    site: Site, http: aiohttp.ClientSession
) -> None:
    offered = ["chat.v9", SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK]
    async with http.ws_connect(WEBSOCKET_PATH, protocols=offered, compress=15) as socket:
        assert socket.protocol == SUBPROTOCOL_JSON
        assert socket.compress == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sec-WebSocket-Protocol", "chat.v9"),
        ("Sec-WebSocket-Protocol", ""),
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Key", "dG9vIHNob3J0"),
        ("Sec-WebSocket-Key", "!"),
        ("Upgrade", "h2c"),
        ("Connection", "close"),
    ],
)
async def test_a_bad_handshake_is_answered_with_what_is_wrong(
    site: Site, http: aiohttp.ClientSession, name: str, value: str
) -> None:
    async with http.get(WEBSOCKET_PATH, headers={**UPGRADE, name: value}) as response:
        assert response.status == 400
        body = await response.json()
        assert body["name"] == "invalid"
        assert name in body["message"] or name in ("Upgrade", "Connection")


async def test_a_request_that_is_no_handshake_is_told_which_versions_are_spoken(
    site: Site, http: aiohttp.ClientSession
) -> None:
    async with http.get(WEBSOCKET_PATH) as response:
        assert response.status == 400
        assert (await response.json())["name"] == "invalid"
        assert response.headers["Sec-WebSocket-Protocol"].split(", ") == [SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON]


async def test_frames_that_come_behind_the_upgrade_request_are_read(site: Site) -> None:
    import asyncio

    from websockets.frames import Opcode

    from tests.edges.echo import Peer, masked

    peer = Peer(*await asyncio.open_connection("127.0.0.1", site.port))
    head = "".join(f"{name}: {value}\r\n" for name, value in {**UPGRADE, **site.bearer("south-bot")}.items())
    request = f"GET {WEBSOCKET_PATH} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode()
    peer.writer.write(request + masked(Opcode.TEXT, CONNECT.encode()))
    answer = await peer.reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    # The example of RFC 6455.
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert msgspec.json.decode((await peer.frame())[1])["user"] == "south-bot"
    peer.writer.transport.abort()


async def test_before_anybody_is_known_a_long_frame_ends_the_connection(
    site: Site, http: aiohttp.ClientSession
) -> None:
    async with http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON]) as socket:
        await socket.send_str(" " * (MAX_UNAUTHENTICATED_FRAME_BYTES + 1))
        assert (await socket.receive()).data == CloseCode.MESSAGE_TOO_BIG


async def test_deep_nesting_is_refused_and_the_process_stays_well(site: Site, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(
        WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON], headers=site.bearer("south-bot")
    ) as socket:
        await socket.send_str(CONNECT)
        await socket.receive()
        await socket.send_str("[" * 60_000)
        assert (await socket.receive_json())["name"] == "malformed"
        assert (await socket.receive()).data == CloseCode.MALFORMED
    async with http.get("/livez") as response:
        assert response.status == 200


async def test_aiohttp_keeps_nothing_of_a_connection_that_was_upgraded(node: Node, http: aiohttp.ClientSession) -> None:
    import asyncio
    import gc

    from aiohttp import web_protocol

    sockets = [
        await http.ws_connect(WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON], headers=node.bearer("south-bot"))
        for _ in range(5)
    ]
    for socket in sockets:
        await socket.send_str(CONNECT)
        await socket.receive()
    await asyncio.sleep(0)
    gc.collect()
    handlers = [o for o in gc.get_objects() if isinstance(o, web_protocol.RequestHandler) and o.transport is None]
    assert handlers == []
    assert not [task for task in asyncio.all_tasks() if "RequestHandler.start" in repr(task)]
    for socket in sockets:
        await socket.close()


async def test_leaving_the_server_closes_sockets_with_restart(node: Node, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(
        WEBSOCKET_PATH, protocols=[SUBPROTOCOL_JSON], headers=node.bearer("south-bot")
    ) as socket:
        await socket.send_str(CONNECT)
        await socket.receive()
        await node.office.drain()
        assert (await socket.receive_json())["type"] == "go_away"
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.data == CloseCode.SERVICE_RESTART
    async with http.get(WEBSOCKET_PATH, headers=UPGRADE) as response:
        assert response.status == 503
        assert (await response.json())["name"] == "draining"
