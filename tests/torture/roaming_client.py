"""A client on a real socket that goes to another node when one fails it, and writes down everything it sees.

It keeps an outbox and a position for each channel, as PROTOCOL.md §5 wants it, watches presence, and gives up a
connection on which it hears nothing.
"""

import asyncio
import random
import socket as sockets
import struct
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from liaison.protocol.close_codes import may_reconnect
from liaison.protocol.names import SUBPROTOCOL_MSGPACK
from tests.torture.history_file import HistoryFile

# Below the 256 that the server allows.
MAX_IN_FLIGHT: Final = 200
# The client asks after a second of silence and leaves after four: nobody at a screen waits for longer.
ASK_AFTER_S: Final = 1.0
GIVE_UP_AFTER_S: Final = 4.0
_OPEN_TIMEOUT_S: Final = 4.0
# What was acknowledged in so long is offered again after a restore; no backup of a run is older.
REMEMBER_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Door:
    """A way into the office: which node, and where."""

    node: str
    url: str


@dataclass
class Latencies:
    """Milliseconds from writing something until its acknowledgement came, and until somebody else saw it."""

    acked: "array[float]"
    seen: "array[float]"

    @classmethod
    def none(cls) -> "Latencies":
        return cls(array("f"), array("f"))


class RoamingClient:
    """One user with one device. `latencies` may be exchanged at any time; those of several clients may be one."""

    def __init__(
        self, user: str, token: str, doors: Sequence[Door], channels: Sequence[str], history: HistoryFile
    ) -> None:
        self.user = user
        self.channels = channels
        self.node = ""
        self.heard_at_s = 0.0
        self.cursors: dict[str, int] = {}
        # The newest epoch that it has heard of, by channel.
        self.epochs: dict[str, int] = {}
        self.outbox: dict[tuple[str, str], str] = {}
        # What was acknowledged as held in a suspended channel and hasn't come yet.
        self.held: set[tuple[str, str]] = set()
        self.in_flight: dict[int, tuple[str, str]] = {}
        self.online: dict[str, str] = {}
        self.is_stale = True
        self.is_slow = False
        self.is_away = False
        self.is_ops = user == "ops"
        self.connected = asyncio.Event()
        self.complaints: list[str] = []
        self.errors: Counter[str] = Counter()
        self.latencies = Latencies.none()
        # Who was shown to go, when, and why (ops are told).
        self.departures: list[tuple[float, str, str]] = []
        # Everybody who was shown offline to it, as often as that was.
        self.seen_off: list[str] = []
        # How long it was away each time, from the last byte to the next accepted `connect`.
        self.outages_s: list[float] = []
        self._token = token
        self._doors = doors
        self._history = history
        self._rng = random.Random(user)
        # The epochs that its cursors are places in, which may be older.
        self._cursor_epochs: dict[str, int] = {}
        self._acknowledged: deque[tuple[float, tuple[str, str], str]] = deque()
        self._again: set[tuple[str, str]] = set()
        self._restored_at_s = 0.0
        self._socket: ClientConnection | None = None
        self._waiting: deque[tuple[str, str]] = deque()
        self._own_received: set[tuple[str, str]] = set()
        self._subscribes: dict[int, str] = {}
        self._presence_version: tuple[str, int] = ("", 0)
        self._may_come_back_s = 0.0
        self._left_at_s = 0.0
        self._next_id = 0
        self._next_text = 0
        self._outgoing: list[bytes] = []
        self._wake = asyncio.Event()

    # --- what it does ---------------------------------------------------------------------------------------------

    def say(self, channel: str, size_chars: int = 20) -> str:
        """Write something; it is in the outbox before it is sent. Gives its key."""
        self._next_text += 1
        now_s = time.monotonic()
        key = f"{self.user}-{self._next_text}"
        self.outbox[channel, key] = f"{key} {now_s:.6f} " + "가" * size_chars
        self._note("send", channel=channel, key=key)
        if self.connected.is_set():
            self._waiting.append((channel, key))
            self._push()
        return key

    def break_off(self) -> None:
        """Reset the connection (RST); a no-op without one."""
        if self._socket is None or self._socket.transport.is_closing():
            return
        handle = self._socket.transport.get_extra_info("socket")
        with suppress(OSError):
            handle.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.transport.abort()

    def stop_reading(self) -> None:
        """Take nothing more from the socket until `read_on`, and let the kernel's buffers fill."""
        if self._socket is not None and not self._socket.transport.is_closing():
            self.is_slow = True
            self._socket.transport.pause_reading()

    def read_on(self) -> None:
        """Undo `stop_reading`; idempotent."""
        if self.is_slow and self._socket is not None and not self._socket.transport.is_closing():
            self._socket.transport.resume_reading()
            self.heard_at_s = time.monotonic()
        self.is_slow = False

    def listen_for_life(self, now_s: float) -> None:
        """Ask the server whether it is there, or leave; to be called a few times a second."""
        if self._socket is None or self.is_slow or not self.heard_at_s:
            return
        silence_s = now_s - self.heard_at_s
        if silence_s > GIVE_UP_AFTER_S:
            self.break_off()
        elif silence_s > ASK_AFTER_S and self.connected.is_set():
            self._command({"type": "ping"})

    # --- its life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected, until cancelled or told never to come back."""
        while True:
            door = self._next_door()
            try:
                async with connect(
                    door.url,
                    subprotocols=[Subprotocol(SUBPROTOCOL_MSGPACK)],
                    compression=None,
                    # The run decides who reads when; the library must not stop or start by itself.
                    max_queue=None,
                    ping_interval=None,
                    proxy=None,
                    open_timeout=_OPEN_TIMEOUT_S,
                    close_timeout=0.2,
                ) as socket:
                    await self._live(socket, door)
                code = socket.close_code
                if not may_reconnect(None if code == 1006 else code):
                    self.complaints.append(f"{self.user} was told never to come back: {code} {socket.close_reason}")
                    return
            except (OSError, TimeoutError, InvalidHandshake, InvalidMessage, ConnectionClosed):
                self.errors["no handshake"] += 1
            wait_s = max(self._rng.uniform(0.02, 0.2), self._may_come_back_s - time.monotonic())
            await asyncio.sleep(wait_s)
            while self.is_away:
                await asyncio.sleep(0.05)

    def _next_door(self) -> Door:
        others = [door for door in self._doors if door.node != self.node]
        return self._rng.choice(others or list(self._doors))

    async def _live(self, socket: ClientConnection, door: Door) -> None:
        self._socket, self.node, self._outgoing, self._waiting = socket, door.node, [], deque()
        self.in_flight.clear()
        self._subscribes.clear()
        self.heard_at_s = time.monotonic()
        self._command({"type": "connect", "token": self._token, "client": "torture"})
        writer = asyncio.create_task(self._write(socket))
        try:
            async for payload in socket:
                self.heard_at_s = time.monotonic()
                self._take(msgpack.unpackb(payload))
        except ConnectionClosed:
            pass
        finally:
            if self.connected.is_set():
                self._left_at_s = self.heard_at_s
                self._note("link_down", heard_at=round(self.heard_at_s, 6), node=self.node)
            self.connected.clear()
            self._socket = None
            self.is_slow = False
            self.in_flight.clear()
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

    def _push(self) -> None:
        while self._waiting and len(self.in_flight) < MAX_IN_FLIGHT:
            channel, key = self._waiting.popleft()
            text = self.outbox.get((channel, key))
            if text is not None:
                number = self._command({"type": "publish", "channel": channel, "key": key, "text": text})
                self.in_flight[number] = channel, key

    def _begin(self, frame: dict[str, Any]) -> None:
        for channel in frame["channels"]:
            self._note_epoch(channel["channel"], channel["epoch"])
        self.connected.set()
        if self._left_at_s:
            self.outages_s.append(time.monotonic() - self._left_at_s)
        self._may_come_back_s = 0.0
        self._note("link_up", node=self.node)
        for channel in self.channels:
            place = (
                {"position": {"epoch": self._cursor_epochs[channel], "seq": self.cursors[channel]}}
                if channel in self.cursors
                else {"tail": 0}
            )
            self._subscribes[self._command({"type": "subscribe", "channel": channel, **place})] = channel
        self._command({"type": "presence", "watch": True})
        self._waiting = deque(self.outbox)
        self._push()

    def _note_epoch(self, channel: str, epoch: int) -> None:
        known = self.epochs.setdefault(channel, epoch)
        if epoch <= known:
            return
        self.epochs[channel] = epoch
        self._restored_at_s = time.monotonic()
        again = {
            name: text
            for at_s, name, text in self._acknowledged
            if name[0] == channel and at_s > self._restored_at_s - REMEMBER_S
        }
        self._again |= again.keys()
        # First what came first, so that the order stays.
        self.outbox = {**again, **self.outbox}
        self.held = {name for name in self.held if name[0] != channel}
        self._own_received = {name for name in self._own_received if name[0] != channel}
        if self.connected.is_set():
            # A new connection offers everything in order.
            self.break_off()

    # --- what it sees ---------------------------------------------------------------------------------------------

    def _note(self, kind: str, **facts: Any) -> None:
        self._history.note(time.monotonic(), kind, client=self.user, **facts)

    def _take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "message":
                self._take_message(frame)
            case "reply":
                self._take_reply(frame)
            case "error":
                self._take_error(frame)
            case "reset":
                self._take_reset(frame["channel"], frame["epoch"], frame["seq"])
            case "presence_snapshot":
                self._take_snapshot(frame)
            case "presence_diff":
                self._take_diff(frame)
            case "go_away":
                self._may_come_back_s = time.monotonic() + max(0, frame["reconnect_after_ms"]) / 1000
            case _:
                pass

    def _take_reset(self, channel: str, epoch: int, seq: int) -> None:
        self._cursor_epochs[channel], self.cursors[channel] = epoch, seq
        self._note("reset", channel=channel, epoch=epoch, seq=seq)
        self._note_epoch(channel, epoch)

    def _take_reply(self, frame: dict[str, Any]) -> None:
        number = frame["id"]
        if number in self.in_flight:
            channel, key = self.in_flight.pop(number)
            text = self.outbox.pop((channel, key), None)
            place: dict[str, Any] = {"channel": channel, "key": key, "epoch": frame["epoch"]}
            if (channel, key) in self._again:
                place["again"] = True
            if text is not None:
                self._remember((channel, key), text)
            if text is not None and frame.get("held", False):
                # The channel may have been resumed since, and the message may have been faster than this answer.
                if (channel, key) not in self._own_received:
                    self.held.add((channel, key))
                self._note("held", text=text, **place)
            elif text is not None:
                self._note("ack", seq=frame["seq"], duplicate=frame["duplicate"], **place)
                if "again" not in place:
                    self.latencies.acked.append(_age_ms(text))
            self._push()
        elif number in self._subscribes:
            channel = self._subscribes.pop(number)
            # Where there is a place already, and it isn't of this epoch, a reset follows.
            if channel not in self.cursors:
                self._cursor_epochs[channel], self.cursors[channel] = frame["epoch"], frame["from_seq"]
        elif "users" in frame:
            self._take_snapshot(frame)
        elif "people" in frame:
            self._begin(frame)

    def _remember(self, name: tuple[str, str], text: str) -> None:
        now_s = time.monotonic()
        self._acknowledged.append((now_s, name, text))
        while self._acknowledged[0][0] < now_s - REMEMBER_S:
            self._acknowledged.popleft()

    def _take_error(self, frame: dict[str, Any]) -> None:
        number, name = frame["id"], frame["name"]
        self.errors[name] += 1
        if number in self.in_flight:
            channel, key = self.in_flight.pop(number)
            self._note("unknown" if name == "unknown_outcome" else "refused", channel=channel, key=key, name=name)
            if frame["temporary"] and name != "unknown_outcome":
                delay_s = max(frame.get("retry_after_ms", 0) / 1000, 0.1)
                asyncio.get_running_loop().call_later(delay_s, self._offer_again, self._socket, channel, key)
        elif number in self._subscribes:
            self.break_off()
        if not frame["temporary"] and name != "unknown_outcome":
            self.complaints.append(f"{self.user}: {name} {frame['message']}")

    def _offer_again(self, socket: ClientConnection | None, channel: str, key: str) -> None:
        # A later connection has offered it with the rest.
        if self._socket is socket:
            self._waiting.append((channel, key))
            self._push()

    def _take_message(self, frame: dict[str, Any]) -> None:
        channel, seq = frame["channel"], frame["seq"]
        if seq <= self.cursors.get(channel, 0):
            self._note("duplicate_recv", channel=channel, seq=seq)
            return
        self.cursors[channel] = seq
        text = frame.get("text", "")
        self._note(
            "recv",
            channel=channel,
            epoch=frame["epoch"],
            seq=seq,
            sender=frame["sender"],
            key=frame["key"],
            text=text,
        )
        if frame["sender"] == self.user:
            self.held.discard((channel, frame["key"]))
            self._own_received.add((channel, frame["key"]))
        elif text and _written_at_s(text) > self._restored_at_s:
            self.latencies.seen.append(_age_ms(text))

    def _take_snapshot(self, frame: dict[str, Any]) -> None:
        here = {user["user"]: user["connectivity"] for user in frame["users"]}
        was_stale, self.is_stale = self.is_stale, bool(frame.get("stale_since_ms"))
        self._presence_version = frame["epoch"], frame["version"]
        # Stale is shown as unknown, and unknown is not offline.
        if not self.is_stale and (gone := sorted(self.online.keys() - here.keys())):
            self._see_off(gone, was_stale=was_stale)
        self.online = here if not self.is_stale else {**self.online, **here}

    def _take_diff(self, frame: dict[str, Any]) -> None:
        if self._presence_version != (frame["epoch"], frame["from_version"]):
            self._note(
                "presence", gap=True, left=[], at_version=self._presence_version[1], **{"from": frame["from_version"]}
            )
            self._command({"type": "presence", "watch": True})
        self._presence_version = frame["epoch"], frame["version"]
        for user in frame["joins"]:
            self.online[user["user"]] = user["connectivity"]
        gone = [user["user"] for user in frame["leaves"]]
        for user in frame["leaves"]:
            self.online.pop(user["user"], None)
            self.departures.append((time.monotonic(), user["user"], user.get("cause", "")))
        if gone:
            self._see_off(gone, was_stale=False)

    def _see_off(self, users: list[str], *, was_stale: bool) -> None:
        self.seen_off += users
        self._note("shown_offline", users=users, node=self.node, was_stale=was_stale)


def _age_ms(text: str) -> float:
    return (time.monotonic() - _written_at_s(text)) * 1000


def _written_at_s(text: str) -> float:
    return float(text.split(" ", 2)[1])
