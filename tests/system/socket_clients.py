"""Clients on real sockets that keep an outbox and a cursor, as the protocol wants it, and note everything they see."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.core.rights import Account, Role
from liaison.protocol.close_codes import may_reconnect
from liaison.protocol.names import SUBPROTOCOL_MSGPACK
from liaison.wiring import BackOffice
from tests.live_server import LiveServer
from tests.simulation.checker import FinalState, LogRow
from tests.simulation.history import History

CHANNEL: Final = "joint/general"
_LIFETIME_MS: Final = 3_600_000
# All sockets of these tests come from one address, and after a restart all come at once.
NO_PACE: Final = {"LIAISON_LIMITS__CONNECTS_PER_ADDRESS_PER_S": "0"}


class SocketClient:
    """One bot with one device. `on_ack` and `on_message` are called as things happen.

    One that isn't to read only writes: it sees its acknowledgements and nothing else, and costs little.
    """

    def __init__(self, user: str, token: str, url: str, history: History, *, reads: bool = True) -> None:
        self.user = user
        self.reads = reads
        self.cursor = 0
        self.epoch = 0
        self.outbox: dict[str, str] = {}
        self.pushes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.close_codes: list[int | None] = []
        self.errors: list[dict[str, Any]] = []
        self.on_ack: Callable[[], None] = lambda: None
        self.on_message: Callable[[dict[str, Any]], None] = lambda _message: None
        self.connected = asyncio.Event()
        self._token = token
        self._url = url
        self._history = history
        self._rng = random.Random(user)
        self._socket: ClientConnection | None = None
        self._publishes: dict[int, str] = {}
        self._may_publish_after = 0
        self._next_id = 0
        self._next_text = 0
        self._outgoing: list[bytes] = []
        self._wake = asyncio.Event()

    # --- what it does ---------------------------------------------------------------------------------------------

    def say(self, size_chars: int = 20) -> str:
        """Write something; it is in the outbox before it is sent. Gives its key."""
        self._next_text += 1
        key = f"{self.user}-{self._next_text}"
        self.outbox[key] = f"{key} {time.monotonic():.6f} " + "가" * size_chars
        self._note("send", key=key)
        if self.connected.is_set():
            self._publish(key)
        return key

    def stop_reading(self) -> None:
        """Take nothing more from the socket, and let the kernel's buffers fill."""
        assert self._socket is not None
        self._socket.transport.pause_reading()

    def read_on(self) -> None:
        assert self._socket is not None
        if not self._socket.transport.is_closing():
            self._socket.transport.resume_reading()

    # --- its life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected, until cancelled or told never to come back."""
        while True:
            with suppress(OSError, TimeoutError, InvalidHandshake, InvalidMessage):
                async with connect(
                    self._url,
                    subprotocols=[Subprotocol(SUBPROTOCOL_MSGPACK)],
                    compression=None,
                    # The test decides who reads when; the library must not stop or start by itself.
                    max_queue=None,
                    ping_interval=None,
                    proxy=None,
                    open_timeout=5,
                    close_timeout=1,
                ) as socket:
                    await self._live(socket)
                self.close_codes.append(socket.close_code)
                if not may_reconnect(None if socket.close_code == 1006 else socket.close_code):
                    return
            await asyncio.sleep(self._rng.uniform(0.02, 0.1))

    async def _live(self, socket: ClientConnection) -> None:
        self._socket, self._publishes, self._outgoing = socket, {}, []
        self._may_publish_after = self._command({"type": "connect", "token": self._token})
        if self.reads:
            place = {"position": {"epoch": self.epoch, "seq": self.cursor}} if self.epoch else {"tail": 0}
            self._may_publish_after = self._command({"type": "subscribe", "channel": CHANNEL, **place})
        writer = asyncio.create_task(self._write(socket))
        try:
            async for payload in socket:
                self._take(msgpack.unpackb(payload))
        except ConnectionClosed:
            pass
        finally:
            self.connected.clear()
            self._socket = None
            writer.cancel()
            with suppress(asyncio.CancelledError, ConnectionClosed):
                await writer

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            outgoing, self._outgoing = self._outgoing, []
            for payload in outgoing:
                await socket.send(payload)

    def _command(self, command: dict[str, Any]) -> int:
        self._next_id += 1
        self._outgoing.append(msgpack.packb({**command, "id": self._next_id}))
        self._wake.set()
        return self._next_id

    def _publish(self, key: str) -> None:
        number = self._command({"type": "publish", "channel": CHANNEL, "key": key, "text": self.outbox[key]})
        self._publishes[number] = key

    # --- what it sees ---------------------------------------------------------------------------------------------

    def _note(self, kind: str, **facts: Any) -> None:
        self._history.note(time.monotonic(), kind, client=self.user, channel=CHANNEL, **facts)

    def _take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "message":
                self._take_message(frame)
            case "reply" if frame["id"] in self._publishes:
                key = self._publishes.pop(frame["id"])
                if self.outbox.pop(key, None) is not None:
                    self._note("ack", key=key, seq=frame["seq"], duplicate=frame["duplicate"])
                    self.on_ack()
            case "reply" if frame["id"] == self._may_publish_after:
                if self.reads:
                    if not self.epoch:
                        self.cursor = frame["from_seq"]
                    self.epoch = frame["epoch"]
                self.connected.set()
                for key in self.outbox:
                    self._publish(key)
            case "error":
                self.errors.append(frame)
                key = self._publishes.pop(frame["id"], "")
                if key:
                    self._note("unknown" if frame["name"] == "unknown_outcome" else "refused", key=key)
            case "reset":
                self.epoch, self.cursor = frame["epoch"], frame["seq"]
                self._note("reset", seq=frame["seq"])
            case other:
                self.pushes[other].append(frame)

    def _take_message(self, frame: dict[str, Any]) -> None:
        seq = frame["seq"]
        if seq <= self.cursor:
            self._note("duplicate_recv", seq=seq)
            return
        self.cursor = seq
        self._note("recv", seq=seq, sender=frame["sender"], key=frame["key"], text=frame["text"])
        self.on_message(frame)


