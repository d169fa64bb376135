"""Line checks: opens them when they are due, carries out what desks do, and says what came of them. (PROTOCOL.md §13)

Every node of the office does this by itself. An entry is appended on the condition that the register has not moved,
so each check is opened once and ends once, whoever is first; what no node did in time is on the record as missed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from liaison.core.entries import Draft
from liaison.core.identifiers import DelegationId, Millis, UserId
from liaison.core.line_check import MISSED, Event, Facts, Heartbeat, State, is_over, verdict
from liaison.core.line_check_register import (
    Check,
    Checks,
    Hand,
    begin,
    ending,
    fold,
    missing,
    opening,
    proceed,
    request,
    request_name,
)
from liaison.core.line_check_schedule import Schedule, Slot, text_for
from liaison.core.permissions import Action
from liaison.core.presence import GRACE_MS
from liaison.core.register_channels import LINE_CHECKS
from liaison.office.actor import Actor
from liaison.office.line_check_views import Strip, heartbeat_info
from liaison.office.registers import Handler, Recorded, Register
from liaison.ports.log import LogUnavailableError
from liaison.protocol import line_check_frames as frames
from liaison.protocol.errors import LiaisonError
from liaison.protocol.frames import Command

if TYPE_CHECKING:
    from liaison.office.office import Office

_journal = structlog.get_logger(__name__)

# Whoever lost this node when it was begun anew is back after the grace of presence; only then does it judge.
_SETTLED_MS: Final = GRACE_MS + 5_000
# How far back checks that nobody opened are looked up by name: a month of two a day, as a strip shows.
_LONGEST_GAP_MS: Final = 40 * 86_400_000

# Who is at a side's duty desk now; None where no roster says, and anybody of the side is.
OnDuty = Callable[[DelegationId], Awaitable[frozenset[UserId] | None]]


@dataclass(frozen=True, slots=True)
class LineCheckSettings:
    """When checks are held, what is read out, and how long the desks have."""

    schedule: Schedule
    texts: Sequence[str]
    answer_within_ms: int = 180_000
    look_every_s: float = 2.0


class _AlreadyRecorded(Exception):
    """Another node was faster."""


class LineCheckDepartment:
    """office.registers.Department for line checks."""

    def __init__(self, office: "Office", settings: LineCheckSettings, on_duty: OnDuty | None = None) -> None:
        self._office = office
        self._settings = settings
        self._on_duty = on_duty
        self._sides: Final = tuple(delegation.id for delegation in office.profile.delegations)
        self._began_ms = office.clock.monotonic_ms()
        self._has_begun = False
        self._register: Final[Register[Checks]] = office.registers.of(LINE_CHECKS, Checks(), fold)

    def handlers(self) -> Mapping[type[Command], Handler]:
        """See office.registers.Department."""
        return {
            frames.LineCheckCall: self.call,
            frames.LineCheckAnswer: self.answer,
            frames.LineCheckRequest: self.request,
            frames.LineChecks: self.show,
        }

    async def start(self) -> None:
        """Read the register, so that the first who asks doesn't wait for all of it. See office.registers.Department."""
        await self._register.current()

    async def run(self) -> None:
        """Open what is due, end what nobody answered in time, and account for what was missed, until cancelled."""
        while True:
            pause_s = self._settings.look_every_s
            try:
                pause_s = await self._look()
            except (LiaisonError, LogUnavailableError) as error:
                _journal.warning("line checks must wait", reason=str(error))
            await asyncio.sleep(pause_s)

    # --- what desks do --------------------------------------------------------------------------------------------

    async def call(self, actor: Actor, command: frames.LineCheckCall) -> frames.LineCheckReply:
        """Call the other side's desk in a check of the schedule. Raises LiaisonError."""
        return await self._step(actor, Event.CALLED, command)

    async def answer(self, actor: Actor, command: frames.LineCheckAnswer) -> frames.LineCheckReply:
        """Answer the other side's desk. Raises LiaisonError."""
        return await self._step(actor, Event.ANSWERED, command)

    async def request(self, actor: Actor, command: frames.LineCheckRequest) -> frames.LineCheckReply:
        """Call the other side's desk besides the schedule. Raises LiaisonError."""
        hand = self._hand(actor, command.key)
        settings = self._settings

        def decide(checks: Checks) -> Draft:
            text = text_for(settings.texts, len(checks.checks))
            return request(checks, hand, text, settings.answer_within_ms)

        recorded = await self._register.record(decide)
        return self._reply(command.id, request_name(hand), recorded)

    async def show(self, actor: Actor, command: frames.LineChecks) -> frames.LineChecksReply:
        """Give the last days. Raises LiaisonError, LogUnavailableError."""
        registry = self._office.registry
        registry.may(actor, Action.READ, LINE_CHECKS)
        checks = await self._register.current()
        sides = await self._heartbeat()
        # The right may have gone while the log was read.
        registry.may(actor, Action.READ, LINE_CHECKS)
        strip = self._strip(checks)
        return frames.LineChecksReply(
            id=command.id,
            time_ms=strip.now_ms,
            time_zone=strip.schedule.time_zone,
            times=list(strip.schedule.times),
            answer_within_ms=self._settings.answer_within_ms,
            days=strip.days(command.days),
            open=strip.open(),
            next=strip.next(),
            heartbeat=[] if sides is None else heartbeat_info(sides),
        )

    async def _step(
        self, actor: Actor, event: Event, command: frames.LineCheckCall | frames.LineCheckAnswer
    ) -> frames.LineCheckReply:
        hand = self._hand(actor, command.key)
        recorded = await self._register.record(lambda checks: proceed(checks, hand, event, command.check))
        if event is Event.ANSWERED and not recorded.duplicate:
            self._note_end(recorded.state.checks[command.check])
        return self._reply(command.id, command.check, recorded)

    def _hand(self, actor: Actor, key: str) -> Hand:
        registry = self._office.registry
        registry.may(actor, Action.CHECK_LINE)
        registry.may(actor, Action.PUBLISH, LINE_CHECKS)
        return Hand(actor.account.user, actor.account.delegation, key)

    def _reply(self, command_id: int, name: str, recorded: Recorded[Checks]) -> frames.LineCheckReply:
        info = self._strip(recorded.state).info(recorded.state.checks[name])
        return frames.LineCheckReply(id=command_id, check=info, duplicate=recorded.duplicate)

    def _strip(self, checks: Checks) -> Strip:
        schedule = checks.schedule or self._settings.schedule
        return Strip(checks, schedule, self._office.profile, self._office.clock.wall_ms())

    # --- what is due by itself ------------------------------------------------------------------------------------

    async def _look(self) -> float:
        """Do what is due and give the pause until the next look."""
        checks = await self._begin()
        now_ms = self._office.clock.wall_ms()
        window_ms = self._settings.answer_within_ms
        # In this order: a check that is opened moves the mark up to which everything has its entry.
        await self._account_for_missed(checks, Millis(now_ms - window_ms))
        for number, slot in enumerate(self._schedule(checks).due_between(Millis(now_ms - window_ms), now_ms)):
            if checks.may_open(slot.name):
                await self._open(slot, number)
        checks = await self._register.current()
        for name in sorted(checks.open):
            await self._end(checks.checks[name])
        return self._pause_s(await self._register.current())

    async def _begin(self) -> Checks:
        """Put the configured schedule in force, once in a node's life: two that differ must not take turns."""
        checks = await self._register.current()
        if self._has_begun:
            return checks
        configured = self._settings.schedule

        def decide(checks: Checks) -> Draft:
            if checks.schedule == configured:
                raise _AlreadyRecorded
            return begin(configured, self._office.clock.wall_ms())

        # What came due under the schedule that ends now is accounted for by it.
        if checks.schedule not in (None, configured):
            await self._account_for_missed(checks, self._office.clock.wall_ms())
        await self._record_once(decide)
        self._has_begun = True
        return await self._register.current()

    def _schedule(self, checks: Checks) -> Schedule:
        return checks.schedule or self._settings.schedule

    async def _account_for_missed(self, checks: Checks, until_ms: Millis) -> None:
        """Record the checks that no node opened in time, so that no day is without an explanation."""

        def gap(checks: Checks) -> list[Slot]:
            after_ms = max(checks.kept_until_ms, Millis(until_ms - _LONGEST_GAP_MS))
            return [slot for slot in checks.due_between(after_ms, until_ms) if slot.name not in checks.checks]

        def decide(checks: Checks) -> Draft:
            slots = gap(checks)
            if not slots:
                raise _AlreadyRecorded
            return missing(slots, checks.kept_until_ms, until_ms)

        missed = gap(checks)
        if missed:
            with suppress(_AlreadyRecorded):
                await self._register.record(decide)
                _journal.warning("line checks were missed", checks=len(missed), last=missed[-1].name)
                for _ in missed:
                    self._office.observer.line_check_ended(MISSED.outcome.value)

    async def _open(self, slot: Slot, number: int) -> None:
        settings = self._settings

        def decide(checks: Checks) -> Draft:
            if not checks.may_open(slot.name):
                raise _AlreadyRecorded
            return opening(slot, text_for(settings.texts, len(checks.checks) + number), settings.answer_within_ms)

        await self._record_once(decide)

    async def _end(self, check: Check) -> None:
        """Say what a check came to, once its time is up and this node knows who is connected."""
        now_ms = self._office.clock.wall_ms()
        if not is_over(check.opened_ms, check.window_ms, now_ms) or not self._is_settled:
            return
        sides = await self._heartbeat()
        # Who is connected is known again in a moment, if ever; until then there is a second window.
        if sides is None and not is_over(check.opened_ms, 2 * check.window_ms, now_ms):
            return

        def decide(checks: Checks) -> Draft:
            current = checks.checks[check.name]
            if current.name not in checks.open:
                raise _AlreadyRecorded
            answerer = self._office.profile.other(current.caller)
            facts = Facts(current.caller, answerer, current.state is State.CALLED, sides)
            return ending(current, verdict(facts), sides or {})

        with suppress(_AlreadyRecorded):
            recorded = await self._register.record(decide)
            if not recorded.duplicate:
                self._note_end(recorded.state.checks[check.name])

    def _note_end(self, check: Check) -> None:
        assert check.verdict is not None
        self._office.observer.line_check_ended(check.verdict.outcome.value)

    @property
    def _is_settled(self) -> bool:
        return self._office.clock.monotonic_ms() - self._began_ms >= _SETTLED_MS

    async def _heartbeat(self) -> Mapping[DelegationId, Heartbeat] | None:
        """Give what this office knows of both sides now; None when it can't tell."""
        on_duty = {side: None if self._on_duty is None else await self._on_duty(side) for side in self._sides}
        here = self._office.presence.here()
        if here is None:
            return None
        sides = {}
        for side in self._sides:
            people, desk = here[side].people, on_duty[side]
            sides[side] = Heartbeat(here[side].is_connected, bool(people if desk is None else people & desk))
        return sides

    async def _record_once(self, decide: Callable[[Checks], Draft]) -> None:
        with suppress(_AlreadyRecorded):
            await self._register.record(decide)

    def _pause_s(self, checks: Checks) -> float:
        now_ms = self._office.clock.wall_ms()
        slot = self._schedule(checks).next_after(now_ms)
        moments = [check.opened_ms + check.window_ms for check in map(checks.checks.__getitem__, checks.open)]
        if slot is not None:
            moments.append(slot.due_ms)
        waits_s = [(moment - now_ms) / 1000 for moment in moments if moment > now_ms]
        return min([self._settings.look_every_s, *waits_s])
