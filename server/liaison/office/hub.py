"""A channel at this node: a window on its log, kept fresh by hints, and the subscriptions that are level with it.

The log is the truth. A hint only brings entries early; a gap or a silent head is filled from the log, so a hub whose
every hint is lost still converges. Live subscriptions are served here, in one synchronous loop over finished bytes;
one that is behind, or whose socket is full, belongs to its pump (pump.py) until it is level again.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

import structlog

from liaison.core.entries import Entry, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId
from liaison.core.position import Position
from liaison.office.messages import EncodedEntry, joined_frames
from liaison.office.readers import Readers
from liaison.office.tasks import Spawn
from liaison.ports.bus import Bus
from liaison.ports.clock import Clock
from liaison.ports.log import Log, LogUnavailableError
from liaison.ports.observer import Observer
from liaison.protocol.codec import WireFormat
from liaison.protocol.limits import MAX_PAGE_BYTES, MAX_PAGE_MESSAGES

_journal = structlog.get_logger(__name__)

# What a reconnect within seconds, or a socket that was full for a moment, needs; older entries come from the log.
RING_ENTRIES: Final = 256
# Hints of one channel can overtake each other; reading the log at once would be work for nothing.
REORDER_GRACE_S: Final = 0.020
POLL_JITTER: Final = 0.2
BUS_DOWN_POLL_S: Final = 0.25
# A tuple: hashing an enum's member would cost every entry more than these two comparisons.
_TURNS: Final = (EntryKind.SUSPENSION, EntryKind.RESUMPTION)


# Takes finished frames, or gives False when the socket is full; see ports.connection.
Offer = Callable[[bytes], bool]


class Receiver(Protocol):
    """A subscription, as the hub serves it while it is level."""

    wire: WireFormat
    delegation: DelegationId

    @property
    def offer(self) -> Offer:
        """Its connection's own method: what stood between would cost each delivery as much as the hub's whole loop."""
        ...

    def fall_behind(self, cursor: int) -> None:
        """The socket is full: everything up to `cursor` was sent, the rest is to be read from the log."""
        ...

    def start_over(self) -> None:
        """The epoch changed: whatever position there was means nothing any more."""
        ...


class Hub:
    """One channel. `head` is the last seq applied here, `epoch` the one it holds in; both are set once started."""

    def __init__(
        self,
        channel: ChannelId,
        log: Log,
        clock: Clock,
        observer: Observer,
        spawn: Spawn,
        on_turn: Callable[[ChannelId], None] = lambda _channel: None,
    ) -> None:
        """`on_turn` is called when the channel was suspended or resumed; it must not block or raise."""
        self.channel = channel
        self.epoch = 0
        self.head = 0
        self.members: dict[Receiver, None] = {}
        self._log = log
        self._clock = clock
        self._observer = observer
        self._spawn = spawn
        self._on_turn = on_turn
        self._ring: deque[EncodedEntry] = deque(maxlen=RING_ENTRIES)
        self._live: dict[WireFormat, dict[Receiver, Offer]] = {wire: {} for wire in WireFormat}
        self._live_by_side: Counter[DelegationId] = Counter()
        self._ahead: dict[int, Entry] = {}
        self._known_head = 0
        self._filling: asyncio.Task[None] | None = None
        self._early: list[tuple[int, tuple[Entry, ...]]] | None = []
        self.readers = Readers()

    def begin(self, position: Position) -> None:
        """Start at the head that was read after the subscription was confirmed, then apply what came meanwhile."""
        self.epoch, self.head, self._known_head = position.epoch, position.seq, position.seq
        early, self._early = self._early, None
        for epoch, entries in early or ():
            self.on_entries(epoch, entries)

    @property
    def has_begun(self) -> bool:
        """Whether `begin` was called."""
        return self._early is None

    # --- subscriptions -------------------------------------------------------------------------------------------

    def join_live(self, receiver: Receiver) -> None:
        """Serve this subscription from now on; it must be level with `head`."""
        self._live[receiver.wire][receiver] = receiver.offer
        self._live_by_side[receiver.delegation] += 1

    def leave_live(self, receiver: Receiver) -> None:
        """Stop serving; a no-op when it isn't live."""
        if receiver in self._live[receiver.wire]:
            del self._live[receiver.wire][receiver]
            self._live_by_side[receiver.delegation] -= 1

    def after(self, cursor: int) -> list[EncodedEntry] | None:
        """Give what follows `cursor` from memory; None when the log must be read."""
        if not self._ring or self._ring[0].entry.seq > cursor + 1:
            return None
        first = self._ring[0].entry.seq
        return [self._ring[index] for index in range(cursor + 1 - first, len(self._ring))]

    # --- what arrives --------------------------------------------------------------------------------------------

    def on_entries(self, epoch: int, entries: tuple[Entry, ...]) -> None:
        """Apply a hint: in any order, any number of times, from any epoch."""
        if self._early is not None:
            self._early.append((epoch, entries))
        elif epoch > self.epoch:
            self.catch_up_with(Position(epoch, entries[-1].seq))
        elif epoch == self.epoch:
            if entries[0].seq == self.head + 1 and not self._ahead:
                self._apply(entries)
            else:
                self._reorder(entries)

    def _reorder(self, entries: tuple[Entry, ...]) -> None:
        for entry in entries:
            if entry.seq > self.head:
                self._ahead[entry.seq] = entry
        run: list[Entry] = []
        while (entry_next := self._ahead.pop(self.head + len(run) + 1, None)) is not None:
            run.append(entry_next)
        if run:
            self._apply(tuple(run))
        if self._ahead:
            self._known_head = max(self._known_head, *self._ahead)
            # Whatever waits beyond a ring's length will be read from the log anyhow.
            if len(self._ahead) > RING_ENTRIES:
                self._ahead.clear()
            self._fill()

    def catch_up_with(self, position: Position) -> None:
        """The log is known to be at `position`: fill what is missing here."""
        if position.epoch != self.epoch or position.seq > self.head:
            self._known_head = max(self._known_head, position.seq) if position.epoch == self.epoch else position.seq
            self._fill(newer_epoch=position.epoch > self.epoch)

    def _apply(self, entries: Iterable[Entry]) -> None:
        """Take entries that follow `head`: into the ring and out to everybody who is level."""
        encoded = [EncodedEntry(entry, self.epoch) for entry in entries]
        before = self.head
        self.head = encoded[-1].entry.seq
        self._known_head = max(self._known_head, self.head)
        self._ring.extend(encoded)
        full: list[Receiver] = []
        for wire, receivers in self._live.items():
            if receivers:
                frames = joined_frames(encoded, wire)
                full += [receiver for receiver, offer in receivers.items() if not offer(frames)]
        for receiver in full:
            self.leave_live(receiver)
            receiver.fall_behind(before)
            self._observer.slow_consumer()
        self._report(encoded)
        if any(row.entry.draft.kind in _TURNS for row in encoded):
            self._on_turn(self.channel)

    def _report(self, encoded: list[EncodedEntry]) -> None:
        now_ms = self._clock.wall_ms()
        # Once for each direction, however the sides alternate within a batch.
        first: dict[DelegationId, Entry] = {}
        messages: Counter[DelegationId] = Counter()
        for row in encoded:
            side = row.entry.draft.delegation
            first.setdefault(side, row.entry)
            messages[side] += 1
        for side, entry in first.items():
            latency_ms = max(0, now_ms - entry.time_ms)
            for receiver_side, receivers in self._live_by_side.items():
                if receivers:
                    self._observer.delivered(
                        side, receiver_side, messages=messages[side], receivers=receivers, latency_ms=latency_ms
                    )

    # --- gaps ----------------------------------------------------------------------------------------------------

    def _fill(self, *, newer_epoch: bool = False) -> None:
        if self._filling is None or self._filling.done():
            work = self._follow_new_epoch() if newer_epoch else self._read_missing()
            self._filling = self._spawn(work, f"fill {self.channel}")

    async def refresh(self) -> None:
        """Bring the hub level with the log as it is now. Raises LogUnavailableError."""
        position = (await self._log.heads([self.channel]))[self.channel]
        if position.epoch > self.epoch:
            await self._follow_new_epoch()
        elif position.seq > self.head:
            self._known_head = max(self._known_head, position.seq)
            await self._read_missing(grace_s=0)

    async def _read_missing(self, *, grace_s: float = REORDER_GRACE_S) -> None:
        await asyncio.sleep(grace_s)
        if self.head < self._known_head:
            self._observer.hint_missed()
        while self.head < self._known_head:
            try:
                page = await self._log.read(
                    self.channel, after=self.head, limit=MAX_PAGE_MESSAGES, max_bytes=MAX_PAGE_BYTES
                )
            except LogUnavailableError:
                # The next poll finds the same gap again and starts another attempt.
                return
            if page.epoch != self.epoch:
                await self._follow_new_epoch()
                return
            # A hint may have been faster than the read.
            fresh = [entry for entry in page.entries if entry.seq > self.head]
            if not fresh and page.head <= self.head:
                self._known_head = self.head
            elif fresh:
                self._apply(fresh)
            for seq in [seq for seq in self._ahead if seq <= self.head]:
                del self._ahead[seq]

    async def _follow_new_epoch(self) -> None:
        """The log was restored: everything known here is void, and every subscription starts over."""
        try:
            position = (await self._log.heads([self.channel]))[self.channel]
        except LogUnavailableError:
            return
        if position.epoch <= self.epoch:
            return
        _journal.warning("epoch changed", channel=self.channel, before=self.epoch, after=position.epoch)
        self.epoch, self.head, self._known_head = position.epoch, position.seq, position.seq
        self._ring.clear()
        self._ahead.clear()
        self.readers.clear()
        for receiver in list(self.members):
            self.leave_live(receiver)
            receiver.start_over()


