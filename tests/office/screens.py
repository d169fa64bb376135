"""A client that watches presence by the rules of the protocol, and remembers when it saw what."""

from collections.abc import Callable
from typing import Any

import msgspec

from liaison.core.rights import Account
from liaison.ports.clock import Clock
from liaison.protocol.codec import WireFormat


def payload_of(frame: bytes) -> bytes:
    """Take a finished WebSocket frame apart; there must be exactly one."""
    size, start = frame[1], 2
    if size >= 126:
        start = 4 if size == 126 else 10
        size = int.from_bytes(frame[2:start], "big")
    assert len(frame) == start + size
    return frame[start:]


class Screen:
    """A watcher. `events` are (milliseconds, frame); `users` and `sides` are what would be shown now."""

    def __init__(self, account: Account, clock: Clock, wire: WireFormat = WireFormat.JSON) -> None:
        self.account = account
        self.wire = wire
        self.raw: list[bytes] = []
        self.events: list[tuple[int, dict[str, Any]]] = []
        self.offline: list[tuple[int, str]] = []
        self.users: dict[str, dict[str, Any]] = {}
        self.sides: dict[str, dict[str, Any]] = {}
        self.version = 0
        self.epoch = ""
        self.stale_since_ms = 0
        self._clock = clock

    def start(self, reply: msgspec.Struct) -> None:
        """Show a PresenceReply, as it would arrive."""
        self._replace(msgspec.json.decode(msgspec.json.encode(reply)))

    def send(self, frames: bytes, /) -> None:
        self.raw.append(frames)
        decode: Callable[[bytes], Any] = msgspec.json.decode if self.wire is WireFormat.JSON else msgspec.msgpack.decode
        frame = decode(payload_of(frames))
        self.events.append((self._clock.monotonic_ms(), frame))
        match frame["type"]:
            case "presence_snapshot":
                self._replace(frame)
            case "presence_diff":
                self._take(frame)

    def _replace(self, frame: dict[str, Any]) -> None:
        before = set(self.users)
        self.users = {user["user"]: user for user in frame["users"]}
        self.offline += [(self._clock.monotonic_ms(), user) for user in sorted(before - set(self.users))]
        self.sides = {side["delegation"]: side for side in frame["sides"]}
        self.version, self.epoch = frame["version"], frame["epoch"]
        self.stale_since_ms = frame.get("stale_since_ms", 0)

    def _take(self, frame: dict[str, Any]) -> None:
        # P3: versions are contiguous, or this client would have to ask for a snapshot.
        assert (frame["epoch"], frame["from_version"]) == (self.epoch, self.version)
        self.version = frame["version"]
        for join in frame["joins"]:
            self.users[join["user"]] = join
        for leave in frame["leaves"]:
            del self.users[leave["user"]]
            self.offline.append((self._clock.monotonic_ms(), leave["user"]))
        for side in frame["sides"]:
            self.sides[side["delegation"]] = side
