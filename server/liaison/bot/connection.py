"""A connection that is made again whenever it ends, until the server says never or its owner closes it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Final

from liaison.bot.backoff import Backoff
from liaison.bot.conversation import Conversation
from liaison.bot.errors import BotError, Disconnected, FinalClose, MalformedFrame, Refused
from liaison.bot.link import CannotConnect, Dial, Socket, SocketClosed
from liaison.bot.messages import Fields, GoAway, Welcome, read, read_welcome
from liaison.bot.timekeeping import Time
from liaison.protocol.close_codes import CloseCode, may_reconnect
from liaison.protocol.errors import ErrorCode

_log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S: Final = 30.0
CONNECT_TIMEOUT_S: Final = 10.0
# A connection that lived this long was no failure, so the next back-off begins anew. Without it a server that accepts
# and then hangs up at once would be called four times a second for ever.
PROVEN_AFTER_S: Final = 10.0
# Temporary refusals that don't say when to try again.
RETRY_S: Final = 1.0
# A rate limit refills while we rest. Coming back for its very first token would get us refused after every message;
# after a quarter of a second a run of them passes.
LEAST_REST_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is told what becomes of a connection; none of this may block."""

    on_ready: Callable[[Welcome, Fields], None]
    """A conversation is there; what the server said, also as on the wire."""
    on_push: Callable[[Fields], None]
    """A push came. Raises MalformedFrame."""
    on_lost: Callable[[], None]
    """The conversation is over, or an attempt at one; another follows."""
    on_end: Callable[[BotError], None]
    """There will be no other; called once or more often."""


