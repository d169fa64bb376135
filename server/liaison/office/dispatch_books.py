"""The registers of dispatches, kept whole: numbers, what follows by itself, and what is repeated. (PROTOCOL.md §13)

A dispatch that goes out is in two logs. The number, in the register of the side that sends it, is where that is
decided; what the joint register must then hold follows from it, and is written by whoever finds it missing: at once,
or after a crash by the next one who looks. The same with the text of what was accepted. So there is nothing to undo.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import structlog

from liaison.core.dispatch import REPEATING, TABLE, Event, State
from liaison.core.dispatch_register import (
    LOST_IN_A_RESTORE,
    Book,
    Dispatch,
    NumberTaken,
    Record,
    Wish,
    fold,
    handing_over,
    number_of,
    numbering,
    outgoing,
)
from liaison.core.entries import Draft
from liaison.core.identifiers import OFFICE, DelegationId
from liaison.core.register_channels import DISPATCHES, own_dispatches
from liaison.office.dispatch_views import Folder
from liaison.office.registers import Recorded, Register
from liaison.ports.log import LogUnavailableError
from liaison.ports.marks import Marks, MarksUnavailableError
from liaison.protocol.errors import ErrorCode, LiaisonError, Unavailable

if TYPE_CHECKING:
    from liaison.office.office import Office

_journal = structlog.get_logger(__name__)

# Each attempt that fails means that another node has given the number out.
_MAX_NUMBERINGS: Final = 16


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """How often what is urgent is repeated until acknowledged, and how soon the office finds what it must do."""

    repeat_every_ms: int = 5 * 60_000
    look_every_s: float = 5.0


class _AlreadyThere(Exception):
    """Somebody else has written what was missing."""


class DispatchBooks:
    """Each side's own register, and the joint one."""

    def __init__(self, office: "Office", marks: Marks, settings: DispatchSettings) -> None:
        self._clock = office.clock
        self._marks = marks
        self._settings = settings
        self._zone = ZoneInfo(office.profile.time_zone)
        self._sides: Final = tuple(delegation.id for delegation in office.profile.delegations)
        self.own: Final = {
            side: office.registers.of(own_dispatches(side), Book(is_joint=False), fold) for side in self._sides
        }
        self.joint: Final[Register[Book]] = office.registers.of(DISPATCHES, Book(is_joint=True), fold)
        # What the marks hold at least: asking them costs a turn each, and they are asked again and again.
        self._marked: dict[str, int] = {}

    async def folder(self, side: DelegationId) -> Folder:
        """Give what a side has of dispatches. Raises LogUnavailableError."""
        return Folder(side, await self.own[side].current(), await self.joint.current())

    async def run(self) -> None:
        """Write what is missing, repeat what is urgent, and close gaps that a restore has left, until cancelled."""
        while True:
            try:
                for side in self._sides:
                    await self._close_gaps(side)
                await self._settle()
                await self._repeat()
            except (LiaisonError, LogUnavailableError, MarksUnavailableError) as error:
                _journal.warning("dispatches must wait", reason=str(error))
            await asyncio.sleep(self._settings.look_every_s)

    # --- numbers --------------------------------------------------------------------------------------------------

    async def number(self, side: DelegationId, wish: Wish) -> Recorded[Book]:
        """Number a dispatch: the mark first, so that no restore can bring the number back.

        A number whose mark was raised and that was not written then is given to the next one: nobody has seen it.
        """
        own = self.own[side]
        for _ in range(_MAX_NUMBERINGS):
            year = self._year()
            number = number_of(side, year, (await own.current()).places.get(year, 0) + 1)
            try:
                # What is refused needs no mark.
                numbering(await own.current(), wish, number)
                await self._prepare(side, year)
                return await own.record(lambda book, number=number: numbering(book, wish, number))  # type: ignore[misc]
            except NumberTaken:
                continue
            except MarksUnavailableError as error:
                raise Unavailable("numbers can't be given out now; nothing was stored") from error
        raise Unavailable("too many others are numbered at the moment; nothing was stored", ErrorCode.BUSY)

    async def _prepare(self, side: DelegationId, year: int) -> None:
        await self._close_gap(side, year)
        place = (await self.own[side].current()).places.get(year, 0) + 1
        await self._raise_mark(_mark(side, year), place)

    def _year(self) -> int:
        return datetime.fromtimestamp(self._clock.wall_ms() / 1000, self._zone).year

    async def _close_gaps(self, side: DelegationId) -> None:
        this_year = self._year()
        places = (await self.own[side].current()).places
        # Last year's too: an office can be restored in January to what it was in December.
        for year in sorted({this_year - 1, this_year, *places}):
            await self._close_gap(side, year)

    async def _close_gap(self, side: DelegationId, year: int) -> None:
        """Void the numbers of a year that a restore has lost, and keep the marks level with the register."""
        register, name = self.own[side], _mark(side, year)
        place = (await register.current()).places.get(year, 0)
        epoch = register.epoch
        if self._marked.get(f"{name}-epoch", 0) < epoch <= await self._marks.get(f"{name}-epoch"):
            self._marked[f"{name}-epoch"] = epoch
        if self._marked.get(f"{name}-epoch", 0) < epoch:
            lost = await self._marks.get(name)
            while place < lost:
                place += 1
                await self._void(side, number_of(side, year, place))
            await self._raise_mark(f"{name}-epoch", epoch)
        if place:
            await self._raise_mark(name, place)

    async def _void(self, side: DelegationId, number: str) -> None:
        record = Record(Event.VOIDED.value, number, note=LOST_IN_A_RESTORE)
        wish = Wish(OFFICE, side, f"{number} void", record)

        def decide(book: Book) -> Draft:
            if number in book.numbers:
                raise _AlreadyThere
            return wish.draft()

        with suppress(_AlreadyThere):
            await self.own[side].record(decide)

    async def _raise_mark(self, name: str, value: int) -> None:
        if value > self._marked.get(name, 0):
            await self._marks.raise_to(name, value)
            self._marked[name] = max(value, self._marked.get(name, 0))

    # --- what follows by itself -----------------------------------------------------------------------------------

    async def settle_if_possible(self) -> None:
        """What can't be written now is written by the next who looks: what it follows from is durable."""
        try:
            await self._settle()
        except (LiaisonError, LogUnavailableError) as error:
            _journal.warning("a dispatch's next step must wait", reason=str(error))

    async def _settle(self) -> None:
        """Write what the joint register lacks: numbers that were given out, and the text of what was accepted."""
        for side in self._sides:
            own, joint = await self.own[side].current(), await self.joint.current()
            # The joint register has no number that its side's own doesn't have, so counting tells whether one lacks.
            is_whole = joint.counts.get(side, 0) == len(own.numbers)
            for number in () if is_whole else sorted(own.numbers.keys() - joint.dispatches.keys()):
                await self._write_out(outgoing(own.dispatches[own.numbers[number]], side), None)
            for number in sorted(joint.open & own.numbers.keys()):
                if joint.dispatches[number].state is State.ACCEPTED:
                    wish = handing_over(own.dispatches[own.numbers[number]], side)
                    await self._write_out(wish, State.ACCEPTED)

    async def _write_out(self, wish: Wish, expected: State | None) -> None:
        """Write what follows for a dispatch that the joint register has in this state, or not at all."""

        def decide(book: Book) -> Draft:
            before = book.dispatches.get(wish.record.dispatch)
            if (None if before is None else before.state) is not expected:
                raise _AlreadyThere
            return wish.draft()

        with suppress(_AlreadyThere):
            await self.joint.record(decide)

    async def _repeat(self) -> None:
        """Repeat what is urgent and still waits for somebody to acknowledge it."""
        joint = await self.joint.current()
        for number in sorted(joint.open):
            if self._is_due(joint.dispatches[number]):
                await self._repeat_one(number)

    async def _repeat_one(self, number: str) -> None:
        def decide(book: Book) -> Draft:
            dispatch = book.dispatches[number]
            if not self._is_due(dispatch):
                raise _AlreadyThere
            key = f"{number} again {dispatch.steps[-1].seq}"
            wish = Wish(OFFICE, dispatch.side, key, Record(Event.REPEATED.value, number), dispatch.precedence)
            return wish.draft()

        with suppress(_AlreadyThere):
            await self.joint.record(decide)

    def _is_due(self, dispatch: Dispatch) -> bool:
        if dispatch.precedence not in REPEATING:
            return False
        if not isinstance(TABLE[dispatch.state, Event.REPEATED], State):
            return False
        # A clock that was put back must not silence it, so either direction counts.
        away_ms = abs(self._clock.wall_ms() - dispatch.steps[-1].time_ms)
        return away_ms >= self._settings.repeat_every_ms


def _mark(side: DelegationId, year: int) -> str:
    return f"dispatches-{side}-{year}"
