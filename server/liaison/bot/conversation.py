"""One connection's talk with the server: commands out in order, each answer to whoever asked, pushes to one place."""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable

from liaison.bot.errors import BotError, Disconnected, MalformedFrame, refusal
from liaison.bot.link import Socket, SocketClosed
from liaison.bot.messages import Fields, pack, read_refusal, unpack
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.errors import ErrorCode
from liaison.protocol.limits import MAX_FRAME_BYTES

_log = logging.getLogger(__name__)

Answer = Fields | BotError
OnAnswer = Callable[[Answer], None]


class Conversation:
    """Posting never waits: a writer of its own sends in the order of posting, so that order is decided where the
    client's state is changed. What waits is bounded by the callers, each of whom awaits its answer.
    """

    def __init__(self, socket: Socket, on_push: Callable[[Fields], None]) -> None:
        self._socket = socket
        self._on_push = on_push
        self._ids = itertools.count(1)
        self._asked: dict[int, OnAnswer] = {}
        self._outgoing: deque[bytes] = deque()
        self._posted = asyncio.Event()
        self._ended = False

    def post(self, command: str, fields: Fields, on_answer: OnAnswer) -> None:
        """Send a command. `on_answer` is called exactly once: with the reply, with Refused, or with Disconnected.

        What can't be a frame is refused here: the server would end the connection over it, and not come back to us.
        """
        if self._ended:
            on_answer(Disconnected("the connection has ended"))
            return
        command_id = next(self._ids)
        try:
            frame = pack({"type": command, "id": command_id, **fields})
        except (TypeError, ValueError, OverflowError) as error:
            on_answer(refusal(ErrorCode.INVALID, f"this {command} has a field that can't be sent: {error}"))
            return
        if len(frame) > MAX_FRAME_BYTES:
            on_answer(refusal(ErrorCode.TOO_LARGE, f"this {command} takes more than {MAX_FRAME_BYTES} bytes"))
            return
        self._asked[command_id] = on_answer
        self._outgoing.append(frame)
        self._posted.set()

    async def ask(self, command: str, fields: Fields) -> Fields:
        """Send a command and wait for its reply. Raises Refused or Disconnected."""
        answered: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()

        def settle(answer: Answer) -> None:
            if answered.done():
                return
            if isinstance(answer, BotError):
                answered.set_exception(answer)
            else:
                answered.set_result(answer)

        self.post(command, fields, settle)
        return await answered

    async def run(self) -> SocketClosed:
        """Talk until the connection ends, and say how. A server that breaks the protocol is hung up on."""
        ended = SocketClosed(None, "")
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write())
                ended = await self._read()
                writer.cancel()
        finally:
            self._ended = True
            unanswered, self._asked = self._asked, {}
            for on_answer in unanswered.values():
                on_answer(Disconnected("the connection ended before the answer came"))
        return ended

    async def _read(self) -> SocketClosed:
        try:
            while True:
                self._take(unpack(await self._socket.receive()))
        except SocketClosed as closed:
            return closed
        except MalformedFrame as error:
            _log.warning("Hanging up: %s", error)
            await self._socket.close(CloseCode.PROTOCOL_ERROR)
            return SocketClosed(None, str(error))

    def _take(self, frame: Fields) -> None:
        if frame["type"] not in ("reply", "error"):
            self._on_push(frame)
            return
        answer: Answer = read_refusal(frame) if frame["type"] == "error" else frame
        on_answer = self._asked.pop(frame.get("id", 0), None)
        if on_answer is not None:
            on_answer(answer)
        elif isinstance(answer, BotError):
            _log.warning("The server complains about the connection: %s", answer)

    async def _write(self) -> None:
        try:
            while True:
                await self._posted.wait()
                self._posted.clear()
                while self._outgoing:
                    await self._socket.send(self._outgoing.popleft())
        except SocketClosed:
            # The reader meets the same end and says how it came.
            return