class Connection:
    """`conversation` is the present one, None between two; `ending` is why there will be no more."""

    def __init__(self, dial: Dial, hello: Fields, time: Time, random: Random, owner: Owner) -> None:
        """`hello` is what `connect` says of us."""
        self.conversation: Conversation | None = None
        self.ending: BotError | None = None
        self._dial = dial
        self._hello = hello
        self._time = time
        self._random = random
        self._owner = owner
        self._backoff = Backoff(random)
        self._tasks = asyncio.TaskGroup()
        self._connecting: asyncio.Task[None] | None = None
        self._retries: asyncio.TaskGroup | None = None
        self._settled = asyncio.Event()
        self._ended = asyncio.Event()
        self._go_away: GoAway | None = None

    async def open(self) -> None:
        """Connect, however long it takes. Raises FinalClose. Call `close` whatever comes of it."""
        await self._tasks.__aenter__()
        self._connecting = self._tasks.create_task(self._keep_connected())
        await self._ready()

    async def close(self) -> None:
        """Hang up. `end` comes first."""
        if self._connecting is not None:
            self._connecting.cancel()
        # None instead of the error on its way out: the group would wrap that in an ExceptionGroup.
        await self._tasks.__aexit__(None, None, None)

    def end(self, ending: BotError) -> None:
        """Let no other conversation begin; the first reason counts."""
        if self.ending is None:
            self.ending = ending
        self._settled.set()
        self._ended.set()
        self._owner.on_end(self.ending)

    async def until_ended(self) -> None:
        """Wait for the end, and raise it."""
        await self._ended.wait()
        await self._ready()

    async def ask(self, command: str, fields: Fields) -> Fields:
        """Ask what may be asked again: over reconnects and temporary refusals, until an answer or the deadline."""
        refused: Refused | None = None
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                while True:
                    conversation = await self._ready()
                    try:
                        return await conversation.ask(command, fields)
                    except Disconnected:
                        # The loop that keeps us connected runs before `_ready` is asked again only if we let it.
                        await asyncio.sleep(0)
                    except Refused as error:
                        if not error.temporary:
                            raise
                        refused = error
                        await self.rest(error)
        except TimeoutError as error:
            if refused is not None:
                raise refused from error
            raise Disconnected(f"no answer to {command} within {REQUEST_TIMEOUT_S:g} s") from error

    def later(self, work: Coroutine[None, None, None]) -> None:
        """Do something after a `rest`, unless the end comes first."""
        assert self._retries is not None, "answers come over a connection, and that is made below this group"
        self._retries.create_task(work)

    async def rest(self, refused: Refused) -> None:
        """Wait until what was refused for the moment may be tried again."""
        least_s = RETRY_S if refused.retry_after_ms is None else max(LEAST_REST_S, refused.retry_after_ms / 1000)
        # Up to a quarter more, so that those who were refused together don't come back together.
        await self._time.sleep(least_s * self._random.uniform(1, 1.25))

    async def _keep_connected(self) -> None:
        # Retries end with this task, and it with them: what they would retry is gone by then.
        async with asyncio.TaskGroup() as self._retries:
            try:
                while True:
                    delay_s = await self._connect_once()
                    _log.info("Connecting again in %.1f s", delay_s)
                    await self._time.sleep(delay_s)
            except FinalClose as final:
                _log.warning("Sent away for good: %s", final)
                self.end(final)

    async def _connect_once(self) -> float:
        """Connect and talk until the connection ends; give the wait before the next. Raises FinalClose."""
        began_s = self._time.monotonic_s()
        self._go_away = None
        retry_after_ms: int | None = None
        try:
            socket = await self._dial()
            closed = await self._talk(socket)
        except CannotConnect as error:
            _log.warning("Can't connect: %s", error)
        except Refused as refused:
            if not refused.temporary:
                raise _final(refused) from refused
            _log.warning("The server can't take us now: %s", refused)
            retry_after_ms = refused.retry_after_ms
        else:
            retry_after_ms = self._verdict(closed)
            _log.warning("Disconnected: %s", closed)
        if self._time.monotonic_s() - began_s < PROVEN_AFTER_S:
            return max(self._backoff.next_delay_s(), (retry_after_ms or 0) / 1000)
        self._backoff.reset()
        # The server spreads its clients itself; jitter of our own on top would only prolong the outage.
        return self._backoff.next_delay_s() if retry_after_ms is None else retry_after_ms / 1000

    def _verdict(self, closed: SocketClosed) -> int | None:
        """Give when the server wants us back, None where it didn't say. Raises FinalClose for never."""
        if self._go_away is not None and self._go_away.reconnect_after_ms < 0:
            raise FinalClose(closed.code, self._go_away.reason or closed.reason)
        if not may_reconnect(closed.code):
            raise FinalClose(closed.code, closed.reason or "the server closed the connection for good")
        return None if self._go_away is None else self._go_away.reconnect_after_ms

    async def _talk(self, socket: Socket) -> SocketClosed:
        conversation = Conversation(socket, self._on_push)
        refusals: list[Refused] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                introduction = tasks.create_task(self._introduce(conversation, socket, refusals))
                closed = await conversation.run()
                introduction.cancel()
        finally:
            self._hang_up()
            await socket.close(CloseCode.NORMAL)
        if refusals:
            raise refusals[0]
        return closed

    async def _introduce(self, conversation: Conversation, socket: Socket, refusals: list[Refused]) -> None:
        """Say who we are, and tell the owner once we are welcome. Without an answer in time, hang up."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                frame = await conversation.ask("connect", self._hello)
            self._take_up(conversation, frame)
        except Refused as refused:
            refusals.append(refused)
        except MalformedFrame as error:
            _log.warning("Hanging up: %s", error)
        except TimeoutError:
            _log.warning("No answer to connect within %g s", CONNECT_TIMEOUT_S)
        except Disconnected:
            return
        else:
            return
        await socket.close(CloseCode.NORMAL)

    def _take_up(self, conversation: Conversation, frame: Fields) -> None:
        welcome = read_welcome(frame)
        self.conversation = conversation
        _log.info("Connected as %s", welcome.user)
        self._owner.on_ready(welcome, frame)
        self._settled.set()

    def _hang_up(self) -> None:
        self.conversation = None
        if self.ending is None:
            self._settled.clear()
        self._owner.on_lost()

    def _on_push(self, frame: Fields) -> None:
        if frame["type"] == "go_away":
            self._go_away = read(GoAway, frame)
        self._owner.on_push(frame)

    async def _ready(self) -> Conversation:
        """Wait for a connection that is ready. Raises how the client ended, if it did."""
        while True:
            if self.ending is not None:
                raise self.ending
            if self.conversation is not None:
                return self.conversation
            await self._settled.wait()


def _final(refused: Refused) -> FinalClose:
    row = next((code.value for code in ErrorCode if code.value.code == refused.code), None)
    close_code = row.close_code if row is not None else None
    return FinalClose(None if close_code is None else int(close_code), refused.message, ref=refused.ref)
