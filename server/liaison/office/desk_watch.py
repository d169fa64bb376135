"""Both duty desks and the strip of line checks as ops watch them: no text, nobody's name. (PROTOCOL.md §13.5)"""

from typing import TYPE_CHECKING, Final

import msgspec

from liaison.core.duty_roster import Hours, must_be_staffed
from liaison.core.identifiers import DelegationId
from liaison.core.line_check_register import Checks
from liaison.core.line_check_register import fold as fold_checks
from liaison.core.permissions import Action
from liaison.core.presence import Here
from liaison.core.register_channels import LINE_CHECKS
from liaison.office.actor import Actor
from liaison.office.duty_rosters import Rosters, on_duty
from liaison.office.line_check_views import Strip
from liaison.protocol.duty_frames import DeskInfo, Desks, DesksReply
from liaison.protocol.line_check_frames import LineCheckDay

if TYPE_CHECKING:
    from liaison.office.office import Office

_NOBODY: Final = Here(is_connected=False, people=frozenset())


class DeskWatch:
    """Answers ops, at whichever node."""

    def __init__(self, office: "Office", rosters: Rosters, hours: Hours) -> None:
        self._office = office
        self._rosters = rosters
        self._hours = hours
        self._zones: Final = {delegation.id: delegation.time_zone for delegation in office.profile.delegations}
        self._checks: Final = office.registers.of(LINE_CHECKS, Checks(), fold_checks)

    async def show(self, actor: Actor, command: Desks) -> DesksReply:
        """Give both desks and the last days. Raises LiaisonError, LogUnavailableError."""
        office = self._office
        office.registry.may(actor, Action.WATCH_DESKS)
        checks = await self._checks.current()
        here = office.presence.here()
        desks = [
            await self._desk(side, _NOBODY if here is None else here[side]) for side in sorted(self._rosters.registers)
        ]
        # The right may have gone while the log was read.
        office.registry.may(actor, Action.WATCH_DESKS)
        now_ms = office.clock.wall_ms()
        # An office that holds no line checks has no schedule, and nothing to show.
        strip = None if checks.schedule is None else Strip(checks, checks.schedule, office.profile, now_ms)
        days = [] if strip is None else [_without_words(day) for day in strip.days(command.days)]
        return DesksReply(id=command.id, time_ms=now_ms, desks=desks, days=days, is_stale=here is None)

    async def _desk(self, side: DelegationId, here: Here) -> DeskInfo:
        book = await self._rosters.registers[side].current()
        now_ms = self._office.clock.wall_ms()
        people = on_duty(book, now_ms)
        return DeskInfo(
            side,
            line_up=here.is_connected,
            staffed=bool(here.people if people is None else here.people & people),
            has_roster=people is not None,
            unstaffed_since_ms=book.unstaffed_ms,
            outside_hours=not must_be_staffed(self._hours, self._zones[side], now_ms),
        )


def _without_words(day: LineCheckDay) -> LineCheckDay:
    checks = [msgspec.structs.replace(check, text="", called_by="", answered_by="") for check in day.checks]
    return msgspec.structs.replace(day, checks=checks)
