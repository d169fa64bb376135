"""The messages of one channel, in order and each once, over any number of connections."""

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from liaison.bot.cursor import Position
from liaison.bot.errors import BotError, MalformedFrame
from liaison.bot.messages import Message

# At most so many messages wait for a slow reader; then the channel is left, and taken up again from the log once half
# of them are read. Pausing the socket instead would also hold up the answers that the reader itself may wait for.
MAX_WAITING: Final = 1024


class Feed:
    """An async iterator of messages. Ends when it or the client is closed; raises Refused when the channel is refused
    or taken away, FinalClose when the server sends the client away for good.

    `on_wanting` is called when the feed wants to be subscribed, `on_leaving` when it no longer does.
    """

    def __init__(
        self,
        channel: str,
        after: Position | None,
        tail: int,
        *,
        on_wanting: Callable[["Feed"], None],
        on_leaving: Callable[["Feed"], None],
    ) -> None:
        self.channel = channel
        self._tail = tail
        self._on_wanting = on_wanting
        self._on_leaving = on_leaving
        self._received = after
        self._start: Position | None = None
        self._waiting: deque[Message] = deque()
        self._changed = asyncio.Event()
        self._begun = asyncio.Event()
        self._live = False
        self._overflowed = False
        self._closed = False
        self._failure: BotError | None = None
        self._last_gap: Position | None = None

    async def begun(self) -> Position | None:
        """Wait for the first subscription, and give the position that messages follow after.

        None when the feed was closed first. Raises as iteration does.
        """
        await self._begun.wait()
        if self._failure is not None:
            raise self._failure
        return None if self._closed else self._start

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while not self._waiting or self._closed:
            if self._closed:
                raise StopAsyncIteration
            if self._failure is not None:
                raise self._failure
            self._changed.clear()
            await self._changed.wait()
        message = self._waiting.popleft()
        if self._overflowed and len(self._waiting) <= MAX_WAITING // 2:
            self._overflowed = False
            self._on_wanting(self)
        return message

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop following; what was received and not read is dropped. Idempotent."""
        if not self._closed:
            self._closed = True
            self._wake()
            self._on_leaving(self)

    # The rest is called by the client.

    @property
    def wants_subscription(self) -> bool:
        return not (self._closed or self._overflowed or self._live or self._failure is not None)

    def subscription(self) -> dict[str, Any]:
        """Give the fields of the `subscribe` command that goes on where the feed stands."""
        if self._received is None:
            return {"channel": self.channel, "tail": self._tail}
        position = {"epoch": self._received.epoch, "seq": self._received.seq}
        return {"channel": self.channel, "position": position}

    def on_subscribed(self, start: Position) -> None:
        """Messages after `start` follow. In the same epoch the feed never goes back behind what it has received."""
        if self._received is None or self._received.epoch != start.epoch or self._received < start:
            self._received = start
        self._live = True
        self._start = self._start or self._received
        self._begun.set()

    def on_reset(self, start: Position) -> None:
        """The server was restored: positions of the old epoch mean nothing any more."""
        if self._received is None or self._received.epoch != start.epoch:
            self._received = start

    def on_message(self, message: Message) -> bool:
        """Take a pushed message; False asks the client to leave the channel, and to subscribe anew if it is wanted.

        Raises MalformedFrame when a fresh subscription has the same gap again.
        """
        if not self._live or self._received is None:
            # Left over from a subscription that was given up.
            return True
        if message.epoch == self._received.epoch and message.seq <= self._received.seq:
            return True
        if message.position != Position(self._received.epoch, self._received.seq + 1):
            return self._on_gap(message)
        if len(self._waiting) >= MAX_WAITING:
            self._overflowed = True
            self._live = False
            return False
        self._received = message.position
        self._waiting.append(message)
        self._wake()
        return True

    def on_disconnected(self) -> None:
        self._live = False

    def fail(self, failure: BotError) -> None:
        """End the feed with an error, after what was received is read."""
        self._failure = failure
        self._live = False
        self._begun.set()
        self._wake()

    def _on_gap(self, message: Message) -> bool:
        if self._last_gap == self._received:
            raise MalformedFrame(f"{self.channel} jumps from {self._received} to {message.position}, twice")
        self._last_gap = self._received
        self._live = False
        return False

    def _wake(self) -> None:
        self._changed.set()
        if self._closed:
            self._begun.set()