class Hubs:
    """The hubs of the channels that somebody at this node follows, and the poll that makes lost hints harmless."""

    def __init__(
        self,
        *,
        log: Log,
        bus: Bus,
        rng: random.Random,
        make_hub: Callable[[ChannelId], Hub],
        prepare: Callable[[Hub], Awaitable[None]],
        poll_interval_s: float,
    ) -> None:
        """`prepare` is awaited before a hub begins, while it hears hints already; may raise LogUnavailableError."""
        self._log = log
        self._bus = bus
        self._rng = rng
        self._make_hub = make_hub
        self._prepare = prepare
        self._poll_interval_s = poll_interval_s
        self._hubs: dict[ChannelId, Hub] = {}
        self._starting: dict[ChannelId, asyncio.Future[None]] = {}
        self._doubt = asyncio.Event()

    def get(self, channel: ChannelId) -> Hub | None:
        """Give the channel's hub, if somebody here follows it."""
        return self._hubs.get(channel)

    def known_heads(self, channels: Iterable[ChannelId]) -> dict[ChannelId, Position]:
        """Give the positions of those of the channels whose hub has begun."""
        hubs = [hub for hub in map(self._hubs.get, channels) if hub is not None and hub.has_begun]
        return {hub.channel: Position(hub.epoch, hub.head) for hub in hubs}

    async def join(self, channel: ChannelId, receiver: Receiver) -> Hub:
        """Make `receiver` a member of the channel's hub, which is begun when this returns; pair with `leave`.

        Raises LogUnavailableError, and then `receiver` is no member.
        """
        hub = self._hubs.get(channel)
        if hub is None:
            hub = self._hubs[channel] = self._make_hub(channel)
        hub.members[receiver] = None
        try:
            while not hub.has_begun:
                await self._begin(hub)
        except BaseException:
            self.leave(hub, receiver)
            raise
        return hub

    async def _begin(self, hub: Hub) -> None:
        under_way = self._starting.get(hub.channel)
        if under_way is not None:
            await asyncio.shield(under_way)
            return
        done = self._starting[hub.channel] = asyncio.get_running_loop().create_future()
        try:
            # Subscribe first, then read the head: an entry committed in between is in the head or comes as a hint.
            await self._bus.subscribe(hub.channel)
            await self._prepare(hub)
            position = (await self._log.heads([hub.channel]))[hub.channel]
            if not hub.has_begun:
                hub.begin(position)
        finally:
            del self._starting[hub.channel]
            # Those who wait try again by themselves, so a failure here is not theirs.
            done.set_result(None)

    def leave(self, hub: Hub, receiver: Receiver) -> None:
        """Undo `join`; the last one to go takes the hub along."""
        hub.leave_live(receiver)
        hub.members.pop(receiver, None)
        if not hub.members and self._hubs.get(hub.channel) is hub:
            del self._hubs[hub.channel]
            self._bus.unsubscribe(hub.channel)

    def doubt(self) -> None:
        """Something may have been lost: poll now."""
        self._doubt.set()

    async def poll_heads(self) -> None:
        """Compare every hub with its log, for as long as the node runs."""
        while True:
            interval_s = self._poll_interval_s if self._bus.is_up else BUS_DOWN_POLL_S
            interval_s *= 1 + self._rng.uniform(-POLL_JITTER, POLL_JITTER)
            try:
                async with asyncio.timeout(interval_s):
                    await self._doubt.wait()
            except TimeoutError:
                pass
            self._doubt.clear()
            channels = [channel for channel, hub in self._hubs.items() if hub.has_begun]
            if not channels:
                continue
            try:
                heads = await self._log.heads(channels)
            except LogUnavailableError:
                continue
            for channel, position in heads.items():
                hub = self._hubs.get(channel)
                if hub is not None and hub.has_begun:
                    hub.catch_up_with(position)
