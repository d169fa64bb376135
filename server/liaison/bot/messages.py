"""What the server sends, as values, read from plain maps. Unknown fields are ignored: a newer server stays readable."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final, TypeVar, get_type_hints

import msgpack

from liaison.bot.cursor import Position
from liaison.bot.errors import MalformedFrame, Refused

Fields = Mapping[str, Any]
Value = TypeVar("Value")

_SCALARS: Final = (str, int, bool, bytes)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file as a message names it; its content is had by its hash. (PROTOCOL.md §14)"""

    sha256: str
    name: str
    media_type: str
    size_bytes: int


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
    # Empty is routine, else priority, flash or life_safety.
    precedence: str = ""
    # JSON text: a register's event, or what is attached.
    data: str = ""

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq)

    @property
    def attachments(self) -> "tuple[Attachment, ...]":
        """What is attached to a text. Raises MalformedFrame."""
        if self.kind != "text" or not self.data:
            return ()
        try:
            named = json.loads(self.data)["attachments"]
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedFrame(f"the server sent attachments that can't be read: {error}") from error
        return tuple(read(Attachment, each) for each in named)


@dataclass(frozen=True, slots=True)
class Published:
    """The message is durable, at this place. `duplicate`: it already was, from an earlier attempt.

    `held`: the channel is suspended; the message has no place yet (seq 0) and gets one when the channel is resumed.
    """

    seq: int
    epoch: int
    time_ms: int
    duplicate: bool
    held: bool = False


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
    suspended: bool = False
    is_register: bool = False


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
class LineCheck:
    """A line check. `outcome` is empty while it is undecided; `side` is at which side it failed. (PROTOCOL.md §13.2)"""

    check: str
    due_ms: int
    caller: str
    answerer: str
    state: str
    outcome: str = ""
    side: str = ""
    reason: str = ""
    requested: bool = False
    text: str = ""
    opened_ms: int = 0
    deadline_ms: int = 0
    called_ms: int = 0
    called_by: str = ""
    answered_ms: int = 0
    answered_by: str = ""
    ended_ms: int = 0


@dataclass(frozen=True, slots=True)
class LineCheckDay:
    """A day of the office's clock, and which side calls first on it."""

    date: str
    caller: str
    checks: tuple[LineCheck, ...]


@dataclass(frozen=True, slots=True)
class LineChecks:
    """The last days, today last; those that wait for a desk; the next of the schedule."""

    time_ms: int
    time_zone: str
    answer_within_ms: int
    days: tuple[LineCheckDay, ...]
    open: tuple[LineCheck, ...]
    next: LineCheck | None = None


@dataclass(frozen=True, slots=True)
class DutySide:
    """One side's duty desk, as finely as the bot may see it. (PROTOCOL.md §13.5)"""

    delegation: str
    granularity: str
    staffed: bool
    present: int | None = None
    officer: str = ""
    on_duty: tuple[str, ...] = ()
    here: tuple[str, ...] = ()
    until_ms: int = 0
    holder: str = ""
    unstaffed_since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Desks:
    """Both sides' duty desks; while `is_stale` the office can't tell who is connected."""

    time_ms: int
    sides: tuple[DutySide, ...]
    is_stale: bool = False


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


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Messages after `from_seq` of `epoch` follow."""

    epoch: int
    from_seq: int


@dataclass(frozen=True, slots=True)
class Reset:
    """The channel was restored: messages after `seq` of `epoch` follow."""

    channel: str
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server is about to close the connection; -1 is never."""

    code: int
    reason: str
    reconnect_after_ms: int


@dataclass(frozen=True, slots=True)
class ChannelChange:
    """A channel was `added` for us, `removed` or `changed`."""

    event: str
    channel: str


@dataclass(frozen=True, slots=True)
class _Refusal:
    code: int
    name: str
    message: str
    temporary: bool
    ref: str


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


def read(kind: type[Value], frame: object, **given: object) -> Value:
    """Build a flat value from a frame's fields of the same names; `given` replaces what needs building itself.

    Raises MalformedFrame for a field that is missing, or that should be a plain scalar and is of another type.
    """
    if not isinstance(frame, Mapping):
        raise MalformedFrame(f"the server sent a {kind.__name__} that is not a map")
    known = dict(given)
    for name, expected in _scalars_of(kind):  # type: ignore[arg-type]
        if name in frame:
            if not isinstance(frame[name], expected):
                raise MalformedFrame(f"the server sent a {kind.__name__} whose {name} is not of type {expected}")
            known[name] = frame[name]
    try:
        return kind(**known)
    except TypeError as error:
        raise MalformedFrame(f"the server sent an incomplete {kind.__name__}: {error}") from error


@cache
def _scalars_of(kind: type[object]) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    scalars = (*_SCALARS, int | None)
    return tuple((field.name, hints[field.name]) for field in fields(kind) if hints[field.name] in scalars)  # type: ignore[arg-type]


def read_message(frame: Fields) -> Message:
    return read(Message, frame, mentions=tuple(_list(frame, "mentions", [])))


def read_messages(frame: Fields) -> tuple[Message, ...]:
    return tuple(read_message(message) for message in _list(frame, "messages"))


def read_channel(frame: object) -> Channel:
    if not isinstance(frame, Mapping):
        raise MalformedFrame("the server sent a channel that is not a map")
    title = read(Title, frame.get("title", {}))
    return read(Channel, frame, title=title, members=tuple(_list(frame, "members", [])))


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
        limits=frame.get("limits", {}),
        capabilities=frozenset(map(str, _list(frame, "capabilities"))),
    )


def read_presence(frame: Fields) -> Presence:
    users = tuple(read(PresentPerson, user) for user in _list(frame, "users"))
    return read(Presence, frame, users=users, sides=tuple(read(SidePresence, side) for side in _list(frame, "sides")))


def read_line_checks(frame: Fields) -> LineChecks:
    days = tuple(read(LineCheckDay, day, checks=_line_checks(day, "checks")) for day in _list(frame, "days"))
    upcoming = None if frame.get("next") is None else read(LineCheck, frame["next"])
    return read(LineChecks, frame, days=days, open=_line_checks(frame, "open"), next=upcoming)


def read_desks(frame: Fields) -> Desks:
    sides = tuple(
        read(DutySide, side, on_duty=tuple(_list(side, "on_duty", [])), here=tuple(_list(side, "here", [])))
        for side in _list(frame, "sides")
    )
    return read(Desks, frame, sides=sides)


def _line_checks(frame: Fields, name: str) -> tuple[LineCheck, ...]:
    return tuple(read(LineCheck, check) for check in _list(frame, name))


def read_refusal(frame: Fields) -> Refused:
    row = read(_Refusal, frame)
    retry_after_ms = frame.get("retry_after_ms")
    return Refused(
        row.code,
        row.name,
        row.message,
        ref=row.ref,
        temporary=row.temporary,
        retry_after_ms=retry_after_ms if isinstance(retry_after_ms, int) else None,
    )


def _list(frame: object, name: str, default: list[Any] | None = None) -> list[Any]:
    items = frame.get(name, default) if isinstance(frame, Mapping) else None
    if not isinstance(items, list):
        raise MalformedFrame(f"the server sent something without its list of {name}")
    return items
