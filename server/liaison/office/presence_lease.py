"""This node's own devices and the lease they hang on: what it writes to the presence store, and when.

`NodeLease` knows what should be in the store, so that everything can be written again when the store has lost it. All
its writes go through one task, in order.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from liaison.core.identifiers import Millis, SessionId, UserId
from liaison.core.presence import GRACE_MS, LEASE_MS, MAX_USERS_PER_STEP, RENEW_MS, Cause, Device
from liaison.ports.clock import Clock
from liaison.ports.presence import DeviceWrite, FencedError, PresenceStore, PresenceUnavailableError, Put, Remove
from liaison.protocol.frames import Availability

# After a store has come back every node finds its lease lost at about the same time; they register spread over this.
REJOIN_JITTER_MS: Final = 1_000
# Between two writes: one change is written at once, and what follows it soon goes together. When everybody comes back,
# each would else be a write of its own.
GATHERING_MS: Final = 20
# Half to one and a half of this between two attempts to reach a store that is away.
RETRY_MS: Final = 1_000
# A stopped Redis raises nothing, so each call has a deadline: short enough for two attempts within a lease.
STORE_TIMEOUT_S: Final = 2.0
# A store that lost its content, or stood still while leases ran out, has all of it again after this: a renewal finds
# out, the jitter follows, and half a second is for the writing.
REBUILD_MS: Final = RENEW_MS + REJOIN_JITTER_MS + 500


class NodeLease:
    """Puts this node's devices into the store and keeps them there; everything but `run` and `drain` is synchronous.

    `on_contact` is told after each attempt whether the store could be reached.
    """

    def __init__(
        self, store: PresenceStore, clock: Clock, *, node: str, rng: random.Random, on_contact: Callable[[bool], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._rng = rng
        self._on_contact = on_contact
        self._devices: dict[SessionId, Device] = {}
        # Per user in the order in which their sockets were lost.
        self._graces: dict[UserId, dict[SessionId, asyncio.TimerHandle]] = {}
        # Only the task that writes takes from the front; everybody else appends.
        self._pending: list[DeviceWrite] = []
        self._renew_at_ms = Millis(0)
        self._held_until_ms = Millis(0)
        self._gathers_until_ms = Millis(0)
        # Since when the store was reached without fail under one incarnation; None while it isn't.
        self._steady_since_ms: Millis | None = None
        self._wake = asyncio.Event()
        self._drain_asked = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()

    @property
    def is_steady(self) -> bool:
        """Whether the lease can't have run out yet, and the store has been as ever for long enough to be believed.

        If not, other nodes may have lost their leases for no fault of theirs, and are about to register again.
        """
        now_ms, since_ms = self._clock.monotonic_ms(), self._steady_since_ms
        return since_ms is not None and now_ms - since_ms >= REBUILD_MS and now_ms < self._held_until_ms

    def arrived(self, device: Device) -> None:
        """Add a device. If a socket of its user was lost here, it takes that one's place and what was said there."""
        lost = next(iter(self._graces.get(device.user, ())), None)
        if lost is None:
            self._put(device, Cause.CONNECTED)
            return
        # First in, then out, so that the two can be parted by the end of a batch without the user going offline.
        self._put(replace(device, availability=self._devices[lost].availability), Cause.RESUMED)
        self._remove(lost, Cause.RESUMED)

    def left(self, session: SessionId, cause: str, *, grace: bool) -> None:
        """Take a device away, at once or after its grace period; a no-op for one that isn't there."""
        device = self._devices.get(session)
        if device is None:
            return
        if not grace:
            self._remove(session, cause)
        elif device.confirmed:
            timer = asyncio.get_running_loop().call_later(GRACE_MS / 1000, self._remove, session, cause)
            self._graces.setdefault(device.user, {})[session] = timer
            self._put(replace(device, confirmed=False), cause)

    def set_availability(self, session: SessionId, state: Availability) -> None:
        """Note what a device says of its user; a no-op for one that isn't there or said so already."""
        device = self._devices.get(session)
        if device is not None and device.availability != state:
            self._put(replace(device, availability=state), Cause.SAID)

    async def run(self) -> None:
        """Hold the lease until drained or cancelled; then grace periods of this node end with it."""
        self._ended.clear()
        try:
            await self._hold_on()
        finally:
            self._steady_since_ms = None
            for timers in self._graces.values():
                for timer in timers.values():
                    timer.cancel()
            self._ended.set()

    async def drain(self) -> None:
        """Write what is pending and let go of the lease: devices go after their grace unless their users come back.

        Returns when that is done, or was tried once in vain; then the lease runs out by itself.
        """
        self._drain_asked.set()
        self._wake.set()
        await self._ended.wait()

    async def _hold_on(self) -> None:
        incarnation = ""
        while True:
            try:
                if not incarnation:
                    incarnation = await self._register()
                await self._serve(incarnation)
                return
            except FencedError:
                self._steady_since_ms = None
                incarnation = ""
                pause_ms = self._rng.random() * REJOIN_JITTER_MS
            except (PresenceUnavailableError, TimeoutError):
                self._steady_since_ms = None
                self._on_contact(False)
                pause_ms = (0.5 + self._rng.random()) * RETRY_MS
            if self._drain_asked.is_set():
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_ms / 1000):
                    await self._drain_asked.wait()

    async def _register(self) -> str:
        # A new name each time: the store refuses the old one for good, so a late write under it can do no harm.
        incarnation = f"{self._node}-{self._rng.getrandbits(64):016x}"
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await self._store.register(incarnation)
        written_anyway = {write.device.session for write in self._pending if isinstance(write, Put)}
        again = [Put(device, Cause.RESUMED) for name, device in self._devices.items() if name not in written_anyway]
        self._pending[:0] = again
        return incarnation

    async def _serve(self, incarnation: str) -> None:
        """Renew and write until drained. Raises what the store raises; what was not written is still pending."""
        self._renew_at_ms = Millis(0)
        while True:
            self._wake.clear()
            if self._clock.monotonic_ms() >= self._renew_at_ms:
                await self._renew(incarnation)
            if self._pending:
                await self._write_pending(incarnation)
                self._gathers_until_ms = Millis(self._clock.monotonic_ms() + GATHERING_MS)
            self._on_contact(True)
            if self._drain_asked.is_set():
                async with asyncio.timeout(STORE_TIMEOUT_S):
                    await self._store.unregister(incarnation, grace_ms=GRACE_MS)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout((self._renew_at_ms - self._clock.monotonic_ms()) / 1000):
                    await self._wake.wait()
            pause_ms = self._gathers_until_ms - self._clock.monotonic_ms()
            if pause_ms > 0 and not self._drain_asked.is_set():
                await asyncio.sleep(pause_ms / 1000)

    async def _renew(self, incarnation: str) -> None:
        # Counted from before the call: the store's lease can only end later than this says.
        asked_ms = self._clock.monotonic_ms()
        self._renew_at_ms = Millis(asked_ms + RENEW_MS)
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await self._store.renew(incarnation)
        self._held_until_ms = Millis(asked_ms + LEASE_MS)
        if self._steady_since_ms is None:
            self._steady_since_ms = self._clock.monotonic_ms()

    async def _write_pending(self, incarnation: str) -> None:
        while self._pending:
            batch = self._pending[:MAX_USERS_PER_STEP]
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._store.write(incarnation, batch)
            del self._pending[: len(batch)]

    def _put(self, device: Device, cause: str) -> None:
        self._devices[device.session] = device
        self._pending.append(Put(device, cause))
        self._wake.set()

    def _remove(self, session: SessionId, cause: str) -> None:
        device = self._devices.pop(session)
        timers = self._graces.get(device.user, {})
        timer = timers.pop(session, None)
        if timer is not None:
            timer.cancel()
            if not timers:
                del self._graces[device.user]
        self._pending.append(Remove(session, cause))
        self._wake.set()
