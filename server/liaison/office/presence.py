"""This node's view of who is there, and what it tells those who watch. (PROTOCOL.md §6.1)

The store's state is mirrored here: a snapshot, then every change in order; whatever doesn't fit asks for a snapshot
again. Own devices go to the store and come back like everybody else's, so that all nodes show the same.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from liaison.core.identifiers import DelegationId, Millis, SessionId
from liaison.core.presence import MAX_USERS_PER_STEP, Audience, Device, Here, Roster, UserDevices, audience_of
from liaison.core.profile import Granularity, OfficeProfile
from liaison.core.rights import Account
from liaison.office.presence_audience import AudienceFeed
from liaison.office.presence_lease import REBUILD_MS, RETRY_MS, STORE_TIMEOUT_S, NodeLease
from liaison.office.presence_log import PresenceEvents
from liaison.office.watching import Watcher
from liaison.ports.clock import Clock
from liaison.ports.presence import PresenceChange, PresenceState, PresenceStore, PresenceUnavailableError
from liaison.protocol.frames import Availability, PresenceReply, PresenceStatsReply

# With a lease of 9 s a node that is lost is taken apart after 10 s at the latest; it is to be seen after 10.5 s.
REAP_INTERVAL_MS: Final = 1_000
# While a store is being written again, and its old view is shown as stale, it is looked at so often. A look that takes
# a second longer says that it stood still, for the other nodes as well, and that they have not had their time.
REBUILD_LOOK_MS: Final = 900
STANDSTILL_MS: Final = 1_000
# Changes that wait for a snapshot. More of them would mean that the snapshot takes seconds; then another one is taken.
MAX_EARLY_CHANGES: Final = 1_000


class PresenceFeed:
    """Presence at one node: all but `run` and `drain` is synchronous, never blocks, and only queues work."""

    def __init__(
        self, store: PresenceStore, clock: Clock, profile: OfficeProfile, *, node: str, rng: random.Random
    ) -> None:
        self._store = store
        self._clock = clock
        self._profile = profile
        self._rng = rng
        self._feed_epoch = f"{rng.getrandbits(64):016x}"
        self._lease = NodeLease(store, clock, node=node, rng=rng, on_contact=self._on_contact)
        self._roster = Roster()
        self.events = PresenceEvents(node, clock)
        self._audiences: dict[Audience, AudienceFeed] = {}
        self._watching: dict[Watcher, AudienceFeed] = {}
        # Where the mirror stands in the store; the epoch is empty before the first snapshot.
        self._store_epoch = ""
        self._store_version = 0
        self._early: list[PresenceChange] = []
        self._doubt = asyncio.Event()
        self._is_out_of_reach = False
        self._is_out_of_step = True
        self._stale_since_ms = clock.wall_ms()

    @property
    def stale_since_ms(self) -> Millis:
        """Since when (wall clock) what is known can't be trusted; 0 while it can."""
        return self._stale_since_ms

    def arrived(self, session: SessionId, account: Account, since_ms: Millis) -> None:
        """Somebody connected with this session. `since_ms` is wall-clock time."""
        self._lease.arrived(Device(session, account.user, account.delegation, account.role, "active", since_ms))

    def left(self, session: SessionId, cause: str, *, grace: bool) -> None:
        """A session is over. With `grace` its user stays, unconfirmed, for GRACE_MS or until they are back here."""
        self._lease.left(session, cause, grace=grace)

    def set_availability(self, session: SessionId, state: Availability) -> None:
        """What a session's device says of its user; sessions that aren't there are ignored."""
        self._lease.set_availability(session, state)

    @property
    def granularity(self) -> Granularity:
        """How finely each side sees the other now."""
        return self._profile.granularity

    def set_granularity(self, granularity: Granularity) -> None:
        """Show each side as finely as was agreed, from now on; everybody who watches gets a snapshot of it."""
        if granularity is self._profile.granularity:
            return
        self._profile = replace(self._profile, granularity=granularity)
        for feed in list(self._audiences.values()):
            feed.set_profile(self._profile)
            feed.push_snapshot(self._stale_since_ms)

    def here(self) -> Mapping[DelegationId, Here] | None:
        """Say who of each side is connected to the office, for its own rules; None while that can't be trusted."""
        if self._stale_since_ms:
            return None
        return {delegation.id: self._roster.here(delegation.id) for delegation in self._profile.delegations}

    def watch(self, watcher: Watcher) -> None:
        """Send differences that follow on `reply` to `watcher` from now on; idempotent."""
        self.unwatch(watcher)
        feed = self._audience(audience_of(watcher.account))
        self._watching[watcher] = feed
        feed.watchers.add(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Undo `watch`; idempotent."""
        feed = self._watching.pop(watcher, None)
        if feed is not None:
            feed.watchers.discard(watcher)

    def reply(self, command_id: int, account: Account) -> PresenceReply:
        """Give presence as `account` may see it."""
        return self._audience(audience_of(account)).reply(command_id, self._stale_since_ms)

    def stats(self, command_id: int, account: Account) -> PresenceStatsReply:
        """Give the sides as a whole, as `account` may see them."""
        return self._audience(audience_of(account)).stats(command_id, self._stale_since_ms)

    async def run(self) -> None:
        """Take part in the store until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._lease.run(), name="presence lease")
                tasks.create_task(self._follow(), name="presence mirror")
                tasks.create_task(self._reap(), name="presence reaper")
        finally:
            for feed in self._audiences.values():
                feed.close()

    async def drain(self) -> None:
        """Let go of this node's devices with their grace, so that nobody who moves to another node goes offline."""
        await self._lease.drain()

    def _audience(self, audience: Audience) -> AudienceFeed:
        feed = self._audiences.get(audience)
        if feed is None:
            feed = AudienceFeed(audience, self._profile, self._roster, self._feed_epoch, self._on_moved)
            self._audiences[audience] = feed
        return feed

    def _on_moved(self, watcher: Watcher) -> None:
        self.watch(watcher)
        self._watching[watcher].send_snapshot(watcher, self._stale_since_ms)

    # ------------------------------------------------------------------------------------------- the mirror

    async def _follow(self) -> None:
        stop = self._store.listen(self._on_change, self._doubt.set)
        try:
            while True:
                try:
                    await self._take_snapshot()
                except (PresenceUnavailableError, TimeoutError):
                    self._set_trouble(is_out_of_step=True)
                    await asyncio.sleep((0.5 + self._rng.random()) * RETRY_MS / 1000)
                else:
                    await self._doubt.wait()
        finally:
            stop()

    async def _take_snapshot(self) -> None:
        state = await self._snapshot()
        # A node that has just started knows of no earlier epoch, but its clients may have seen one at another node.
        if state.epoch != self._store_epoch if self._store_epoch else state.age_ms < REBUILD_MS:
            self._set_trouble(is_out_of_step=True)
            state = await self._rebuilt(state.epoch)
        self._adopt(state)

    async def _rebuilt(self, epoch: str) -> PresenceState:
        """Wait until every node has had the time to write down its devices again; it begins anew when that fails."""
        began_ms = self._clock.monotonic_ms()
        while True:
            looked_ms = self._clock.monotonic_ms()
            left_ms = began_ms + REBUILD_MS - looked_ms
            await asyncio.sleep(max(0, min(left_ms, REBUILD_LOOK_MS)) / 1000)
            state = await self._snapshot()
            now_ms = self._clock.monotonic_ms()
            if state.epoch != epoch or now_ms - looked_ms > REBUILD_LOOK_MS + STANDSTILL_MS:
                epoch, began_ms = state.epoch, now_ms
            elif now_ms - began_ms >= REBUILD_MS:
                return state

    async def _snapshot(self) -> PresenceState:
        self._doubt.clear()
        self._early.clear()
        async with asyncio.timeout(STORE_TIMEOUT_S):
            return await self._store.snapshot()

    def _adopt(self, state: PresenceState) -> None:
        # Changes may have taken the mirror past the snapshot while it was on its way.
        if state.epoch != self._store_epoch or state.version > self._store_version:
            self._store_epoch, self._store_version = state.epoch, state.version
            self._apply(self._roster.differences(state.users, self._clock.wall_ms()))
        early, self._early = self._early, []
        for change in early:
            self._on_change(change)
        self._set_trouble(is_out_of_step=False)

    def _on_change(self, change: PresenceChange) -> None:
        if change.epoch == self._store_epoch and change.version <= self._store_version:
            return
        if change.epoch == self._store_epoch and change.version == self._store_version + 1:
            self._store_version = change.version
            self._apply(change.users)
            return
        if len(self._early) < MAX_EARLY_CHANGES:
            self._early.append(change)
        self._doubt.set()

    def _apply(self, users: Sequence[UserDevices]) -> None:
        for user in users:
            self.events.note(self._roster.users.get(user.user), user)
            self._roster.update(user)
        for feed in list(self._audiences.values()):
            feed.note(users)

    # ---------------------------------------------------------------------------------- trust in what is known

    def _on_contact(self, is_reached: bool) -> None:  # noqa: FBT001 - a callback of one positional claim.
        if is_reached and self._is_out_of_reach:
            # Whatever the store says of its own subscription: changes may have been missed.
            self._doubt.set()
        self._set_trouble(is_out_of_reach=not is_reached)

    def _set_trouble(self, *, is_out_of_reach: bool | None = None, is_out_of_step: bool | None = None) -> None:
        if is_out_of_reach is not None:
            self._is_out_of_reach = is_out_of_reach
        if is_out_of_step is not None:
            self._is_out_of_step = is_out_of_step
        is_stale = self._is_out_of_reach or self._is_out_of_step
        if is_stale != (self._stale_since_ms > 0):
            self._stale_since_ms = self._clock.wall_ms() if is_stale else Millis(0)
            for feed in list(self._audiences.values()):
                feed.push_snapshot(self._stale_since_ms)

    # ----------------------------------------------------------------------------------- nodes that are lost

    async def _reap(self) -> None:
        while True:
            # Never in step with the other nodes, who do the same work.
            await asyncio.sleep((1 - 0.2 * self._rng.random()) * REAP_INTERVAL_MS / 1000)
            # After a standstill, of the store or of this node, the first thing is that all register again.
            if self._lease.is_steady:
                await self._reap_all()

    async def _reap_all(self) -> None:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                users = MAX_USERS_PER_STEP
                while users >= MAX_USERS_PER_STEP:
                    users = await self._store.reap()
                    # A store in memory suspends nobody, and the others want their turn between two steps.
                    await asyncio.sleep(0)
        except (PresenceUnavailableError, TimeoutError):
            # The lease's own task finds out as well and says so; dead nodes wait until the next round.
            return
