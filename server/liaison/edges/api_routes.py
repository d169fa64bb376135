"""The table of the HTTP API: what the router, the OpenAPI document and its tests need to know. (PROTOCOL.md §10)"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from liaison.edges.api import Api
from liaison.edges.api_shapes import (
    AttachQuery,
    CorrectionBody,
    Done,
    HistoryQuery,
    LoginBody,
    NoQuery,
    PasswordBody,
    PublishBody,
    ReactionBody,
    ReadBody,
    SearchQuery,
    SignIns,
    StreamQuery,
    WithdrawalBody,
)
from liaison.edges.responses import Handler
from liaison.protocol import frames
from liaison.protocol.names import STREAM_PATH

PREFIX: Final = "/api/v1"
# The name holds a slash; clients that escape it mean the same channel.
_CHANNEL_PATTERN: Final = r"{channel:[^/]+(?:/|%2F)[^/]+}"
_SEQ_PATTERN: Final = r"{seq:[0-9]{1,16}}"
_HASH_PATTERN: Final = r"{sha256:[0-9a-f]{64}}"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `reply` None is no JSON.

    `takes_file`: the body is a file as it is. `gives_file`: so is the reply, where it would be an event stream.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    reply: type[msgspec.Struct] | None
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] = NoQuery
    is_public: bool = False
    created: bool = False
    takes_file: bool = False
    gives_file: bool = False

    @property
    def pattern(self) -> str:
        """The path in the router's grammar."""
        pattern = self.path.replace("{channel}", _CHANNEL_PATTERN).replace("{seq}", _SEQ_PATTERN)
        return pattern.replace("{sha256}", _HASH_PATTERN)

    @property
    def operation(self) -> str:
        """The name in the OpenAPI document."""
        return getattr(self.handler, "__name__", self.summary)


def routes(api: Api) -> Sequence[Route]:
    """Give the table of everything below /api/v1 but the socket and the document itself."""
    message = f"{PREFIX}/channels/{{channel}}/messages/{{seq}}"
    channel = f"{PREFIX}/channels/{{channel}}"
    return (
        Route(
            "POST",
            f"{PREFIX}/login",
            "Sign in: sets the session cookie and gives the account.",
            api.login,
            frames.PersonInfo,
            body=LoginBody,
            is_public=True,
        ),
        Route("POST", f"{PREFIX}/logout", "End what this request came in with.", api.logout, Done),
        Route("GET", f"{PREFIX}/sign-ins", "Where one is signed in.", api.sign_ins, SignIns),
        Route("POST", f"{PREFIX}/logout_everywhere", "End all that lets one in.", api.logout_everywhere, Done),
        Route(
            "POST",
            f"{PREFIX}/password",
            "Change one's password: ends all browsers' sign-ins, and sets a new cookie here.",
            api.password,
            Done,
            body=PasswordBody,
        ),
        Route("GET", f"{PREFIX}/me", "Who this is.", api.me, frames.PersonInfo),
        Route("GET", f"{PREFIX}/channels", "The channels one may see.", api.channels, frames.ChannelsReply),
        Route(
            "POST",
            f"{channel}/messages",
            "Publish. 201 for a new message, 200 for a repeat with the same key, 202 for one that is held.",
            api.publish,
            frames.PublishReply,
            body=PublishBody,
            created=True,
        ),
        Route(
            "GET",
            f"{channel}/messages",
            "A page of history, in rising seq.",
            api.history,
            frames.HistoryReply,
            query=HistoryQuery,
        ),
        Route(
            "POST",
            f"{message}/corrections",
            "Put another text in the place of one's own message.",
            api.correct,
            frames.PublishReply,
            body=CorrectionBody,
            created=True,
        ),
        Route(
            "POST",
            f"{message}/withdrawal",
            "Withdraw one's own message; the record keeps the text.",
            api.withdraw,
            frames.PublishReply,
            body=WithdrawalBody,
            created=True,
        ),
        Route(
            "POST",
            f"{message}/reactions",
            "React, or take a reaction back.",
            api.react,
            frames.PublishReply,
            body=ReactionBody,
            created=True,
        ),
        Route(
            "POST",
            f"{channel}/attachments",
            "Upload a file, as the body, to be named in messages of this channel.",
            api.attach,
            frames.Attachment,
            query=AttachQuery,
            created=True,
            takes_file=True,
        ),
        Route(
            "GET",
            f"{channel}/attachments/{{sha256}}",
            "A file that is attached in this channel.",
            api.attachment,
            None,
            gives_file=True,
        ),
        Route("POST", f"{channel}/read", "Move one's read position.", api.read, Done, body=ReadBody),
        Route("GET", f"{PREFIX}/presence", "Presence as one may see it.", api.presence, frames.PresenceReply),
        Route(
            "GET",
            f"{PREFIX}/search",
            "Find messages, newest first.",
            api.search,
            frames.SearchReply,
            query=SearchQuery,
        ),
        Route(
            "GET",
            STREAM_PATH,
            "Follow a channel by server-sent events; Last-Event-ID resumes.",
            api.stream,
            None,
            query=StreamQuery,
        ),
        *_register_routes(api),
    )


def _register_routes(api: Api) -> Sequence[Route]:
    return [
        Route(
            "POST",
            f"{PREFIX}/registers/{endpoint.name}",
            (endpoint.command.__doc__ or "").partition("\n")[0],
            endpoint.serve,
            endpoint.reply,
            body=endpoint.body,
        )
        for endpoint in api.register_endpoints()
    ]
