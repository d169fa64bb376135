"""Line checks as the wire shows them: the last days as a strip, the same for both sides. (PROTOCOL.md §13)"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, cast

from liaison.core.identifiers import DelegationId, Millis
from liaison.core.line_check import Heartbeat
from liaison.core.line_check_register import Check, Checks, Regime
from liaison.core.line_check_schedule import Schedule, Slot
from liaison.core.profile import OfficeProfile
from liaison.protocol import line_check_frames as frames

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Strip:
    """The register at one moment, by the schedule that is in force."""

    checks: Checks
    schedule: Schedule
    profile: OfficeProfile
    now_ms: Millis

    def days(self, count: int) -> list[frames.LineCheckDay]:
        """Give the last days, the oldest first and today last; every check that was or is due has its place."""
        today = self.schedule.day_of(self.now_ms)
        wanted = [today - timedelta(back) for back in reversed(range(count))]
        by_day: dict[str, dict[str, tuple[Millis, frames.LineCheckInfo]]] = defaultdict(dict)
        first_ms, last_ms = Millis(self.now_ms - (count + 2) * _DAY_MS), Millis(self.now_ms + 2 * _DAY_MS)
        # A day before the register began has its checks as well: that nothing is known of them is to be seen.
        regimes = self.checks.regimes or (Regime(self.now_ms, self.schedule),)
        slots = [
            *regimes[0].schedule.due_between(first_ms, regimes[0].since_ms),
            *Checks(regimes=regimes).due_between(first_ms, last_ms),
        ]
        for slot in slots:
            by_day[self._date(slot.due_ms)][slot.name] = (slot.due_ms, self.slot(slot))
        for check in self.checks.checks.values():
            if check.due_ms >= first_ms:
                by_day[self._date(check.due_ms)][check.name] = (check.due_ms, self.info(check))
        return [
            frames.LineCheckDay(
                day.isoformat(),
                self.schedule.caller_on(day),
                [info for _, info in sorted(by_day[day.isoformat()].values(), key=lambda pair: pair[0])],
            )
            for day in wanted
        ]

    def open(self) -> list[frames.LineCheckInfo]:
        """Give the checks that wait for a desk, the oldest first."""
        checks = [self.checks.checks[name] for name in self.checks.open]
        return [self.info(check) for check in sorted(checks, key=lambda check: (check.due_ms, check.name))]

    def next(self) -> frames.LineCheckInfo | None:
        """Give the next check of the schedule."""
        slot = self.schedule.next_after(self.now_ms)
        return None if slot is None else self.slot(slot)

    def slot(self, slot: Slot) -> frames.LineCheckInfo:
        """Give a check of the schedule that has no entry yet, or never got one."""
        is_to_come = slot.due_ms > self.now_ms or slot.due_ms > self.checks.kept_until_ms
        state = "scheduled" if is_to_come else "not_kept"
        return frames.LineCheckInfo(
            slot.name, slot.due_ms, slot.caller, self.profile.other(slot.caller), cast(frames.CheckState, state)
        )

    def info(self, check: Check) -> frames.LineCheckInfo:
        """Give a check that has an entry."""
        verdict, called, answered = check.verdict, check.called, check.answered
        return frames.LineCheckInfo(
            check=check.name,
            due_ms=check.due_ms,
            caller=check.caller,
            answerer=self.profile.other(check.caller),
            # None is kept before it is opened or missed.
            state=cast(frames.CheckState, check.state.value),
            outcome="" if verdict is None else verdict.outcome.value,
            side="" if verdict is None else verdict.side,
            reason="" if verdict is None else verdict.reason.value,
            requested=check.is_request,
            text=check.text,
            opened_ms=check.opened_ms,
            deadline_ms=check.opened_ms + check.window_ms,
            called_ms=0 if called is None else called.time_ms,
            called_by="" if called is None else called.by,
            answered_ms=0 if answered is None else answered.time_ms,
            answered_by="" if answered is None else answered.by,
            ended_ms=check.ended_ms,
            heartbeat=heartbeat_info(check.heartbeat),
        )

    def _date(self, at_ms: Millis) -> str:
        return self.schedule.day_of(at_ms).isoformat()


def heartbeat_info(sides: Mapping[DelegationId, Heartbeat]) -> list[frames.HeartbeatInfo]:
    """Give what is known of both sides, in one order for everybody."""
    return [frames.HeartbeatInfo(side, sides[side].line_up, sides[side].staffed) for side in sorted(sides)]
