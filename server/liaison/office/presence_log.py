"""Who came, wavered and went, when and why: what answers "why did she show offline at 14:03?". (PROTOCOL.md §6.6)

Each node sees the changes of the whole office and keeps them in its memory, for a day. One that starts anew asks those
that run for what was before, and says since when it knows. What they give are pieces without a gap, each just before
what is known already, so that a lost one leaves no hole that nobody sees.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import structs

from liaison.core.identifiers import Millis, UserId
from liaison.core.presence import Connectivity, UserDevices
from liaison.ports.bus import MAX_EVENTS, OperationsHint, PastHint, PastWantedHint
from liaison.ports.clock import Clock
from liaison.protocol.frames import PresenceEvent, PresenceLog, PresenceLogReply

KEPT_MS: Final = 24 * 3600 * 1000
# Forty officials who come and go a hundred times a day would be well within it; a node that flaps is not.
KEPT_EVENTS: Final = 10_000
# What a node is given that starts anew: a day of an office that is well.
MAX_GIVEN: Final = 2_000


class PresenceEvents:
    """The changes of connectivity that this node has seen, newest last."""

    def __init__(self, node: str, clock: Clock) -> None:
        self._node = node
        self._clock = clock
        self._since_ms = clock.wall_ms()
        # Below it is room for what others remember from before.
        self._number = KEPT_EVENTS
        self._events: deque[PresenceEvent] = deque()
        self._publish: Callable[[OperationsHint], None] = lambda _hint: None

    def note(self, before: UserDevices | None, after: UserDevices) -> None:
        """Take in what became of a user; one who only changed devices or availability is no event."""
        was = Connectivity.OFFLINE if before is None else before.connectivity
        if after.connectivity is was:
            return
        self._number += 1
        self._events.append(
            PresenceEvent(
                self._number,
                after.changed_ms,
                after.user,
                after.delegation,
                after.connectivity.value,
                after.cause,
            )
        )
        if len(self._events) > KEPT_EVENTS:
            self._forget_oldest()

    def share(self, publish: Callable[[OperationsHint], None]) -> None:
        """Give others what is known, by `publish`, and ask them for what was before; again whenever hints were lost."""
        self._publish = publish
        publish(PastWantedHint(self._node, self._since_ms))

    def on_hint(self, hint: PastWantedHint | PastHint) -> None:
        """Another node asks for what was before its time, or gives it."""
        match hint:
            case PastWantedHint(node, since_ms):
                if node != self._node:
                    self._give(node, Millis(since_ms))
            case PastHint(node, since_ms, until_ms, events):
                if node == self._node:
                    self._remember(Millis(since_ms), Millis(until_ms), events)

    def _give(self, node: str, before_ms: Millis) -> None:
        self._forget_old()
        # What was so already when this node came is older than what it knows without a gap.
        told = [event for event in reversed(self._events) if self._since_ms <= event.time_ms < before_ms]
        rest = sorted(told, key=lambda event: -event.time_ms)
        until_ms, given = before_ms, 0
        while given < MAX_GIVEN and self._since_ms < until_ms:
            piece, since_ms = rest[:MAX_EVENTS], self._since_ms
            if len(rest) > MAX_EVENTS:
                # What came about in one millisecond stays together.
                since_ms = Millis(rest[MAX_EVENTS].time_ms + 1)
                piece = [event for event in piece if event.time_ms >= since_ms]
                if not piece:
                    return
            self._publish(PastHint(node, since_ms, until_ms, tuple(piece)))
            rest, until_ms, given = rest[len(piece) :], since_ms, given + len(piece)

    def _remember(self, since_ms: Millis, until_ms: Millis, events: tuple[PresenceEvent, ...]) -> None:
        # Twice, late, or after a piece that was lost: what would leave a gap is left alone.
        if until_ms < self._since_ms or since_ms >= self._since_ms:
            return
        # Those who were here already when this node came stand in both.
        known = {(event.user, event.time_ms, event.connectivity) for event in self._events}
        for event in events:
            if event.time_ms >= self._since_ms or (event.user, event.time_ms, event.connectivity) in known:
                continue
            number = self._events[0].number - 1 if self._events else self._number
            if number < 1 or len(self._events) >= KEPT_EVENTS:
                self._since_ms = Millis(event.time_ms + 1)
                return
            self._events.appendleft(structs.replace(event, number=number))
        self._since_ms = since_ms

    def reply(self, query: PresenceLog) -> PresenceLogReply:
        """Give one page."""
        now_ms = self._clock.wall_ms()
        self._forget_old()
        user = UserId(query.user)
        # One more than asked for, to know whether there is more.
        found: list[PresenceEvent] = []
        for event in reversed(self._events):
            if user and event.user != user:
                continue
            if query.before is not None and event.number >= query.before:
                continue
            if query.before_ms is not None and event.time_ms >= query.before_ms:
                continue
            found.append(event)
            if len(found) > query.limit:
                break
        return PresenceLogReply(
            id=query.id,
            node=self._node,
            since_ms=max(self._since_ms, now_ms - KEPT_MS),
            events=found[: query.limit],
            more=len(found) > query.limit,
        )

    def _forget_old(self) -> None:
        since_ms = self._clock.wall_ms() - KEPT_MS
        while self._events and self._events[0].time_ms < since_ms:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self._since_ms = Millis(max(self._since_ms, self._events.popleft().time_ms + 1))
