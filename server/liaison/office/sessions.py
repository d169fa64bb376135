"""One client's session: what its commands mean, from the first frame to the last.

Publishing is synchronous up to the channel's queue, so a client's messages keep their order. Commands that wait for
storage go through the session's inbox, one after the other; nothing a client does makes another one wait.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from liaison.core.identifiers import ChannelId, SessionId, UserId
from liaison.core.permissions import Action
from liaison.core.position import Position
from liaison.core.rights import Account
from liaison.core.session import Event, State, step
from liaison.core.token_bucket import TokenBucket
from liaison.office.actor import Actor
from liaison.office.hub import Hub
from liaison.office.publishing import Published, Submission
from liaison.office.pump import Pump
from liaison.ports.connection import Connection
from liaison.ports.log import LogUnavailableError
from liaison.protocol import frames, limits
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.codec import InvalidCommand, WireFormat, decode_command, finished_frame
from liaison.protocol.commands import AnyCommand
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused, Unavailable

if TYPE_CHECKING:
    from liaison.office.office import Office

_journal = structlog.get_logger(__name__)

_INBOX_PAUSE: Final = limits.MAX_COMMANDS_IN_FLIGHT
_INBOX_LIMIT: Final = 256
# Nobody looks at so many names; a list of thousands with every subscription would be felt by all.
_MOST_READERS: Final = 100
# A client that has had so many refusals more than answers is not one that obeys `retry_after_ms`.
_REFUSALS_BEFORE_FLOODING: Final = 1000
# Refusing costs half of what granting does. So whoever goes on in spite of so many in a row is not read for a while,
# which counts as many refusals as they could have had meanwhile.
_REFUSALS_IN_A_ROW: Final = 16
_HELD_BACK_S: Final = 0.1
_HELD_BACK_REFUSALS: Final = 100


@dataclass(frozen=True, slots=True)
class Peer:
    """What the edge knows of the other end. `address_class` is loopback, private or public."""

    address_class: str
    transport: str
    user_agent: str = ""


class Session:
    """The office's end of one WebSocket connection. Its edge calls the public methods; none of them raises."""

    def __init__(
        self, office: "Office", session_id: SessionId, connection: Connection, wire: WireFormat, secret: str, peer: Peer
    ) -> None:
        self.id = session_id
        self.connection = connection
        self.wire = wire
        self.actor: Actor | None = None
        # Whose place among the user's sessions this one takes, from admission on.
        self.user: UserId | None = None
        # What changed while `connect` was being answered; the answer may have been put together before.
        self.changed_meanwhile: set[ChannelId] = set()
        self.peer = peer
        self.client = ""
        self.device = ""
        self.since_ms = office.clock.wall_ms()
        self.max_frame_bytes = limits.MAX_UNAUTHENTICATED_FRAME_BYTES
        self.state = State.OPEN
        self._office = office
        self._secret = secret
        self._pump: Pump | None = None
        self._inbox: deque[AnyCommand] = deque()
        self._publishes_in_inbox = 0
        self._worker: asyncio.Task[None] | None = None
        self._publishes_in_flight = 0
        self._bucket = TokenBucket.full(
            per_s=office.settings.commands_per_s,
            burst=office.settings.commands_burst,
            now_ms=office.clock.monotonic_ms(),
        )
        self._refusals = 0
        self._refusals_in_a_row = 0
        # Until when nothing is read, because of too many of them.
        self._held_back: asyncio.TimerHandle | None = None
        self._end_cause: str | None = None
        # How it is to end once nothing is under way any more.
        self._farewell: tuple[CloseCode, str] | None = None
        self._deadline = asyncio.get_running_loop().call_later(
            limits.AUTHENTICATION_TIMEOUT_MS / 1000, self._authentication_deadline
        )

    # --- what the feeds need to know of a watcher -----------------------------------------------------------------

    @property
    def account(self) -> Account:
        """Whose session it is, as the directory has them now; only once connected."""
        assert self.actor is not None
        account = self.actor.account
        return self._office.rights.accounts.get(account.user, account)

    @property
    def party(self) -> tuple[str, str]:
        """Whose turn it is when a command of this session is read: side and user, both empty before `connect`."""
        return ("", "") if self.actor is None else (self.actor.account.delegation, self.actor.account.user)

    @property
    def subscriptions(self) -> int:
        """How many channels are followed."""
        return 0 if self._pump is None else len(self._pump.subscriptions)

    @property
    def lag_messages(self) -> int:
        """How many messages it has yet to get in the channels where it is behind."""
        return 0 if self._pump is None else self._pump.lag_messages

    def send(self, finished_frames: bytes) -> None:
        """Hand over finished frames."""
        self.connection.send(finished_frames)

    def push(self, frame: frames.AnyPush) -> None:
        """Encode and hand over one push."""
        self.connection.send(finished_frame(frame, self.wire))

    # --- called by the edge ---------------------------------------------------------------------------------------

    def receive(self, payload: bytes, *, is_text: bool) -> None:
        """Take one whole data message."""
        if self.state is State.CLOSED:
            return
        if is_text is not (self.wire is WireFormat.JSON):
            self.connection.close(CloseCode.UNSUPPORTED_DATA, "text is for json, binary for msgpack")
            return
        # Whatever comes counts: a frame that is refused costs as much as one that is granted, also before anybody said
        # who they are.
        wait_ms = self._bucket.take(self._office.clock.monotonic_ms())
        try:
            command = decode_command(payload, self.wire)
        except InvalidCommand as error:
            if wait_ms and error.code.value.close_code is None:
                self._refuse_flood(error.command_id, wait_ms)
            else:
                self._refuse(error.command_id, error)
            if self.state is State.OPEN:
                # From somebody who hasn't said who they are, one such frame is enough.
                self._close_before_authentication()
            return
        if wait_ms:
            self._refuse_flood(command.id, wait_ms)
            return
        # One by one: what the bucket lets through in the middle of a flood must not make it forgotten.
        self._refusals = max(0, self._refusals - 1)
        self._refusals_in_a_row = 0
        is_connect = isinstance(command, frames.Connect)
        after = step(self.state, Event.CONNECT if is_connect else Event.COMMAND)
        if isinstance(after, ErrorCode):
            self._refuse(command.id, LiaisonError(after, _STATE_REFUSALS[after]))
            return
        was, self.state = self.state, after
        # A publish must not overtake one that came while `connect` was still under way.
        if is_connect or was is State.CONNECTING or (self._publishes_in_inbox and isinstance(command, frames.Publish)):
            self._enqueue(command)
        else:
            self._dispatch(command)

    def on_writable(self) -> None:
        """The socket takes more again."""
        if self._pump is not None:
            self._pump.on_writable()

    def on_closed(self, cause: str) -> None:
        """The connection is gone. `cause` counts unless the office itself ended the session for another one."""
        self.state = State.CLOSED
        self._deadline.cancel()
        if self._held_back is not None:
            self._held_back.cancel()
        if self._pump is not None:
            self._pump.close()
        if self._worker is not None:
            self._worker.cancel()
        self._inbox.clear()
        self._office.forget(self, self._end_cause or cause)

    # --- called by the office -------------------------------------------------------------------------------------

    def leave(self, code: CloseCode, cause: str, *, reconnect_after_ms: int) -> None:
        """Take nothing more from the client, and close once all that it has asked for is answered.

        What it sent and we didn't read is in its outbox, and comes again by another connection.
        """
        if self.state is not State.CLOSED and self._farewell is None:
            self._farewell = (code, cause)
            self.go_away(code, cause, reconnect_after_ms)
            self.connection.pause_reading()
            self._leave_when_idle()

    def _leave_when_idle(self) -> None:
        is_busy = bool(self._publishes_in_flight) or self._worker is not None
        if self._farewell is None or is_busy or self.state is State.CLOSED:
            return
        self._close(*self._farewell)

    def end(self, code: CloseCode, cause: str, *, reconnect_after_ms: int | None = None) -> None:
        """Close for a reason of our own, after a `go_away` that says when to come back (None: never)."""
        if self._end_cause is None:
            self.go_away(code, cause, -1 if reconnect_after_ms is None else reconnect_after_ms)
            self._close(code, cause)

    def _close(self, code: CloseCode, cause: str) -> None:
        self._end_cause = cause
        self.state = State.CLOSED
        self.connection.close(code, cause)
        self._office.has_left(self)

    def go_away(self, code: CloseCode, reason: str, reconnect_after_ms: int) -> None:
        """Announce a close."""
        after = step(self.state, Event.GO_AWAY)
        if isinstance(after, State):
            self.state = after
        self.push(frames.GoAway(int(code), reason, reconnect_after_ms))

    def outcome_unknown(self) -> None:
        """Nobody knows whether a message of this session was stored: end, so that the client replays its outbox."""
        self.end(CloseCode.UNKNOWN_OUTCOME, "unknown outcome", reconnect_after_ms=0)

    def lose_channel(self, channel: ChannelId) -> None:
        """The right to a channel is gone: nothing more of it leaves, from this moment."""
        if self._pump is not None:
            self._pump.unsubscribe(channel)

    # --- the inbox ------------------------------------------------------------------------------------------------

    def _enqueue(self, command: AnyCommand) -> None:
        if len(self._inbox) >= _INBOX_LIMIT:
            self._refuse(command.id, Unavailable("too many commands wait", ErrorCode.BUSY))
            return
        if len(self._inbox) >= _INBOX_PAUSE:
            self.connection.pause_reading()
        self._inbox.append(command)
        self._publishes_in_inbox += isinstance(command, frames.Publish)
        if self._worker is None:
            self._worker = self._office.spawn(self._work(), f"session {self.id}")

    async def _work(self) -> None:
        while self._inbox:
            command = self._inbox.popleft()
            self._publishes_in_inbox -= isinstance(command, frames.Publish)
            await self._carry_out(command)
            if len(self._inbox) < _INBOX_PAUSE // 2:
                self._read_on()
        self._worker = None
        self._leave_when_idle()

    def _read_on(self) -> None:
        if self._farewell is None and self._held_back is None:
            self.connection.resume_reading()

    def _hold_back(self) -> None:
        """Read nothing for a while."""
        if self._held_back is None and self.state is not State.CLOSED:
            self._refusals += _HELD_BACK_REFUSALS
            self.connection.pause_reading()
            self._held_back = asyncio.get_running_loop().call_later(_HELD_BACK_S, self._let_go)

    def _let_go(self) -> None:
        self._held_back = None
        self._read_on()

    async def _carry_out(self, command: AnyCommand) -> None:
        if self.state is State.CLOSED:
            return
        try:
            if isinstance(command, frames.Connect):
                await self._connect(command)
            elif isinstance(command, frames.Subscribe):
                await self._subscribe(command)
            elif self._answers_at_once(command):
                self._dispatch(command)
            else:
                assert self.actor is not None
                self._reply(await self._office.execute(self.actor, command))
        except LiaisonError as error:
            self._refuse(command.id, error)
            if error.code is ErrorCode.UNKNOWN_OUTCOME:
                # A correction, withdrawal or reaction: its submission was not this session's own.
                self.outcome_unknown()
        except LogUnavailableError:
            self._refuse(command.id, Unavailable("the log can't be read now"))
        except Exception as error:  # noqa: BLE001  The outermost boundary of a command: a bug is answered, not spread.
            self._refuse_bug(command.id, error)

    # --- commands -------------------------------------------------------------------------------------------------

    @staticmethod
    def _answers_at_once(command: AnyCommand) -> bool:
        return isinstance(
            command,
            frames.Publish
            | frames.Unsubscribe
            | frames.Typing
            | frames.Presence
            | frames.PresenceStats
            | frames.SetAvailability
            | frames.WatchSessions
            | frames.WatchStatistics
            | frames.Ping,
        )

    def _dispatch(self, command: AnyCommand) -> None:
        """Answer what needs no storage at once, and put the rest in the inbox."""
        if not self._answers_at_once(command):
            self._enqueue(command)
            return
        try:
            self._answer(command)
        except LiaisonError as error:
            self._refuse(command.id, error)
        except Exception as error:  # noqa: BLE001  The outermost boundary of a command: a bug is answered, not spread.
            self._refuse_bug(command.id, error)

    def _answer(self, command: AnyCommand) -> None:
        assert self.actor is not None
        office = self._office
        match command:
            case frames.Publish():
                self._publish(command)
            case frames.Unsubscribe():
                if self._pump is not None:
                    self._pump.unsubscribe(ChannelId(command.channel))
                office.session_table.changed(self)
                self._reply(frames.Reply(id=command.id))
            case frames.Typing():
                office.members.typing(self.actor, command.channel)
                self._reply(frames.Reply(id=command.id))
            case frames.Presence():
                office.registry.may(self.actor, Action.SEE_PRESENCE)
                self._reply(office.presence.reply(command.id, self.account))
                (office.presence.watch if command.watch else office.presence.unwatch)(self)
            case frames.PresenceStats():
                office.registry.may(self.actor, Action.SEE_PRESENCE)
                self._reply(office.presence.stats(command.id, self.account))
            case frames.SetAvailability():
                office.registry.may(self.actor, Action.SET_AVAILABILITY)
                office.presence.set_availability(self.id, command.state)
                self._reply(frames.Reply(id=command.id))
            case frames.WatchSessions():
                office.registry.may(self.actor, Action.WATCH_SESSIONS)
                self._reply(office.session_board.reply(command.id, user=command.user))
                (office.session_board.watch if command.watch else office.session_board.unwatch)(self)
            case frames.WatchStatistics():
                office.registry.may(self.actor, Action.WATCH_STATISTICS)
                self._reply(office.statistics.reply(command.id))
                (office.statistics.watch if command.watch else office.statistics.unwatch)(self)
            case frames.Ping():
                self._reply(frames.PingReply(id=command.id, time_ms=office.clock.wall_ms()))
            case _:
                raise AssertionError(command)

    async def _connect(self, command: frames.Connect) -> None:
        try:
            actor = await self._office.recognise(command.token or self._secret)
            if self.state is not State.CONNECTING:
                return
            self._office.admit(self, actor)
            self.client, self.device = command.client, command.device
            reply = await self._office.connect_reply(command.id, self.id, actor, self.wire)
            # What they came in with may have ended meanwhile, and a session that isn't let in yet is ended by nobody.
            if not self._office.rights.credential_is_live(actor.credential, self._office.clock.wall_ms()):
                raise Refused(ErrorCode.REVOKED, "this sign-in has ended")
        except LiaisonError as error:
            self._refuse_connect(command.id, error)
            return
        except LogUnavailableError:
            self._refuse_connect(command.id, Unavailable("the log can't be read now"))
            return
        if self.state is not State.CONNECTING:
            return
        self._secret = ""
        self._deadline.cancel()
        self.actor = actor
        self.max_frame_bytes = limits.MAX_FRAME_BYTES
        self._pump = self._office.make_pump(self.connection, self.wire, actor.account.delegation)
        self.state = step(self.state, Event.ACCEPTED)  # type: ignore[assignment]  # Always a state here.
        self._reply(reply)
        self._office.connected(self)
        self._office.members.catch_up(self, {info.channel for info in reply.channels})

    def _refuse_connect(self, command_id: int, error: LiaisonError) -> None:
        """Answer and close; what came behind `connect` has nobody to be carried out for."""
        if self.state is not State.CLOSED:
            self.state = step(self.state, Event.REFUSED)  # type: ignore[assignment]  # Always a state here.
        self._refuse(command_id, error)
        self.connection.close(error.code.value.close_code or CloseCode.OVERLOADED, error.code.wire_name)

    async def _subscribe(self, command: frames.Subscribe) -> None:
        assert self.actor is not None
        assert self._pump is not None
        actor, registry = self.actor, self._office.registry
        channel = registry.may(actor, Action.SUBSCRIBE, command.channel)
        if len(self._pump.subscriptions) >= limits.MAX_SUBSCRIPTIONS_PER_SESSION:
            raise Refused(ErrorCode.INVALID, f"at most {limits.MAX_SUBSCRIPTIONS_PER_SESSION} channels a session")
        position = None if command.position is None else Position(command.position.epoch, command.position.seq)

        def announce(hub: Hub, from_seq: int) -> None:
            side = actor.account.delegation
            people = hub.readers.of_side(side)
            self._reply(
                frames.SubscribeReply(
                    id=command.id,
                    channel=channel,
                    epoch=hub.epoch,
                    head=hub.head,
                    from_seq=from_seq,
                    reads={str(user): seq for user, seq in people.items()} if len(people) <= _MOST_READERS else {},
                    side_reads={str(other): seq for other, seq in hub.readers.of_others(side).items()},
                )
            )

        subscribed = await self._pump.subscribe(
            channel,
            position,
            command.tail,
            announce=announce,
            still_allowed=lambda: registry.allows(actor, Action.SUBSCRIBE, channel),
        )
        if not subscribed:
            raise Refused(ErrorCode.NO_SUCH_CHANNEL, "there is no such channel")
        self._office.session_table.changed(self)

    def _publish(self, command: frames.Publish) -> None:
        assert self.actor is not None
        channel = self._office.registry.may(self.actor, Action.PUBLISH, command.channel)
        draft = self._office.text_draft(self.actor, channel, command)
        if self._publishes_in_flight >= limits.MAX_PUBLISHES_IN_FLIGHT:
            raise Unavailable("too many publishes wait", ErrorCode.BUSY)
        self._publishes_in_flight += 1
        if self._publishes_in_flight == limits.MAX_PUBLISHES_IN_FLIGHT // 2:
            self.connection.pause_reading()
        command_id = command.id

        def done(published: Published) -> None:
            self._reply(publish_reply(command_id, published))
            self._publish_left()

        def failed(error: LiaisonError) -> None:
            self._refuse(command_id, error)
            self._publish_left()

        check = self._office.attachments_check(channel, draft.sender, command.attachments)
        now_s = asyncio.get_running_loop().time()
        self._office.publisher.submit(channel, Submission(self, draft, now_s, done, failed, check))

    def _publish_left(self) -> None:
        self._publishes_in_flight -= 1
        if self._publishes_in_flight == limits.MAX_PUBLISHES_IN_FLIGHT // 4:
            self._read_on()
        self._leave_when_idle()

    # --- answers --------------------------------------------------------------------------------------------------

    def _reply(self, reply: frames.Reply) -> None:
        self.connection.send(finished_frame(reply, self.wire))

    def _refuse(self, command_id: int, error: LiaisonError) -> None:
        reply = self._office.error_reply(command_id, error, session=self.id)
        self.connection.send(finished_frame(reply, self.wire))
        close_code = error.code.value.close_code
        # An unknown outcome is ended by its publisher, once for all that the session has in flight.
        if close_code is not None and error.code is not ErrorCode.UNKNOWN_OUTCOME:
            self._end_cause = self._end_cause or error.code.wire_name
            self.state = State.CLOSED
            self.connection.close(close_code, error.code.wire_name)

    def _refuse_flood(self, command_id: int, wait_ms: int) -> None:
        self._refusals += 1
        if self._refusals > _REFUSALS_BEFORE_FLOODING:
            self._refuse(command_id, Refused(ErrorCode.FLOODING, "too many commands, in spite of being told so"))
        else:
            message = f"more than {self._office.settings.commands_per_s} commands a second"
            self._refuse(command_id, Unavailable(message, ErrorCode.RATE_LIMITED, retry_after_ms=wait_ms))
            self._refusals_in_a_row += 1
            if self._refusals_in_a_row >= _REFUSALS_IN_A_ROW:
                self._refusals_in_a_row = 0
                self._hold_back()

    def _refuse_bug(self, command_id: int, error: Exception) -> None:
        reply = self._office.internal_error(command_id, error, session=self.id)
        self.connection.send(finished_frame(reply, self.wire))

    def _close_before_authentication(self) -> None:
        self._end_cause = ErrorCode.NOT_CONNECTED.wire_name
        self.state = State.CLOSED
        self.connection.close(CloseCode.UNAUTHENTICATED, self._end_cause)

    def _authentication_deadline(self) -> None:
        loop = asyncio.get_running_loop()
        if self.connection.has_unread or loop.time() - self._deadline.when() > _STUCK_S:
            # The `connect` may be here: among thousands of others that wait for their turn, or in a socket that a
            # process which stood still hasn't looked at.
            self._deadline = loop.call_later(_READ_WITHIN_S, self._authentication_deadline)
            return
        after = step(self.state, Event.DEADLINE)
        if isinstance(after, ErrorCode):
            self._refuse(0, LiaisonError(after, _STATE_REFUSALS[after]))


# A deadline that comes so late found the process stopped or the loop stuck.
_STUCK_S: Final = 0.5
# When whoever may have something unread at the end of their time is looked at again.
_READ_WITHIN_S: Final = 1.0
_STATE_REFUSALS: Final = {
    ErrorCode.NOT_CONNECTED: "the first command must be connect",
    ErrorCode.ALREADY_CONNECTED: "this session is already connected",
    ErrorCode.AUTHENTICATION_TIMEOUT: f"no connect within {limits.AUTHENTICATION_TIMEOUT_MS} ms",
}


def publish_reply(command_id: int, published: Published) -> frames.PublishReply:
    """Give the wire's answer to a publish."""
    return frames.PublishReply(
        id=command_id,
        seq=published.seq,
        epoch=published.epoch,
        time_ms=published.time_ms,
        duplicate=published.duplicate,
        held=published.held,
    )
