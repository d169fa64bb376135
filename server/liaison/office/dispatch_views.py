"""Dispatches as one side may see them: its own from the first draft on, the other's from the tender on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from liaison.core.dispatch import Event, Party, State, due_ms, waits_on
from liaison.core.dispatch_register import Book, Content, Dispatch, Step, no_such_dispatch, refusal
from liaison.core.entries import Precedence
from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.core.profile import OfficeProfile
from liaison.core.register_channels import DISPATCHES, own_dispatches
from liaison.core.rights import Account
from liaison.protocol import dispatch_frames as frames
from liaison.protocol.errors import ErrorCode
from liaison.protocol.frames import Command

# Which step each command asks for; a tender asks for one of several.
_EVENTS: Final[Mapping[type[Command], Event]] = {
    frames.DispatchRevise: Event.REVISED,
    frames.DispatchClear: Event.CLEARED,
    frames.DispatchTender: Event.TENDERED,
    frames.DispatchAccept: Event.ACCEPTED,
    frames.DispatchDefer: Event.DEFERRED,
    frames.DispatchDecline: Event.DECLINED,
    frames.DispatchReadBack: Event.READ_BACK,
    frames.DispatchConfirmReadBack: Event.CONFIRMED,
    frames.DispatchAcknowledge: Event.ACKNOWLEDGED,
    frames.DispatchAnswer: Event.ANSWERED,
    frames.DispatchClose: Event.CLOSED,
    frames.DispatchRecordOtherMeans: Event.OTHER_MEANS,
}
# What empty says on the wire needs a name where empty is any.
_ROUTINE: Final = "routine"
_OF_ONES_OWN_REGISTER: Final = frozenset({frames.DispatchRevise, frames.DispatchClear, frames.DispatchTender})


@dataclass(frozen=True, slots=True)
class Folder:
    """What a side has of dispatches: its own register and the joint one."""

    side: DelegationId
    own: Book
    joint: Book

    def number_of(self, name: str) -> str:
        """Give the number of a dispatch that may be called by its id; what isn't one's own is called by it already."""
        own = self.own.find(name)
        return name if own is None else own.number

    def without_own(self) -> "Folder":
        """Leave out what only the side's own register has."""
        return replace(self, own=Book(is_joint=False))


