"""One node of the office: what edges call, what owns every task, and where revocation and draining happen."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from liaison.core.entries import Draft
from liaison.core.identifiers import ChannelId, DelegationId, SessionId, UserId
from liaison.core.permissions import Action
from liaison.core.position import Position
from liaison.core.profile import Delegation, OfficeProfile
from liaison.core.rights import EMPTY_RIGHTS, Rights, Role, membership_changes
from liaison.core.session import State
from liaison.core.token_bucket import TokenBucket
from liaison.office.accounts import Accounts
from liaison.office.actor import Actor
from liaison.office.answering import Answers, person_info
from liaison.office.attachments import AttachmentDesk, AttachmentStores
from liaison.office.draining import departures
from liaison.office.following import Follower
from liaison.office.hub import Hub, Hubs
from liaison.office.log_pages import LogPages
from liaison.office.member_pushes import MemberPushes
from liaison.office.observing import BothObservers
from liaison.office.operations import Operations
from liaison.office.presence import PresenceFeed
from liaison.office.publishing import Publisher
from liaison.office.pump import Pump
from liaison.office.registers import Department, Handler, Registers
from liaison.office.registry import Registry
from liaison.office.session_board import SessionBoard
from liaison.office.session_table import SessionTable
from liaison.office.sessions import Peer, Session
from liaison.office.settings import OfficeSettings
from liaison.office.statistics_feed import StatisticsFeed
from liaison.office.tasks import contained
from liaison.ports.bus import AnyHint, Bus, DirectoryHint, EntriesHint, ReadHint, TypingHint
from liaison.ports.clock import Clock
from liaison.ports.connection import Connection
from liaison.ports.directory import Directory
from liaison.ports.log import Log, LogUnavailableError, LogUnreadableError, ReadPositions
from liaison.ports.observer import Observer
from liaison.protocol import frames, limits
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.codec import WireFormat, encode_value, finished_frame
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused, Unavailable

_journal = structlog.get_logger(__name__)

_REF_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_EXPIRY_CHECK_S: Final = 15
_CAPABILITIES: Final = ["corrections", "reactions", "typing", "presence", "search", "read_positions"]
# Causes after which nobody comes back by themselves: presence shows them offline at once.
_NO_GRACE: Final = frozenset({"signed out", "revoked", "expired"})
# The part of a drain's time in which clients are let go one after the other; the rest is for what is still under way.
_PACED_PART: Final = 0.75


@dataclass(frozen=True, slots=True)
class World:
    """Every port the office reaches the world through."""

    log: Log
    reads: ReadPositions
    directory: Directory
    bus: Bus
    clock: Clock
    observer: Observer
    # Not for secrets: back-off, jitter, error references and session ids.
    rng: random.Random
    # None where nothing can be attached.
    attachments: AttachmentStores | None = None


@dataclass(frozen=True, slots=True)
class Desks:
    """The parts of the office that have a life of their own and could be used without it."""

    registry: Registry
    accounts: Accounts
    presence: PresenceFeed
    session_table: SessionTable
    # Made once the office is there, because they append to its log and are heard by its hubs.
    departments: Sequence[Callable[["Office"], Department]] = ()


class Office:
    """One node. Use `async with office.running():` around everything else."""

    def __init__(self, node: str, profile: OfficeProfile, settings: OfficeSettings, world: World, desks: Desks) -> None:
        self.node = node
        self.profile = profile
        self.settings = settings
        self.log, self.reads, self.directory, self.bus = world.log, world.reads, world.directory, world.bus
        self.clock, self._rng = world.clock, world.rng
        self.registry, self.accounts = desks.registry, desks.accounts
        self.presence, self.session_table = desks.presence, desks.session_table
        self.session_board = SessionBoard(desks.session_table, world.clock, world.bus)
        self.statistics = StatisticsFeed(node, profile, desks.session_table, world.clock, world.bus.publish)
        self.observer: Observer = BothObservers(world.observer, self.statistics)
        self.members = MemberPushes(self)
        self.hubs = Hubs(
            log=world.log,
            bus=world.bus,
            rng=world.rng,
            make_hub=self._make_hub,
            prepare=self.members.load_readers,
            poll_interval_s=settings.poll_interval_s,
        )
        self.publisher = Publisher(
            log=world.log,
            bus=world.bus,
            hubs=self.hubs,
            clock=world.clock,
            spawn=self.spawn,
            observer=self.observer,
        )
        self._pages = LogPages(world.log)
        self.registers = Registers(world.log, self.hubs, world.bus, world.clock)
        self._answers = Answers(self)
        self.attachments = AttachmentDesk(self, world.attachments, settings.attachments)
        self.operations = Operations(self)
        self.departments: list[Department] = [
            self.operations,
            self.attachments,
            *(make(self) for make in desks.departments),
        ]
        self.handlers: Mapping[type[frames.Command], Handler] = {
            command: handler for department in self.departments for command, handler in department.handlers().items()
        }
        self.sessions: dict[SessionId, Session] = {}
        self._sessions_of: dict[UserId, dict[SessionId, Session]] = {}
        self._followers: dict[Follower, None] = {}
        self._user_buckets: dict[UserId, TokenBucket] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._short_tasks: set[asyncio.Task[None]] = set()
        self._is_retiring = False
        self._draining = False
        # Sessions that a drain waits for.
        self._leaving: dict[Session, None] = {}
        self._all_left = asyncio.Event()
        # What `connect` tells everybody alike.
        self._title = frames.Title(profile.title_ko, profile.title_en)
        self._delegations = [_delegation_info(delegation) for delegation in profile.delegations]
        self._client_limits = {
            **_CLIENT_LIMITS,
            "commands_per_s": max(1, int(settings.commands_per_s)),
            "attachment_bytes": self.attachments.max_bytes,
        }
        self._encoded_people: tuple[Rights, dict[WireFormat, msgspec.Raw]] = (EMPTY_RIGHTS, {})

    # --- life -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the node's loops. A loop that fails takes the node down, because half an office is no office.

        Raises DirectoryUnavailableError or LogUnavailableError when what everything goes by can't be read at the start.
        """
        await self.registry.start()
        for department in self.departments:
            await department.start()
        detach = self.bus.attach(self)
        self.presence.events.share(self.bus.publish)
        stop_listening = self.registry.on_change(self._rights_changed)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                loops = [
                    tasks.create_task(self.registry.run(), name="registry"),
                    tasks.create_task(self.presence.run(), name="presence"),
                    tasks.create_task(self.session_board.run(), name="session board"),
                    tasks.create_task(self.statistics.run(self.readiness), name="statistics"),
                    tasks.create_task(self.hubs.poll_heads(), name="poll heads"),
                    tasks.create_task(self._end_expired(), name="expiry"),
                    *(tasks.create_task(department.run(), name="department") for department in self.departments),
                ]
                try:
                    yield
                finally:
                    self._draining = True
                    for task in [*loops, *self._short_tasks]:
                        task.cancel()
        finally:
            stop_listening()
            detach()
            self._tasks = None

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Run `work` as a task of this node; see tasks.Spawn."""
        if self._tasks is None:
            work.close()
            raise RuntimeError("the office is not running")
        task = self._tasks.create_task(contained(work, name), name=name)
        self._short_tasks.add(task)
        task.add_done_callback(self._short_tasks.discard)
        # A task that is cancelled before its first step never comes to await its work.
        task.add_done_callback(lambda _task: work.close())
        return task

    @property
    def is_draining(self) -> bool:
        """Whether this node is about to end and wants no new clients."""
        return self._is_retiring or self._draining

    def retire(self) -> None:
        """Say no at /readyz from now on, and go on as before; the first step of a drain. Idempotent."""
        self._is_retiring = True

    async def drain(self) -> None:
        """Leave in good order: nobody new, everybody told when to come back, what they asked for answered, then closed.

        Where other nodes take the clients, they go one by one and are served until it is their turn; else all go at
        once and come back one by one. Ends within `drain_timeout_s`.
        """
        self._draining = True
        self.session_board.leave()
        settings = self.settings
        timeout_ms = settings.drain_timeout_s * 1000
        began_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(began_s + settings.drain_timeout_s):
                await self._let_go(int(timeout_ms * _PACED_PART) if settings.has_other_nodes else 0)
                await self._all_left.wait()
                # What came by HTTP, and from those who left in the middle of it.
                await self.publisher.drained()
        except TimeoutError:
            _journal.warning("drained before all was answered", timeout_s=settings.drain_timeout_s)
        for session in list(self._leaving):
            session.end(CloseCode.SERVICE_RESTART, "restart", reconnect_after_ms=0)
        await self.presence.drain()

    async def _let_go(self, horizon_ms: int) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self._leaving = {session: None for session in self.sessions.values() if session.state is not State.CLOSED}
        clients: list[Session | Follower] = [*self.sessions.values(), *self._followers]
        # Those who came in together last time shouldn't always be the first, or the last.
        self._rng.shuffle(clients)
        turns = departures(len(clients), per_s=self.settings.drain_reconnects_per_s, horizon_ms=horizon_ms)
        for client, turn in zip(clients, turns, strict=True):
            pause_s = began_s + turn.after_ms / 1000 - loop.time()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            client.leave(CloseCode.SERVICE_RESTART, "restart", reconnect_after_ms=turn.waits_ms)
        if not self._leaving:
            self._all_left.set()

    def has_left(self, session: Session) -> None:
        """A session ended, for whatever reason; idempotent."""
        self._leaving.pop(session, None)
        if self._draining and not self._leaving:
            self._all_left.set()

    async def readiness(self) -> list[str]:
        """Give the reasons why this node should get no new clients; empty is ready."""
        reasons = ["draining"] if self.is_draining else []
        if self.registry.is_stale:
            reasons.append("accounts are stale")
        if not self.bus.is_up:
            reasons.append("deaf to the bus")
        try:
            await self.log.check()
        except LogUnavailableError as error:
            reasons.append(f"the log can't commit: {error}")
        return reasons

    # --- coming in ------------------------------------------------------------------------------------------------

    @property
    def rights(self) -> Rights:
        """The newest snapshot of the directory."""
        return self.registry.rights

    def authenticate(self, secret: str) -> Actor:
        """Say whose bearer token or cookie this is. Raises Refused(UNAUTHENTICATED), Unavailable."""
        return self.registry.authenticate(secret)

    async def recognise(self, secret: str) -> Actor:
        """Say the same, also of a secret that another node gave out a moment ago."""
        return await self.registry.recognise(secret)

    def open_session(self, connection: Connection, wire: WireFormat, secret: str, peer: Peer) -> Session:
        """Begin a WebSocket session; `secret` is what the upgrade request carried, or empty. Raises Unavailable."""
        if self._draining:
            raise Unavailable("this node is being restarted", ErrorCode.DRAINING)
        session = Session(self, SessionId(self._random_name(12)), connection, wire, secret, peer)
        self.sessions[session.id] = session
        return session

    async def follow(
        self, actor: Actor, channel: str, position: Position | None, tail: int, connection: Connection
    ) -> Follower:
        """Begin an event stream over one channel; frames come in WireFormat.SSE. Raises LiaisonError."""
        if self._draining:
            raise Unavailable("this node is being restarted", ErrorCode.DRAINING)
        name = self.registry.may(actor, Action.SUBSCRIBE, channel)
        mine = sum(1 for follower in self._followers if follower.actor.account.user == actor.account.user)
        if mine >= self.settings.sessions_per_user:
            raise Refused(ErrorCode.TOO_MANY_SESSIONS, f"at most {self.settings.sessions_per_user} streams a user")
        follower = Follower(self, actor, connection)
        self._followers[follower] = None
        try:
            await follower.follow(name, position, tail)
        except LogUnavailableError as error:
            follower.on_closed()
            raise Unavailable("the log can't be read now") from error
        except BaseException:
            follower.on_closed()
            raise
        return follower

    async def execute(self, actor: Actor, command: frames.Command) -> frames.Reply:
        """Carry out a command that needs no session, for HTTP. Raises LiaisonError."""
        try:
            return await self._answers.execute(actor, command)
        except LogUnavailableError as error:
            raise Unavailable("the log can't be read now") from error

    # --- called by sessions ---------------------------------------------------------------------------------------

    def sessions_of(self, user: UserId) -> list[Session]:
        """Give a user's sessions at this node, as they are now."""
        return list(self._sessions_of.get(user, {}).values())

    async def describe(self, user: UserId, channels: Sequence[ChannelId]) -> list[frames.ChannelInfo]:
        """See Answers.describe."""
        return await self._answers.describe(user, channels)

    def admit(self, session: Session, actor: Actor) -> None:
        """Reserve a place among the user's sessions. Raises Refused(TOO_MANY_SESSIONS)."""
        own = self._sessions_of.setdefault(actor.account.user, {})
        if len(own) >= self.settings.sessions_per_user:
            raise Refused(ErrorCode.TOO_MANY_SESSIONS, f"at most {self.settings.sessions_per_user} sessions a user")
        own[session.id] = session
        session.user = actor.account.user

    async def connect_reply(
        self, command_id: int, session_id: SessionId, actor: Actor, wire: WireFormat
    ) -> frames.ConnectReply:
        """Say who the actor is here, and the terms of the connection. Raises LogUnavailableError."""
        account = actor.account
        channels = [] if account.role is Role.OPS else await self._answers.channel_list(actor)
        return frames.ConnectReply(
            id=command_id,
            session=session_id,
            user=account.user,
            name=account.name,
            delegation=account.delegation,
            role=account.role.value,
            office=self._title,
            delegations=self._delegations,
            people=self._people(wire),
            channels=channels,
            server_time_ms=self.clock.wall_ms(),
            ping_interval_ms=limits.PING_INTERVAL_MS,
            pong_timeout_ms=limits.PONG_TIMEOUT_MS,
            limits=self._client_limits,
            capabilities=_CAPABILITIES,
        )

    def _people(self, wire: WireFormat) -> msgspec.Raw:
        """Give everybody of the office in their encoded form, made once for each state of the directory.

        When thousands come back at once, this list would cost more than all else that letting them in does.
        """
        rights, encoded = self._encoded_people
        if rights is not self.rights:
            rights, encoded = self._encoded_people = self.rights, {}
        if wire not in encoded:
            people = [person_info(account) for account in rights.accounts.values() if account.active]
            encoded[wire] = msgspec.Raw(encode_value(people, wire))
        return encoded[wire]

    def connected(self, session: Session) -> None:
        """A session was let in: show it."""
        account = session.account
        self.session_table.opened(session)
        if account.role is not Role.OPS:
            self.presence.arrived(session.id, account, session.since_ms)
        self.observer.session_opened(account.role.value, session.wire.value)

    def forget(self, session: Session, cause: str) -> None:
        """A session's connection is gone."""
        if self.sessions.pop(session.id, None) is None:
            return
        self.has_left(session)
        if session.user is not None:
            own = self._sessions_of[session.user]
            own.pop(session.id, None)
            if not own:
                del self._sessions_of[session.user]
        if session.actor is not None:
            account = session.account
            self.presence.unwatch(session)
            self.session_board.unwatch(session)
            self.statistics.unwatch(session)
            self.session_table.closed(session.id)
            if account.role is not Role.OPS:
                self.presence.left(session.id, cause, grace=cause not in _NO_GRACE)
            self.observer.session_closed(account.role.value, session.wire.value, cause)

    def forget_follower(self, follower: Follower) -> None:
        """An event stream is gone."""
        self._followers.pop(follower, None)

    def make_pump(self, connection: Connection, wire: WireFormat, delegation: DelegationId) -> Pump:
        """Give the subscriptions of one connection, still empty."""

        def on_unreadable(channel: ChannelId, error: LogUnreadableError) -> None:
            connection.send(finished_frame(self.internal_error(0, error, channel=channel), wire))

        return Pump(
            connection=connection,
            wire=wire,
            delegation=delegation,
            hubs=self.hubs,
            pages=self._pages,
            spawn=self.spawn,
            observer=self.observer,
            on_unreadable=on_unreadable,
        )

    def text_draft(self, actor: Actor, channel: ChannelId, command: frames.Publish) -> Draft:
        """See Answers.text_draft; also counts against the user's rate."""
        self.limit_user(actor.account.user)
        return self._answers.text_draft(actor, channel, command)

    def attachments_check(
        self, channel: ChannelId, user: UserId, attachments: Sequence[frames.Attachment]
    ) -> Callable[[], Awaitable[None]] | None:
        """See Answers.attachments_check."""
        return self._answers.attachments_check(channel, user, attachments)

    def limit_user(self, user: UserId) -> None:
        """Count one publish of a user, from whatever connection. Raises Unavailable(RATE_LIMITED)."""
        now_ms = self.clock.monotonic_ms()
        bucket = self._user_buckets.get(user)
        if bucket is None:
            per_s, burst = self.settings.user_publishes_per_s, self.settings.user_publishes_burst
            bucket = self._user_buckets[user] = TokenBucket.full(per_s=per_s, burst=burst, now_ms=now_ms)
        wait_ms = bucket.take(now_ms)
        if wait_ms:
            message = f"more than {self.settings.user_publishes_per_s:g} messages a second"
            raise Unavailable(message, ErrorCode.RATE_LIMITED, retry_after_ms=wait_ms)

    # --- errors ---------------------------------------------------------------------------------------------------

    def error_reply(self, command_id: int, error: LiaisonError, **context: str) -> frames.ErrorReply:
        """Give the wire's form of a refusal, with a reference that is also in the journal, and count it."""
        self.observer.refused(error.code.wire_name)
        return self.uncounted_reply(command_id, error, **context)

    def uncounted_reply(self, command_id: int, error: LiaisonError, **context: str) -> frames.ErrorReply:
        """Give the same of what is no refusal to wonder about."""
        ref = self._random_name(8)
        _journal.info("refused", ref=ref, error=error.code.wire_name, reason=error.message, **context)
        return frames.ErrorReply(
            id=command_id,
            code=error.code.value.code,
            name=error.code.wire_name,
            message=error.message,
            temporary=error.code.value.temporary,
            ref=ref,
            retry_after_ms=error.retry_after_ms,
        )

    def internal_error(self, command_id: int, error: Exception, **context: str) -> frames.ErrorReply:
        """Journal a bug of our own and give the answer that hides it."""
        message = "something went wrong here; the reference finds it in the journal"
        reply = self.error_reply(command_id, LiaisonError(ErrorCode.INTERNAL, message), **context)
        _journal.error("internal error", ref=reply.ref, exc_info=error, **context)
        return reply

    # --- what arrives from other nodes, and what changes ----------------------------------------------------------

    def on_hint(self, hint: AnyHint) -> None:
        """Take a hint from the bus; see ports.bus.BusListener."""
        match hint:
            case EntriesHint():
                hub = self.hubs.get(hint.channel)
                if hub is not None and hint.entries:
                    hub.on_entries(hint.epoch, hint.entries)
            case TypingHint():
                self.members.show_typing(hint)
            case ReadHint():
                self.members.show_read(hint)
            case DirectoryHint():
                self.registry.poke()
            case _:
                self.operations.on_hint(hint)

    def on_doubt(self) -> None:
        """Hints may have been lost; see ports.bus.BusListener."""
        self.hubs.doubt()
        self.registry.poke()
        self.presence.events.share(self.bus.publish)

    def _make_hub(self, channel: ChannelId) -> Hub:
        return Hub(channel, self.log, self.clock, self.observer, self.spawn, self.members.tell)

    def _rights_changed(self, before: Rights, after: Rights) -> None:
        """Make a change of rights felt at once by everybody who is connected."""
        self._end_dead_credentials()
        for change in membership_changes(before, after):
            for session in self.sessions_of(change.user):
                if change.after is None:
                    # One that is only being let in is told by the answer to `connect`, which looks last of all.
                    if session.actor is None:
                        continue
                    session.lose_channel(change.channel)
                    session.push(frames.ChannelPush("removed", change.channel))
                else:
                    told = self.members.tell_of_channel(session, change.channel, is_new=change.before is None)
                    self.spawn(told, "channel push")
            if change.after is None:
                for follower in list(self._followers):
                    if follower.actor.account.user == change.user:
                        follower.lose_channel(change.channel)

    def _end_dead_credentials(self) -> None:
        now_ms = self.clock.wall_ms()
        live = self.rights.credential_is_live
        for session in list(self.sessions.values()):
            if session.actor is not None and not live(session.actor.credential, now_ms):
                session.end(CloseCode.REVOKED, "revoked")
        for follower in list(self._followers):
            if not live(follower.actor.credential, now_ms):
                follower.end(CloseCode.REVOKED, "revoked")

    async def _end_expired(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRY_CHECK_S)
            self._end_dead_credentials()

    def _random_name(self, length: int) -> str:
        # Not by `choices`, which would be a thirtieth of what letting a client in costs. It needs to be no secret.
        return "".join([_REF_ALPHABET[byte % len(_REF_ALPHABET)] for byte in self._rng.randbytes(length)])


_CLIENT_LIMITS: Final = {
    "max_frame_bytes": limits.MAX_FRAME_BYTES,
    "max_text_bytes": limits.MAX_TEXT_BYTES,
    "max_key_chars": limits.MAX_KEY_CHARS,
    "max_page_messages": limits.MAX_PAGE_MESSAGES,
    "max_subscriptions": limits.MAX_SUBSCRIPTIONS_PER_SESSION,
    "max_publishes_in_flight": limits.MAX_PUBLISHES_IN_FLIGHT,
    "max_mentions": limits.MAX_MENTIONS,
    "max_attachments": limits.MAX_ATTACHMENTS,
    # These two are the office's own.
    "commands_per_s": limits.COMMANDS_PER_SESSION_PER_S,
    "attachment_bytes": 0,
}


def _delegation_info(delegation: Delegation) -> frames.DelegationInfo:
    title = frames.Title(delegation.title_ko, delegation.title_en)
    return frames.DelegationInfo(delegation.id, title, delegation.colour, delegation.time_zone)
