"""The presence store of an office that runs in one process. (ports.presence.PresenceStore)

Several simulated nodes may share one. Every method is atomic: it never awaits between reading and writing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from liaison.core.identifiers import Millis, SessionId, UserId
from liaison.core.presence import GRACE_MS, LEASE_MS, MAX_USERS_PER_STEP, Cause, Device, UserDevices, merge
from liaison.ports.clock import Clock
from liaison.ports.presence import DeviceWrite, FencedError, PresenceChange, PresenceState, Put

# No node's: their names begin with that of the node.
_BEFORE: Final = "-"


@dataclass(slots=True)
class _Incarnation:
    """A lease and what hangs on it. `is_open` until it ends in an orderly way; then `ends_ms` is the grace's end."""

    ends_ms: Millis
    is_open: bool = True
    devices: dict[SessionId, Device] = field(default_factory=dict)
    sessions_by_user: dict[UserId, set[SessionId]] = field(default_factory=dict)

    def put(self, device: Device) -> None:
        self.devices[device.session] = device
        self.sessions_by_user.setdefault(device.user, set()).add(device.session)

    def remove(self, session: SessionId) -> Device | None:
        device = self.devices.pop(session, None)
        if device is not None:
            sessions = self.sessions_by_user[device.user]
            sessions.discard(session)
            if not sessions:
                del self.sessions_by_user[device.user]
        return device

    def devices_of(self, user: UserId) -> Iterable[Device]:
        return (self.devices[session] for session in self.sessions_by_user.get(user, ()))


class MemoryPresence:
    """ports.presence.PresenceStore in memory; `epoch` names this life of the store.

    `inherited` are devices of a life before: unconfirmed, and gone after their grace.
    """

    def __init__(self, clock: Clock, *, epoch: str, inherited: Iterable[Device] = ()) -> None:
        self._clock = clock
        self._epoch = epoch
        self._version = 0
        self._incarnations: dict[str, _Incarnation] = {}
        # Names of incarnations that are gone, so that a late call of one is refused. One name per lost lease of a node
        # is little enough to keep.
        self._ended: set[str] = set()
        self._users: dict[UserId, UserDevices] = {}
        self._listeners: list[Callable[[PresenceChange], None]] = []
        before = _Incarnation(Millis(clock.monotonic_ms() + GRACE_MS), is_open=False)
        for device in inherited:
            before.put(replace(device, confirmed=False))
        if before.devices:
            self._incarnations[_BEFORE] = before
            heirs = {device.user: device for device in before.devices.values()}
            self._settle(heirs, dict.fromkeys(heirs, Cause.RESTART))

    def devices(self) -> list[Device]:
        """Give all devices, for the next life of the store."""
        return [device for held in self._incarnations.values() for device in held.devices.values()]

    async def register(self, incarnation: str) -> None:
        if incarnation in self._ended:
            raise FencedError(incarnation)
        if incarnation in self._incarnations:
            self._living(incarnation)
            return
        self._incarnations[incarnation] = _Incarnation(self._lease_end())

    async def renew(self, incarnation: str) -> None:
        self._living(incarnation).ends_ms = self._lease_end()

    async def write(self, incarnation: str, writes: Sequence[DeviceWrite]) -> None:
        held = self._living(incarnation)
        touched: dict[UserId, Device] = {}
        causes: dict[UserId, str] = {}
        for write in writes:
            if isinstance(write, Put):
                held.put(write.device)
                device: Device | None = write.device
            else:
                device = held.remove(write.session)
            if device is not None:
                touched[device.user] = device
                causes[device.user] = write.cause
        self._settle(touched, causes)

    async def unregister(self, incarnation: str, *, grace_ms: int) -> None:
        held = self._incarnations.get(incarnation)
        if held is None or not held.is_open or held.ends_ms <= self._clock.monotonic_ms():
            return
        held.is_open = False
        held.ends_ms = Millis(self._clock.monotonic_ms() + grace_ms)
        touched = {}
        for session, device in held.devices.items():
            held.devices[session] = touched[device.user] = replace(device, confirmed=False)
        self._settle(touched, dict.fromkeys(touched, Cause.RESTART))

    async def reap(self) -> int:
        now_ms = self._clock.monotonic_ms()
        budget = MAX_USERS_PER_STEP
        touched: dict[UserId, Device] = {}
        causes: dict[UserId, str] = {}
        for name, held in list(self._incarnations.items()):
            if held.ends_ms > now_ms:
                continue
            cause = Cause.NODE_LOST if held.is_open else Cause.RESTART
            # A user counts once for each incarnation that is taken apart, so that this can't exceed the budget.
            users = list(islice(held.sessions_by_user, budget))
            budget -= len(users)
            for user in users:
                for session in list(held.sessions_by_user[user]):
                    touched[user] = held.devices[session]
                    held.remove(session)
                causes[user] = cause
            if not held.devices:
                del self._incarnations[name]
                self._ended.add(name)
        self._settle(touched, causes)
        return MAX_USERS_PER_STEP - budget

    async def snapshot(self) -> PresenceState:
        return PresenceState(self._epoch, self._version, dict(self._users))

    def listen(self, on_change: Callable[[PresenceChange], None], on_doubt: Callable[[], None]) -> Callable[[], None]:
        """Within one process nothing gets lost, so `on_doubt` is never called."""

        # A function of its own for each call, so that listening twice with the same one is two listeners.
        def listener(change: PresenceChange) -> None:
            on_change(change)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        self._listeners.append(listener)
        return stop

    def _lease_end(self) -> Millis:
        return Millis(self._clock.monotonic_ms() + LEASE_MS)

    def _living(self, incarnation: str) -> _Incarnation:
        held = self._incarnations.get(incarnation)
        if held is None or not held.is_open or held.ends_ms <= self._clock.monotonic_ms():
            raise FencedError(incarnation)
        return held

    def _settle(self, touched: dict[UserId, Device], causes: dict[UserId, str]) -> None:
        """Merge the touched users anew, and tell the listeners about those who differ."""
        now_ms = self._clock.wall_ms()
        changed = []
        for user, device in touched.items():
            before = self._users.get(user)
            devices = merge(*(held.devices_of(user) for held in self._incarnations.values()))
            if devices == (before.devices if before else ()):
                continue
            after = UserDevices(user, device.delegation, device.role, devices, causes[user], now_ms)
            if devices:
                self._users[user] = after
            else:
                del self._users[user]
            changed.append(after)
        if changed:
            self._version += 1
            change = PresenceChange(self._epoch, self._version, tuple(changed))
            for listener in list(self._listeners):
                listener(change)
