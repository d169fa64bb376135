"""The register of dispatches: who may take which step, and what each side is shown. (PROTOCOL.md §13)

What follows from a step by itself is in `dispatch_books.py`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import structlog

from liaison.core.attachments import check_names
from liaison.core.dispatch import TABLE, Event, State
from liaison.core.dispatch_register import (
    Book,
    Content,
    Dispatch,
    Heading,
    Item,
    Record,
    Wish,
    begin,
    check_party,
    check_possible,
    confirmation,
    dispatch_id,
    no_such_dispatch,
    proceed,
)
from liaison.core.entries import Draft, Precedence
from liaison.core.identifiers import DelegationId, Millis, TooLongError, clean_text
from liaison.core.permissions import Action
from liaison.core.register_channels import DISPATCHES, own_dispatches
from liaison.core.rights import Role
from liaison.office.actor import Actor
from liaison.office.dispatch_books import DispatchBooks, DispatchSettings
from liaison.office.dispatch_views import Folder, Hand, Selection, View
from liaison.office.registers import Handler, Recorded
from liaison.ports.marks import Marks
from liaison.protocol import dispatch_frames as frames
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.frames import Command

if TYPE_CHECKING:
    from liaison.office.office import Office

_journal = structlog.get_logger(__name__)

# Each attempt that fails means that another node has given the number out.
_MAX_NUMBERINGS: Final = 16


class DispatchDepartment:
    """office.registers.Department for dispatches."""

    def __init__(self, office: "Office", marks: Marks, settings: DispatchSettings | None = None) -> None:
        self._office = office
        self._books = DispatchBooks(office, marks, settings or DispatchSettings())
        self._zone = ZoneInfo(office.profile.time_zone)

    def handlers(self) -> Mapping[type[Command], Handler]:
        """See office.registers.Department."""
        return {
            frames.DispatchDraft: self.draft,
            frames.DispatchRevise: self.revise,
            frames.DispatchClear: self.clear,
            frames.DispatchTender: self.tender,
            frames.DispatchAccept: self.accept,
            frames.DispatchDefer: self.defer,
            frames.DispatchDecline: self.decline,
            frames.DispatchReadBack: self.read_back,
            frames.DispatchConfirmReadBack: self.confirm_read_back,
            frames.DispatchAcknowledge: self.acknowledge,
            frames.DispatchAnswer: self.answer,
            frames.DispatchClose: self.close,
            frames.DispatchRecordOtherMeans: self.record_other_means,
            frames.Dispatches: self.list,
            frames.DispatchView: self.show,
        }

    async def start(self) -> None:
        """Nothing needs to be known: every command reads the log."""

    async def run(self) -> None:
        """Write what is missing, repeat what is urgent, and close gaps that a restore has left, until cancelled."""
        await self._books.run()

    # --- on one's own side ----------------------------------------------------------------------------------------

    async def draft(self, actor: Actor, command: frames.DispatchDraft) -> frames.DispatchStepReply:
        """Begin a dispatch. Raises LiaisonError."""
        side = self._may_write_own(actor, Action.DRAFT_DISPATCH)
        name = dispatch_id(actor.account.user, command.key)
        await self._office.attachments.claim(own_dispatches(side), actor.account.user, command.attachments)
        wish = Wish(actor.account.user, side, command.key, _letter(command, Event.DRAFTED, name))
        recorded = await self._books.own[side].record(lambda _book: begin(wish))
        return await self._stepped(command.id, side, name, recorded)

    async def revise(self, actor: Actor, command: frames.DispatchRevise) -> frames.DispatchStepReply:
        """Write a draft anew. Raises LiaisonError."""
        side = self._may_write_own(actor, Action.DRAFT_DISPATCH)
        own = await self._draft(actor, command, Event.REVISED)
        known = () if own.content is None else own.content.attachments
        await self._office.attachments.claim(own_dispatches(side), actor.account.user, command.attachments, known)
        record = _letter(command, Event.REVISED, own.name)
        return await self._own_step(actor, side, command, record)

    async def clear(self, actor: Actor, command: frames.DispatchClear) -> frames.DispatchStepReply:
        """Clear a draft as a second person. Raises LiaisonError."""
        side = self._may_write_own(actor, Action.HANDLE_DISPATCH)
        name = (await self._draft(actor, command, Event.CLEARED)).name
        return await self._own_step(actor, side, command, Record(Event.CLEARED.value, name))

    async def tender(self, actor: Actor, command: frames.DispatchTender) -> frames.DispatchStepReply:
        """Give a dispatch its number and tender it, or tender it again. Raises LiaisonError."""
        side = self._may_write_own(actor, Action.HANDLE_DISPATCH)
        own, _ = await self._own_dispatch(side, command.dispatch, Event.TENDERED)
        if own.state is State.NUMBERED and not own.has(actor.account.user, command.key):
            return await self._joint_step(actor, command, Event.TENDERED)
        at_once = own.precedence is Precedence.LIFE_SAFETY
        record = Record((Event.NUMBERED_AT_ONCE if at_once else Event.NUMBERED).value, own.name)
        wish = Wish(actor.account.user, side, command.key, record, revision=command.revision)
        recorded = await self._books.number(side, wish)
        return await self._stepped(command.id, side, own.name, recorded)

    async def close(self, actor: Actor, command: frames.DispatchClose) -> frames.DispatchStepReply:
        """Close a dispatch, or put a draft away. Raises LiaisonError."""
        side = self._may_write_joint(actor)
        folder = await self._books.folder(side)
        own = folder.own.find(command.dispatch)
        if own is None or own.number in folder.joint.dispatches:
            return await self._joint_step(actor, command, Event.CLOSED)
        self._may_write_own(actor, Action.HANDLE_DISPATCH)
        return await self._own_step(actor, side, command, Record(Event.CLOSED.value, own.name))

    # --- across the table -----------------------------------------------------------------------------------------

    async def accept(self, actor: Actor, command: frames.DispatchAccept) -> frames.DispatchStepReply:
        """Accept a tender; the text follows. Raises LiaisonError."""
        return await self._joint_step(actor, command, Event.ACCEPTED)

    async def defer(self, actor: Actor, command: frames.DispatchDefer) -> frames.DispatchStepReply:
        """Let a tender wait. Raises LiaisonError."""
        note = _optional(command.note)
        return await self._joint_step(actor, command, Event.DEFERRED, until_ms=command.until_ms, note=note)

    async def decline(self, actor: Actor, command: frames.DispatchDecline) -> frames.DispatchStepReply:
        """Decline a tender, with a reason. Raises LiaisonError."""
        return await self._joint_step(actor, command, Event.DECLINED, note=_clean(command.note))

    async def read_back(self, actor: Actor, command: frames.DispatchReadBack) -> frames.DispatchStepReply:
        """Read a dispatch's items back. Raises LiaisonError."""
        values = tuple(map(_line, command.values))
        return await self._joint_step(actor, command, Event.READ_BACK, values=values)

    async def confirm_read_back(
        self, actor: Actor, command: frames.DispatchConfirmReadBack
    ) -> frames.DispatchStepReply:
        """Say of each item whether it was read back rightly. Raises LiaisonError."""
        confirmed = tuple(command.confirmed)
        return await self._joint_step(actor, command, confirmation(confirmed), confirmed=confirmed)

    async def acknowledge(self, actor: Actor, command: frames.DispatchAcknowledge) -> frames.DispatchStepReply:
        """Acknowledge a dispatch by name. Raises LiaisonError."""
        return await self._joint_step(actor, command, Event.ACKNOWLEDGED, officer=actor.account.name)

    async def answer(self, actor: Actor, command: frames.DispatchAnswer) -> frames.DispatchStepReply:
        """Name the dispatch that answers this one. Raises LiaisonError."""
        side = self._may_write_joint(actor)
        folder = await self._books.folder(side)
        answer = folder.joint.dispatches.get(command.answer)
        asked = folder.number_of(command.dispatch)
        fits = answer is not None and answer.side == side and answer.state is not State.VOID
        if not fits or (answer is not None and answer.heading.reference not in ("", asked)):
            message = "what answers a dispatch is one that your own side has tendered, and that answers no other"
            raise Refused(ErrorCode.DISPATCH_ANSWER, message)
        return await self._joint_step(actor, command, Event.ANSWERED, answer=command.answer)

    async def record_other_means(
        self, actor: Actor, command: frames.DispatchRecordOtherMeans
    ) -> frames.DispatchStepReply:
        """Note that a dispatch went another way. Raises LiaisonError."""
        place, note = _line(command.place), _optional(command.note)
        event = Event.OTHER_MEANS
        return await self._joint_step(actor, command, event, place=place, at_ms=command.at_ms, note=note)

    # --- looking --------------------------------------------------------------------------------------------------

    async def list(self, actor: Actor, command: frames.Dispatches) -> frames.DispatchesReply:
        """Give the register as one's side may see it. Raises LiaisonError."""
        view, now_ms = await self._view(actor)
        wanted = Selection(
            state=command.state,
            side=command.side,
            precedence=command.precedence,
            waits_on=command.waits_on,
            overdue=command.overdue,
            year=command.year,
            before_ms=command.before_ms,
        )
        lines, more = view.lines(wanted, command.limit)
        return frames.DispatchesReply(id=command.id, time_ms=now_ms, dispatches=lines, more=more)

    async def show(self, actor: Actor, command: frames.DispatchView) -> frames.DispatchReply:
        """Give one dispatch with its history. Raises LiaisonError."""
        view, _ = await self._view(actor)
        registry, account = self._office.registry, actor.account
        hand = Hand(
            account.user,
            decides=account.role in (Role.OFFICIAL, Role.HEAD),
            writes_own=registry.allows(actor, Action.PUBLISH, own_dispatches(account.delegation)),
            writes_joint=registry.allows(actor, Action.PUBLISH, DISPATCHES),
        )
        return view.whole(command.id, command.dispatch, hand)

    async def _view(self, actor: Actor) -> tuple[View, Millis]:
        self._office.registry.may(actor, Action.READ, DISPATCHES)
        side = actor.account.delegation
        await self._books.settle_if_possible()
        folder = await self._books.folder(side)
        # The right may have gone while the log was read.
        self._office.registry.may(actor, Action.READ, DISPATCHES)
        if not self._office.registry.allows(actor, Action.READ, own_dispatches(side)):
            folder = folder.without_own()
        now_ms = self._office.clock.wall_ms()
        return self._seen(folder, now_ms), now_ms

    def _seen(self, folder: Folder, now_ms: Millis) -> View:
        return View(folder, self._office.profile, self._office.rights.accounts, self._zone, now_ms)

    # --- steps ----------------------------------------------------------------------------------------------------

    def _may_write_own(self, actor: Actor, action: Action) -> DelegationId:
        self._office.registry.may(actor, action)
        side = actor.account.delegation
        self._office.registry.may(actor, Action.PUBLISH, own_dispatches(side))
        return side

    def _may_write_joint(self, actor: Actor) -> DelegationId:
        self._office.registry.may(actor, Action.HANDLE_DISPATCH)
        self._office.registry.may(actor, Action.PUBLISH, DISPATCHES)
        return actor.account.delegation

    async def _draft(
        self, actor: Actor, command: frames.DispatchRevise | frames.DispatchClear, event: Event
    ) -> Dispatch:
        """Give a dispatch about which only one's own register is asked, unless it has gone out. Raises Refused.

        From then on its revisions are those of the joint register, which would say that somebody had changed it.
        """
        own, joint = await self._own_dispatch(actor.account.delegation, command.dispatch, event)
        if joint is not None and not own.has(actor.account.user, command.key):
            check_possible(joint.state, event)
        return own

    async def _own_dispatch(self, side: DelegationId, name: str, event: Event) -> tuple[Dispatch, Dispatch | None]:
        """Give a dispatch as one's own register has it, and as the joint one does. Raises Refused."""
        folder = await self._books.folder(side)
        own = folder.own.find(name)
        if own is None:
            if name in folder.joint.dispatches:
                check_party(event, is_own=folder.joint.dispatches[name].side == side)
            raise no_such_dispatch()
        return own, folder.joint.dispatches.get(own.number)

    async def _own_step(
        self,
        actor: Actor,
        side: DelegationId,
        command: frames.DispatchRevise | frames.DispatchClear | frames.DispatchClose,
        record: Record,
    ) -> frames.DispatchStepReply:
        wish = Wish(actor.account.user, side, command.key, record, revision=command.revision)
        recorded = await self._books.own[side].record(lambda book: proceed(book, wish))
        return await self._stepped(command.id, side, record.dispatch, recorded)

    async def _joint_step(  # noqa: PLR0913  The event's own fields, by name.
        self,
        actor: Actor,
        command: "_JointCommand",
        event: Event,
        *,
        until_ms: int = 0,
        place: str = "",
        at_ms: int = 0,
        note: str = "",
        values: tuple[str, ...] = (),
        confirmed: tuple[bool, ...] = (),
        answer: str = "",
        officer: str = "",
    ) -> frames.DispatchStepReply:
        side = self._may_write_joint(actor)
        await self._books.settle_if_possible()
        folder = await self._books.folder(side)
        own = folder.own.find(command.dispatch)
        if own is not None and own.number not in folder.joint.dispatches:
            check_party(event, is_own=True)
            code = TABLE[own.state, event]
            raise Refused(code if isinstance(code, ErrorCode) else ErrorCode.DISPATCH_STATE, "it was not tendered yet")
        record = Record(
            event.value,
            folder.number_of(command.dispatch),
            until_ms=until_ms,
            place=place,
            at_ms=at_ms,
            note=note,
            values=values,
            confirmed=confirmed,
            answer=answer,
            officer=officer,
        )
        wish = Wish(actor.account.user, side, command.key, record, revision=command.revision)
        recorded = await self._books.joint.record(lambda book: self._proceed_in_time(book, wish))
        return await self._stepped(command.id, side, command.dispatch, recorded)

    def _proceed_in_time(self, book: Book, wish: Wish) -> Draft:
        draft = proceed(book, wish)
        dispatch = book.dispatches[wish.record.dispatch]
        if not dispatch.has(wish.by, wish.key):
            now_ms = self._office.clock.wall_ms()
            if wish.event is Event.DEFERRED and wish.record.until_ms <= now_ms:
                raise Refused(ErrorCode.DISPATCH_TIME, "a tender is deferred until a moment that is still to come")
            if wish.event is Event.OTHER_MEANS and wish.record.at_ms > now_ms:
                raise Refused(ErrorCode.DISPATCH_TIME, "what was delivered by other means is in the past")
        return draft

    async def _stepped(
        self, command_id: int, side: DelegationId, name: str, recorded: Recorded[Book]
    ) -> frames.DispatchStepReply:
        await self._books.settle_if_possible()
        view = self._seen(await self._books.folder(side), self._office.clock.wall_ms())
        return frames.DispatchStepReply(id=command_id, dispatch=view.line_of(name), duplicate=recorded.duplicate)


