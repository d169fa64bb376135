"""What ops see and do, at whichever node: end a session, and end everything that lets somebody in, audited first.

An act that is not on the audit log did not happen: where the record can't be written, nothing is done. So the record is
the order, and what goes over the bus to the node that has the session only says which one: a node reads it from the
directory itself before it obeys, and nobody can end a session by writing to the bus.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from liaison.core.identifiers import SessionId, UserId
from liaison.core.permissions import Action
from liaison.office.actor import Actor
from liaison.office.registers import Handler
from liaison.office.session_board import BATCH_MS
from liaison.ports.bus import (
    DirectoryHint,
    DisconnectedHint,
    DisconnectHint,
    OperationsHint,
    PastHint,
    PastWantedHint,
    SessionsHint,
    SessionsWantedHint,
    StatisticsHint,
)
from liaison.ports.directory import DirectoryUnavailableError
from liaison.protocol import frames
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.errors import ErrorCode, Refused, Unavailable

if TYPE_CHECKING:
    from liaison.office.office import Office

_DISCONNECTED: Final = "session.disconnected"
# A node reads one record and ends one session; beyond this it hears nothing, or the office has worse troubles.
OBEY_TIMEOUT_S: Final = 3.0
# An order that comes later is no order any more: whoever gave it has been told that it may not have been done.
_ORDER_MS: Final = 10_000


class Operations:
    """Implements registers.Department for the commands that ops alone have."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        # Orders to other nodes, by their records, until they are said to be done.
        self._obeyed: dict[int, asyncio.Event] = {}

    def handlers(self) -> Mapping[type[frames.Command], Handler]:
        """See registers.Department."""
        return {
            frames.WatchSessions: self._sessions,
            frames.WatchStatistics: self._statistics,
            frames.PresenceLog: self._presence_log,
            frames.Disconnect: self._disconnect,
            frames.Revoke: self._revoke,
        }

    async def start(self) -> None:
        """Nothing needs to be known."""

    async def run(self) -> None:
        """Nothing is due by itself."""

    def on_hint(self, hint: OperationsHint) -> None:
        """Take what another node tells ops, or asks of this node for them."""
        office = self._office
        office.session_board.noticed(hint.node)
        match hint:
            case StatisticsHint():
                office.statistics.on_hint(hint)
            case SessionsWantedHint():
                office.session_board.on_wanted(hint)
            case SessionsHint():
                office.session_board.on_sessions(hint)
            case DisconnectHint(node, order):
                if node == office.node:
                    office.spawn(self._obey(order), "disconnect for another node")
            case DisconnectedHint(_, order):
                if order in self._obeyed:
                    self._obeyed[order].set()
            case PastWantedHint() | PastHint():
                office.presence.events.on_hint(hint)

    async def _sessions(self, actor: Actor, command: frames.WatchSessions) -> frames.SessionsReply:
        self._office.registry.may(actor, Action.WATCH_SESSIONS)
        board = self._office.session_board
        board.reply(command.id, user=command.user)
        await board.settled()
        self._office.registry.may(actor, Action.WATCH_SESSIONS)
        return board.reply(command.id, user=command.user)

    async def _statistics(self, actor: Actor, command: frames.WatchStatistics) -> frames.StatisticsReply:
        self._office.registry.may(actor, Action.WATCH_STATISTICS)
        return self._office.statistics.reply(command.id)

    async def _presence_log(self, actor: Actor, command: frames.PresenceLog) -> frames.PresenceLogReply:
        self._office.registry.may(actor, Action.READ_PRESENCE_LOG)
        return self._office.presence.events.reply(command)

    # --- a session is to end --------------------------------------------------------------------------------------

    async def _disconnect(self, actor: Actor, command: frames.Disconnect) -> frames.Reply:
        office = self._office
        office.registry.may(actor, Action.DISCONNECT)
        session = office.sessions.get(SessionId(command.session))
        if session is not None and session.actor is not None:
            await self._audit(actor, _DISCONNECTED, session.account.user, command.session)
            self._end(command.session)
        else:
            await self._disconnect_elsewhere(actor, command.session)
        return frames.Reply(id=command.id)

    async def _disconnect_elsewhere(self, actor: Actor, name: str) -> None:
        board = self._office.session_board
        if board.find(name) is None:
            # Who asks by HTTP has watched nothing. A node that gave no sign of life yet hears the question too: it has
            # time to answer before those that are known are waited for.
            board.reply(0)
            await asyncio.sleep(2 * BATCH_MS / 1000)
            await board.settled()
            board.reply(0)
        info = board.find(name)
        if info is None:
            raise Refused(ErrorCode.NO_SUCH_SESSION, f"no session {name!r} is shown")
        order = await self._audit(actor, _DISCONNECTED, info.user, name)
        done = self._obeyed[order] = asyncio.Event()
        self._office.bus.publish(DisconnectHint(info.node, order))
        try:
            async with asyncio.timeout(OBEY_TIMEOUT_S):
                await done.wait()
        except TimeoutError:
            raise Unavailable(f"node {info.node!r} does not answer; whether the session ended isn't known") from None
        finally:
            del self._obeyed[order]

    async def _obey(self, order: int) -> None:
        """End the session that a record of the audit log orders to end, and say so."""
        office = self._office
        records = await office.directory.audit_records(after=order - 1, limit=1)
        if not records or records[0].seq != order or records[0].action != _DISCONNECTED:
            return
        record = records[0]
        if abs(office.clock.wall_ms() - record.time_ms) > _ORDER_MS:
            return
        self._end(record.detail)
        office.bus.publish(DisconnectedHint(office.node, order))

    def _end(self, name: str) -> None:
        # It may have ended by itself while the record was written: what was asked for is so, then.
        session = self._office.sessions.get(SessionId(name))
        if session is not None and session.actor is not None:
            session.end(CloseCode.DISCONNECTED, "disconnected", reconnect_after_ms=0)

    async def _revoke(self, actor: Actor, command: frames.Revoke) -> frames.RevokeReply:
        office = self._office
        office.registry.may(actor, Action.REVOKE)
        if not command.reason.isprintable() or command.reason.isspace():
            raise Refused(ErrorCode.INVALID, "the reason is one line that can be read")
        account = office.rights.accounts.get(UserId(command.user))
        if account is None:
            raise Refused(ErrorCode.NO_SUCH_USER, f"there is no account {command.user!r}")
        await self._audit(actor, "access.revoked", account.user, command.reason.strip())
        ended = await office.accounts.revoke_tokens(account.user, by=actor.account.user)
        office.bus.publish(DirectoryHint(office.rights.revision))
        return frames.RevokeReply(id=command.id, ended=ended)

    async def _audit(self, actor: Actor, action: str, subject: str, detail: str) -> int:
        try:
            return await self._office.directory.audit(actor.account.user, action, subject, detail)
        except DirectoryUnavailableError as error:
            raise Unavailable("the audit log can't be written at the moment; nothing was done") from error