def make_bots(server: LiveServer, number: int, prefix: str = "bot") -> dict[str, str]:
    """Give tokens of so many bots, of one side and the other in turn; the running server knows them."""
    names = [f"{prefix}-{count}" for count in range(number)]
    side_of = {name: ("south", "north")[count % 2] for count, name in enumerate(names)}

    async def create(office: BackOffice) -> dict[str, str]:
        tokens = {}
        for name in names[:-1]:
            account = Account(UserId(name), name, DelegationId(side_of[name]), Role.BOT)
            login = await office.accounts.create_token(
                account, [CHANNEL], read_only=False, lifetime_ms=_LIFETIME_MS, by="test"
            )
            tokens[name] = login.secret
        return tokens

    tokens = server.administer(create)
    # This one returns when the server knows it, and with it those that were made before.
    tokens[names[-1]] = server.token(names[-1], side_of[names[-1]], [CHANNEL])
    return tokens


def log_of(server: LiveServer, channel: str = CHANNEL) -> list[LogRow]:
    """Read a channel's whole log beside the server, or without one."""

    async def read(office: BackOffice) -> list[LogRow]:
        rows: list[LogRow] = []
        while True:
            page = await office.log.read(
                ChannelId(channel), after=rows[-1].seq if rows else 0, limit=1000, max_bytes=1 << 24
            )
            if not page.entries:
                return rows
            rows.extend(
                LogRow(channel, entry.seq, entry.draft.sender, entry.draft.key, entry.draft.text)
                for entry in page.entries
            )

    return server.administer(read)


def final_state(server: LiveServer, clients: Sequence[SocketClient]) -> FinalState:
    """Give what the checker compares the history with."""
    return FinalState(
        rows=log_of(server),
        cursors={client.user: {CHANNEL: client.cursor} for client in clients if client.reads},
        outboxes={client.user: len(client.outbox) for client in clients},
    )


@asynccontextmanager
async def running(clients: Iterable[SocketClient]) -> AsyncIterator[None]:
    """Let clients live, and wait until all are connected."""
    async with asyncio.TaskGroup() as tasks:
        lives = [(client, tasks.create_task(client.run())) for client in clients]
        try:
            async with asyncio.timeout(20):
                for client, _ in lives:
                    await client.connected.wait()
            yield
        finally:
            for _, life in lives:
                life.cancel()


async def until(claim: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait for something that several clients bring about together."""
    try:
        async with asyncio.timeout(timeout_s):
            while not claim():
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        raise AssertionError(f"not within {timeout_s} s: {what}") from error
