"""What ops do, beside looking: end a session, and end everything that lets somebody in. Both are audited first.

An act that is not on the audit log did not happen: where the record can't be written, nothing is done.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from liaison.core.identifiers import SessionId, UserId
from liaison.core.permissions import Action
from liaison.office.actor import Actor
from liaison.office.registers import Handler
from liaison.ports.bus import DirectoryHint
from liaison.ports.directory import DirectoryUnavailableError
from liaison.protocol import frames
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.errors import ErrorCode, Refused, Unavailable

if TYPE_CHECKING:
    from liaison.office.office import Office


class Operations:
    """Implements registers.Department for the commands that ops alone have."""

    def __init__(self, office: "Office") -> None:
        self._office = office

    def handlers(self) -> Mapping[type[frames.Command], Handler]:
        """See registers.Department."""
        return {
            frames.WatchStatistics: self._statistics,
            frames.PresenceLog: self._presence_log,
            frames.Disconnect: self._disconnect,
            frames.Revoke: self._revoke,
        }

    async def start(self) -> None:
        """Nothing needs to be known."""

    async def run(self) -> None:
        """Nothing is due by itself."""

    async def _statistics(self, actor: Actor, command: frames.WatchStatistics) -> frames.StatisticsReply:
        self._office.registry.may(actor, Action.WATCH_STATISTICS)
        return self._office.statistics.reply(command.id)

    async def _presence_log(self, actor: Actor, command: frames.PresenceLog) -> frames.PresenceLogReply:
        self._office.registry.may(actor, Action.READ_PRESENCE_LOG)
        return self._office.presence.events.reply(command)

    async def _disconnect(self, actor: Actor, command: frames.Disconnect) -> frames.Reply:
        office = self._office
        office.registry.may(actor, Action.DISCONNECT)
        name = SessionId(command.session)
        session = office.sessions.get(name)
        if session is None or session.actor is None:
            raise Refused(ErrorCode.NO_SUCH_SESSION, f"this node has no session {command.session!r}")
        await self._audit(actor, "session.disconnected", session.account.user, command.session)
        # It may have ended by itself while the record was written: what was asked for is so, then.
        if office.sessions.get(name) is session:
            session.end(CloseCode.DISCONNECTED, "disconnected", reconnect_after_ms=0)
        return frames.Reply(id=command.id)

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

    async def _audit(self, actor: Actor, action: str, subject: str, detail: str) -> None:
        try:
            await self._office.directory.audit(actor.account.user, action, subject, detail)
        except DirectoryUnavailableError as error:
            raise Unavailable("the audit log can't be written at the moment; nothing was done") from error
