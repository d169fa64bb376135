"""Both sides' duty registers as a node reads them: who is on duty now, for line checks and for the desk itself."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from liaison.core.duty import DutyBook, fold
from liaison.core.duty_roster import Roster
from liaison.core.identifiers import DelegationId, Millis, UserId
from liaison.core.register_channels import own_duty
from liaison.core.rights import Account, Role
from liaison.office.registers import Register
from liaison.protocol.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from liaison.office.office import Office


class Rosters:
    """One register for each side."""

    def __init__(self, office: "Office") -> None:
        self._clock = office.clock
        self.registers: Final[Mapping[DelegationId, Register[DutyBook]]] = {
            delegation.id: office.registers.of(own_duty(delegation.id), DutyBook(), fold)
            for delegation in office.profile.delegations
        }

    async def on_duty(self, side: DelegationId) -> frozenset[UserId] | None:
        """Give who is on duty at a side's desk now, None where no roster says. Raises LogUnavailableError."""
        return on_duty((await self.registers[side].current()), self._clock.wall_ms())


def on_duty(book: DutyBook, now_ms: Millis) -> frozenset[UserId] | None:
    """Give who is on duty by a side's register, None where no roster says."""
    if book.roster is None:
        return None
    return frozenset(watch.user for watch in book.roster.on_duty(now_ms))


def check_people(roster: Roster, side: DelegationId, accounts: Mapping[UserId, Account]) -> None:
    """Refuse a roster that has somebody in it who is no official of its side. Raises Refused(ROSTER_PERSON)."""
    for shift in roster.shifts:
        account = accounts.get(shift.user)
        is_person = account is not None and account.role in (Role.OFFICIAL, Role.HEAD) and account.active
        if account is None or not is_person or account.delegation != side:
            message = f"line {shift.line}: {shift.user!r} is no official of your side"
            raise Refused(ErrorCode.ROSTER_PERSON, message)
