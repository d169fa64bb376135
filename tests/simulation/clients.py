"""A client as the protocol wants it: an outbox that is replayed with the same keys, and a cursor for each channel."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgpack

from liaison.office.sessions import Session
from liaison.protocol.close_codes import may_reconnect
from tests.simulation.history import History
from tests.simulation.links import Link

HEARTBEAT_S = 1.0
DEAD_AFTER_S = 3.0

Dial = Callable[[Link, str], Session | None]


class Client:
    """One user with one device."""

    def __init__(self, user: str, secret: str, channels: list[str], rng: random.Random, history: History) -> None:
        self.user = user
        self._secret = secret
        self._rng = rng
        self._history = history
        self._loop = asyncio.get_running_loop()
        self.cursors: dict[str, int] = dict.fromkeys(channels, 0)
        self._epoch = 0
        self.outbox: dict[str, dict[str, str]] = {channel: {} for channel in channels}
        # What was acknowledged as held and hasn't come yet.
        self.held: dict[str, set[str]] = {channel: set() for channel in channels}
        self._own_received: set[tuple[str, str]] = set()
        self.link: Link | None = None
        self.is_connected = False
        self.away_until = 0.0
        self.presence: dict[str, str] | None = None
        self._presence_version: tuple[str, int] = ("", 0)
        self._commands: dict[int, tuple[str, str, str]] = {}
        self._next_id = 0
        self._next_text = 0
        self._heard = 0.0
        self.complaints: list[str] = []

    def note(self, kind: str, **facts: Any) -> None:
        self._history.note(self._loop.time(), kind, client=self.user, **facts)

    async def run(self, dial: Dial) -> None:
        """Stay connected, with full-jitter waits, until cancelled."""
        while True:
            await asyncio.sleep(self._rng.uniform(0.02, 0.3))
            if self._loop.time() < self.away_until:
                if self.link is not None:
                    self.link.hang_up()
                continue
            if self.link is None:
                self._connect(dial)
            elif self._loop.time() - self._heard > DEAD_AFTER_S:
                self.link.hang_up()
            elif self.is_connected:
                self._command("ping", {}, "ping")

    def _connect(self, dial: Dial) -> None:
        link = Link(self._rng, self)
        session = dial(link, self._secret)
        if session is None:
            return
        link.attach(session)
        self.link, self._heard, self._commands = link, self._loop.time(), {}
        # All in one go: the server keeps what comes behind `connect` in order.
        self._command("connect", {"token": self._secret, "client": "simulation"}, "connect")
        self._command("presence", {}, "presence")
        for channel, cursor in self.cursors.items():
            position = {"position": {"epoch": self._epoch, "seq": cursor}} if self._epoch else {"tail": 100}
            self._command("subscribe", {"channel": channel, **position}, "subscribe", channel)
        for channel, waiting in self.outbox.items():
            for key in waiting:
                self._publish(channel, key)

    def say(self, channel: str) -> None:
        """Write something; it is durable in the outbox before it is sent."""
        self._next_text += 1
        key = f"{self.user}-{self._next_text}"
        self.outbox[channel][key] = f"{key} 말씀드립니다 " + "가" * self._rng.choice([0, 10, 400])
        self.note("send", channel=channel, key=key)
        self._publish(channel, key)

    def _publish(self, channel: str, key: str) -> None:
        text = self.outbox[channel].get(key)
        if text is not None:
            self._command("publish", {"channel": channel, "key": key, "text": text}, "publish", channel, key)

    def _command(self, type_: str, fields: dict[str, Any], what: str, channel: str = "", key: str = "") -> None:
        if self.link is not None:
            self._next_id += 1
            self._commands[self._next_id] = (what, channel, key)
            self.link.send_up(msgpack.packb({"type": type_, "id": self._next_id, **fields}))

    # --- what arrives ---------------------------------------------------------------------------------------------

    def on_link_closed(self, link: Link, code: int | None) -> None:
        if link is not self.link:
            return
        self.link, self.presence = None, None
        if self.is_connected:
            self.is_connected = False
            self.note("link_down", code=code)
        if not may_reconnect(code):
            self.complaints.append(f"{self.user} was told never to come back: {code}")

    def on_frame(self, link: Link, payload: bytes) -> None:
        if link is not self.link:
            return
        self._heard = self._loop.time()
        frame = msgpack.unpackb(payload)
        match frame["type"]:
            case "reply":
                self._on_reply(frame)
            case "error":
                self._on_error(frame)
            case "message":
                self._on_message(frame)
            case "reset":
                self.note("reset", channel=frame["channel"], seq=frame["seq"])
                self._epoch, self.cursors[frame["channel"]] = frame["epoch"], frame["seq"]
            case "presence_snapshot":
                self._on_snapshot(frame)
            case "presence_diff":
                self._on_diff(frame)
            case _:
                pass

    def _on_reply(self, frame: dict[str, Any]) -> None:
        what, channel, key = self._commands.pop(frame["id"])
        match what:
            case "connect":
                self.is_connected = True
                self.note("link_up")
            case "presence":
                self._on_snapshot(frame)
            case "subscribe":
                self._epoch = frame["epoch"]
            case "publish":
                text = self.outbox[channel].pop(key, None)
                if text is not None and frame.get("held", False):
                    # The channel may have been resumed since, and the message may have been faster than this answer.
                    if (channel, key) not in self._own_received:
                        self.held[channel].add(key)
                    self.note("held", channel=channel, key=key, text=text)
                elif text is not None:
                    self.note("ack", channel=channel, key=key, seq=frame["seq"], duplicate=frame["duplicate"])
            case _:
                pass

    def _on_error(self, frame: dict[str, Any]) -> None:
        what, channel, key = self._commands.pop(frame["id"], ("", "", ""))
        if what == "publish":
            self.note("unknown" if frame["name"] == "unknown_outcome" else "refused", channel=channel, key=key)
        if what == "publish" and frame["temporary"]:
            link = self.link
            delay_s = self._rng.uniform(0.05, 0.3)
            self._loop.call_later(delay_s, lambda: self._publish(channel, key) if self.link is link else None)
        elif what == "subscribe" and frame["temporary"] and self.link is not None:
            self.link.hang_up()
        elif not frame["temporary"]:
            self.complaints.append(f"{self.user}: {what} {frame['name']} {frame['message']}")

    def _on_message(self, frame: dict[str, Any]) -> None:
        channel, seq = frame["channel"], frame["seq"]
        if seq <= self.cursors[channel]:
            self.note("duplicate_recv", channel=channel, seq=seq)
            return
        self.cursors[channel] = seq
        if frame["sender"] == self.user:
            self.held[channel].discard(frame["key"])
            self._own_received.add((channel, frame["key"]))
        self.note(
            "recv", channel=channel, seq=seq, sender=frame["sender"], key=frame["key"], text=frame.get("text", "")
        )

    def _on_snapshot(self, frame: dict[str, Any]) -> None:
        self._presence_version = frame["epoch"], frame["version"]
        self.presence = {user["user"]: user["connectivity"] for user in frame["users"]}

    def _on_diff(self, frame: dict[str, Any]) -> None:
        if self.presence is None:
            return
        epoch, version = self._presence_version
        gap = (epoch, version) != (frame["epoch"], frame["from_version"])
        left = [leave["user"] for leave in frame["leaves"]]
        self.note("presence", left=left, gap=gap, at_version=version, **{"from": frame["from_version"]})
        for user in frame["joins"]:
            self.presence[user["user"]] = user["connectivity"]
        for user in left:
            self.presence.pop(user, None)
        self._presence_version = frame["epoch"], frame["version"]
