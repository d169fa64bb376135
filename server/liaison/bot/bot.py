"""A bot: handlers for messages, commands and timers, over a client, with a cursor that outlives the process."""

import asyncio
import hashlib
import inspect
import logging
import os
import secrets
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, Literal, TypeVar

from liaison.bot.client import Client
from liaison.bot.cursor import BrokenCursorError, Cursors, FileCursors, MemoryCursors, Position, default_path
from liaison.bot.errors import CONFLICT, BotError, FinalClose, Refused
from liaison.bot.feed import Feed
from liaison.bot.link import Dial, socket_url
from liaison.bot.loop_breaker import LoopBreaker
from liaison.bot.messages import Attachment, Fields, Message, Published
from liaison.bot.timekeeping import SystemTime, Time

_log = logging.getLogger(__name__)

# How long handlers that are at work may go on after a stop. Supervisors commonly kill after 10 s or more.
STOP_GRACE_S: Final = 8.0

# More than the server shows again after a restore from backup, which is its last 50.
REMEMBERED_ENTRIES: Final = 128

_PERSON_ROLES: Final = frozenset({"official", "head"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a bot reaches the world through; None is the real thing. The harness puts its own in."""

    dial: Dial | None = None
    time: Time = field(default_factory=SystemTime)
    random: Random | None = None
    cursors: Cursors | None = None


class IncomingMessage:
    """A message as a handler gets it: the entry's fields, and ways to answer."""

    def __init__(self, bot: "Bot", entry: Message, handler_number: int) -> None:
        self._bot = bot
        self._handler_number = handler_number
        self._replies = 0
        self.entry = entry

    def __repr__(self) -> str:
        return f"IncomingMessage({self.channel} {self.entry.position} by {self.sender})"

    @property
    def text(self) -> str:
        return self.entry.text

    @property
    def sender(self) -> str:
        return self.entry.sender

    @property
    def delegation(self) -> str:
        return self.entry.delegation

    @property
    def channel(self) -> str:
        return self.entry.channel

    @property
    def seq(self) -> int:
        return self.entry.seq

    @property
    def time_ms(self) -> int:
        """When the server stored it: milliseconds since 1970, UTC."""
        return self.entry.time_ms

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The files that come with it. Raises MalformedFrame."""
        return self.entry.attachments

    async def reply(self, text: str) -> Published | None:
        """Answer in the message's channel, with a reference to it.

        Idempotent: the n-th reply to a message has one key for ever, so a bot that crashed in between doesn't answer
        twice. None when nothing was sent: the loop breaker held it back, or an earlier run had answered in other words.
        """
        self._replies += 1
        # Numbered by handler as well: another handler's failure must not move this one's keys.
        return await self._bot.send_reply(self.entry, f"reply {self._handler_number}.{self._replies}", text)

    async def react(self, reaction: str) -> None:
        """Add a reaction to the message; a repeat changes nothing."""
        entry = self.entry
        key = reply_key(self._bot.user, entry, f"react {reaction}")
        await self._bot.client.react(entry.channel, entry.seq, reaction, key=key)


MessageHandler = Callable[[IncomingMessage], Awaitable[None]]
CommandHandler = Callable[[IncomingMessage, str], Awaitable[None]]
PlainHandler = Callable[[], Awaitable[None]]
M = TypeVar("M", bound=MessageHandler)
C = TypeVar("C", bound=CommandHandler)
P = TypeVar("P", bound=PlainHandler)


class Bot:
    """Register handlers with the decorators, then `run()`.

    Handlers of one channel run one after another in the order of its messages; channels don't wait for each other. A
    handler that raises is logged with a reference, and the bot goes on with the next message.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        replay: Literal["resume", "none"] = "resume",
        cursor_file: Path | None = None,
        include_bots: bool = False,
        include_own: bool = False,
    ) -> None:
        """`replay="resume"` goes on where the bot stopped, from the newest message on its first start; "none" always
        begins at the newest. `cursor_file` is where that is kept, by default below XDG_STATE_HOME. Other bounds for the
        loop breaker are set by `bot.loop_breaker = LoopBreaker(…)`.

        Raises:
            ValueError: `url` is no office's address.
        """
        socket_url(url)
        self._url = url
        self._token = token
        self._replay = replay
        self._cursor_file = cursor_file
        self._include_bots = include_bots
        self._include_own = include_own
        self.loop_breaker = LoopBreaker()
        self._message_handlers: dict[str, list[MessageHandler]] = {}
        self._start_handlers: list[PlainHandler] = []
        self._timers: list[tuple[float, PlainHandler]] = []
        self._surroundings = Surroundings()
        self._client: Client | None = None
        self._cursors: Cursors = MemoryCursors()
        self._stopping = asyncio.Event()
        self._feeds: dict[str, Feed] = {}
        self._recent: dict[str, deque[tuple[str, str]]] = {}
        self._memberships: dict[str, asyncio.Event] = {}

    @classmethod
    def from_env(
        cls,
        environment: Mapping[str, str] = os.environ,
        *,
        replay: Literal["resume", "none"] = "resume",
        include_bots: bool = False,
        include_own: bool = False,
    ) -> "Bot":
        """Take LIAISON_URL, LIAISON_TOKEN (or the file LIAISON_TOKEN_FILE) and, if set, LIAISON_CURSOR (a file).

        Ends the process with a message that says what is missing or no address.
        """
        cursor_file = environment.get("LIAISON_CURSOR")
        try:
            return cls(
                _required(environment, "LIAISON_URL", "the office's address, such as wss://office.example"),
                _token(environment),
                replay=replay,
                cursor_file=Path(cursor_file) if cursor_file else None,
                include_bots=include_bots,
                include_own=include_own,
            )
        except ValueError as error:
            raise SystemExit(f"LIAISON_URL: {error}") from error

    def __repr__(self) -> str:
        return f"Bot({self._url!r}, '***')"

    # What handlers are registered with.

    def on_message(self, *channels: str) -> Callable[[M], M]:
        """Call the handler with each new text in these channels."""
        if not channels or not all(isinstance(channel, str) for channel in channels):
            raise ValueError('name at least one channel: @bot.on_message("joint/general")')

        def register(handler: M) -> M:
            _check_is_async(handler)
            for channel in channels:
                self._message_handlers.setdefault(channel, []).append(handler)
            return handler

        return register

    def command(self, word: str, *channels: str) -> Callable[[C], C]:
        """Call the handler with messages that are `word`, alone or followed by a blank; and with what follows it."""

        def register(handler: C) -> C:
            _check_is_async(handler)

            async def on_command(message: IncomingMessage) -> None:
                first, _, arguments = message.text.partition(" ")
                if first == word:
                    await handler(message, arguments.strip())

            self.on_message(*channels)(on_command)
            return handler

        return register

    def on_start(self, handler: P) -> P:
        """Call the handler once, when the bot is connected for the first time."""
        _check_is_async(handler)
        self._start_handlers.append(handler)
        return handler

    def every(self, seconds: float) -> Callable[[P], P]:
        """Call the handler again and again, that long after its last call ended; the first time after `seconds`."""
        if seconds <= 0:
            raise ValueError("a timer needs a time greater than 0")

        def register(handler: P) -> P:
            _check_is_async(handler)
            self._timers.append((seconds, handler))
            return handler

        return register

    # What handlers use.

    @property
    def client(self) -> Client:
        """The connection, for whatever has no shorter way; there from `on_start` on."""
        if self._client is None:
            raise BotError("the bot is not running yet")
        return self._client

    @property
    def user(self) -> str:
        """The account the bot runs as."""
        return self.client.welcome.user

    async def say(self, channel: str, text: str, *, key: str = "") -> Published:
        """Say something unasked, as `Client.publish`. With a key of your own, repeats are stored once."""
        return await self.client.publish(channel, text, key=key)

    async def send_reply(self, entry: Message, what: str, text: str) -> Published | None:
        """Answer an entry; `what` tells the answers to one entry apart. See `IncomingMessage.reply`."""
        objection = self.loop_breaker.objection(entry.channel, self._surroundings.time.monotonic_s())
        if objection:
            _log.warning("Held back a reply in %s: %s", entry.channel, objection)
            return None
        key = reply_key(self.user, entry, what)
        try:
            return await self.client.publish(entry.channel, text, reply_to=entry.seq, key=key)
        except Refused as refused:
            if refused.code != CONFLICT:
                raise
            _log.info("%s %s had been answered before a restart", entry.channel, entry.position)
            return None

    # Running.

    def run(self) -> None:
        """Run until SIGTERM, SIGINT or `stop()`; exits with status 1 and the reason when it ends for another one."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        try:
            asyncio.run(self._run_until_signalled())
        except (FinalClose, BrokenCursorError, OSError) as reason:
            raise SystemExit(f"The bot ends: {reason}") from reason

    async def serve(self, surroundings: Surroundings | None = None) -> None:
        """Run until `stop()`. Raises FinalClose when the server sends the bot away, BrokenCursorError, or OSError when
        the cursor file can't be read.
        """
        self._surroundings = surroundings or Surroundings()
        try:
            async with asyncio.TaskGroup() as tasks:
                working = tasks.create_task(self._work())
                ending = tasks.create_task(self._end_when_stopped(working))
                await asyncio.wait((working,))
                ending.cancel()
        finally:
            self._client = None
            # Not at the beginning: a stop that comes before the first step counts as well.
            self._stopping = asyncio.Event()
        if not working.cancelled() and (reason := working.result()) is not None:
            raise reason

    def stop(self) -> None:
        """Let the handlers that are at work finish, and end. Idempotent; safe to call from a handler."""
        self._stopping.set()

    @property
    def channels(self) -> frozenset[str]:
        """The channels that have a handler."""
        return frozenset(self._message_handlers)

    async def _run_until_signalled(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        await self.serve()

    async def _end_when_stopped(self, working: asyncio.Task[Exception | None]) -> None:
        await self._stopping.wait()
        if self._client is not None:
            await asyncio.sleep(STOP_GRACE_S)
            _log.warning("Handlers were still at work %g s after the stop; they are cut off", STOP_GRACE_S)
        working.cancel()

    async def _work(self) -> Exception | None:
        """Connect and run every handler until the stop; give the reason when it ends for another one."""
        client = Client(
            self._url,
            self._token,
            time=self._surroundings.time,
            random=self._surroundings.random,
            dial=self._surroundings.dial,
        )
        client.on_push("channel", self._on_channel)
        client.on_push("connected", self._on_connected)
        reason: Exception | None = None
        try:
            async with client:
                self._cursors = self._open_cursors(client.welcome.user)
                self._client = client
                await self._run_handlers()
        except* (FinalClose, BrokenCursorError, OSError) as group:
            reason = _first(group)
        return reason

    def _open_cursors(self, user: str) -> Cursors:
        if self._surroundings.cursors is not None:
            return self._surroundings.cursors
        if self._replay == "none":
            return MemoryCursors()
        return FileCursors(self._cursor_file or default_path(user, os.environ))

    async def _run_handlers(self) -> None:
        for handler in self._start_handlers:
            await _guarded(f"The start handler {_name(handler)}", handler())
        async with asyncio.TaskGroup() as tasks:
            for seconds, handler in self._timers:
                tasks.create_task(self._repeat(seconds, handler))
            for channel, handlers in self._message_handlers.items():
                tasks.create_task(self._attend(channel, handlers))
            await self._unless_stopped(self.client.until_final())
            for feed in list(self._feeds.values()):
                feed.close()

    async def _repeat(self, seconds: float, handler: PlainHandler) -> None:
        while await self._unless_stopped(self._surroundings.time.sleep(seconds)):
            await _guarded(f"The timer {_name(handler)}", handler())

    async def _attend(self, channel: str, handlers: Sequence[MessageHandler]) -> None:
        """Handle a channel's messages until the stop; where the bot isn't a member, from when it is."""
        membership = self._memberships.setdefault(channel, asyncio.Event())
        while not self._stopping.is_set():
            membership.clear()
            try:
                await self._handle_messages(channel, handlers)
            except Refused as refused:
                _log.error("Can't follow %s: %s. Waiting until this account is a member.", channel, refused)
            await self._unless_stopped(_wait(membership))

    async def _handle_messages(self, channel: str, handlers: Sequence[MessageHandler]) -> None:
        after = self._cursors.position(channel)
        async with self.client.follow(channel, after=after) as feed:
            self._feeds[channel] = feed
            if after is None and (start := await feed.begun()) is not None:
                # At once, so that a restart before the first message doesn't count as a first start again.
                await self._store(channel, start)
            async for entry in feed:
                if self._role_of(entry.sender) in _PERSON_ROLES:
                    self.loop_breaker.person_spoke(channel)
                if self._is_for_handlers(entry):
                    await self._handle(entry, handlers)
                # After the handlers, not before: what a crash interrupts is handled again.
                await self._store(channel, entry.position)

    async def _handle(self, entry: Message, handlers: Sequence[MessageHandler]) -> None:
        recent = self._recent.setdefault(entry.channel, deque(maxlen=REMEMBERED_ENTRIES))
        identity = (entry.sender, entry.key)
        if identity in recent:
            # After a restore from backup an entry may come again, at another position.
            return
        for number, handler in enumerate(handlers):
            what = f"The handler {_name(handler)} on {entry.channel} {entry.position}"
            await _guarded(what, handler(IncomingMessage(self, entry, number)))
        recent.append(identity)

    def _is_for_handlers(self, entry: Message) -> bool:
        if entry.kind != "text":
            return False
        if entry.sender == self.user:
            return self._include_own
        return self._include_bots or self._role_of(entry.sender) != "bot"

    def _role_of(self, user: str) -> str:
        """Give somebody's role, empty for those who came after we connected.

        Handlers get what those write, but it doesn't appease the loop breaker: it might be another bot.
        """
        person = self.client.welcome.people.get(user)
        return "" if person is None else person.role

    async def _store(self, channel: str, position: Position) -> None:
        try:
            await self._cursors.store(channel, position)
        except OSError as error:
            # Going on is safe: the next store holds this one too, and a crash before it makes for repeats with the
            # same keys.
            _log.error("Can't store the cursor: %s", error)

    async def _unless_stopped(self, waiting: Coroutine[None, None, None]) -> bool:
        """Wait for something that a stop interrupts; say whether it came to its end."""
        async with asyncio.TaskGroup() as tasks:
            awaited = tasks.create_task(waiting)
            stopped = tasks.create_task(self._stopping.wait())
            await asyncio.wait((awaited, stopped), return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            awaited.cancel()
        return not awaited.cancelled()

    def _on_channel(self, push: Fields) -> None:
        if push["event"] == "added" and push["channel"] in self._memberships:
            self._memberships[push["channel"]].set()

    def _on_connected(self, welcome: Fields) -> None:
        # Who was made a member while we were away gets no push of it.
        for membership in self._memberships.values():
            membership.set()


def reply_key(user: str, entry: Message, what: str) -> str:
    """Give the key of a bot's answer to an entry: the same in every run, another for every answer.

    It names the entry by its sender's key and not by its seq, because after a restore from backup a seq may belong to
    another message, and a message may come back with another seq.
    """
    parts = (user, entry.channel, entry.sender, entry.key, what)
    # No part holds a line feed but the last, which we choose; so no two entries share a digest's input.
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]


async def _guarded(what: str, work: Awaitable[None]) -> None:
    """Await a handler's work, and keep its errors from the bot."""
    try:
        await work
    except FinalClose:
        raise
    except Exception:  # noqa: BLE001 - a handler is somebody else's code, and its errors must not kill the bot
        reference = secrets.token_hex(4)
        _log.exception("%s failed (reference %s); the bot goes on", what, reference)


def _check_is_async(handler: Callable[..., object]) -> None:
    # Only a plain function is sure to give nothing that could be awaited; it would fail at each message instead.
    if inspect.isfunction(handler) and not inspect.iscoroutinefunction(handler):
        raise TypeError(f"a handler is an async function: async def {handler.__name__}(…)")


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _name(handler: Callable[..., object]) -> str:
    return getattr(handler, "__qualname__", repr(handler))


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """Give the first exception in a group of groups."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _required(environment: Mapping[str, str], name: str, meaning: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SystemExit(f"Set {name}: {meaning}.")
    return value


def _token(environment: Mapping[str, str]) -> str:
    path = environment.get("LIAISON_TOKEN_FILE")
    if not path:
        return _required(environment, "LIAISON_TOKEN", "the bot's token, or LIAISON_TOKEN_FILE, a file that holds it")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SystemExit(f"LIAISON_TOKEN_FILE can't be read: {error}") from error
