"""One client's subscriptions, and the task that reads the log for those that are behind.

Live delivery, backfill, resume and slow consumers are one loop with two places to stand: level with the hub (served
there) or behind (served here, page by page, as fast as the socket drains). A client that takes nothing costs one
bounded socket buffer and no queue.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from liaison.core.identifiers import ChannelId, DelegationId
from liaison.core.position import Position
from liaison.office.hub import Hub, Hubs
from liaison.office.log_pages import PAGE_ENTRIES, LogPages
from liaison.office.messages import joined_frames
from liaison.office.tasks import Spawn
from liaison.ports.connection import Connection
from liaison.ports.log import LogUnavailableError, LogUnreadableError
from liaison.ports.observer import Observer
from liaison.protocol.codec import WireFormat, finished_frame
from liaison.protocol.frames import Reset

_RETRY_S: Final = 0.25
# After a restore the reader's place is unknown; this much of what now stands gives context.
_RESET_TAIL: Final = 50


class Subscription:
    """One client's place in one channel. While live, its cursor is the hub's head; while behind, its own."""

    __slots__ = (
        "_pump",
        "channel",
        "connection",
        "cursor",
        "delegation",
        "hub",
        "is_active",
        "is_announced",
        "needs_reset",
        "offer",
        "wire",
    )

    def __init__(self, pump: "Pump", channel: ChannelId) -> None:
        self._pump = pump
        self.channel = channel
        self.connection = pump.connection
        self.offer = pump.offer
        self.wire = pump.wire
        self.delegation = pump.delegation
        self.hub: Hub | None = None
        self.cursor = 0
        self.needs_reset = False
        self.is_active = True
        # Until the client knows of the subscription, nothing may be sent for it.
        self.is_announced = False

    def fall_behind(self, cursor: int) -> None:
        """Go on from the log after `cursor`."""
        self.cursor = cursor
        self._pump.serve(self)

    def start_over(self) -> None:
        """Tell the client to forget its position, and go on with what now stands."""
        self.needs_reset = True
        if self.is_announced:
            self._pump.serve(self)


class Pump:
    """The subscriptions of one client, whose frames all leave by one connection."""

    def __init__(  # noqa: PLR0913  Each is a different collaborator, and only the office makes pumps.
        self,
        *,
        connection: Connection,
        wire: WireFormat,
        delegation: DelegationId,
        hubs: Hubs,
        pages: LogPages,
        spawn: Spawn,
        observer: Observer,
        on_unreadable: Callable[[ChannelId, LogUnreadableError], None],
    ) -> None:
        """`on_unreadable` hears of a channel that can't be followed on, and isn't any more."""
        self.connection = connection
        # One for all subscriptions.
        self.offer = connection.offer
        self.wire = wire
        self.delegation = delegation
        self.subscriptions: dict[ChannelId, Subscription] = {}
        self._hubs = hubs
        self._pages = pages
        self._spawn = spawn
        self._observer = observer
        self._on_unreadable = on_unreadable
        self._behind: dict[Subscription, None] = {}
        self._writable = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def subscribe(
        self,
        channel: ChannelId,
        position: Position | None,
        tail: int,
        *,
        announce: Callable[[Hub, int], None],
        still_allowed: Callable[[], bool],
    ) -> bool:
        """Follow a channel after `position`, or from `tail` messages before its head; replaces an earlier subscription.

        `announce(hub, from_seq)` is called once, before the first message can be sent. False, and nothing happened,
        when it was unsubscribed meanwhile or `still_allowed` says no by then: a right may go while the hub begins.

        Raises LogUnavailableError; there is then no subscription.
        """
        self.unsubscribe(channel)
        subscription = Subscription(self, channel)
        # Registered before the first await, so that an unsubscribe that comes meanwhile finds it.
        self.subscriptions[channel] = subscription
        try:
            hub = await self._hubs.join(channel, subscription)
        except BaseException:
            self._drop(subscription)
            raise
        subscription.hub = hub
        if position is not None and position.epoch >= hub.epoch and position.seq > hub.head:
            # The client has seen more than this hub: from another node, or the hub's hint was lost.
            try:
                await hub.refresh()
            except BaseException:
                self._drop(subscription)
                raise
        if not subscription.is_active or not still_allowed():
            self._drop(subscription)
            return False
        if position is None:
            subscription.cursor = max(0, hub.head - tail)
        elif position.epoch == hub.epoch and position.seq <= hub.head:
            subscription.cursor = position.seq
        else:
            subscription.cursor = max(0, hub.head - _RESET_TAIL)
        # Of another epoch, or beyond a head that was just read: a place that does not exist.
        subscription.needs_reset = position is not None and position != Position(hub.epoch, subscription.cursor)
        announce(hub, subscription.cursor)
        subscription.is_announced = True
        self.serve(subscription)
        return True

    def unsubscribe(self, channel: ChannelId) -> None:
        """Stop following; a no-op when the channel isn't followed."""
        subscription = self.subscriptions.pop(channel, None)
        if subscription is not None:
            self._drop(subscription)

    def _drop(self, subscription: Subscription) -> None:
        subscription.is_active = False
        self._behind.pop(subscription, None)
        if subscription.hub is not None:
            self._hubs.leave(subscription.hub, subscription)
        if self.subscriptions.get(subscription.channel) is subscription:
            del self.subscriptions[subscription.channel]

    def close(self) -> None:
        """Stop following everything."""
        for channel in list(self.subscriptions):
            self.unsubscribe(channel)
        if self._task is not None:
            self._task.cancel()

    @property
    def lag_messages(self) -> int:
        """How many messages the subscriptions that are behind have yet to be sent."""
        return sum(max(0, behind.hub.head - behind.cursor) for behind in self._behind if behind.hub is not None)

    def on_writable(self) -> None:
        """The socket takes more again."""
        self._writable.set()

    def serve(self, subscription: Subscription) -> None:
        """Make a subscription level, at once if it already is, else by reading what it lacks."""
        if self._is_level(subscription):
            self._go_live(subscription)
            return
        self._behind[subscription] = None
        if self._task is None or self._task.done():
            self._task = self._spawn(self._catch_up(), "catch up")

    @staticmethod
    def _is_level(subscription: Subscription) -> bool:
        hub = subscription.hub
        assert hub is not None
        return not subscription.needs_reset and subscription.cursor == hub.head and subscription.connection.is_writable

    def _go_live(self, subscription: Subscription) -> None:
        assert subscription.hub is not None
        subscription.hub.join_live(subscription)

    async def _catch_up(self) -> None:
        while self._behind:
            # Round robin by pages: a channel with a long backlog does not keep the others waiting.
            subscription = next(iter(self._behind))
            del self._behind[subscription]
            if not self.connection.is_writable:
                self._behind[subscription] = None
                self._writable.clear()
                await self._writable.wait()
                continue
            try:
                has_moved = await self._advance(subscription)
            except LogUnavailableError:
                has_moved = False
            except LogUnreadableError as error:
                # Reading it again gives the same. The client's other channels go on.
                self._drop(subscription)
                self._on_unreadable(subscription.channel, error)
                continue
            if not has_moved and subscription.is_active and not self._is_level(subscription):
                await asyncio.sleep(_RETRY_S)
            if not subscription.is_active:
                continue
            # No await between this look at the hub and joining it, so nothing can slip through.
            if self._is_level(subscription):
                self._go_live(subscription)
            else:
                self._behind[subscription] = None

    async def _advance(self, subscription: Subscription) -> bool:
        """Send a subscription its next page; say whether there was one."""
        hub = subscription.hub
        assert hub is not None
        if subscription.needs_reset:
            subscription.needs_reset = False
            subscription.cursor = max(0, hub.head - _RESET_TAIL)
            reset = Reset(hub.channel, hub.epoch, subscription.cursor)
            self.connection.send(finished_frame(reset, self.wire))
        rows = hub.after(subscription.cursor)
        if rows:
            rows = rows[:PAGE_ENTRIES]
            self.connection.send(joined_frames(rows, self.wire))
            sent, subscription.cursor = len(rows), rows[-1].entry.seq
        elif rows is None and subscription.cursor < hub.head:
            head = Position(hub.epoch, hub.head)
            page = await self._pages.after(hub.channel, subscription.cursor, head=head)
            # The right to read, or the epoch, may have gone while the log was read.
            if not subscription.is_active or subscription.needs_reset or page.epoch != head.epoch:
                return subscription.needs_reset
            # What the log has beyond the hub's head will come as a live message; sent here, it would come twice.
            page = page.up_to(hub.head)
            if not page:
                return False
            self.connection.send(page.frames(self.wire))
            sent, subscription.cursor = len(page), page.last_seq
        else:
            return False
        self._observer.caught_up(sent)
        # Lets the connection write, so that a full socket is seen before the next page.
        await asyncio.sleep(0)
        return True
