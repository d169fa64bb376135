"""What the server sends, as values, read from plain maps. Unknown fields are ignored: a newer server stays readable."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import msgpack

from liaison.bot.cursor import Position
from liaison.bot.errors import MalformedFrame, Refused

Fields = Mapping[str, Any]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Message:
    """An entry of a channel's log. (PROTOCOL.md §5)

    `kind` is text, correction, withdrawal, reaction or one that a newer server knows; `ref` is the seq it answers or
    is about, 0 for none. `(channel, sender, key)` names it for good; its seq only within an epoch.
    """

    channel: str
    epoch: int
    seq: int
    time_ms: int
    sender: str
    delegation: str
    key: str
    kind: str
    link: bytes
    text: str = ""
    ref: int = 0
    reaction: str = ""
    removed: bool = False
    mentions: tuple[str, ...] = ()

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq)


@dataclass(frozen=True, slots=True)
class Published:
    """The message is durable, at this place. `duplicate`: it already was, from an earlier attempt."""

    seq: int
    epoch: int
    time_ms: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Title:
    """A name in both languages of the office."""

    ko: str
    en: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the office; `role` is official, head, bot or ops."""

    user: str
    name: str
    delegation: str
    role: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel the bot may see. `head` is its last seq, `read_seq` the bot's own read position."""

    channel: str
    kind: str
    title: Title
    epoch: int
    head: int
    read_seq: int
    can_write: bool = True
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Welcome:
    """Who the bot is and what it may see; the server's answer to `connect`."""

    session: str
    user: str
    name: str
    delegation: str
    role: str
    server_time_ms: int
    people: Mapping[str, Person]
    channels: Mapping[str, Channel]
    limits: Mapping[str, int]
    capabilities: frozenset[str]


@dataclass(frozen=True, slots=True)
class History:
    """A page of a channel in rising seq; `head` is the channel's last seq when it was read."""

    channel: str
    epoch: int
    head: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Search results, newest first. With `more`, go on with the last one's `time_ms` as `before_ms`."""

    messages: tuple[Message, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class PresentPerson:
    """One person's presence as the bot may see it; `availability` is empty where it may not."""

    user: str
    delegation: str
    connectivity: str
    availability: str = ""


@dataclass(frozen=True, slots=True)
class SidePresence:
    """A delegation as a whole; `online` is None where its granularity does not tell."""

    delegation: str
    granularity: str
    staffed: bool
    online: int | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """A snapshot. With `stale_since_ms` other than 0 the server itself doesn't trust it: say "unknown"."""

    epoch: str
    version: int
    users: tuple[PresentPerson, ...]
    sides: tuple[SidePresence, ...]
    stale_since_ms: int = 0


def pack(frame: Fields) -> bytes:
    """Give the bytes of a frame."""
    packed: bytes = msgpack.packb(frame)
    return packed


def unpack(payload: bytes | str) -> dict[str, Any]:
    """Read one frame. Raises MalformedFrame for anything but a map with a type."""
    if isinstance(payload, str):
        raise MalformedFrame("the server sent text where msgpack was agreed on")
    try:
        frame = msgpack.unpackb(payload)
    # msgpack names no base class that covers all of these.
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise MalformedFrame(f"the server sent bytes that are not msgpack: {error}") from error
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise MalformedFrame("the server sent a frame that is not a map with a type")
    return frame


def read(kind: type[Value], frame: Fields, **given: object) -> Value:
    """Build a flat value from a frame's fields of the same names; `given` replaces what needs building itself.

    Raises MalformedFrame for a missing field.
    """
    known = {field.name: frame[field.name] for field in fields(kind) if field.name in frame}  # type: ignore[arg-type]
    try:
        return kind(**{**known, **given})
    except TypeError as error:
        raise MalformedFrame(f"the server sent an incomplete {frame.get('type', kind.__name__)}: {error}") from error


def read_message(frame: Fields) -> Message:
    return read(Message, frame, mentions=tuple(frame.get("mentions", ())))


def read_messages(frame: Fields) -> tuple[Message, ...]:
    return tuple(read_message(message) for message in _list(frame, "messages"))


def read_channel(frame: Fields) -> Channel:
    title = read(Title, frame.get("title", {}))
    return read(Channel, frame, title=title, members=tuple(frame.get("members", ())))


def read_channels(frame: Fields) -> Mapping[str, Channel]:
    channels = [read_channel(channel) for channel in _list(frame, "channels")]
    return {channel.channel: channel for channel in channels}


def read_welcome(frame: Fields) -> Welcome:
    people = [read(Person, person) for person in _list(frame, "people")]
    return read(
        Welcome,
        frame,
        people={person.user: person for person in people},
        channels=read_channels(frame),
        capabilities=frozenset(_list(frame, "capabilities")),
    )


def read_presence(frame: Fields) -> Presence:
    users = tuple(read(PresentPerson, user) for user in _list(frame, "users"))
    return read(Presence, frame, users=users, sides=tuple(read(SidePresence, side) for side in _list(frame, "sides")))


def read_refusal(frame: Fields) -> Refused:
    try:
        return Refused(
            frame["code"],
            frame["name"],
            frame["message"],
            ref=frame["ref"],
            temporary=frame["temporary"],
            retry_after_ms=frame.get("retry_after_ms"),
        )
    except KeyError as error:
        raise MalformedFrame(f"the server sent an error without {error}") from error


def _list(frame: Fields, name: str) -> list[Any]:
    items = frame.get(name)
    if not isinstance(items, list):
        raise MalformedFrame(f"the server sent a {frame.get('type')} without its list of {name}")
    return items
