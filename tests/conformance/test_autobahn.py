"""The Autobahn cases against an echo on exactly the code that serves: upgrade, handover, frames. (PROTOCOL.md §12)

Compression (12 and 13) is left out because none is ever agreed to. Limits that our own messages keep well below, of
size, fragments and pings, are raised: the cases test WebSocket and not our limits, which have tests of their own.
"""

import logging
import random
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import kosoku
import pytest
from aiohttp import web

from liaison.adapters.system_clock import SystemClock
from liaison.edges.coalescing import ConnectionGroup
from liaison.edges.handover import take_transport
from liaison.edges.server import listen
from liaison.edges.socket_protocol import SocketLimits, SocketProtocol
from liaison.edges.timer_wheel import TimerWheel
from liaison.edges.websocket import accept_value, switching_protocols
from liaison.protocol.codec import websocket_frame

# A server has a second to end each connection: beside other tests' load the machine alone may take that.
pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(240)]

_ANY_NUMBER: Final = 1 << 30
_CASE_BYTES: Final = 16 * 1024 * 1024
_COMPRESSION: Final = ("12.*", "13.*")
# Neither says that a peer is wrong: NON-STRICT is a fault found later than it could be, INFORMATIONAL is left open by
# the RFC. Each of them is explained in PROTOCOL.md §12.
_PASSED: Final = frozenset({"OK", "INFORMATIONAL"})
_EXPLAINED: Final[Mapping[str, str]] = {
    # Three ways of finding invalid UTF-8 before the message is complete. We look at whole messages: both our
    # subprotocols decode only those, and looking twice at each byte would slow down everybody honest.
    "6.4.1": "NON-STRICT",
    "6.4.2": "NON-STRICT",
    "6.4.3": "NON-STRICT",
    "6.4.4": "NON-STRICT",
}
# Messages of 8 and 16 MiB are echoed whole. That so much then waits for one client is more than we hold for anybody, so
# the connection ends with 4001 (slow) instead of waiting for the client's close.
_EXPLAINED_CLOSES: Final[Mapping[str, str]] = dict.fromkeys(("9.1.5", "9.1.6", "9.2.5", "9.2.6"), "WRONG CODE")


class _Latest(random.Random):
    """Puts the first ping as late as can be: whatever frame comes while a case runs counts as the server's answer."""

    def random(self) -> float:
        return 1 - sys.float_info.epsilon


class _Echo:
    """Sends every message back as it came."""

    max_frame_bytes = _CASE_BYTES
    party = ("", "")

    def __init__(self, socket: SocketProtocol) -> None:
        self._socket = socket

    def receive(self, payload: bytes, *, is_text: bool) -> None:
        self._socket.send(websocket_frame(payload, first_byte=0x81 if is_text else 0x82))

    def on_writable(self) -> None: ...

    def on_closed(self, cause: str) -> None: ...


@asynccontextmanager
async def _echo_server() -> AsyncIterator[int]:
    wheel = TimerWheel(SystemClock())
    group = ConnectionGroup(wheel, _Latest())
    limits = SocketLimits(None, max_fragments=_ANY_NUMBER, max_control_frames=_ANY_NUMBER)

    async def upgrade(request: web.Request) -> web.StreamResponse:
        accept = accept_value(request)
        assert request.transport is not None
        socket = SocketProtocol(request.transport, group, limits)
        _, first_bytes = take_transport(request, switching_protocols(accept, ""))
        socket.begin(_Echo(socket), first_bytes)
        return web.Response()

    app = web.Application()
    app.router.add_get("/", upgrade)
    runner = web.AppRunner(app, access_log=None, logger=logging.getLogger("conformance"))
    await runner.setup()
    listener = listen("127.0.0.1", 0)
    wheel.start()
    try:
        await web.SockSite(runner, listener).start()
        yield int(listener.getsockname()[1])
    finally:
        wheel.stop()
        await runner.cleanup()


async def _run_all(port: int) -> Sequence[Any]:
    try:
        results = await kosoku.run_fuzzingclient(
            f"ws://127.0.0.1:{port}/", exclude_cases=list(_COMPRESSION), concurrency=4
        )
    except kosoku.FailureError as error:
        results = error.results
    assert len(results) >= 300
    return results


def _unexplained(results: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    return {
        result.case_id: (result.behavior.value, result.behavior_close.value, result.result, result.result_close)
        for result in results
        if (result.behavior.value not in _PASSED and _EXPLAINED.get(result.case_id) != result.behavior.value)
        or result.behavior_close.value not in {*_PASSED, _EXPLAINED_CLOSES.get(result.case_id)}
    }


async def test_every_autobahn_case_passes_or_is_explained() -> None:
    async with _echo_server() as port:
        results = await _run_all(port)
    assert not _unexplained(results)
    found = {result.case_id: result.behavior.value for result in results}
    # An explanation that is no longer needed is a lie in the making.
    assert {case: found[case] for case in _EXPLAINED} == dict(_EXPLAINED)
    counts = {value: list(found.values()).count(value) for value in sorted(set(found.values()))}
    print("Autobahn:", counts, "of", len(results))
