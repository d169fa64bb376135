"""Duty: rosters, handovers, and the alarm of an empty desk. (PROTOCOL.md §13)

A side's roster is its own matter, in a register that does not exist for the other side, which sees of the desk what
was agreed for presence and nothing finer.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec
import structlog

from liaison.core.dispatch_register import Book
from liaison.core.dispatch_register import fold as fold_dispatches
from liaison.core.duty import DutyBook, Event, Hand, Handover, Item, alarm, end, handover_name, offer, put_up
from liaison.core.duty_files import FORMATS
from liaison.core.duty_roster import Duty, Hours, Watch, check_roster, must_be_staffed
from liaison.core.entries import Draft
from liaison.core.identifiers import DelegationId, Millis, UserId
from liaison.core.line_check import Outcome
from liaison.core.line_check_register import Checks
from liaison.core.line_check_register import fold as fold_checks
from liaison.core.permissions import Action
from liaison.core.presence import GRACE_MS, Here
from liaison.core.profile import Granularity
from liaison.core.register_channels import DISPATCHES, LINE_CHECKS, own_dispatches, own_duty
from liaison.core.rights import Role
from liaison.office.actor import Actor
from liaison.office.desk_watch import DeskWatch
from liaison.office.dispatch_views import Folder, Selection, View
from liaison.office.duty_rosters import Rosters, check_people, on_duty
from liaison.office.registers import Handler, readable_line
from liaison.ports.log import LogUnavailableError
from liaison.protocol import duty_frames as frames
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused
from liaison.protocol.frames import Command, Notice, Title
from liaison.protocol.limits import MAX_PAGE_MESSAGES

if TYPE_CHECKING:
    from liaison.office.office import Office

_journal = structlog.get_logger(__name__)

_DAY_MS: Final = 86_400_000
# Whoever comes in takes over a little before their own shift begins, or hands over a little after it has ended.
_EITHER_SIDE_MS: Final = 2 * 3_600_000
# Before the first handover, what line checks left open is looked up so far back.
_LOOK_BACK_MS: Final = 2 * _DAY_MS
# Whoever lost this node when it was begun anew is back by then.
_SETTLED_MS: Final = GRACE_MS + 5_000
# Who connects while the alarm stands is told of it this soon.
_TELL_AGAIN_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class DutySettings:
    """When a desk must have an officer, and how soon an empty one is told of."""

    hours: Hours
    alarm_after_s: float = 60.0
    look_every_s: float = 5.0


class _AsItIs(Exception):
    """The alarm stands already, or has ended already."""


class DutyDepartment:
    """office.registers.Department for duty."""

    def __init__(self, office: "Office", settings: DutySettings) -> None:
        self._office = office
        self._settings = settings
        self._rosters = Rosters(office)
        self._desk_watch = DeskWatch(office, self._rosters, settings.hours)
        self._zones: Final = {delegation.id: delegation.time_zone for delegation in office.profile.delegations}
        self._began_ms = office.clock.monotonic_ms()
        # Since when this node has seen a desk empty, and when it last told of it; by the monotonic clock.
        self._empty_since: dict[DelegationId, Millis] = {}
        self._told_at: dict[DelegationId, Millis] = {}

    def handlers(self) -> Mapping[type[Command], Handler]:
        """See office.registers.Department."""
        return {
            frames.Duty: self.now,
            frames.DutyRoster: self.roster,
            frames.DutyImport: self.put_up,
            frames.DutyExport: self.export,
            frames.DutyHandovers: self.handovers,
            frames.DutyHandOver: self.hand_over,
            frames.DutyAcknowledge: self.acknowledge,
            frames.DutyWithdraw: self.withdraw,
            frames.Desks: self.desks,
        }

    async def start(self) -> None:
        """Read both registers, so that the first who asks doesn't wait for all of them."""
        for register in self._rosters.registers.values():
            await register.current()

    async def run(self) -> None:
        """Raise and end the alarms of empty desks, until cancelled."""
        while True:
            try:
                for side in self._zones:
                    await self._look_at(side)
            except (LiaisonError, LogUnavailableError) as error:
                _journal.warning("desks can't be looked at", reason=str(error))
            await asyncio.sleep(self._settings.look_every_s)

    # --- who is at the desk ---------------------------------------------------------------------------------------

    async def now(self, actor: Actor, command: frames.Duty) -> frames.DutyReply:
        """Say who is on duty on both sides. Raises LiaisonError, LogUnavailableError."""
        own = self._may_read(actor)
        books = {side: await register.current() for side, register in self._rosters.registers.items()}
        self._may_read(actor)
        here, now_ms = self._office.presence.here(), self._office.clock.wall_ms()
        nobody = Here(is_connected=False, people=frozenset())
        sides = [
            self._desk(side, books[side], nobody if here is None else here[side], now_ms, is_own=side == own)
            for side in sorted(self._zones)
        ]
        return frames.DutyReply(id=command.id, time_ms=now_ms, sides=sides, is_stale=here is None)

    def _desk(self, side: DelegationId, book: DutyBook, here: Here, now_ms: Millis, *, is_own: bool) -> frames.DutySide:
        watches = [] if book.roster is None else book.roster.on_duty(now_ms)
        present = here.people if book.roster is None else here.people & {watch.user for watch in watches}
        granularity = Granularity.NAMED if is_own else self._office.presence.granularity
        # The hours are the office's, the same for both sides: they tell nothing of a roster.
        outside = not must_be_staffed(self._settings.hours, self._zones[side], now_ms)
        desk = frames.DutySide(side, granularity.value, bool(present), outside_hours=outside)
        if granularity is Granularity.STAFFED:
            return desk
        if granularity is Granularity.COUNT:
            return msgspec.structs.replace(desk, present=len(present))
        return frames.DutySide(
            side,
            granularity.value,
            bool(present),
            present=len(present),
            officer=_officer(watches),
            on_duty=[watch.user for watch in watches],
            here=sorted(present),
            # When a shift ends is the roster's, and the roster is its side's own.
            until_ms=min((watch.end_ms for watch in watches), default=0) if is_own else 0,
            holder=book.holder if is_own else "",
            unstaffed_since_ms=book.unstaffed_ms if is_own else 0,
            outside_hours=outside,
        )

    async def desks(self, actor: Actor, command: frames.Desks) -> frames.DesksReply:
        """Show ops both desks. Raises LiaisonError, LogUnavailableError."""
        return await self._desk_watch.show(actor, command)

    # --- the roster -----------------------------------------------------------------------------------------------

    async def roster(self, actor: Actor, command: frames.DutyRoster) -> frames.DutyRosterReply:
        """Give own side's shifts. Raises LiaisonError, LogUnavailableError."""
        side = self._may_read(actor)
        book = await self._rosters.registers[side].current()
        self._may_read(actor)
        from_ms = self._office.clock.wall_ms() if command.from_ms is None else Millis(command.from_ms)
        if from_ms > _LAST_MOMENT_MS:
            raise Refused(ErrorCode.INVALID, "no calendar goes that far")
        until_ms = Millis(from_ms + command.days * _DAY_MS)
        watches = [] if book.roster is None else book.roster.watches(from_ms, until_ms)
        return frames.DutyRosterReply(
            id=command.id,
            revision=book.revision,
            time_zone=self._zones[side],
            from_ms=from_ms,
            until_ms=until_ms,
            shifts=[frames.ShiftInfo(watch.user, watch.duty.value, watch.start_ms, watch.end_ms) for watch in watches],
        )

    async def put_up(self, actor: Actor, command: frames.DutyImport) -> frames.DutyImportReply:
        """Put another roster in force. Raises LiaisonError."""
        hand = self._hand(actor, command.key)
        read, _ = FORMATS[command.format]
        roster = read(command.text, self._zones[hand.side])
        check_people(roster, hand.side, self._office.rights.accounts)
        check_roster(roster, self._settings.hours)
        recorded = await self._rosters.registers[hand.side].record(
            lambda book: put_up(book, hand, roster, command.revision)
        )
        return frames.DutyImportReply(
            id=command.id, revision=recorded.seq, shifts=len(roster.shifts), duplicate=recorded.duplicate
        )

    async def export(self, actor: Actor, command: frames.DutyExport) -> frames.DutyExportReply:
        """Give own side's roster as a file. Raises LiaisonError, LogUnavailableError."""
        side = self._may_read(actor)
        book = await self._rosters.registers[side].current()
        self._may_read(actor)
        if book.roster is None:
            raise Refused(ErrorCode.NO_ROSTER, "your side has put up no roster yet")
        _, write = FORMATS[command.format]
        return frames.DutyExportReply(
            id=command.id, revision=book.revision, format=command.format, text=write(book.roster)
        )

    # --- handovers ------------------------------------------------------------------------------------------------

    async def handovers(self, actor: Actor, command: frames.DutyHandovers) -> frames.DutyHandoversReply:
        """Give own side's handovers, and what is open now. Raises LiaisonError, LogUnavailableError."""
        side = self._may_read(actor)
        book = await self._rosters.registers[side].current()
        items = await self._open_items(actor, side, book)
        self._may_read(actor)
        newest = sorted(book.handovers.values(), key=lambda each: (each.offered_ms, each.name), reverse=True)
        return frames.DutyHandoversReply(
            id=command.id,
            items=_items_info(items),
            handovers=[_handover_info(handover) for handover in newest[: command.limit]],
            more=len(newest) > command.limit,
        )

    async def hand_over(self, actor: Actor, command: frames.DutyHandOver) -> frames.DutyHandoverReply:
        """Offer what is open to whoever comes in. Raises LiaisonError."""
        hand = self._hand(actor, command.key)
        notes = tuple(Item("note", "", readable_line(note)) for note in command.notes)
        register = self._rosters.registers[hand.side]
        items = (*await self._open_items(actor, hand.side, await register.current()), *notes)

        def decide(book: DutyBook) -> Draft:
            self._check_on_duty(actor, book, hand.by)
            return offer(book, hand, items)

        recorded = await register.record(decide)
        return self._handed(command.id, recorded.state, handover_name(hand), duplicate=recorded.duplicate)

    async def acknowledge(self, actor: Actor, command: frames.DutyAcknowledge) -> frames.DutyHandoverReply:
        """Take over what was offered. Raises LiaisonError."""
        return await self._end(actor, Event.ACKNOWLEDGED, command, command.digest)

    async def withdraw(self, actor: Actor, command: frames.DutyWithdraw) -> frames.DutyHandoverReply:
        """Take back what one has offered. Raises LiaisonError."""
        return await self._end(actor, Event.WITHDRAWN, command)

    async def _end(
        self, actor: Actor, event: Event, command: frames.DutyAcknowledge | frames.DutyWithdraw, digest: str = ""
    ) -> frames.DutyHandoverReply:
        hand = self._hand(actor, command.key)

        def decide(book: DutyBook) -> Draft:
            draft = end(book, hand, event, command.handover, digest)
            if event is Event.ACKNOWLEDGED:
                self._check_on_duty(actor, book, hand.by)
            return draft

        recorded = await self._rosters.registers[hand.side].record(decide)
        return self._handed(command.id, recorded.state, command.handover, duplicate=recorded.duplicate)

    def _check_on_duty(self, actor: Actor, book: DutyBook, user: UserId) -> None:
        """Refuse who isn't on duty about now; a head may always stand in, and whoever took over last hand it on."""
        if book.roster is None or actor.account.role is Role.HEAD or user == book.holder:
            return
        now_ms = self._office.clock.wall_ms()
        about_now = book.roster.watches(Millis(now_ms - _EITHER_SIDE_MS), Millis(now_ms + _EITHER_SIDE_MS))
        if user not in {watch.user for watch in about_now}:
            raise Refused(ErrorCode.NOT_ON_DUTY, "the roster doesn't have you on duty at this time")

    async def _open_items(self, actor: Actor, side: DelegationId, book: DutyBook) -> tuple[Item, ...]:
        """Give the dispatches that wait on a side, and the line checks nobody answered since somebody took over."""
        office, registers = self._office, self._office.registers
        items: list[Item] = []
        now_ms = office.clock.wall_ms()
        if office.registry.allows(actor, Action.READ, DISPATCHES):
            joint = await registers.of(DISPATCHES, Book(is_joint=True), fold_dispatches).current()
            own = Book(is_joint=False)
            if office.registry.allows(actor, Action.READ, own_dispatches(side)):
                own = await registers.of(own_dispatches(side), own, fold_dispatches).current()
            zone = ZoneInfo(office.profile.time_zone)
            view = View(Folder(side, own, joint), office.profile, office.rights.accounts, zone, now_ms)
            lines, _ = view.lines(Selection(waits_on=side), MAX_PAGE_MESSAGES)
            items += [Item("dispatch", line.dispatch, line.subject) for line in lines]
        if office.registry.allows(actor, Action.READ, LINE_CHECKS):
            checks = await registers.of(LINE_CHECKS, Checks(), fold_checks).current()
            since_ms = max(book.taken_ms, now_ms - _LOOK_BACK_MS)
            items += [
                Item("line_check", check.name, "open" if check.verdict is None else check.verdict.outcome.value)
                for check in sorted(checks.checks.values(), key=lambda each: (each.due_ms, each.name))
                if check.due_ms >= since_ms and (check.verdict is None or check.verdict.outcome is not Outcome.ANSWERED)
            ]
        return tuple(items)

    @staticmethod
    def _handed(command_id: int, book: DutyBook, name: str, *, duplicate: bool) -> frames.DutyHandoverReply:
        info = _handover_info(book.handovers[name])
        return frames.DutyHandoverReply(id=command_id, handover=info, duplicate=duplicate)

    # --- the alarm ------------------------------------------------------------------------------------------------

    async def _look_at(self, side: DelegationId) -> None:
        register = self._rosters.registers[side]
        book = await register.current()
        here = self._office.presence.here()
        if here is not None and book.roster is not None:
            is_empty = self._is_empty(side, book, here[side])
            if is_empty is not (book.unstaffed_ms > 0) and is_empty is not None:
                book = await self._record(side, is_staffed=not is_empty)
        self._tell(side, book)

    def _is_empty(self, side: DelegationId, book: DutyBook, here: Here) -> bool | None:
        """Say whether a desk that must be staffed has been empty for long enough; None while that isn't known yet."""
        now_ms, monotonic_ms = self._office.clock.wall_ms(), self._office.clock.monotonic_ms()
        people = on_duty(book, now_ms) or frozenset()
        is_due = bool(people) or must_be_staffed(self._settings.hours, self._zones[side], now_ms)
        if not is_due or here.people & people:
            self._empty_since.pop(side, None)
            return False
        since_ms = self._empty_since.setdefault(side, monotonic_ms)
        if monotonic_ms - self._began_ms < _SETTLED_MS:
            return None
        return True if monotonic_ms - since_ms >= self._settings.alarm_after_s * 1000 else None

    async def _record(self, side: DelegationId, *, is_staffed: bool) -> DutyBook:
        def decide(book: DutyBook) -> Draft:
            if (book.unstaffed_ms == 0) is is_staffed:
                raise _AsItIs
            return alarm(side, book, is_staffed=is_staffed)

        register = self._rosters.registers[side]
        with suppress(_AsItIs):
            await register.record(decide)
        return await register.current()

    def _tell(self, side: DelegationId, book: DutyBook) -> None:
        """Tell own side's people and ops at this node, again while the alarm stands, and once when it ends."""
        office, now_ms = self._office, self._office.clock.monotonic_ms()
        is_unstaffed = book.unstaffed_ms > 0
        office.observer.desk_looked_at(side, is_unstaffed=is_unstaffed)
        told_at = self._told_at.get(side)
        if is_unstaffed and (told_at is None or now_ms - told_at >= _TELL_AGAIN_MS):
            self._told_at[side] = now_ms
        elif not is_unstaffed and told_at is not None:
            del self._told_at[side]
        else:
            return
        notice = self._notice(side, is_unstaffed=is_unstaffed)
        for session in list(office.sessions.values()):
            if session.actor is None:
                continue
            account = session.account
            is_own = account.delegation == side and office.registry.allows(session.actor, Action.READ, own_duty(side))
            if is_own or account.role is Role.OPS:
                session.push(notice)

    def _notice(self, side: DelegationId, *, is_unstaffed: bool) -> Notice:
        (delegation,) = (each for each in self._office.profile.delegations if each.id == side)
        ko, en = delegation.title_ko, delegation.title_en
        if is_unstaffed:
            text = Title(f"{ko} 당직석에 아무도 없습니다", f"{en}: nobody is at the duty desk")
            return Notice("alarm", "desk_unstaffed", text)
        return Notice(
            "info",
            "desk_staffed",
            Title(f"{ko} 당직석 경보가 해제되었습니다", f"{en}: the duty desk's alarm has ended"),
        )

    # --- who may --------------------------------------------------------------------------------------------------

    def _may_read(self, actor: Actor) -> DelegationId:
        side = actor.account.delegation
        self._office.registry.may(actor, Action.READ, own_duty(side))
        return side

    def _hand(self, actor: Actor, key: str) -> Hand:
        registry, side = self._office.registry, actor.account.delegation
        registry.may(actor, Action.DO_DUTY)
        registry.may(actor, Action.PUBLISH, own_duty(side))
        return Hand(actor.account.user, side, key)


# The year 9000: dates end with 9999.
_LAST_MOMENT_MS: Final = 221_845_392_000_000


def _officer(watches: Sequence[Watch]) -> str:
    return next((watch.user for watch in watches if watch.duty is Duty.OFFICER), "")


def _items_info(items: Sequence[Item]) -> list[frames.OpenItem]:
    return [frames.OpenItem(item.kind, item.name, item.text) for item in items]


def _handover_info(handover: Handover) -> frames.HandoverInfo:
    return frames.HandoverInfo(
        handover=handover.name,
        state=_STATES[handover.state.value],
        offered_by=handover.offered_by,
        offered_ms=handover.offered_ms,
        items=_items_info(handover.items),
        digest=handover.digest,
        ended_by=handover.ended_by,
        ended_ms=handover.ended_ms,
    )


_STATES: Final[Mapping[str, frames.HandoverState]] = {
    "offered": "offered",
    "acknowledged": "acknowledged",
    "withdrawn": "withdrawn",
}
