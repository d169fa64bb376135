"""The presence store that the nodes of an office share in Redis. (ports.presence.PresenceStore)

Every step is one script, so that it happens as a whole or not at all, and all times are Redis' own: nodes whose clocks
differ agree on when a lease has run out. The scripts stand beside this file, in redis/.
"""

import hashlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Annotated, Any, Final

import msgspec
import structlog
from msgspec import Meta, Struct
from redis.exceptions import NoScriptError

from liaison.adapters.redis_site import REDIS_FAILURES, RedisSite, answered
from liaison.adapters.redis_subscriber import Liveness, RedisSubscriber
from liaison.core.identifiers import DelegationId, Millis, SessionId, UserId
from liaison.core.presence import LEASE_MS, MAX_USERS_PER_STEP, PRECEDENCE, Cause, Device, UserDevices
from liaison.core.rights import Role
from liaison.ports.presence import (
    DeviceWrite,
    FencedError,
    PresenceChange,
    PresenceState,
    PresenceUnavailableError,
    Put,
)
from liaison.protocol import limits
from liaison.protocol.frames import Availability

_journal = structlog.get_logger(__name__)

# 500 users with a handful of devices each are a third of this.
_MAX_CHANGE_BYTES: Final = 1024 * 1024

_Time = Annotated[int, Meta(ge=0, le=limits.MAX_SAFE_INTEGER)]


