"""What each node did, in steps of five seconds, for ops who watch. (PROTOCOL.md §6.5)

It observes the office beside what Prometheus is told: numbers by side and direction, never a channel, never text. The
last quarter of an hour is kept, so that a page that is opened late shows what led to now. Each step is told to the
other nodes too, some hundred bytes every five seconds, so that whichever node ops are connected to knows of all.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Final

from liaison.core.identifiers import DelegationId, Millis
from liaison.core.latencies import Latencies
from liaison.core.permissions import Action, refusal
from liaison.core.profile import OfficeProfile
from liaison.office.session_table import SessionTable
from liaison.office.watching import Watcher, Watchers
from liaison.ports.bus import StatisticsHint
from liaison.ports.clock import Clock
from liaison.protocol.frames import (
    DirectionStatistics,
    NodeStatistics,
    SideStatistics,
    Statistics,
    StatisticsReply,
    StatisticsStep,
)

STEP_MS: Final = 5_000
KEPT_STEPS: Final = 15 * 60 * 1000 // STEP_MS
# The reasons why a node isn't ready are asked for within a step, also where the log hangs and answers nothing.
_READINESS_TIMEOUT_S: Final = 2.0
# A node that told nothing for so many steps is gone, or is cut off; either way its figures are of the past.
_SILENT_STEPS: Final = 12
# Somebody who watches there says so with each step; two of them may be lost.
_WATCHED_STEPS: Final = 3
# Far more than any office has: names that come from outside must not fill the memory.
_MAX_NODES: Final = 64
NO_ANSWER: Final = "the log does not answer"


class _OtherNode:
    """The steps of another node, as far as they arrived."""

    def __init__(self, now_ms: Millis) -> None:
        self.steps: deque[StatisticsStep] = deque(maxlen=KEPT_STEPS)
        self.heard_ms = now_ms

    def take(self, step: StatisticsStep, now_ms: Millis) -> bool:
        """Add a step; say whether it is news."""
        last = self.steps[-1] if self.steps else None
        if last is not None and step.number <= last.number:
            if step.time_ms <= last.time_ms:
                return False
            # It was started anew and counts from one again.
            self.steps.clear()
        self.steps.append(step)
        self.heard_ms = now_ms
        return True


class StatisticsFeed:
    """Implements ports.observer.Observer. All but `run` is synchronous, and what the hot path calls only counts."""

    def __init__(
        self,
        node: str,
        profile: OfficeProfile,
        sessions: SessionTable,
        clock: Clock,
        publish: Callable[[StatisticsHint], None],
    ) -> None:
        self._node = node
        self._publish = publish
        self._others: dict[str, _OtherNode] = {}
        self._watched_until_ms = -1
        self._sessions = sessions
        self._clock = clock
        self._watchers = Watchers(lambda account: refusal(account, Action.WATCH_STATISTICS, None) is None)
        self._steps: deque[StatisticsStep] = deque(maxlen=KEPT_STEPS)
        self._number = 0
        self._began_ms = clock.monotonic_ms()
        # Each side and direction is there from the beginning: what nobody does is told as nothing done.
        self._sides = [delegation.id for delegation in profile.delegations]
        self._published: Counter[DelegationId] = Counter()
        self._acks = {side: Latencies() for side in self._sides}
        self._deliveries: Counter[tuple[DelegationId, DelegationId]] = Counter()
        self._seen = {(sender, receiver): Latencies() for sender in self._sides for receiver in self._sides}
        self._refusals: Counter[str] = Counter()
        self._appends: Counter[str] = Counter()
        self._caught_up = 0
        self._slow_consumers = 0
        self._hints_missed = 0
        self._loop_lag_ms = 0.0

    def watch(self, watcher: Watcher) -> None:
        """Send each step that ends from now on to `watcher`; idempotent."""
        self._watchers.add(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Undo `watch`; idempotent."""
        self._watchers.discard(watcher)

    def reply(self, command_id: int) -> StatisticsReply:
        """Give the steps that are kept, oldest first."""
        self._forget_silent()
        others = [NodeStatistics(name, list(other.steps)) for name, other in sorted(self._others.items())]
        return StatisticsReply(id=command_id, node=self._node, step_ms=STEP_MS, steps=list(self._steps), others=others)

    def on_hint(self, hint: StatisticsHint) -> None:
        """Another node has ended a step. Lost ones leave a gap; a repeated or late one changes nothing."""
        if hint.node == self._node:
            return
        now_ms = self._clock.monotonic_ms()
        if hint.is_watched:
            self._watched_until_ms = now_ms + _WATCHED_STEPS * STEP_MS
        self._forget_silent()
        other = self._others.get(hint.node)
        if other is None:
            if len(self._others) >= _MAX_NODES:
                return
            other = self._others[hint.node] = _OtherNode(now_ms)
        if other.take(hint.step, now_ms):
            self._watchers.push(Statistics(hint.node, hint.step))

    def _forget_silent(self) -> None:
        since_ms = self._clock.monotonic_ms() - _SILENT_STEPS * STEP_MS
        for name in [name for name, other in self._others.items() if other.heard_ms < since_ms]:
            del self._others[name]

    @property
    def _is_watched(self) -> bool:
        """Somebody watches, here or at a node that we heard of."""
        return len(self._watchers) > 0 or self._clock.monotonic_ms() < self._watched_until_ms

    async def run(self, readiness: Callable[[], Awaitable[list[str]]]) -> None:
        """End a step every STEP_MS until cancelled. `readiness` gives why this node should get no new clients."""
        while True:
            await asyncio.sleep(STEP_MS / 1000)
            # To know whether the log can commit costs a commit: nobody pays for what nobody reads.
            reasons = await self._reasons(readiness) if self._is_watched else []
            self._end_step(reasons)

    @staticmethod
    async def _reasons(readiness: Callable[[], Awaitable[list[str]]]) -> list[str]:
        try:
            async with asyncio.timeout(_READINESS_TIMEOUT_S):
                return await readiness()
        except TimeoutError:
            return [NO_ANSWER]

    def _end_step(self, reasons: list[str]) -> None:
        now_ms = self._clock.monotonic_ms()
        by_side = self._sessions.by_side
        self._number += 1
        step = StatisticsStep(
            number=self._number,
            time_ms=self._clock.wall_ms(),
            span_ms=now_ms - self._began_ms,
            sides=[self._side(side, by_side[side]) for side in self._sides],
            directions=[self._direction(*direction) for direction in self._seen],
            sessions=by_side.total(),
            caught_up=self._caught_up,
            slow_consumers=self._slow_consumers,
            hints_missed=self._hints_missed,
            loop_lag_ms=round(self._loop_lag_ms),
            buffered_bytes=self._sessions.buffered_bytes() if self._is_watched else None,
            refusals=dict(self._refusals),
            appends=dict(self._appends),
            reasons=reasons,
        )
        self._steps.append(step)
        self._began_ms = now_ms
        self._start_over()
        self._watchers.push(Statistics(self._node, step))
        self._publish(StatisticsHint(self._node, step, is_watched=len(self._watchers) > 0))

    def _side(self, side: DelegationId, sessions: int) -> SideStatistics:
        acks = self._acks[side]
        return SideStatistics(
            side, sessions, self._published[side], ack_p50_us=acks.quantile_us(0.5), ack_p99_us=acks.quantile_us(0.99)
        )

    def _direction(self, sender: DelegationId, receiver: DelegationId) -> DirectionStatistics:
        seen = self._seen[sender, receiver]
        return DirectionStatistics(
            sender,
            receiver,
            self._deliveries[sender, receiver],
            seen_p50_us=seen.quantile_us(0.5),
            seen_p99_us=seen.quantile_us(0.99),
        )

    def _start_over(self) -> None:
        for counter in (self._published, self._deliveries, self._refusals, self._appends):
            counter.clear()
        for latencies in (*self._acks.values(), *self._seen.values()):
            latencies.clear()
        self._caught_up = self._slow_consumers = self._hints_missed = 0
        self._loop_lag_ms = 0.0

    # --- the observer ---------------------------------------------------------------------------------------------

    def session_opened(self, role: str, wire: str) -> None:
        """See ports.observer; how many there are is read from the table of sessions."""

    def session_closed(self, role: str, wire: str, cause: str) -> None:
        """See ports.observer; how many there are is read from the table of sessions."""

    def published(self, delegation: DelegationId, messages: int) -> None:
        """See ports.observer."""
        self._published[delegation] += messages

    def acknowledged(self, delegation: DelegationId, latency_ms: float) -> None:
        """See ports.observer."""
        acks = self._acks.get(delegation)
        if acks is not None:
            acks.add(latency_ms)

    def delivered(
        self, sender: DelegationId, receiver: DelegationId, *, messages: int, receivers: int, latency_ms: float
    ) -> None:
        """See ports.observer. The latency counts once a batch, however many received it."""
        direction = (sender, receiver)
        seen = self._seen.get(direction)
        if seen is not None:
            seen.add(latency_ms)
            self._deliveries[direction] += messages * receivers

    def caught_up(self, messages: int) -> None:
        """See ports.observer."""
        self._caught_up += messages

    def hint_missed(self) -> None:
        """See ports.observer."""
        self._hints_missed += 1

    def refused(self, error_name: str) -> None:
        """See ports.observer."""
        self._refusals[error_name] += 1

    def slow_consumer(self) -> None:
        """See ports.observer."""
        self._slow_consumers += 1

    def attachment_moved(self, delegation: DelegationId, direction: str, size_bytes: int) -> None:
        """See ports.observer; the operators' page has no figure for it."""

    def append_finished(self, messages: int, latency_ms: float, result: str) -> None:
        """See ports.observer."""
        self._appends[result] += 1

    def line_check_ended(self, outcome: str) -> None:
        """See ports.observer. It stands in its register, where pages read it."""

    def desk_looked_at(self, delegation: DelegationId, *, is_unstaffed: bool) -> None:
        """See ports.observer. Ops are told by a notice."""

    def loop_was_late(self, lag_ms: float) -> None:
        """The event loop came to a timer so late; a step tells the worst."""
        self._loop_lag_ms = max(self._loop_lag_ms, lag_ms)
