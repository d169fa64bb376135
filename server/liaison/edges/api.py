"""The HTTP API's endpoints: each builds the command of the socket and has the office carry it out. (PROTOCOL.md §10)

So there is one authorisation path, and a channel that isn't yours answers as one that does not exist.
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from liaison.core.position import Position
from liaison.edges.addresses import ClientPace
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
    SignIn,
    SignIns,
    StreamQuery,
    WithdrawalBody,
)
from liaison.edges.attachment_transfer import hand_out, take_in
from liaison.edges.coalescing import ConnectionGroup
from liaison.edges.credentials import check_login_origin, check_no_forgery, cookie_name, presented
from liaison.edges.handover import ConnectionGone, HandedOver, take_transport
from liaison.edges.register_api import Endpoint, endpoints
from liaison.edges.responses import JSON_TYPE, MSGPACK_TYPES, SECURITY_HEADERS, answer, refusal
from liaison.edges.settings import EdgeSettings
from liaison.edges.stream_protocol import StreamProtocol
from liaison.office.accounts import Login
from liaison.office.actor import Actor
from liaison.office.answering import person_info
from liaison.office.office import Office
from liaison.protocol import frames, limits
from liaison.protocol.errors import ErrorCode, Refused

# HTTP carries one command a request, so its id says nothing.
_ID: Final = 1

Body = TypeVar("Body", bound=msgspec.Struct)


class Api:
    """The endpoints, over one office."""

    def __init__(self, office: Office, group: ConnectionGroup, pace: ClientPace, settings: EdgeSettings) -> None:
        self._office = office
        self._group = group
        self._pace = pace
        self._settings = settings

    def register_endpoints(self) -> Sequence[Endpoint]:
        """Give the endpoints of the registers."""
        return endpoints(self._office.handlers, self._execute_register, self._body)

    async def _execute_register(self, request: web.Request, command: frames.Command) -> web.StreamResponse:
        _query(request, NoQuery)
        return answer(request, await self._office.execute(await self._actor(request), command))

    # --- signing in and out ---------------------------------------------------------------------------------------

    async def login(self, request: web.Request) -> web.StreamResponse:
        """Let a browser in."""
        _query(request, NoQuery)
        check_login_origin(request, self._settings.allowed_origins)
        address = self._pace.admit(request)
        body = await self._body(request, LoginBody)
        login = await self._office.accounts.login(body.user, body.password, body.code, address)
        return self._with_cookie(answer(request, person_info(login.actor.account)), login)

    async def logout(self, request: web.Request) -> web.StreamResponse:
        """End a browser's session, or a token."""
        _query(request, NoQuery)
        await self._office.accounts.logout(await self._actor(request))
        return self._without_cookie(answer(request, Done()))

    async def logout_everywhere(self, request: web.Request) -> web.StreamResponse:
        """End everything that lets this account in, this request's way in among them."""
        _query(request, NoQuery)
        await self._office.accounts.logout_everywhere(await self._actor(request))
        return self._without_cookie(answer(request, Done()))

    async def sign_ins(self, request: web.Request) -> web.StreamResponse:
        """Say where this account is signed in."""
        _query(request, NoQuery)
        actor = await self._actor(request)
        found = await self._office.accounts.sign_ins(actor)
        rows = [
            SignIn(one.kind.value, one.label, one.created_ms, one.expires_ms, one.digest == actor.credential)
            for one in found
        ]
        return answer(request, SignIns(rows))

    async def password(self, request: web.Request) -> web.StreamResponse:
        """Change one's own password, and let this browser in anew."""
        _query(request, NoQuery)
        actor = await self._actor(request)
        address = self._pace.admit(request)
        body = await self._body(request, PasswordBody)
        login = await self._office.accounts.change_password(actor, body.current, body.new, address)
        return self._with_cookie(answer(request, Done()), login)

    def _with_cookie(self, response: web.Response, login: Login) -> web.Response:
        response.set_cookie(
            cookie_name(uses_tls=self._settings.uses_tls),
            login.secret,
            max_age=max(0, login.expires_ms - self._office.clock.wall_ms()) // 1000,
            path="/",
            secure=self._settings.uses_tls,
            httponly=True,
            samesite="Strict",
        )
        return response

    def _without_cookie(self, response: web.Response) -> web.Response:
        response.del_cookie(
            cookie_name(uses_tls=self._settings.uses_tls),
            path="/",
            secure=self._settings.uses_tls,
            httponly=True,
            samesite="Strict",
        )
        return response

    async def me(self, request: web.Request) -> web.StreamResponse:
        """Say who this is."""
        _query(request, NoQuery)
        if not presented(request, uses_tls=self._settings.uses_tls).secret:
            # So each page finds out that it has to show the form. Nobody tried to get in: ops need not wonder who did.
            nobody = Refused(ErrorCode.UNAUTHENTICATED, "nobody is signed in")
            reply = self._office.uncounted_reply(0, nobody, transport="http")
            return refusal(request, reply, nobody.code.value.http_status)
        return answer(request, person_info((await self._actor(request)).account))

    # --- commands -------------------------------------------------------------------------------------------------

    async def channels(self, request: web.Request) -> web.StreamResponse:
        """See frames.Channels."""
        _query(request, NoQuery)
        return await self._execute(request, await self._actor(request), frames.Channels(id=_ID))

    async def publish(self, request: web.Request) -> web.StreamResponse:
        """See frames.Publish."""
        _query(request, NoQuery)
        actor = await self._actor(request)
        body = await self._body(request, PublishBody)
        command = frames.Publish(
            id=_ID,
            channel=_channel(request),
            key=body.key,
            text=body.text,
            reply_to=body.reply_to,
            mentions=body.mentions,
            precedence=body.precedence,
            attachments=body.attachments,
        )
        return await self._execute(request, actor, command)

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Take in a file, for the sender's own messages in this channel."""
        actor = await self._actor(request)
        query = _query(request, AttachQuery)
        patience_s = self._settings.body_timeout_ms / 1000
        uploaded = await take_in(
            request, self._office, actor, channel=_channel(request), name=query.name, patience_s=patience_s
        )
        return answer(request, uploaded, status=HTTPStatus.CREATED)

    async def attachment(self, request: web.Request) -> web.StreamResponse:
        """Give a file that is attached in this channel."""
        _query(request, NoQuery)
        return await hand_out(self._office, await self._actor(request), _channel(request), request.match_info["sha256"])

    async def history(self, request: web.Request) -> web.StreamResponse:
        """See frames.History."""
        actor = await self._actor(request)
        query = _query(request, HistoryQuery)
        command = frames.History(
            id=_ID, channel=_channel(request), after=query.after, before=query.before, limit=query.limit
        )
        return await self._execute(request, actor, command)

    async def correct(self, request: web.Request) -> web.StreamResponse:
        """See frames.Correct."""
        _query(request, NoQuery)
        actor = await self._actor(request)
        body = await self._body(request, CorrectionBody)
        command = frames.Correct(id=_ID, channel=_channel(request), key=body.key, seq=_seq(request), text=body.text)
        return await self._execute(request, actor, command)

    async def withdraw(self, request: web.Request) -> web.StreamResponse:
        """See frames.Withdraw."""
        _query(request, NoQuery)
        actor = await self._actor(request)
        body = await self._body(request, WithdrawalBody)
        command = frames.Withdraw(id=_ID, channel=_channel(request), key=body.key, seq=_seq(request))
        return await self._execute(request, actor, command)

    async def react(self, request: web.Request) -> web.StreamResponse:
        """See frames.React."""
        _query(request, NoQuery)
        actor = await self._actor(request)
        body = await self._body(request, ReactionBody)
        command = frames.React(
            id=_ID,
            channel=_channel(request),
            key=body.key,
            seq=_seq(request),
            reaction=body.reaction,
            removed=body.removed,
        )
        return await self._execute(request, actor, command)

    async def read(self, request: web.Request) -> web.StreamResponse:
        """See frames.Read."""
        _query(request, NoQuery)
        actor = await self._actor(request)
        body = await self._body(request, ReadBody)
        await self._office.execute(actor, frames.Read(id=_ID, channel=_channel(request), seq=body.seq))
        return answer(request, Done())

    async def presence(self, request: web.Request) -> web.StreamResponse:
        """See frames.Presence."""
        _query(request, NoQuery)
        return await self._execute(request, await self._actor(request), frames.Presence(id=_ID, watch=False))

    async def search(self, request: web.Request) -> web.StreamResponse:
        """See frames.Search."""
        actor = await self._actor(request)
        query = _query(request, SearchQuery)
        command = frames.Search(
            id=_ID, query=query.q, channel=query.channel, before_ms=query.before_ms, limit=query.limit
        )
        return await self._execute(request, actor, command)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Follow a channel: after `Last-Event-ID` if given, else the last `tail` messages and what comes then."""
        actor = await self._actor(request)
        query = _query(request, StreamQuery)
        position = _last_event_id(request)
        self._pace.admit(request)
        if request.transport is None:
            raise ConnectionGone
        # What the follower sends meanwhile waits in the connection, so that a refusal can still be an HTTP answer.
        connection = StreamProtocol(request.transport, self._group)
        follower = await self._office.follow(actor, query.channel, position, query.tail, connection)
        try:
            take_transport(request, _STREAM_HEAD)
        except ConnectionGone:
            follower.on_closed("broken")
            raise
        connection.take_over(follower)
        return HandedOver()

    async def _execute(self, request: web.Request, actor: Actor, command: frames.AnyCommand) -> web.StreamResponse:
        reply = await self._office.execute(actor, command)
        return answer(request, reply, status=_status_of(reply))

    # --- what a request says --------------------------------------------------------------------------------------

    async def _actor(self, request: web.Request) -> Actor:
        """Say whose request it is. Raises Refused: UNAUTHENTICATED, ORIGIN_REFUSED; Unavailable."""
        secret = presented(request, uses_tls=self._settings.uses_tls)
        check_no_forgery(request, secret, self._settings.allowed_origins)
        return await self._office.recognise(secret.secret)

    async def _body(self, request: web.Request, kind: type[Body]) -> Body:
        """Read the body within its time and size. Raises Refused, HTTPRequestEntityTooLarge."""
        content_type = request.content_type
        if content_type != JSON_TYPE and content_type not in MSGPACK_TYPES:
            raise Refused(ErrorCode.INVALID, "the content type must be application/json or application/msgpack")
        try:
            async with asyncio.timeout(self._settings.body_timeout_ms / 1000):
                data = await request.read()
        except TimeoutError as error:
            raise Refused(ErrorCode.INVALID, "the body came too slowly") from error
        try:
            if content_type == JSON_TYPE:
                return msgspec.json.decode(data, type=kind)
            return msgspec.msgpack.decode(data, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(ErrorCode.INVALID, f"the body is not right: {error}") from error


def _status_of(reply: frames.Reply) -> HTTPStatus:
    if not isinstance(reply, frames.PublishReply):
        return HTTPStatus.OK
    if reply.held:
        return HTTPStatus.ACCEPTED
    return HTTPStatus.OK if reply.duplicate else HTTPStatus.CREATED


def _query(request: web.Request, kind: type[Body]) -> Body:
    """Read the query into its typed form. Raises Refused(INVALID), also for a parameter given twice."""
    values = dict(request.query)
    if len(values) != len(request.query):
        raise Refused(ErrorCode.INVALID, "each parameter can be given once; a stream follows one channel")
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(ErrorCode.INVALID, f"the query is not right: {error}") from error


def _channel(request: web.Request) -> str:
    # Longer than any channel's name can't be one; the office need not look at it.
    return request.match_info["channel"].replace("%2F", "/")[: limits.MAX_CHANNEL_CHARS + 1]


def _seq(request: web.Request) -> int:
    seq = int(request.match_info["seq"])
    if seq > limits.MAX_SAFE_INTEGER:
        raise Refused(ErrorCode.INVALID, "a seq is at most 2^53-1")
    return seq


def _last_event_id(request: web.Request) -> Position | None:
    """Give where a client's stream broke off. Raises Refused(INVALID)."""
    text = request.headers.get("Last-Event-ID", "")
    if not text:
        return None
    try:
        return Position.parse(text)
    except ValueError as error:
        raise Refused(ErrorCode.INVALID, f"Last-Event-ID: {error}") from error


# X-Accel-Buffering tells nginx to pass each event on at once.
_STREAM_HEAD: Final = "\r\n".join(
    (
        "HTTP/1.1 200 OK",
        "Content-Type: text/event-stream; charset=utf-8",
        "Connection: close",
        "X-Accel-Buffering: no",
        *(f"{name}: {value}" for name, value in SECURITY_HEADERS.items()),
        "\r\n",
    )
).encode()
