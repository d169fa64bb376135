"""Names of users, delegations and channels: their grammar and what a channel's name says about it. (PROTOCOL.md §2)

A channel's visibility follows from its name: `joint/…` belongs to both delegations, `<delegation>/…` to one, and
`dm/a+b` to the people it names.
"""

import re
import unicodedata
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import Final, NewType

from liaison.protocol.limits import MAX_CHANNEL_CHARS, MAX_DIRECT_MEMBERS, MAX_TEXT_BYTES
from liaison.protocol.names import DIRECT, JOINT

UserId = NewType("UserId", str)
DelegationId = NewType("DelegationId", str)
ChannelId = NewType("ChannelId", str)
SessionId = NewType("SessionId", str)
Millis = NewType("Millis", int)

# Ops belong to neither delegation; the empty id keeps the field's type one on the wire and in the schema.
NO_DELEGATION: Final = DelegationId("")
# What the office writes into a register by itself; no account can have this name.
OFFICE: Final = UserId("_office")

_USER: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_DELEGATION: Final = re.compile(r"[a-z][a-z0-9]{0,15}")
# Letters to Unicode and blank to the eye: with them two names would look the same.
HANGUL_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0")
# Letters of any script, so that a channel can carry a Korean name; no `+`, which joins names in `dm/`, and no `/`.
_LETTER: Final = rf"[^\W{''.join(sorted(HANGUL_FILLERS))}]"
_CHANNEL_NAME: Final = re.compile(rf"{_LETTER}(?:{_LETTER}|[.-]){{0,63}}")
# All of Unicode's category Cc but tab and line feed.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Unicode's stream-safe form (UAX #15) stops there, as no language needs more. Normalising sorts each run of marks with
# work that is quadratic: a text of nothing else would hold up everybody for a third of a second.
_MAX_MARKS: Final = 30


class TooLongError(ValueError):
    """A text has more bytes than a message may have."""


class ChannelKind(Enum):
    """Whom a channel is for."""

    JOINT = "joint"
    SIDE = "side"
    DIRECT = "direct"


def parse_user(text: str) -> UserId:
    """Check a user id: 1 to 32 of `a-z 0-9 . _ -`, not starting with punctuation. Raises ValueError."""
    if _USER.fullmatch(text) is None:
        raise ValueError("a user id is 1 to 32 of a-z 0-9 . _ - and starts with a letter or digit")
    return UserId(text)


def parse_delegation(text: str) -> DelegationId:
    """Check a delegation id: 1 to 16 of `a-z 0-9`, starting with a letter, not `joint` or `dm`. Raises ValueError."""
    if _DELEGATION.fullmatch(text) is None or text in (JOINT, DIRECT):
        raise ValueError("a delegation id is 1 to 16 of a-z 0-9, starts with a letter, and is not 'joint' or 'dm'")
    return DelegationId(text)


# Nearly every command names one of a few channels, and checking a name's letters takes 5 µs.
@lru_cache(maxsize=1024)
def parse_channel(text: str) -> ChannelId:
    """Check a channel name of any kind. Raises ValueError.

    The name must already be NFC and lower case, so that one channel has one spelling.
    """
    space, slash, name = text.partition("/")
    if not slash or len(text) > MAX_CHANNEL_CHARS:
        raise ValueError("a channel is joint/NAME, DELEGATION/NAME or dm/A+B")
    if space == DIRECT:
        members = [parse_user(member) for member in name.split("+")]
        if direct_channel(members) != text:
            raise ValueError("a direct channel names 2 to 8 different people in alphabetical order")
        return ChannelId(text)
    if _DELEGATION.fullmatch(space) is None or _CHANNEL_NAME.fullmatch(name) is None:
        raise ValueError("a channel name is 1 to 64 letters, digits, '.', '_' or '-'")
    if unicodedata.normalize("NFC", name).lower() != name:
        raise ValueError("a channel name is lower case and in Unicode normalisation form C")
    return ChannelId(text)


def direct_channel(members: Iterable[UserId]) -> ChannelId:
    """Give the one direct channel of these people, in whatever order they are named. Raises ValueError."""
    people = sorted(set(members))
    if not 2 <= len(people) <= MAX_DIRECT_MEMBERS:
        raise ValueError(f"a direct channel has 2 to {MAX_DIRECT_MEMBERS} different people")
    return ChannelId(f"{DIRECT}/{'+'.join(people)}")


def kind_of(channel: ChannelId) -> ChannelKind:
    """Say whom a channel is for, from its name."""
    space = channel.partition("/")[0]
    if space == JOINT:
        return ChannelKind.JOINT
    return ChannelKind.DIRECT if space == DIRECT else ChannelKind.SIDE


def owner_of(channel: ChannelId) -> DelegationId | None:
    """Give the delegation a side channel belongs to, None for joint and direct ones."""
    return DelegationId(channel.partition("/")[0]) if kind_of(channel) is ChannelKind.SIDE else None


def members_of_direct(channel: ChannelId) -> tuple[UserId, ...]:
    """Give the people a direct channel names."""
    return tuple(UserId(member) for member in channel.partition("/")[2].split("+"))


def clean_text(text: str) -> str:
    """Bring a message's text into its stored form: NFC, line feeds only, no trailing blank.

    Control characters other than tab and line feed are refused and not removed: what is stored is what the author saw.

    Raises:
        TooLongError: more than MAX_TEXT_BYTES of UTF-8, in the stored form.
        ValueError: empty, or with what no text may hold.
    """
    if _has_long_run_of_marks(text):
        raise ValueError(f"the text has more than {_MAX_MARKS} combining marks in a row")
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    # Before the trailing blank goes, because Python counts some control characters as blank.
    if _CONTROL.search(text) is not None:
        raise ValueError("the text has control characters")
    text = text.rstrip()
    if not text:
        raise ValueError("the text is empty")
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueError("the text has half a surrogate pair") from error
    if size_bytes > MAX_TEXT_BYTES:
        raise TooLongError(f"the text is longer than {MAX_TEXT_BYTES} bytes of UTF-8")
    return text


def _has_long_run_of_marks(text: str) -> bool:
    # Each run that is too long has one of every 31st character, so that this costs an ordinary text next to nothing.
    step = _MAX_MARKS + 1
    if not any(map(unicodedata.combining, text[_MAX_MARKS::step])):
        return False
    classes = bytes(map(unicodedata.combining, text))
    return max(map(len, classes.split(b"\0"))) > _MAX_MARKS
