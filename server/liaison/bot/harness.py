"""Runs a dialogue against a bot without a server: the bot down to its frames, an office in memory, virtual time.

async with Harness(bot) as office:
    await office.say("joint/general", "south-1", "!echo hi")
    assert (await office.next_reply()).text == "hi"
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from types import TracebackType
from typing import Any, Final, Self

from liaison.bot.bot import Bot, Surroundings
from liaison.bot.chain import GENESIS, link_of
from liaison.bot.cursor import MemoryCursors, Position
from liaison.bot.link import SocketClosed
from liaison.bot.messages import Fields, Message, pack, read_message, unpack
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.errors import ErrorCode
from liaison.protocol.names import JOINT

# The office's time at the beginning: some Monday, 09:00 UTC. A fixed one, so that what a bot says of the time is the
# same in every run.
START_MS: Final = 1_767_603_600_000
# How long `next_reply` and `settled` wait in real time. A bot in memory answers within milliseconds.
PATIENCE_S: Final = 2.0
# Turns of the loop that any handler needs from one sleep or answer to the next, with room to spare.
_TURNS: Final = 100

_PEOPLE: Final[Mapping[str, str]] = {
    "south-head": "head",
    "south-1": "official",
    "south-2": "official",
    "south-bot": "bot",
    "north-head": "head",
    "north-1": "official",
    "north-2": "official",
    "north-bot": "bot",
}


class VirtualTime:
    """A clock that only `pass_time` moves."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def monotonic_s(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_s + seconds, next(self._order), woken))
        await woken

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass: everybody whose sleep ends meanwhile wakes, in order and at their own moment."""
        end_s = self._now_s + seconds
        await _let_run()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self._now_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
                await _let_run()
        self._now_s = end_s


class Harness:
    """An office with one bot in it. Leaving the block stops the bot and raises what went wrong in it.

    `people` are the office's, by their roles. `user` is the bot's own account, of the South side.
    """

    def __init__(self, bot: Bot, *, people: Mapping[str, str] = _PEOPLE, user: str = "this-bot") -> None:
        self.time = VirtualTime()
        self._changed = asyncio.Event()
        self._bot = bot
        self._user = user
        self._people = {user: "bot", **people}
        self._log: dict[str, list[Message]] = {channel: [] for channel in bot.channels}
        self._subscribed: set[str] = set()
        self._is_welcome = False
        self._replies: deque[Message] = deque()
        self._cursors = _WatchedCursors(self._changed.set)
        self._line: _Line | None = None
        self._tasks = asyncio.TaskGroup()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        try:
            await self._start()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def say(self, channel: str, sender: str, text: str) -> Message:
        """Have somebody of the office write something."""
        if sender not in self._people:
            raise ValueError(f"there is no {sender} in this office: {', '.join(self._people)}")
        return self._append(channel, sender, f"harness-{len(self._entries(channel))}", {"kind": "text", "text": text})

    async def next_reply(self) -> Message:
        """Give the next message the bot wrote, in any channel. Raises AssertionError when none comes."""
        await self._until(lambda: bool(self._replies), "the bot said nothing")
        return self._replies.popleft()

    async def settled(self) -> None:
        """Wait until the bot is done with every message in its channels. Raises AssertionError when it isn't."""
        await self._until(lambda: all(map(self._is_done, self._bot.channels)), "the bot is not done with its messages")

    async def replies(self) -> list[Message]:
        """Wait until the bot is done, and give everything it wrote that `next_reply` hasn't given: none is none."""
        await self.settled()
        replies = list(self._replies)
        self._replies.clear()
        return replies

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time pass: timers of `@bot.every` run as often as fits."""
        await self.time.pass_time(seconds)

    async def restart(self) -> None:
        """Stop the bot and start it again with its cursor."""
        await self._stop()
        await self._start()

    def entries(self, channel: str) -> tuple[Message, ...]:
        """Give a channel's log, with the bot's corrections and reactions."""
        return tuple(self._entries(channel))

    async def _start(self) -> None:
        self._subscribed.clear()
        self._is_welcome = False
        surroundings = Surroundings(dial=self._dial, time=self.time, random=Random(0), cursors=self._cursors)  # noqa: S311
        running = self._tasks.create_task(self._bot.serve(surroundings))
        running.add_done_callback(lambda _: self._changed.set())
        self._running = running

        def has_started() -> bool:
            return running.done() or (self._is_welcome and self._bot.channels <= self._subscribed)

        await self._until(has_started, "the bot did not start")

    async def _stop(self) -> None:
        self._bot.stop()
        if self._running is not None:
            await asyncio.wait((self._running,))

    async def _leave(self) -> None:
        await self._stop()
        await self._tasks.__aexit__(None, None, None)

    async def _until(self, is_so: Callable[[], bool], complaint: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not is_so():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{complaint} within {PATIENCE_S:g} s") from None

    def _is_done(self, channel: str) -> bool:
        entries = self._entries(channel)
        return not entries or self._cursors.position(channel) == entries[-1].position

    async def _dial(self) -> "_Line":
        self._line = _Line(self._answer)
        return self._line

    def _entries(self, channel: str) -> list[Message]:
        return self._log.setdefault(channel, [])

    def _append(self, channel: str, sender: str, key: str, fields: Mapping[str, Any]) -> Message:
        entries = self._entries(channel)
        frame = {
            "channel": channel,
            "epoch": 1,
            "seq": len(entries) + 1,
            "time_ms": START_MS + round(self.time.monotonic_s() * 1000),
            "sender": sender,
            "delegation": sender.partition("-")[0],
            "key": key,
            "link": bytes(32),
            **fields,
        }
        frame["link"] = link_of(entries[-1].link if entries else GENESIS, read_message(frame))
        message = read_message(frame)
        entries.append(message)
        if channel in self._subscribed:
            self._push({"type": "message", **frame})
        if sender == self._user and message.kind == "text":
            self._replies.append(message)
        self._changed.set()
        return message

    def _push(self, frame: Fields) -> None:
        if self._line is not None:
            self._line.put(frame)

    def _answer(self, command: Fields) -> None:
        """Do what a server does, as far as a bot can tell."""
        match command["type"]:
            case "connect":
                self._reply(command, self._welcome())
                self._is_welcome = True
                self._changed.set()
            case "subscribe":
                self._subscribe(command)
            case "unsubscribe":
                self._subscribed.discard(command["channel"])
                self._reply(command, {})
            case "publish" | "correct" | "withdraw" | "react":
                self._put_on_record(command)
            case "history":
                self._reply(command, self._page(command))
            case "search":
                found = [m for m in self._entries(command["channel"]) if command["query"] in m.text]
                self._reply(command, {"messages": [_frame(message) for message in reversed(found)], "more": False})
            case "channels":
                self._reply(command, {"channels": self._channels()})
            case "presence":
                self._reply(command, {"epoch": "harness", "version": 1, "users": [], "sides": []})
            case "typing" | "read":
                self._reply(command, {})
            case _:
                self._refuse(command, ErrorCode.UNKNOWN_COMMAND, f"the harness knows no {command['type']}")

    def _reply(self, command: Fields, fields: Fields) -> None:
        self._push({"type": "reply", "id": command["id"], **fields})

    def _refuse(self, command: Fields, code: ErrorCode, message: str) -> None:
        row = {"code": code.value.code, "name": code.wire_name, "temporary": code.value.temporary}
        self._push({"type": "error", "id": command["id"], "message": message, "ref": "harness0", **row})

    def _welcome(self) -> Fields:
        people = [
            {"user": user, "name": user, "delegation": user.partition("-")[0], "role": role}
            for user, role in self._people.items()
        ]
        me = {"session": "harness", "user": self._user, "name": self._user, "delegation": "south", "role": "bot"}
        office = {"server_time_ms": START_MS, "people": people, "channels": self._channels()}
        return {**me, **office, "limits": {}, "capabilities": []}

    def _channels(self) -> list[Fields]:
        return [
            {
                "channel": channel,
                "kind": JOINT if channel.startswith(JOINT) else "side",
                "title": {"ko": channel, "en": channel},
                "epoch": 1,
                "head": len(entries),
                "read_seq": 0,
            }
            for channel, entries in self._log.items()
        ]

    def _subscribe(self, command: Fields) -> None:
        channel = command["channel"]
        entries = self._entries(channel)
        position = command.get("position")
        from_seq = position["seq"] if position else max(0, len(entries) - command.get("tail", 0))
        self._subscribed.add(channel)
        self._reply(command, {"channel": channel, "epoch": 1, "head": len(entries), "from_seq": from_seq})
        for message in entries[from_seq:]:
            self._push({"type": "message", **_frame(message)})
        self._changed.set()

    def _put_on_record(self, command: Fields) -> None:
        channel, key = command["channel"], command["key"]
        kinds = {"publish": "text", "correct": "correction", "withdraw": "withdrawal", "react": "reaction"}
        ref = command.get("reply_to", 0) if command["type"] == "publish" else command["seq"]
        fields = {
            "kind": kinds[command["type"]],
            "text": command.get("text", ""),
            "ref": ref,
            "reaction": command.get("reaction", ""),
            "removed": command.get("removed", False),
            "mentions": command.get("mentions", []),
        }
        earlier = next((m for m in self._entries(channel) if (m.sender, m.key) == (self._user, key)), None)
        if earlier is not None and fields != {name: _frame(earlier)[name] for name in fields}:
            self._refuse(command, ErrorCode.CONFLICT, "the key was used for something else")
            return
        entry = earlier or self._append(channel, self._user, key, fields)
        place = {"seq": entry.seq, "epoch": entry.epoch, "time_ms": entry.time_ms}
        self._reply(command, {**place, "duplicate": earlier is not None})

    def _page(self, command: Fields) -> Fields:
        channel, limit = command["channel"], command["limit"]
        entries = self._entries(channel)
        if command.get("after") is not None:
            page = entries[command["after"] :][:limit]
        else:
            page = entries[: command.get("before", len(entries) + 1) - 1][-limit:]
        return {"channel": channel, "epoch": 1, "head": len(entries), "messages": [_frame(m) for m in page]}


class _WatchedCursors(MemoryCursors):
    """The bot's cursors, telling of each move: that is how the harness knows that a message is done with."""

    def __init__(self, on_store: Callable[[], None]) -> None:
        super().__init__()
        self._on_store = on_store

    async def store(self, channel: str, position: Position) -> None:
        await super().store(channel, position)
        self._on_store()


class _Line:
    """The bot's end of a connection in memory; frames pass through msgpack as on the wire."""

    def __init__(self, on_command: Callable[[Fields], None]) -> None:
        self._on_command = on_command
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(self, frame: Fields) -> None:
        self._incoming.put_nowait(pack(frame))

    async def send(self, payload: bytes) -> None:
        self._on_command(unpack(payload))

    async def receive(self) -> bytes:
        payload = await self._incoming.get()
        if payload is None:
            raise SocketClosed(CloseCode.NORMAL, "closed")
        return payload

    async def close(self, code: int) -> None:
        self._incoming.put_nowait(None)


def _frame(message: Message) -> dict[str, Any]:
    return {**{name: getattr(message, name) for name in Message.__slots__}, "mentions": list(message.mentions)}


async def _let_run() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