_JointCommand = (
    frames.DispatchTender
    | frames.DispatchAccept
    | frames.DispatchDefer
    | frames.DispatchDecline
    | frames.DispatchReadBack
    | frames.DispatchConfirmReadBack
    | frames.DispatchAcknowledge
    | frames.DispatchAnswer
    | frames.DispatchClose
    | frames.DispatchRecordOtherMeans
)


def _letter(command: frames.DispatchDraft | frames.DispatchRevise, event: Event, name: str) -> Record:
    heading = Heading(
        subject=_line(command.subject),
        signatory=_line(command.signatory),
        rank=_line(command.rank),
        addressee=_line(command.addressee),
        precedence=command.precedence,
        reference=_line(command.reference) if command.reference else "",
    )
    items = tuple(Item(item.kind, _line(item.label), _line(item.value)) for item in command.items)
    check_names(command.attachments)
    content = Content(_clean(command.body), items, tuple(command.attachments))
    return Record(event.value, name, heading=heading, content=content)


def _line(text: str) -> str:
    line = _clean(text)
    if "\n" in line:
        raise Refused(ErrorCode.INVALID, "this field is one line")
    return line


def _optional(text: str) -> str:
    return _clean(text) if text.strip() else ""


def _clean(text: str) -> str:
    try:
        return clean_text(text)
    except ValueError as error:
        code = ErrorCode.TOO_LARGE if isinstance(error, TooLongError) else ErrorCode.INVALID
        raise Refused(code, str(error)) from error