class _Device(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """core.presence.Device. `confirmed` stays last: unregister.lua changes it there."""

    session: str
    user: str
    delegation: str
    role: Role
    availability: Availability
    since_ms: _Time
    confirmed: bool


class _User(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A user in a change. `sample` is one of the devices they have or had."""

    user: str
    cause: str
    changed_ms: _Time
    sample: _Device
    devices: list[_Device]


class _Change(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Version 0 says that the epoch has begun."""

    epoch: str
    version: _Time
    users: list[_User]


class _Note(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    cause: str
    changed_ms: _Time


_encode: Final = msgspec.json.Encoder().encode
_decode_change: Final = msgspec.json.Decoder(_Change).decode
_decode_devices: Final = msgspec.json.Decoder(list[_Device]).decode
_decode_note: Final = msgspec.json.Decoder(_Note).decode


class _Script:
    """A Lua script, run by its digest, and sent as a whole to a server that doesn't know it yet."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        # The name by which Redis knows it; nothing is kept safe by this.
        self._digest: Final = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def of(cls, name: str) -> "_Script":
        """Read a script of the package, with what all of them begin with."""
        folder = files("liaison.adapters") / "redis"
        return cls("".join((folder / f"{part}.lua").read_text("utf-8") for part in ("common", name)))

    async def run(self, client: Any, key: str, arguments: Sequence[str | int]) -> Any:
        try:
            return await client.evalsha(self._digest, 1, key, *arguments)
        except NoScriptError:
            return await client.eval(self.text, 1, key, *arguments)


_REGISTER, _RENEW, _WRITE, _UNREGISTER, _NOW, _REAP, _SNAPSHOT = map(
    _Script.of, ("register", "renew", "write", "unregister", "now", "reap", "snapshot")
)


class RedisPresence:
    """One node's way to the store. `node` is a name that no other process has.

    Use it within `async with store.running():`.
    """

    def __init__(
        self,
        site: RedisSite,
        rng: random.Random,
        *,
        node: str,
        liveness: Liveness = Liveness(),  # noqa: B008 - immutable
    ) -> None:
        self.garbage = 0
        self._site = site
        self._rng = rng
        self._root = f"liaison:{{{site.settings.office}}}:presence"
        self._channel = f"{self._root}:changes"
        self._listeners: list[tuple[Callable[[PresenceChange], None], Callable[[], None]]] = []
        self._subscriber = RedisSubscriber(
            site, rng, probe=f"presence:{node}", on_message=self._on_message, on_doubt=self._doubt, liveness=liveness
        )
        self._subscriber.follow(self._channel)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hear of changes while the context lasts; entering waits, for a short time, until they can be heard."""
        async with self._subscriber.running():
            yield

    async def register(self, incarnation: str) -> None:
        if not await self._run(_REGISTER, incarnation, LEASE_MS):
            raise FencedError(incarnation)

    async def renew(self, incarnation: str) -> None:
        if not await self._run(_RENEW, incarnation, LEASE_MS):
            raise FencedError(incarnation)

    async def write(self, incarnation: str, writes: Sequence[DeviceWrite]) -> None:
        arguments: list[str] = []
        for write in writes:
            if isinstance(write, Put):
                device = write.device
                arguments += ("put", device.session, device.user, _claim(device), write.cause)
            else:
                arguments += ("remove", write.session, "", "", write.cause)
        if not await self._run(_WRITE, incarnation, *arguments):
            raise FencedError(incarnation)

    async def unregister(self, incarnation: str, *, grace_ms: int) -> None:
        await self._run(_UNREGISTER, incarnation, grace_ms, Cause.RESTART.value)

    async def reap(self) -> int:
        asked_ms = int(await self._run(_NOW))
        return int(await self._run(_REAP, MAX_USERS_PER_STEP, Cause.NODE_LOST.value, Cause.RESTART.value, asked_ms))

    async def snapshot(self) -> PresenceState:
        reply = await self._run(_SNAPSHOT)
        try:
            return _state(*reply)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise PresenceUnavailableError(f"the store holds what is no presence: {error}") from error

    def listen(self, on_change: Callable[[PresenceChange], None], on_doubt: Callable[[], None]) -> Callable[[], None]:
        # A tuple of its own for each call, so that listening twice with the same functions is two listeners.
        listener = (on_change, on_doubt)

        def stop() -> None:
            self._listeners[:] = [other for other in self._listeners if other is not listener]

        self._listeners.append(listener)
        return stop

    async def _run(self, script: _Script, *arguments: str | int) -> Any:
        epoch = f"{self._rng.getrandbits(64):016x}"
        try:
            return await answered(script.run(self._site.client, self._root, (self._channel, epoch, *arguments)))
        except REDIS_FAILURES as error:
            raise PresenceUnavailableError(str(error)) from error

    def _on_message(self, channel: str, payload: bytes) -> None:
        try:
            if len(payload) > _MAX_CHANGE_BYTES:
                raise ValueError(f"{len(payload)} bytes")
            change = _decode_change(payload)
        except (ValueError, RecursionError) as error:
            self._count_garbage(error)
            return
        if change.version == 0:
            self._doubt()
            return
        told = PresenceChange(change.epoch, change.version, tuple(map(_user, change.users)))
        for on_change, _ in list(self._listeners):
            on_change(told)

    def _count_garbage(self, error: Exception) -> None:
        self.garbage += 1
        # At 1, 2, 4, 8 …: a flood of it must not become a flood in the journal.
        if self.garbage & (self.garbage - 1) == 0:
            _journal.warning("garbage among changes of presence", reason=str(error), count=self.garbage)

    def _doubt(self) -> None:
        for _, on_doubt in list(self._listeners):
            on_doubt()


def _claim(device: Device) -> str:
    """Give a device as the scripts compare and keep it: by common.lua the order is that of core.presence.merge."""
    confirmed = int(device.confirmed)
    availability = len(PRECEDENCE) - PRECEDENCE.index(device.availability)
    strength = f"{confirmed}{availability}{limits.MAX_SAFE_INTEGER - device.since_ms:016}"
    encoded = _encode(
        _Device(
            device.session,
            device.user,
            device.delegation,
            device.role,
            device.availability,
            device.since_ms,
            device.confirmed,
        )
    )
    return strength + encoded.decode()


def _device(wire: _Device) -> Device:
    return Device(
        SessionId(wire.session),
        UserId(wire.user),
        DelegationId(wire.delegation),
        wire.role,
        wire.availability,
        Millis(wire.since_ms),
        wire.confirmed,
    )


def _devices(wires: Sequence[_Device]) -> tuple[Device, ...]:
    # Redis sorts by the locale it was started in.
    return tuple(_device(wire) for wire in sorted(wires, key=lambda wire: wire.session))


def _user(wire: _User) -> UserDevices:
    return UserDevices(
        UserId(wire.user),
        DelegationId(wire.sample.delegation),
        wire.sample.role,
        _devices(wire.devices),
        wire.cause,
        Millis(wire.changed_ms),
    )


def _state(
    epoch: bytes, age_ms: bytes, version: bytes, users: Sequence[bytes], notes: Sequence[bytes]
) -> PresenceState:
    noted = dict(zip(notes[::2], map(_decode_note, notes[1::2]), strict=True))
    found = {}
    for name, encoded in zip(users[::2], users[1::2], strict=True):
        devices, note = _devices(_decode_devices(encoded)), noted[name]
        user = UserId(name.decode())
        first = devices[0]
        found[user] = UserDevices(user, first.delegation, first.role, devices, note.cause, Millis(note.changed_ms))
    return PresenceState(epoch.decode(), int(version), found, int(age_ms))
