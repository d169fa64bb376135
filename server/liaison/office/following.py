"""An event stream: a pump without commands, for clients that have nothing but HTTP."""

from typing import TYPE_CHECKING

from liaison.core.identifiers import ChannelId
from liaison.core.permissions import Action
from liaison.core.position import Position
from liaison.office.actor import Actor
from liaison.ports.connection import Connection
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.codec import WireFormat, finished_frame
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.frames import GoAway

if TYPE_CHECKING:
    from liaison.office.office import Office


class Follower:
    """The office's end of one event stream. Its edge calls `on_writable` and, exactly once, `on_closed`."""

    wire = WireFormat.SSE

    def __init__(self, office: "Office", actor: Actor, connection: Connection) -> None:
        self.actor = actor
        self.connection = connection
        self._office = office
        self._pump = office.make_pump(connection, WireFormat.SSE, actor.account.delegation)

    async def follow(self, channel: ChannelId, position: Position | None, tail: int) -> None:
        """Begin one channel. Raises Refused, LogUnavailableError."""
        allowed = await self._pump.subscribe(
            channel,
            position,
            tail,
            announce=lambda _hub, _from_seq: None,
            still_allowed=lambda: self._office.registry.allows(self.actor, Action.SUBSCRIBE, channel),
        )
        if not allowed:
            raise Refused(ErrorCode.NO_SUCH_CHANNEL, "there is no such channel")

    def lose_channel(self, channel: ChannelId) -> None:
        """The right to a channel is gone; a stream that follows nothing more ends."""
        self._pump.unsubscribe(channel)
        if not self._pump.subscriptions:
            self.end(CloseCode.REVOKED, "revoked", reconnect_after_ms=None)

    def leave(self, code: CloseCode, cause: str, *, reconnect_after_ms: int) -> None:
        """End for a reason of our own: nothing that a stream has asked for is still open."""
        self.end(code, cause, reconnect_after_ms=reconnect_after_ms)

    def end(self, code: CloseCode, cause: str, *, reconnect_after_ms: int | None = None) -> None:
        """Say why, and close."""
        go_away = GoAway(int(code), cause, -1 if reconnect_after_ms is None else reconnect_after_ms)
        self.connection.send(finished_frame(go_away, self.wire))
        self.connection.close(code, cause)

    def on_writable(self) -> None:
        """The socket takes more again."""
        self._pump.on_writable()

    def on_closed(self, cause: str = "") -> None:
        """The connection is gone."""
        self._pump.close()
        self._office.forget_follower(self)
