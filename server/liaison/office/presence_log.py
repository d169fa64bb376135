"""Who came, wavered and went, when and why: what answers "why did she show offline at 14:03?". (PROTOCOL.md §6.6)

It is kept in this node's memory alone, for a day: a node that starts anew knows nothing from before, and says so.
"""

from collections import deque
from typing import Final

from liaison.core.identifiers import Millis, UserId
from liaison.core.presence import Connectivity, UserDevices
from liaison.ports.clock import Clock
from liaison.protocol.frames import PresenceEvent, PresenceLog, PresenceLogReply

KEPT_MS: Final = 24 * 3600 * 1000
# Forty officials who come and go a hundred times a day would be well within it; a node that flaps is not.
KEPT_EVENTS: Final = 10_000


class PresenceEvents:
    """The changes of connectivity that this node has seen, newest last."""

    def __init__(self, node: str, clock: Clock) -> None:
        self._node = node
        self._clock = clock
        self._since_ms = clock.wall_ms()
        self._number = 0
        self._events: deque[PresenceEvent] = deque()

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

    def reply(self, query: PresenceLog) -> PresenceLogReply:
        """Give one page."""
        now_ms = self._clock.wall_ms()
        while self._events and self._events[0].time_ms < now_ms - KEPT_MS:
            self._forget_oldest()
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

    def _forget_oldest(self) -> None:
        self._since_ms = Millis(max(self._since_ms, self._events.popleft().time_ms + 1))
