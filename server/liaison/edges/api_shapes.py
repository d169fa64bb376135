"""What a request of the HTTP API may hold, and replies that no frame has the shape of. (PROTOCOL.md §10)"""

from typing import Annotated

import msgspec

from liaison.protocol import frames, limits


class LoginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sign-in; `code` where one-time codes are set up."""

    user: Annotated[str, msgspec.Meta(max_length=limits.MAX_USER_CHARS)]
    password: Annotated[str, msgspec.Meta(max_length=limits.MAX_TOKEN_CHARS)]
    code: Annotated[str, msgspec.Meta(max_length=16)] = ""


class PasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Puts `new` in the place of one's `current` password."""

    current: Annotated[str, msgspec.Meta(max_length=limits.MAX_TOKEN_CHARS)]
    new: Annotated[str, msgspec.Meta(max_length=limits.MAX_TOKEN_CHARS)]


class PublishBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message; a repeat with the same key gives the first result."""

    text: frames.Text
    key: frames.Key
    reply_to: frames.Seq = 0
    mentions: frames.Mentions = []
    precedence: frames.PrecedenceName = ""
    attachments: frames.Attachments = []


class CorrectionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another text for one's own message."""

    text: frames.Text
    key: frames.Key


class WithdrawalBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Withdraws one's own message."""

    key: frames.Key


class ReactionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Adds a reaction, or takes it back with `removed`."""

    key: frames.Key
    reaction: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_REACTION_CHARS)]
    removed: bool = False


class ReadBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything up to seq has been read."""

    seq: frames.Seq


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page: rising from `after`, or ending just before `before`; neither is the newest."""

    after: frames.Seq | None = None
    before: frames.Seq | None = None
    limit: frames.PageLimit = limits.DEFAULT_PAGE_MESSAGES


class SearchQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to find; page by `before_ms`."""

    q: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_QUERY_CHARS)]
    channel: Annotated[str, msgspec.Meta(max_length=limits.MAX_CHANNEL_CHARS)] = ""
    before_ms: frames.Seq | None = None
    limit: frames.PageLimit = limits.DEFAULT_PAGE_MESSAGES


class StreamQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One channel a stream, because `Last-Event-ID` holds one position. `tail` counts where nothing is resumed."""

    channel: frames.Channel
    tail: Annotated[int, msgspec.Meta(ge=0, le=limits.MAX_TAIL_MESSAGES)] = 0


class AttachQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file is called; its type is the request's."""

    # Longer names are shortened, but what isn't a name at all need not be looked at.
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint without parameters: one that is given is a mistake worth telling."""


class SignIn(msgspec.Struct, frozen=True):
    """One way in to one's account that still counts; `current` is the one that this request came with."""

    kind: str
    label: str
    created_ms: int
    expires_ms: int
    current: bool


class SignIns(msgspec.Struct, frozen=True):
    """The oldest first."""

    sign_ins: list[SignIn]


class Done(msgspec.Struct, frozen=True):
    """There is nothing to say but that it was done."""