@dataclass(frozen=True, slots=True)
class Hand:
    """Who asks, and what they may write at all. `decides`: is no bot."""

    user: UserId
    decides: bool
    writes_own: bool
    writes_joint: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dispatches are wanted; what is empty, 0, false or None doesn't matter.

    `precedence` is one's name, `routine` too; `year` is that of the beginning.
    """

    state: str = ""
    side: str = ""
    precedence: str = ""
    waits_on: str = ""
    overdue: bool = False
    year: int = 0
    before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Pair:
    """One dispatch in the registers that have it."""

    own: Dispatch | None
    joint: Dispatch | None

    @property
    def newest(self) -> Dispatch:
        """The one that says how it stands."""
        found = self.joint or self.own
        assert found is not None
        return found

    @property
    def begun_ms(self) -> int:
        first = self.own or self.joint
        assert first is not None
        return first.steps[0].time_ms


class View:
    """What one side sees at one moment."""

    def __init__(
        self, folder: Folder, profile: OfficeProfile, accounts: Mapping[UserId, Account], zone: ZoneInfo, now_ms: int
    ) -> None:
        self._folder = folder
        self._profile = profile
        self._accounts = accounts
        self._zone = zone
        self._now_ms = now_ms

    def lines(self, wanted: Selection, limit: int) -> tuple[list[frames.DispatchLine], bool]:
        """Give up to about `limit` that are wanted, newest first, and whether there are more.

        All that began in the last one's millisecond are given, so that one can go on below it.
        """
        found: list[frames.DispatchLine] = []
        # Lines are made only of what is given: a register grows for years, and a page is short.
        for pair in sorted(filter(partial(self._may_be_wanted, wanted), self._pairs()), key=_newest_first):
            if len(found) >= limit and pair.begun_ms != found[-1].begun_ms:
                return found, True
            line = self._line(pair)
            if line.overdue or not wanted.overdue:
                found.append(line)
        return found, False

    def _pairs(self) -> Iterable[_Pair]:
        own, joint = self._folder.own, self._folder.joint
        for each in own.dispatches.values():
            yield _Pair(each, joint.dispatches.get(each.number))
        for number, each in joint.dispatches.items():
            if number not in own.numbers:
                yield _Pair(None, each)

    def line_of(self, name: str) -> frames.DispatchLine:
        """Give one by its name. Raises Refused(NO_SUCH_DISPATCH)."""
        return self._line(self._pair(name))

    def whole(self, command_id: int, name: str, hand: Hand | None = None) -> frames.DispatchReply:
        """Give one with its history and, where this side may read it, its text; and what `hand` may do about it.

        Raises Refused(NO_SUCH_DISPATCH).
        """
        pair = self._pair(name)
        history = [
            self._step(each, channel, dispatch)
            for dispatch, channel in ((pair.own, own_dispatches(self._folder.side)), (pair.joint, DISPATCHES))
            if dispatch is not None
            for each in dispatch.steps
        ]
        content = _content(pair)
        return frames.DispatchReply(
            id=command_id,
            dispatch=self._line(pair),
            history=history,
            choices=[] if hand is None else [self._choice(pair, command, hand) for command in _EVENTS],
            content=None
            if content is None
            else frames.DispatchContent(
                content.body,
                content.sha256,
                [frames.DispatchItem(item.kind, item.label, item.value) for item in content.items],
                list(content.attachments),
                _channel_of(pair) if content.attachments else "",
            ),
        )

    def _choice(self, pair: _Pair, command: type[Command], hand: Hand) -> frames.DispatchChoice:
        code = self._refusal(pair, command, hand)
        return frames.DispatchChoice(str(command.__struct_config__.tag), "" if code is None else code.wire_name)

    def _refusal(self, pair: _Pair, command: type[Command], hand: Hand) -> ErrorCode | None:
        """Say why a command about this dispatch would be refused now, as the office itself would."""
        is_in_own = command in _OF_ONES_OWN_REGISTER or (command is frames.DispatchClose and pair.joint is None)
        event = _EVENTS[command]
        may_write = hand.writes_own if is_in_own else hand.writes_joint
        if not may_write or not (hand.decides or command is frames.DispatchRevise):
            return ErrorCode.FORBIDDEN
        if command is frames.DispatchTender and pair.own is not None and pair.joint is None:
            at_once = pair.own.precedence is Precedence.LIFE_SAFETY
            event = Event.NUMBERED_AT_ONCE if at_once else Event.NUMBERED
        return refusal(pair.newest, event, by=hand.user, side=self._folder.side)

    def _pair(self, name: str) -> _Pair:
        own = self._folder.own.find(name)
        joint = self._folder.joint.dispatches.get(name if own is None else own.number)
        if own is None and joint is None:
            raise no_such_dispatch()
        return _Pair(own, joint)

    def _may_be_wanted(self, wanted: Selection, pair: _Pair) -> bool:
        """Say whether a dispatch is selected by anything but the time of now."""
        dispatch = pair.newest
        return (
            wanted.state in ("", dispatch.state.value)
            and wanted.side in ("", dispatch.side)
            and wanted.precedence in ("", dispatch.precedence.value or _ROUTINE)
            and wanted.waits_on in ("", self._waits_on(dispatch))
            and (wanted.before_ms is None or pair.begun_ms < wanted.before_ms)
            and (not wanted.year or wanted.year == datetime.fromtimestamp(pair.begun_ms / 1000, self._zone).year)
        )

    def _line(self, pair: _Pair) -> frames.DispatchLine:
        dispatch = pair.newest
        heading = dispatch.heading
        since_ms, until_ms = _since_ms(dispatch), _until_ms(dispatch)
        due = due_ms(dispatch.state, dispatch.precedence, since_ms, until_ms)
        return frames.DispatchLine(
            dispatch=dispatch.number or dispatch.name,
            side=dispatch.side,
            state=dispatch.state.value,
            revision=dispatch.revision,
            subject=heading.subject,
            signatory=heading.signatory,
            rank=heading.rank,
            addressee=heading.addressee,
            begun_ms=pair.begun_ms,
            since_ms=since_ms,
            overdue=0 < due <= self._now_ms,
            number=dispatch.number,
            precedence=heading.precedence,
            reference=heading.reference,
            waits_on=self._waits_on(dispatch),
            due_ms=due,
            needs_read_back=any(each is not None and each.needs_read_back for each in (pair.own, pair.joint)),
        )

    def _waits_on(self, dispatch: Dispatch) -> str:
        party, side = waits_on(dispatch.state), dispatch.side
        return "" if party is None else side if party is Party.SENDING else self._profile.other(side)

    def _step(self, step: Step, channel: ChannelId, dispatch: Dispatch) -> frames.DispatchStep:
        record = step.record
        user = record.by or step.by
        account = self._accounts.get(UserId(user))
        items = () if dispatch.content is None or step.event is not Event.READ_BACK else dispatch.content.items
        return frames.DispatchStep(
            event=step.event.value,
            user=user,
            name=record.officer or ("" if account is None else account.name),
            delegation=step.side,
            time_ms=step.time_ms,
            channel=channel,
            seq=step.seq,
            note=record.note,
            until_ms=record.until_ms,
            place=record.place,
            at_ms=record.at_ms,
            values=list(record.values),
            matching=[value == item.value for value, item in zip(record.values, items, strict=True)],
            confirmed=list(record.confirmed),
            answer=record.answer,
        )


def _newest_first(pair: _Pair) -> tuple[int, str]:
    return -pair.begun_ms, pair.newest.number or pair.newest.name


def _content(pair: _Pair) -> Content | None:
    """Give the text: one's own always, the other side's once it is in the joint register."""
    return next((each.content for each in (pair.own, pair.joint) if each and each.content), None)


def _channel_of(pair: _Pair) -> ChannelId:
    """Give the register that has the text, and so what is attached to it: one's own before the joint one."""
    own = pair.own
    return DISPATCHES if own is None or own.content is None else own_dispatches(own.side)


def _since_ms(dispatch: Dispatch) -> int:
    """Say when it came into its state: notes and repetitions leave it there."""
    for step in reversed(dispatch.steps):
        is_note = step.event is Event.OTHER_MEANS and dispatch.state is not State.DELIVERED_OTHERWISE
        if step.event is not Event.REPEATED and not is_note:
            return step.time_ms
    return dispatch.steps[0].time_ms


def _until_ms(dispatch: Dispatch) -> int:
    step = dispatch.last(Event.DEFERRED)
    return 0 if step is None else step.record.until_ms
