"""The real server under peers that break every rule: each is refused with its code, and the process stays well.

All of it against one process, and against four workers on one port over PostgreSQL and Redis.
"""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgpack
import pytest
from websockets.frames import Frame, Opcode

from liaison.protocol.limits import (
    AUTHENTICATION_TIMEOUT_MS,
    HANDSHAKE_TIMEOUT_MS,
    MAX_FRAME_BYTES,
    MAX_SESSIONS_PER_USER,
    MAX_UNAUTHENTICATED_FRAME_BYTES,
)
from liaison.protocol.names import SUBPROTOCOL_JSON
from tests.live_server import LiveServer
from tests.postgres_server import PostgresServer
from tests.security.raw_socket import RawPeer, raw_peer, upgrade_request
from tests.system.shared_stores import settings_of_workers

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

# What the whole file may cost the server: its sockets' buffers come and go, nothing else may stay.
MEMORY_BOUND_BYTES: Final = 64 * 1024 * 1024
TEN_MB: Final = 10 * 1024 * 1024


class Target:
    """The server under attack, and tokens that let somebody in, which all its processes know."""

    def __init__(self, server: LiveServer, tokens: Mapping[str, str]) -> None:
        self.server, self.tokens = server, tokens
        self.token = tokens["bot"]
        self.port = server.port
        self.memory_before = self.memory()

    def memory(self) -> int:
        """What the server and its workers have, in bytes."""
        return sum(_resident_bytes(process) for process in (str(self.server.pid), *self._children()))

    def serving(self) -> int:
        """How many processes serve sockets: the workers where there are some, else the server itself."""
        return len(self._children()) or 1

    def _children(self) -> list[str]:
        pid = self.server.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _resident_bytes(process: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


@contextmanager
def _target(folder: Path, settings: Mapping[str, str] = {}) -> Iterator[Target]:
    server = LiveServer(folder / "data", {**settings, "LIAISON_LIMITS__CONNECTS_PER_ADDRESS_PER_S": "0"})
    # Made before the start: a token of just now is known to one worker earlier than to another.
    tokens = {name: server.token(name, side, ["joint/general"]) for name, side in (("bot", "south"), ("many", "north"))}
    with server:
        yield Target(server, tokens)


@pytest.fixture(scope="module")
def one_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with _target(tmp_path_factory.mktemp("hostile")) as target:
        yield target


@pytest.fixture(scope="module")
def four_workers(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Target]:
    """Four processes on one port, over PostgreSQL and Redis."""
    with _target(tmp_path_factory.mktemp("workers"), settings_of_workers(postgres_server, 4)) as target:
        yield target


@pytest.fixture(scope="module", params=["one_node", "four_workers"])
def target(request: pytest.FixtureRequest) -> Target:
    target = request.getfixturevalue(request.param)
    assert isinstance(target, Target)
    return target


@pytest.fixture(autouse=True)
async def _stays_well(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    names = request.fixturenames
    targets = [request.getfixturevalue(name) for name in ("target", "one_node", "four_workers") if name in names]
    yield
    for target in targets:
        await _assert_well(target)


async def _assert_well(target: Target) -> None:
    began = time.monotonic()
    async with aiohttp.ClientSession() as http, http.get(f"{target.server.url}/livez") as response:
        assert response.status == 200
    assert time.monotonic() - began < 1
    assert target.memory() - target.memory_before < MEMORY_BOUND_BYTES


async def _signed_in(peer: RawPeer, target: Target) -> None:
    await peer.upgrade()
    peer.command("connect", token=target.token)
    _, payload = await peer.read_frame()
    assert msgpack.unpackb(payload)["type"] == "reply"


# ------------------------------------------------------------------------------------------------------------- frames


def _nested(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


# What one connection sends, before and after authentication, and the code it is closed with.
FRAMES: Final[dict[str, tuple[bytes, int]]] = {
    "unmasked": (Frame(Opcode.BINARY, b"\x80").serialize(mask=False), 1002),
    "a reserved opcode": (b"\x83\x80\0\0\0\0", 1002),
    "a reserved bit": (b"\xc2\x80\0\0\0\0", 1002),
    "text in a binary subprotocol": (Frame(Opcode.TEXT, b"{}").serialize(mask=True), 1003),
    "a continuation of nothing": (Frame(Opcode.CONT, b"x").serialize(mask=True), 1002),
    "a message inside a fragmented one": (
        Frame(Opcode.BINARY, b"x", fin=False).serialize(mask=True) + Frame(Opcode.BINARY, b"y").serialize(mask=True),
        1002,
    ),
    "a fragmented ping": (b"\x09\x80\0\0\0\0", 1002),
    "a ping of 126 bytes": (b"\x89\xfe\x00\x7e\0\0\0\0" + b"x" * 126, 1002),
    # No length may have its highest bit set; told as what it is as well, too much.
    "a length with its highest bit set": (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
    "a length of many terabytes": (b"\x82\xff\x00\x00\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
    "not msgpack": (Frame(Opcode.BINARY, b"\xc1").serialize(mask=True), 4500),
    "nothing": (Frame(Opcode.BINARY, b"").serialize(mask=True), 4500),
    "truncated": (Frame(Opcode.BINARY, b"\x83\xa4type").serialize(mask=True), 4500),
    "an array of a billion": (Frame(Opcode.BINARY, b"\xdd\x3b\x9a\xca\x00").serialize(mask=True), 4500),
    "deeply nested": (Frame(Opcode.BINARY, _nested(4000)).serialize(mask=True), 4500),
    "an id that is no number": (
        Frame(Opcode.BINARY, msgpack.packb({"type": "ping", "id": "1"})).serialize(mask=True),
        4500,
    ),
    "an id beyond what JavaScript counts": (
        Frame(Opcode.BINARY, msgpack.packb({"type": "ping", "id": 2**53})).serialize(mask=True),
        4500,
    ),
    "a close with half a code": (b"\x88\x81\0\0\0\0\x03", 1002),
    "a close with a code nobody may send": (Frame(Opcode.CLOSE, b"\x03\xed").serialize(mask=True), 1002),
    "more fragments than anybody honest sends": (
        Frame(Opcode.BINARY, b"", fin=False).serialize(mask=True)
        + Frame(Opcode.CONT, b"", fin=False).serialize(mask=True) * 300,
        1009,
    ),
    "more pings than anybody honest sends": (Frame(Opcode.PING, b"").serialize(mask=True) * 1_100, 4505),
}


@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "signed in"])
@pytest.mark.parametrize("name", FRAMES)
async def test_a_frame_that_breaks_a_rule_ends_its_connection_with_the_rules_code(
    name: str, signed_in: bool, target: Target
) -> None:
    data, code = FRAMES[name]
    async with raw_peer(target.port) as peer:
        if signed_in:
            await _signed_in(peer, target)
        else:
            await peer.upgrade()
        began = time.monotonic()
        peer.write(data)
        assert await peer.close_code() == code
        assert time.monotonic() - began < 1


async def test_a_frame_longer_than_allowed_is_refused_by_its_head_before_and_after_signing_in(target: Target) -> None:
    async with raw_peer(target.port) as peer:
        await peer.upgrade()
        peer.write(b"\x82\xfe" + (MAX_UNAUTHENTICATED_FRAME_BYTES + 1).to_bytes(2, "big") + b"\0\0\0\0")
        assert await peer.close_code() == 1009
    async with raw_peer(target.port) as peer:
        await _signed_in(peer, target)
        peer.write(b"\x82\xff" + (MAX_FRAME_BYTES + 1).to_bytes(8, "big") + b"\0\0\0\0")
        assert await peer.close_code() == 1009


async def test_a_long_frame_in_one_go_with_connect_comes_too_early_and_a_short_one_does_not(target: Target) -> None:
    connect = {"type": "connect", "id": 1, "token": target.token}
    history = {"type": "history", "id": 2, "channel": "joint/general"}
    async with raw_peer(target.port) as peer:
        await peer.upgrade()
        frames = [Frame(Opcode.BINARY, msgpack.packb(command)).serialize(mask=True) for command in (connect, history)]
        peer.write(b"".join(frames))
        answers = [msgpack.unpackb((await peer.read_frame())[1]) for _ in range(2)]
        assert [(answer["type"], answer["id"]) for answer in answers] == [("reply", 1), ("reply", 2)]
    async with raw_peer(target.port) as peer:
        await peer.upgrade()
        long = Frame(Opcode.BINARY, b"x" * (MAX_UNAUTHENTICATED_FRAME_BYTES + 1)).serialize(mask=True)
        peer.write(frames[0] + long)
        assert await peer.close_code() == 1009


async def test_fragments_that_add_up_to_more_than_allowed_are_refused_as_well(target: Target) -> None:
    async with raw_peer(target.port) as peer:
        await _signed_in(peer, target)
        peer.frame(Opcode.BINARY, b"x" * 40_000, fin=False)
        peer.frame(Opcode.CONT, b"x" * 40_000, fin=False)
        assert await peer.close_code() == 1009


def _json(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"{", 4500), (b"\xff\xfe", 1007), (b"null", 4500), (_json(1_900), 4500), (b'{"type":"ping","id":1e400}', 4500)],
)
async def test_text_that_is_no_command_ends_a_json_connection(payload: bytes, code: int, target: Target) -> None:
    async with raw_peer(target.port) as peer:
        await peer.upgrade(subprotocol=SUBPROTOCOL_JSON)
        peer.frame(Opcode.TEXT, payload)
        assert await peer.close_code() == code


WRONG_FIELDS: Final[tuple[dict[str, Any], ...]] = (
    {"channel": 7},
    {"channel": None},
    {"channel": ["joint/general"]},
    {"channel": "joint/general", "surprise": 1},
    {"channel": "x" * 161},
    {"channel": "joint/general", "tail": -1},
    {"channel": "joint/general", "tail": 2**63},
    {"channel": "joint/general", "position": {"epoch": 1}},
    {"channel": "joint/general", "position": {"epoch": -1, "seq": 0}},
    {"channel": "joint/general", "tail": True},
    {"channel": "joint/general", "tail": 1.5},
)


async def test_a_command_with_wrong_fields_is_refused_as_invalid_and_the_connection_stays(target: Target) -> None:
    async with raw_peer(target.port) as peer:
        await _signed_in(peer, target)
        for fields in WRONG_FIELDS:
            peer.command("subscribe", **fields)
            _, payload = await peer.read_frame()
            answer = msgpack.unpackb(payload)
            assert (answer["type"], answer["name"]) == ("error", "invalid"), fields
        peer.command("ping")
        assert msgpack.unpackb((await peer.read_frame())[1])["type"] == "reply"


# ---------------------------------------------------------------------------------------------------- before signing in


@pytest.mark.parametrize("token", ["", "l", "lsn_", "lsn_" + "A" * 43, "lsn_" + "A" * 42, "\0" * 47, "x" * 256])
async def test_a_token_that_is_none_ends_the_connection(token: str, target: Target) -> None:
    async with raw_peer(target.port) as peer:
        await peer.upgrade()
        peer.command("connect", token=token)
        assert await peer.close_code() == 4501


@pytest.mark.parametrize("token", [None, 7, [], {}, b"lsn_", True, "x" * 257])
async def test_a_token_of_another_type_or_length_ends_the_connection(token: object, target: Target) -> None:
    async with raw_peer(target.port) as peer:
        await peer.upgrade()
        peer.command("connect", token=token)
        assert await peer.close_code() == 4501


async def test_a_flood_of_commands_before_signing_in_is_cut_off_by_its_first_one(target: Target) -> None:
    async with raw_peer(target.port) as peer:
        await peer.upgrade()
        peer.write(Frame(Opcode.BINARY, msgpack.packb({"type": "publish", "id": 1})).serialize(mask=True) * 50_000)
        assert await peer.close_code() in (4501, None)


async def test_a_flood_of_commands_after_signing_in_is_slowed_down_and_then_cut_off(target: Target) -> None:
    async with raw_peer(target.port) as peer:
        await _signed_in(peer, target)
        flood = Frame(Opcode.BINARY, msgpack.packb({"type": "ping", "id": 1})).serialize(mask=True) * 3_000
        reading = asyncio.ensure_future(peer.close_code())
        for _ in range(20):
            peer.write(flood)
            await asyncio.sleep(0.02)
            if reading.done():
                break
        assert await reading in (4505, None)


async def test_a_user_has_at_most_so_many_sockets_and_the_next_one_is_refused(target: Target) -> None:
    token, most = target.tokens["many"], MAX_SESSIONS_PER_USER
    peers: list[RawPeer] = []
    refusal = None
    try:
        # Each process counts its own, and the kernel chooses to which of them a socket goes.
        while refusal is None and len(peers) <= target.serving() * most:
            peer = RawPeer(*await asyncio.open_connection("127.0.0.1", target.port))
            peers.append(peer)
            await peer.upgrade()
            peer.command("connect", token=token)
            answer = msgpack.unpackb((await peer.read_frame())[1])
            if answer["type"] != "reply":
                assert answer["name"] == "too_many_sessions"
                refusal = await peer.close_code()
        assert refusal == 4504
        assert most < len(peers) <= target.serving() * most + 1
    finally:
        for peer in peers:
            peer.writer.transport.abort()


async def test_peers_that_never_finish_are_dropped_within_their_time_limits(
    one_node: Target, four_workers: Target
) -> None:
    """All at once, because each waits for its limit."""
    await asyncio.gather(_drops_the_unfinished(one_node), _drops_the_unfinished(four_workers))


async def _drops_the_unfinished(target: Target) -> None:
    async def time_to_end(begin: Callable[[RawPeer], Any], trickle: bytes = b"") -> float:
        async with raw_peer(target.port) as peer:
            began = time.monotonic()
            begun = begin(peer)
            if begun is not None:
                await begun
            reading = asyncio.ensure_future(peer.rest())
            while not reading.done() and time.monotonic() - began < 25:
                await asyncio.wait({reading}, timeout=0.5)
                if trickle and not reading.done():
                    peer.write(trickle)
            assert reading.done(), "never dropped"
            await reading
            return time.monotonic() - began

    body_head = (
        b"POST /api/v1/channels/joint/general/messages HTTP/1.1\r\nHost: localhost\r\n"
        b"Authorization: Bearer " + target.token.encode() + b"\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n"
    )
    handshake_s, margin_s = HANDSHAKE_TIMEOUT_MS / 1000, 2.0
    silent, half, slow_head, slow_body, no_connect = await asyncio.gather(
        time_to_end(lambda peer: None),
        time_to_end(lambda peer: peer.write(upgrade_request()[:-2])),
        time_to_end(lambda peer: peer.write(b"GET /api/v1/me HTTP/1.1\r\n"), trickle=b"X-A: b\r\n"),
        time_to_end(lambda peer: peer.write(body_head), trickle=b" "),
        time_to_end(lambda peer: peer.upgrade()),
    )
    for taken in (silent, half, slow_head):
        assert handshake_s - 0.5 <= taken <= handshake_s + margin_s
    # A refusal is written, and read on for two seconds more.
    assert slow_body <= handshake_s + 2 + margin_s
    assert AUTHENTICATION_TIMEOUT_MS / 1000 - 0.1 <= no_connect <= AUTHENTICATION_TIMEOUT_MS / 1000 + margin_s + 2


# --------------------------------------------------------------------------------------------------------------- HTTP


def _fields(size: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    long = "x" * size
    message = "/api/v1/channels/joint/general/messages"
    yield "POST", "/api/v1/login", {"user": long, "password": "p"}
    yield "POST", "/api/v1/login", {"user": "south-1", "password": long}
    yield "POST", "/api/v1/login", {"user": "south-1", "password": "p", "code": long}
    yield "POST", message, {"text": long, "key": "k"}
    yield "POST", message, {"text": "t", "key": long}
    yield "POST", message, {"text": "t", "key": "k", "mentions": [long]}
    yield "POST", f"{message}/1/corrections", {"text": long, "key": "k"}
    yield "POST", f"{message}/1/withdrawal", {"key": long}
    yield "POST", f"{message}/1/reactions", {"key": "k", "reaction": long}


async def test_every_field_of_every_body_is_refused_at_ten_megabytes_and_just_above_its_limit(target: Target) -> None:
    headers = {"Authorization": f"Bearer {target.token}"}
    for size, statuses in ((TEN_MB, {413}), (20_000, {400, 413})):
        for method, path, body in _fields(size):
            began = time.monotonic()
            # One connection each: after a refusal in the middle of a body it is not used again.
            async with aiohttp.ClientSession(target.server.url, headers=headers) as http:
                try:
                    data = io.BytesIO(json.dumps(body).encode())
                    as_json = {"Content-Type": "application/json"}
                    async with http.request(method, path, data=data, headers=as_json) as response:
                        assert response.status in statuses, (path, size, await response.text())
                except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                    assert size == TEN_MB, (path, size)
            assert time.monotonic() - began < 5


async def _exchange(target: Target, request: bytes) -> bytes:
    async with raw_peer(target.port) as peer:
        peer.write(request)
        return await asyncio.wait_for(peer.reader.read(65536), 5)


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eDp5\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + b"x" * 300 + b"\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nCookie: liaison_session=\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nCookie: liaison_session=\xf0\x28\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_credentials_that_are_none_are_401(request_head: bytes, target: Target) -> None:
    assert (await _exchange(target, request_head)).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\x00\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET /api/v1/me HTTP/9.9\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_and_nothing_of_ours_is_told(request_head: bytes, target: Target) -> None:
    answer = await _exchange(target, request_head)
    assert answer == b"" or answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400", b"HTTP/1.1 431", b"HTTP/1.1 414"))
    assert b"Traceback" not in answer
    assert b"aiohttp" not in answer.lower()


async def test_a_line_break_in_what_a_client_names_gets_into_no_header(target: Target) -> None:
    path = b"/api/v1/channels/joint/x%0d%0aSet-Cookie:%20evil=1/messages"
    answer = await _exchange(
        target,
        b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + target.token.encode() + b"\r\n\r\n",
    )
    head, _, _ = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"evil" not in head


async def test_no_token_and_no_password_ever_gets_into_the_journal(target: Target) -> None:
    wrong, password = "lsn_" + "Wrong" * 8 + "abc", "a-password-nobody-may-read"
    async with aiohttp.ClientSession(target.server.url) as http:
        for token in (wrong, target.token):
            for path in ("/api/v1/me", "/api/v1/nothing", f"/api/v1/{token}", f"/api/v1/search?q=x&{token}=1"):
                async with http.get(path, headers={"Authorization": f"Bearer {token}"}) as response:
                    await response.read()
        async with http.post(
            "/api/v1/login", json={"user": "south-1", "password": password}, headers={"Origin": target.server.url}
        ) as response:
            assert response.status == 401
        async with http.post(
            "/api/v1/login", json={"user": password, "password": password}, headers={"Origin": target.server.url}
        ) as response:
            assert response.status == 401
    for command in ({"type": target.token, "id": 1}, {"type": "ping", "id": 1, target.token: 1}, {"type": wrong}):
        async with raw_peer(target.port) as peer:
            await _signed_in(peer, target)
            peer.frame(Opcode.BINARY, msgpack.packb(command))
            await asyncio.sleep(0.05)
    journal = target.server.journal.read_text()
    assert journal, "the journal was not captured"
    for line in journal.splitlines():
        json.loads(line)
    for secret in (wrong, target.token, password, target.server.password_of("south-1")):
        assert secret not in journal
