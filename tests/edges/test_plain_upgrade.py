"""An upgrade that comes whole is read without aiohttp, and answered as aiohttp's reading of it is."""

import asyncio
import itertools

import pytest
from aiohttp import web_protocol
from websockets.frames import Opcode

from liaison.edges.request_head import read_plain_upgrade
from liaison.protocol.names import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, WEBSOCKET_PATH
from tests.edges.conftest import ORIGIN, Node, Site
from tests.edges.echo import masked

FIRST = f"GET {WEBSOCKET_PATH} HTTP/1.1"
PLAIN = {
    "Host": "liaison.test:8000",
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": SUBPROTOCOL_JSON,
}


def head(first: str = FIRST, *more: str, **changed: str | None) -> bytes:
    """Give a request's head, with lines of its own; a header that is None is left out."""
    fields = PLAIN | {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [first, *(f"{name}: {value}" for name, value in fields.items() if value is not None), *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


BROWSER = head(
    FIRST,
    "Pragma: no-cache",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: ko-KR,ko;q=0.9",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    Origin=ORIGIN,
)
READ_HERE = {
    "as an SDK writes it": head(),
    "as a browser does": BROWSER,
    "with a cookie": head(FIRST, "Cookie: liaison_session=lsn_abc-DEF_123", f"Origin: {ORIGIN}"),
    "with a bearer token": head(FIRST, "Authorization: Bearer lsn_no"),
    "through a proxy": head(FIRST, "X-Forwarded-For: 192.0.2.1, 198.51.100.7", "X-Forwarded-Proto: https"),
    "with names in small letters": head().replace(b"Sec-WebSocket", b"sec-websocket").replace(b"Host", b"host"),
    "forbidden to its origin": head(FIRST, "Cookie: liaison_session=x", "Origin: http://evil.test"),
    "refused for its key": head(Sec_WebSocket_Key="dG9vIHNob3J0"),
    "refused for its version": head(Sec_WebSocket_Version="8"),
    "refused for its subprotocol": head(Sec_WebSocket_Protocol="chat.v9"),
    "refused for another upgrade": head(Upgrade="h2c"),
    "refused for what connection says": head(Connection="close"),
    "unknown by its scheme": head(FIRST, "Authorization: Basic eDp5"),
    "no upgrade at all": head(Upgrade=None, Connection="keep-alive"),
}
READ_BY_AIOHTTP = {
    "another method": head(f"POST {WEBSOCKET_PATH} HTTP/1.1"),
    "another path": head("GET /livez HTTP/1.1"),
    "a query": head(f"GET {WEBSOCKET_PATH}?x=1 HTTP/1.1"),
    "a whole URL": head(f"GET http://liaison.test{WEBSOCKET_PATH} HTTP/1.1"),
    "a path that has to be decoded": head(FIRST.replace("socket", "s%6Fcket")),
    "another version of HTTP": head(f"GET {WEBSOCKET_PATH} HTTP/1.0"),
    "no host": head(Host=None),
    "a body": head(FIRST, "Content-Length: 5") + b"01234",
    "a body in chunks": head(FIRST, "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "an expectation": head(FIRST, "Expect: 100-continue"),
    "two keys": head(FIRST, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
    "two origins": head(FIRST, f"Origin: {ORIGIN}", "origin: http://evil.test"),
    "two hosts": head(FIRST, "host: evil.test"),
    "two cookies": head(FIRST, "Cookie: a=b; liaison_session=lsn_abc"),
    "a cookie in quotes": head(FIRST, 'Cookie: liaison_session="lsn_abc"'),
    "an empty value": head(Sec_WebSocket_Protocol=""),
    "a space before the colon": head(FIRST, "Origin : http://evil.test"),
    "a folded line": head(FIRST, "X-Long: a", " b"),
    "a tab": head(FIRST, "X-Tab: a\tb"),
    "a bare line feed": head(FIRST, "X-A: b\nOrigin: http://evil.test"),
    "a zero": head(FIRST, "X-A: b\0"),
    "a byte beyond ASCII": head(FIRST, "X-A: \xe9"),
    "line feeds alone": head().replace(b"\r\n", b"\n"),
    "spaces around": head(FIRST, "X-A:  b "),
    "a line before": b"\r\n" + head(),
    "too long": head(FIRST, "X-A: " + "a" * 8190),
}


@pytest.mark.parametrize("request_head", READ_HERE.values(), ids=READ_HERE)
def test_what_nearly_everybody_sends_is_read_with_what_comes_behind_it(request_head: bytes) -> None:
    read = read_plain_upgrade(request_head + b"behind", "192.0.2.7")
    assert read is not None
    request, behind = read
    assert behind == b"behind"
    assert request.remote == "192.0.2.7"
    lines = request_head.decode().split("\r\n")[1:-2]
    assert [f"{name}: {value}" for name, value in request.headers.items()] == lines


@pytest.mark.parametrize("request_head", READ_BY_AIOHTTP.values(), ids=READ_BY_AIOHTTP)
def test_whatever_is_written_otherwise_is_left_to_aiohttp(request_head: bytes) -> None:
    assert read_plain_upgrade(request_head, "192.0.2.7") is None


def test_a_head_that_is_not_whole_is_left_to_aiohttp() -> None:
    assert [end for end in range(len(BROWSER)) if read_plain_upgrade(BROWSER[:end], None)] == []


async def test_whole_or_in_two_pieces_a_request_gets_the_same_answer(site: Site) -> None:
    for name, request_head in READ_HERE.items():
        # In two, it is aiohttp's whatever it is.
        whole, halved = [await _answer(site.port, pieces) for pieces in ([request_head], [b"G", request_head[1:]])]
        assert whole == halved, name
        assert whole.startswith(b"HTTP/1.1 400 " if name.startswith("refused for its ") else b"HTTP/1.1 "), name


async def test_no_byte_of_a_plain_upgrade_can_be_another_one_and_make_a_difference(site: Site) -> None:
    request = head(FIRST, f"Origin: {ORIGIN}")
    for at, other in itertools.product(range(3, len(request), 11), (0x00, 0x0A, 0x20, 0x3A, 0xFF)):
        changed = request[:at] + bytes((other,)) + request[at + 1 :]
        if read_plain_upgrade(changed, None) is not None:
            assert await _answer(site.port, [changed]) == await _answer(site.port, [b"G", changed[1:]]), changed


async def test_a_plain_upgrade_makes_no_handler_of_aiohttp(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    init = web_protocol.RequestHandler.__init__

    def counted(self: web_protocol.RequestHandler, *args: object, **kwargs: object) -> None:
        made.append(self)
        init(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(web_protocol.RequestHandler, "__init__", counted)
    assert (await _answer(node.port, [head()])).startswith(b"HTTP/1.1 101 ")
    assert made == []
    assert (await _answer(node.port, [head(FIRST, "X-A:  b")])).startswith(b"HTTP/1.1 101 ")
    assert len(made) == 1


async def _answer(port: int, pieces: list[bytes]) -> bytes:
    """Give the head of the answer and, of a refusal, the error's name; of an upgrade, what a command is told."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"\r\n\r\n")
            status, *fields = answer.split(b"\r\n")
            kept = [field for field in fields if not field.startswith((b"Date: ", b"Content-Length: "))]
            if status.startswith(b"HTTP/1.1 101 "):
                kind = Opcode.BINARY if SUBPROTOCOL_MSGPACK.encode() in answer else Opcode.TEXT
                writer.write(masked(kind, b'{"type":"connect","id":1}'))
                told = await reader.readuntil(b'"message"')
            else:
                told = (await reader.readuntil(b'"message"')).partition(b'"code"')[2]
            return b"\n".join((status, *kept, told))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        return error.partial[:64] if isinstance(error, asyncio.IncompleteReadError) else b""
    finally:
        writer.transport.abort()
