"""A TCP proxy that misbehaves on demand: delays, stalls, refuses, resets, and loses the reply to a COMMIT.

It runs in a thread of its own, so that it goes on while the test's event loop blocks; every method may be called from
any thread, and has taken effect when it returns.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self, TypeVar

T = TypeVar("T")

_CHUNK_BYTES: Final = 64 << 10
_TIMEOUT_S: Final = 10.0
# What a client of PostgreSQL may ask before it begins: encryption, by TLS or by GSSAPI. The answer is a single byte.
_ENCRYPTION_REQUESTS: Final = (struct.pack("!ii", 8, 80877103), struct.pack("!ii", 8, 80877104))
_COMMITTED: Final = b"COMMIT\0"


class TcpProxy:
    """Passes connections to its port of loopback on to `target`. `with` opens and closes it.

    With `is_postgres` it follows PostgreSQL's messages (unencrypted ones), which `lose_commit_replies` needs.
    """

    def __init__(self, target_port: int, *, target_host: str = "127.0.0.1", is_postgres: bool = False) -> None:
        self.port = 0
        self._target: Final = target_host, target_port
        self._is_postgres: Final = is_postgres
        self._delay_s = 0.0
        self._refuses = False
        self._to_lose = 0
        self._lost = threading.Semaphore(0)
        self._links: set[_Link] = set()
        self._loop: Final = asyncio.new_event_loop()
        self._thread: Final = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._flowing: asyncio.Event
        self._server: asyncio.Server

    # ------------------------------------------------------------------------------------------------------- weather

    def delay(self, seconds: float) -> None:
        """Hold whatever arrives from now on back for so long, in either direction; 0 ends it."""
        self._do(lambda: setattr(self, "_delay_s", seconds))

    def stall(self) -> None:
        """Let nothing through, while every connection stays open."""
        self._do(self._flowing.clear)

    def flow(self) -> None:
        """End a stall: what was held back arrives."""
        self._do(self._flowing.set)

    def refuse(self) -> None:
        """Reset every new connection at once."""
        self._do(lambda: setattr(self, "_refuses", True))

    def accept(self) -> None:
        """Let new connections in again."""
        self._do(lambda: setattr(self, "_refuses", False))

    def reset(self) -> int:
        """Break all connections off, on both sides; give how many there were."""

        def work() -> int:
            links = list(self._links)
            for link in links:
                link.reset()
            return len(links)

        return self._do(work)

    def lose_commit_replies(self, count: int = 1) -> None:
        """Lose the next replies that say COMMIT, each with its connection: committed, and nobody hears of it."""
        assert self._is_postgres, "only with is_postgres"
        self._do(lambda: setattr(self, "_to_lose", count))

    def wait_for_lost_reply(self, timeout_s: float = _TIMEOUT_S) -> bool:
        """Wait until a reply was lost that nobody has waited for yet; blocking. False when none was in time."""
        return self._lost.acquire(timeout=timeout_s)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return self._do(lambda: len(self._links))

    # ---------------------------------------------------------------------------------------------------- life cycle

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_TIMEOUT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_TIMEOUT_S)
        self._loop.close()

    async def _open(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_CHUNK_BYTES)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        is_whole = False
        if self._refuses:
            link.reset()
            return
        self._links.add(link)
        try:
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(*self._target, limit=_CHUNK_BYTES)
                link.add(far_writer)
                await self._pass_on((reader, writer), (far_reader, far_writer))
                is_whole = True
        except asyncio.CancelledError:
            pass  # The proxy closes.
        finally:
            if is_whole:
                link.close()
            else:
                link.reset()
            self._links.discard(link)

    async def _pass_on(self, near: "_End", far: "_End") -> None:
        """Pass on until both sides have ended; OSError when one is broken off."""
        replies = _Replies() if self._is_postgres else None
        up = asyncio.ensure_future(self._pump(near[0], far[1], replies.ask if replies else None))
        down = asyncio.ensure_future(self._pump(far[0], near[1], self._scanner(replies) if replies else None))
        try:
            for pump in asyncio.as_completed((up, down)):
                await pump
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, filter_: "_Filter | None"
    ) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._flowing.wait()
            passed = filter_(data) if filter_ else data
            if passed is None:
                raise ConnectionAbortedError
            writer.write(passed)
            await writer.drain()
        writer.write_eof()

    def _scanner(self, replies: "_Replies") -> "_Filter":
        def scan(data: bytes) -> bytes | None:
            passed, committed = replies.answer(data, stop_at_commit=self._to_lose > 0)
            if not committed:
                return passed
            self._to_lose -= 1
            self._lost.release()
            return None

        return scan

    def _do(self, work: Callable[[], T]) -> T:
        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_TIMEOUT_S)


# What may be passed on of some bytes; None ends the connection.
_Filter = Callable[[bytes], bytes | None]
_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection: the sockets of its two ends."""

    def __init__(self, near: asyncio.StreamWriter) -> None:
        self._writers = [near]

    def add(self, far: asyncio.StreamWriter) -> None:
        self._writers.append(far)

    def close(self) -> None:
        """End it in good order."""
        for writer in self._writers:
            writer.close()

    def reset(self) -> None:
        """Break it off without a goodbye (RST); idempotent."""
        for writer in self._writers:
            handle = writer.get_extra_info("socket")
            if handle is not None and not writer.transport.is_closing():
                with suppress(OSError):
                    handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class _Replies:
    """Follows what a PostgreSQL server says: messages of a type byte, a length that counts itself, and a body."""

    def __init__(self) -> None:
        self._single_bytes = 0
        self._has_begun = False
        self._rest = b""

    def ask(self, data: bytes) -> bytes:
        """Look at what the client says; before it begins it may ask for encryption."""
        if not self._has_begun:
            while data[:8] in _ENCRYPTION_REQUESTS:
                self._single_bytes += 1
                return data
            self._has_begun = True
        return data

    def answer(self, data: bytes, *, stop_at_commit: bool) -> tuple[bytes, bool]:
        """Give what may be passed on, whole messages only, and whether it was cut before a reply that says COMMIT."""
        data = self._rest + data
        start = 0
        while self._single_bytes and start < len(data):
            assert data[start : start + 1] == b"N", "the proxy can't look into encrypted connections"
            self._single_bytes -= 1
            start += 1
        while start + 5 <= len(data):
            end = start + 1 + int.from_bytes(data[start + 1 : start + 5], "big")
            if end > len(data):
                break
            if stop_at_commit and data[start : start + 1] == b"C" and data[start + 5 : end] == _COMMITTED:
                return data[:start], True
            start = end
        self._rest = data[start:]
        return data[:start], False
