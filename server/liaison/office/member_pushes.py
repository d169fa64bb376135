"""What a channel's members at this node are told at once and never again: typing, read positions, the channel's state.

Nothing of it is in the log, so whoever misses it learns how things stand when they connect next. Who is told what is
asked of the newest rights each time.
"""

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Final

from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.core.permissions import Action, may_belong
from liaison.core.rights import Role
from liaison.office.actor import Actor
from liaison.office.hub import Hub
from liaison.office.sessions import Session
from liaison.ports.bus import ReadHint, TypingHint
from liaison.ports.log import LogUnavailableError
from liaison.protocol import frames
from liaison.protocol.codec import WireFormat, finished_frame

if TYPE_CHECKING:
    from liaison.office.office import Office

# Whose reading tells how far a side has come.
_PEOPLE: Final = frozenset({Role.OFFICIAL, Role.HEAD})


class MemberPushes:
    """Tells the members of a channel who are connected to this node."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        # Channels whose members are being told of a turn, and whether there was another one meanwhile.
        self._telling: dict[ChannelId, bool] = {}

    def typing(self, actor: Actor, channel_text: str) -> None:
        """Show the own side that somebody writes. Raises Refused."""
        channel = self._office.registry.may(actor, Action.TYPE, channel_text)
        hint = TypingHint(channel, actor.account.user, actor.account.delegation)
        self.show_typing(hint)
        self._office.bus.publish(hint)

    def show_typing(self, hint: TypingHint) -> None:
        """Show the own side that somebody writes, here."""
        push = frames.TypingPush(hint.channel, hint.user)
        self._push(hint.channel, push, lambda side, user: side == hint.delegation and user != hint.user)

    async def load_readers(self, hub: Hub) -> None:
        """Learn how far people have read in a channel that somebody here begins to follow."""
        positions = await self._office.reads.in_channel(hub.channel)
        rights = self._office.rights
        for user, seq in positions.items():
            account = rights.accounts.get(user)
            # Who is no member any more is nobody's reader; whoever becomes one again reads on.
            if account is not None and rights.membership(user, hub.channel) is not None:
                hub.readers.raise_to(user, account.delegation, seq, counts=account.role in _PEOPLE)

    def show_read(self, hint: ReadHint) -> None:
        """Show a read position: to the own side whose it is, to the other side only how far that side has read."""
        own = frames.ReadPush(hint.channel, hint.delegation, hint.seq, hint.user)
        self._push(hint.channel, own, lambda side, _user: side == hint.delegation)
        account = self._office.rights.accounts.get(hint.user)
        hub = self._office.hubs.get(hint.channel)
        if hub is None or account is None:
            return
        if hub.readers.raise_to(hint.user, hint.delegation, hint.seq, counts=account.role in _PEOPLE):
            side_push = frames.ReadPush(hint.channel, hint.delegation, hint.seq)
            self._push(hint.channel, side_push, lambda side, _user: side != hint.delegation)

    def _push(self, channel: ChannelId, push: frames.AnyPush, wanted: Callable[[DelegationId, UserId], bool]) -> None:
        """Push what is worth nothing later to the channel's members here; a full socket simply misses it."""
        encoded: dict[WireFormat, bytes] = {}
        for user in self._office.rights.members.get(channel, {}):
            account = self._office.rights.accounts.get(user)
            # As in every check: a row that must not be in the table opens nothing.
            if account is None or not may_belong(account, channel):
                continue
            for session in self._office.sessions_of(user):
                if session.actor is None or not session.connection.is_writable:
                    continue
                if wanted(session.account.delegation, user):
                    if session.wire not in encoded:
                        encoded[session.wire] = finished_frame(push, session.wire)
                    session.send(encoded[session.wire])

    def tell(self, channel: ChannelId) -> None:
        """Tell every member at this node how the channel stands now: it was suspended or resumed."""
        if channel in self._telling:
            self._telling[channel] = True
            return
        self._telling[channel] = False
        self._office.spawn(self._tell(channel), f"tell members of {channel}")

    async def _tell(self, channel: ChannelId) -> None:
        try:
            is_due = True
            # One at a time for each channel: what was read first must not be told last.
            while is_due:
                self._telling[channel] = False
                for user in self._office.rights.members.get(channel, {}):
                    for session in self._office.sessions_of(user):
                        await self.tell_of_channel(session, channel, is_new=False)
                is_due = self._telling[channel]
        finally:
            del self._telling[channel]

    async def tell_of_channel(self, session: Session, channel: ChannelId, *, is_new: bool) -> None:
        """Tell one member how a channel stands now: that it came, or that it changed."""
        actor = session.actor
        if actor is None:
            session.changed_meanwhile.add(channel)
            return
        if not self._office.registry.allows(actor, Action.READ, channel):
            return
        try:
            infos = await self._office.describe(actor.account.user, [channel])
        except LogUnavailableError:
            # The client learns of the channel when it connects next.
            return
        for info in infos:
            session.push(frames.ChannelPush("added" if is_new else "changed", channel, info))

    def catch_up(self, session: Session, told: Container[str]) -> None:
        """Tell somebody who was just let in what changed since `connect` was answered with the channels `told`."""
        for channel in sorted(session.changed_meanwhile):
            telling = self.tell_of_channel(session, channel, is_new=channel not in told)
            self._office.spawn(telling, "channel push")
        session.changed_meanwhile.clear()
