"""A client of an office over a connection that mends itself: subscriptions resume, the outbox is sent again.

Everything happens on one event loop; a client is not to be shared between threads.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Self

from liaison.bot.chain import ChainWatch
from liaison.bot.connection import Connection, Owner
from liaison.bot.conversation import Answer, Conversation
from liaison.bot.cursor import Position
from liaison.bot.errors import INTERNAL, BotError, Disconnected, FinalClose, MalformedFrame, Refused, refusal
from liaison.bot.feed import Feed
from liaison.bot.files import Files
from liaison.bot.link import Dial, socket_url, websocket_dial
from liaison.bot.messages import (
    Attachment,
    Channel,
    ChannelChange,
    Desks,
    Fields,
    Found,
    History,
    LineChecks,
    Message,
    Presence,
    Published,
    Reset,
    Subscribed,
    Welcome,
    read,
    read_channels,
    read_desks,
    read_line_checks,
    read_message,
    read_messages,
    read_presence,
)
from liaison.bot.outbox import Item, Outbox, Stage
from liaison.bot.timekeeping import SystemTime, Time
from liaison.protocol.errors import ErrorCode
from liaison.protocol.limits import DEFAULT_LINE_CHECK_DAYS, DEFAULT_PAGE_MESSAGES, MAX_CLIENT_CHARS

_log = logging.getLogger(__name__)

# `internal` is called temporary, but a bug in the server may well meet the same message each time.
MAX_INTERNAL_ERRORS: Final = 5


class Client:
    """Use as `async with Client(url, token) as client`; entering waits for the first connection, however long it takes.

    Raises FinalClose from everything once the server has sent the client away for good.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        name: str = "liaison-bot",
        time: Time | None = None,
        random: Random | None = None,
        dial: Dial | None = None,
    ) -> None:
        """`url` is the office's address, `token` a bot's; `time`, `random`, `dial` are for tests. Raises ValueError."""
        self._url = socket_url(url)
        if not token:
            raise ValueError("a client needs a token")
        self._files = Files(self._url, token)
        self._time = time or SystemTime()
        self._connection = Connection(
            dial or websocket_dial(self._url, token),
            {"token": token, "client": name[:MAX_CLIENT_CHARS]},
            self._time,
            random or Random(secrets.randbits(64)),  # noqa: S311 - spreads reconnects, keeps no secret
            Owner(self._on_ready, self._on_push, self._on_lost, self._on_end),
        )
        self._welcome: Welcome | None = None
        self._outbox = Outbox()
        self._feeds: dict[str, Feed] = {}
        self._epochs: dict[str, int] = {}
        self._chains = ChainWatch()
        self._handlers: dict[str, list[Callable[[Fields], None]]] = {}

    def __repr__(self) -> str:
        return f"Client({self._url!r}, '***')"

    async def __aenter__(self) -> Self:
        try:
            await self._connection.open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    # What a bot asks for.

    @property
    def welcome(self) -> Welcome:
        """What the server said of us and the office at the last connect."""
        if self._welcome is None:
            raise Disconnected("not connected yet")
        return self._welcome

    async def publish(  # noqa: PLR0913  What a message can have besides its text, each by name.
        self,
        channel: str,
        text: str,
        *,
        reply_to: int = 0,
        mentions: tuple[str, ...] = (),
        precedence: str = "",
        attachments: Sequence[Attachment] = (),
        key: str = "",
    ) -> Published:
        """Say something, and return once it is durable, over as many reconnects as it takes. (PROTOCOL.md §5.1)

        Messages of one channel get their places in the order of the calls. Without `key` the message has a key of its
        own, so that it is stored once however often it is sent; a key given makes repeats of the call the same message.
        Cancellation: it may or may not be stored; repeat with the same key.

        Raises:
            Refused: not stored; `conflict` when the key was used for other words. What is refused for the moment is
                tried again, and doesn't come to the caller.
            Disconnected: the client was closed before the answer came.
        """
        fields: dict[str, Any] = {"text": text}
        if reply_to:
            fields["reply_to"] = reply_to
        if mentions:
            fields["mentions"] = list(mentions)
        if precedence:
            fields["precedence"] = precedence
        if attachments:
            fields["attachments"] = [asdict(each) for each in attachments]
        return await self._put_on_record("publish", channel, key, fields)

    async def upload(self, channel: str, file: Path) -> Attachment:
        """Bring a file to a channel, to be named in messages there; its ending tells its type. (PROTOCOL.md §14)

        A repeat gives the same answer. Cancellation: it may or may not be there; nothing shows until it is named.

        Raises:
            Refused: not taken; the name of the error says why.
            Disconnected: the office could not be reached, or the file broke off; try again.
            OSError: the file can't be read.
        """
        return await asyncio.to_thread(self._files.upload, channel, file)

    async def download(self, channel: str, attachment: Attachment) -> bytes:
        """Fetch what a message of a channel has attached, checked to be what its hash says.

        Raises Refused, Disconnected; MalformedFrame for another content.
        """
        content = await asyncio.to_thread(self._files.download, channel, attachment.sha256)
        if hashlib.sha256(content).hexdigest() != attachment.sha256:
            raise MalformedFrame(f"the server sent another content for {attachment.name!r}")
        return content

    async def correct(self, channel: str, seq: int, text: str, *, key: str = "") -> Published:
        """Put another text in the place of one's own message. Raises as `publish`."""
        return await self._put_on_record("correct", channel, key, {"seq": seq, "text": text})

    async def withdraw(self, channel: str, seq: int, *, key: str = "") -> Published:
        """Withdraw one's own message: a tombstone is shown, the record keeps the text. Raises as `publish`."""
        return await self._put_on_record("withdraw", channel, key, {"seq": seq})

    async def react(self, channel: str, seq: int, reaction: str, *, removed: bool = False, key: str = "") -> Published:
        """Add a reaction, or take it back with `removed`. Raises as `publish`."""
        fields = {"seq": seq, "reaction": reaction, "removed": removed}
        return await self._put_on_record("react", channel, key, fields)

    def follow(self, channel: str, *, after: Position | None = None, tail: int = 0) -> Feed:
        """Follow a channel: what comes after `after` if given, else the last `tail` messages and what comes then.

        Each message once and in order, over reconnects. A channel has one feed at a time. Raises ValueError.
        """
        if channel in self._feeds:
            raise ValueError(f"{channel} is followed already; close that feed first")
        feed = Feed(channel, after, tail, on_wanting=self._subscribe, on_leaving=self._leave)
        if self._connection.ending is not None:
            feed.fail(self._connection.ending)
            return feed
        self._feeds[channel] = feed
        self._subscribe(feed)
        return feed

    async def history(
        self, channel: str, *, after: int | None = None, before: int | None = None, limit: int = DEFAULT_PAGE_MESSAGES
    ) -> History:
        """Give one page: rising from `after`, or the one that ends just before `before`, or the newest.

        Raises Refused, or Disconnected after 30 s without an answer; so do the other questions.
        """
        bounds = {name: seq for name, seq in (("after", after), ("before", before)) if seq is not None}
        reply = await self._connection.ask("history", {"channel": channel, "limit": limit, **bounds})
        return read(History, reply, messages=read_messages(reply))

    async def search(
        self, query: str, *, channel: str = "", before_ms: int | None = None, limit: int = DEFAULT_PAGE_MESSAGES
    ) -> Found:
        """Find messages in one channel or in all of one's own, newest first."""
        fields: dict[str, Any] = {"query": query, "limit": limit}
        if channel:
            fields["channel"] = channel
        if before_ms is not None:
            fields["before_ms"] = before_ms
        reply = await self._connection.ask("search", fields)
        return Found(read_messages(reply), bool(reply.get("more", False)))

    async def channels(self) -> Mapping[str, Channel]:
        """Give the channels one may see, by name."""
        return read_channels(await self._connection.ask("channels", {}))

    async def presence(self, *, watch: bool = False) -> Presence:
        """Give presence as one may see it; with `watch`, differences go to `on_push("presence_diff", …)`.

        A watch ends with the connection: ask again when `on_push("connected", …)` is called.
        """
        return read_presence(await self._connection.ask("presence", {"watch": watch}))

    async def line_checks(self, *, days: int = DEFAULT_LINE_CHECK_DAYS) -> LineChecks:
        """Give the line checks of the last days; the bot must be a member of `joint/line-checks`."""
        return read_line_checks(await self._connection.ask("line_checks", {"days": days}))

    async def side_keys(self) -> Fields:
        """Give `office`, its id, and the `keys` of both sides as on the wire. (PROTOCOL.md §13.4)"""
        return await self._connection.ask("side_keys", {})

    async def signed_heads(self, channel: str, *, before: int = 0, limit: int = DEFAULT_PAGE_MESSAGES) -> Fields:
        """Give how far each side has signed a channel, and a page of signatures, as on the wire."""
        return await self._connection.ask("signed_heads", {"channel": channel, "before": before, "limit": limit})

    async def sign_head(self, channel: str, signed: Fields) -> Fields:
        """Put a signature under a channel's record; `liaison.bot.notary` makes them. Repeating it is harmless."""
        return await self._connection.ask("sign_head", {"channel": channel, **signed})

    async def duty(self) -> Desks:
        """Give who is on duty on both sides now; the bot must be a member of its side's `duty`."""
        return read_desks(await self._connection.ask("duty", {}))

    async def typing(self, channel: str) -> None:
        """Show to one's own side, for 6 seconds, that something is being written."""
        await self._connection.ask("typing", {"channel": channel})

    async def read(self, channel: str, seq: int) -> None:
        """Say that everything up to `seq` has been read; never goes back."""
        await self._connection.ask("read", {"channel": channel, "seq": seq})

    async def until_final(self) -> None:
        """Return never; raise FinalClose once the server has sent the client away, Disconnected once it was closed."""
        await self._connection.until_ended()

    def on_push(self, type: str, handler: Callable[[Fields], None]) -> None:
        """Call `handler` with every push of a type, as on the wire (PROTOCOL.md §6). It must not block.

        The type `connected` stands for each connection that is ready; its frame is the server's welcome. `fork` with
        `channel` and `detail` is the client's own: the history of a followed channel contradicts what was seen of it.
        """
        self._handlers.setdefault(type, []).append(handler)

    async def _close(self) -> None:
        self._connection.end(Disconnected("the client was closed"))
        for feed in list(self._feeds.values()):
            feed.close()
        await self._connection.close()

    # What the connection tells.

    def _on_ready(self, welcome: Welcome, frame: Fields) -> None:
        self._welcome = welcome
        for name, channel in welcome.channels.items():
            self._note_epoch(name, channel.epoch)
            self._fork(name, self._chains.rolled_back(name, channel.head))
        for feed in list(self._feeds.values()):
            self._subscribe(feed)
        self._send_outbox()
        self._call_handlers("connected", frame)

    def _on_lost(self) -> None:
        self._outbox.rewind()
        for feed in self._feeds.values():
            feed.on_disconnected()

    def _on_end(self, ending: BotError) -> None:
        for item in self._outbox.clear():
            _fail(item, ending)
        if isinstance(ending, FinalClose):
            for feed in list(self._feeds.values()):
                feed.fail(ending)

    def _on_push(self, frame: Fields) -> None:
        match frame["type"]:
            case "message":
                self._on_message(read_message(frame))
            case "reset":
                reset = read(Reset, frame)
                self._on_reset(reset.channel, Position(reset.epoch, reset.seq))
            case "channel":
                self._on_channel(read(ChannelChange, frame))
            case _:
                # Other types are for handlers, and those of newer servers for nobody.
                pass
        self._call_handlers(frame["type"], frame)

    def _call_handlers(self, type: str, frame: Fields) -> None:
        for handler in self._handlers.get(type, ()):
            try:
                handler(frame)
            except Exception:  # noqa: BLE001 - as in bot._guarded: somebody else's code
                _log.exception("A handler of %s pushes failed; the connection goes on", type)

    def _fork(self, channel: str, detail: str) -> None:
        if detail:
            _log.error("FORK: %s: %s", channel, detail)
            self._call_handlers("fork", {"type": "fork", "channel": channel, "detail": detail})

    def _on_message(self, message: Message) -> None:
        self._fork(message.channel, self._chains.contradiction(message))
        feed = self._feeds.get(message.channel)
        if feed is None or feed.on_message(message):
            return
        self._unsubscribe(feed)
        self._subscribe(feed)

    def _on_reset(self, channel: str, start: Position) -> None:
        feed = self._feeds.get(channel)
        if feed is not None:
            feed.on_reset(start)
        self._note_epoch(channel, start.epoch)

    def _on_channel(self, change: ChannelChange) -> None:
        if change.event == "removed":
            self._fail_feed(
                change.channel, refusal(ErrorCode.NO_SUCH_CHANNEL, f"no longer a member of {change.channel}")
            )

    def _note_epoch(self, channel: str, epoch: int) -> None:
        known = self._epochs.get(channel, epoch)
        self._epochs[channel] = max(known, epoch)
        if epoch <= known:
            return
        _log.warning("%s was restored from a backup (epoch %d); offering again what was acknowledged", channel, epoch)
        for void in self._outbox.start_epoch(channel, epoch, self._time.monotonic_s()):
            _fail(void, refusal(ErrorCode.NO_SUCH_MESSAGE, "the channel was restored; this seq may be another's now"))
        self._send_outbox()

    # Subscriptions.

    def _subscribe(self, feed: Feed) -> None:
        conversation = self._connection.conversation
        if conversation is not None and feed.wants_subscription:
            conversation.post("subscribe", feed.subscription(), partial(self._on_subscribed, feed, conversation))

    def _on_subscribed(self, feed: Feed, conversation: Conversation, answer: Answer) -> None:
        is_over = conversation is not self._connection.conversation
        if is_over or not feed.wants_subscription or isinstance(answer, Disconnected):
            return
        if isinstance(answer, Refused) and answer.temporary:
            self._connection.later(self._subscribe_later(feed, answer))
        elif isinstance(answer, BotError):
            self._fail_feed(feed.channel, answer)
        else:
            start = read(Subscribed, answer)
            feed.on_subscribed(Position(start.epoch, start.from_seq))
            self._note_epoch(feed.channel, start.epoch)

    async def _subscribe_later(self, feed: Feed, refused: Refused) -> None:
        await self._connection.rest(refused)
        self._subscribe(feed)

    def _fail_feed(self, channel: str, error: BotError) -> None:
        feed = self._feeds.pop(channel, None)
        if feed is not None:
            feed.fail(error)

    def _leave(self, feed: Feed) -> None:
        if self._feeds.get(feed.channel) is feed:
            del self._feeds[feed.channel]
            self._unsubscribe(feed)

    def _unsubscribe(self, feed: Feed) -> None:
        if self._connection.conversation is not None:
            self._connection.conversation.post("unsubscribe", {"channel": feed.channel}, _ignore)

    # Outbox.

    async def _put_on_record(self, command: str, channel: str, key: str, fields: dict[str, Any]) -> Published:
        if self._connection.ending is not None:
            raise self._connection.ending
        keyed = {"channel": channel, "key": key or secrets.token_urlsafe(16), **fields}
        result: asyncio.Future[Published] = asyncio.get_running_loop().create_future()
        item = Item(command, channel, keyed, self._epochs.get(channel, 0), result)
        self._outbox.add(item)
        self._send_outbox()
        try:
            return await result
        except asyncio.CancelledError:
            self._outbox.remove(item)
            self._send_outbox()
            raise

    def _send_outbox(self) -> None:
        if self._connection.conversation is not None:
            for item in self._outbox.take_ready():
                self._connection.conversation.post(item.command, item.fields, partial(self._on_outcome, item))

    def _on_outcome(self, item: Item, answer: Answer) -> None:
        if isinstance(answer, Disconnected):
            # Still in the outbox; the next connection sends it again.
            return
        if isinstance(answer, Refused) and self._may_retry(item, answer):
            item.stage = Stage.RESTING
            self._connection.later(self._send_later(item, answer))
            return
        self._outbox.remove(item)
        if isinstance(answer, BotError):
            _fail(item, answer)
        else:
            published = read(Published, answer)
            item.epoch = published.epoch
            self._outbox.remember(item, self._time.monotonic_s())
            if item.result is not None and not item.result.done():
                item.result.set_result(published)
        self._send_outbox()

    def _may_retry(self, item: Item, refused: Refused) -> bool:
        item.refusals += 1
        return refused.temporary and not (refused.code == INTERNAL and item.refusals >= MAX_INTERNAL_ERRORS)

    async def _send_later(self, item: Item, refused: Refused) -> None:
        await self._connection.rest(refused)
        item.stage = Stage.QUEUED
        self._send_outbox()


def _fail(item: Item, error: BotError) -> None:
    if item.result is None:
        # Offered again after a restore. A conflict is good news: the message survived, with its reference.
        if not (isinstance(error, Refused) and error.name == ErrorCode.CONFLICT.wire_name):
            _log.warning("A message to %s could not be offered again: %s", item.channel, error)
    elif not item.result.done():
        item.result.set_exception(error)


def _ignore(answer: Answer) -> None:
    """Whatever the server says to it, there is nothing left to do."""
