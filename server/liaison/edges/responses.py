"""Answers over HTTP: JSON or msgpack as the client asked, errors as on the socket, and headers that browsers obey."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from liaison.edges.handover import ConnectionGone
from liaison.office.office import Office
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused
from liaison.protocol.frames import ErrorReply, Reply

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON_TYPE: Final = "application/json"
MSGPACK_TYPE: Final = "application/msgpack"
# The name that msgpack's users wrote before it was registered.
MSGPACK_TYPES: Final = frozenset({MSGPACK_TYPE, "application/x-msgpack"})

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
    # In the place of the versions of Python and aiohttp.
    "Server": "liaison",
}
# Two years, as browsers' preload lists ask.
_TRANSPORT_SECURITY: Final = "max-age=63072000; includeSubDomains"


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a refused request gets: the socket's error without the command's id. (PROTOCOL.md §7)"""

    code: int
    name: str
    message: str
    temporary: bool
    ref: str
    retry_after_ms: int | None = None


def wants_msgpack(request: web.Request) -> bool:
    """Whether the client asked for msgpack; everybody else gets JSON."""
    accepted = {part.partition(";")[0].strip().lower() for part in request.headers.get("Accept", "").split(",")}
    return not accepted.isdisjoint(MSGPACK_TYPES)


def answer(request: web.Request, body: msgspec.Struct, *, status: int = 200) -> web.Response:
    """Give a struct as the response's body; of a command's reply, what the socket would carry but its type and id."""
    content: object = body
    if isinstance(body, Reply):
        values = ((name, getattr(body, name), default) for name, default in _reply_fields(type(body)))
        content = {name: value for name, value, default in values if value != default}
    if wants_msgpack(request):
        return web.Response(status=status, body=msgspec.msgpack.encode(content), content_type=MSGPACK_TYPE)
    return web.Response(status=status, body=msgspec.json.encode(content), content_type=JSON_TYPE)


@cache
def _reply_fields(kind: type[Reply]) -> Sequence[tuple[str, object]]:
    """Give the fields that a reply has beside its id, each with the default it is left out for."""
    return [(field.name, field.default) for field in msgspec.structs.fields(kind) if field.name != "id"]


def refusal(request: web.Request, error: ErrorReply, status: int) -> web.Response:
    """Give the wire's error object with an HTTP status, and say when to come back."""
    body = ErrorBody(error.code, error.name, error.message, error.temporary, error.ref, error.retry_after_ms)
    response = answer(request, body, status=status)
    if error.retry_after_ms is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_ms / 1000)))
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="liaison"'
    return response


def error_middleware(office: Office) -> Middleware:
    """Make the middleware that answers whatever a handler raises as the wire's error object."""

    @web.middleware
    async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except LiaisonError as error:
            reply = office.error_reply(0, error, transport="http")
            return refusal(request, reply, error.code.value.http_status)
        except ConnectionGone:
            # Nobody is there to read it; aiohttp wants something to drop.
            return web.Response()
        except web.HTTPException as error:
            return _of_aiohttp(office, request, error)
        except Exception as error:  # noqa: BLE001  The outermost boundary of a request: a bug is answered, not spread.
            return refusal(request, office.internal_error(0, error, transport="http"), 500)

    return answer_errors


def _of_aiohttp(office: Office, request: web.Request, error: web.HTTPException) -> web.Response:
    """Give what aiohttp refuses by itself in our form: unknown paths, wrong methods, bodies that are too large."""
    match error.status:
        case 413:
            refused = Refused(ErrorCode.TOO_LARGE, "the body is too large")
        case 405:
            refused = Refused(ErrorCode.UNKNOWN_COMMAND, f"this path has no {request.method}")
        case 404:
            refused = Refused(ErrorCode.UNKNOWN_COMMAND, "there is nothing at this path")
        case _:
            refused = Refused(ErrorCode.INVALID, error.reason)
    response = refusal(request, office.error_reply(0, refused, transport="http"), error.status)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def security_middleware(*, uses_tls: bool) -> Middleware:
    """Make the middleware that puts the strict headers on every response; what a handler has set stays."""

    @web.middleware
    async def add_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if not response.prepared:
            for name, value in SECURITY_HEADERS.items():
                response.headers.setdefault(name, value)
            if uses_tls:
                response.headers["Strict-Transport-Security"] = _TRANSPORT_SECURITY
        return response

    return add_headers


def parting_middleware(office: Office) -> Middleware:
    """Make the middleware that ends connections which are kept alive while the node drains.

    A proxy keeps some to each node and would go on using them until they break in the middle of a request.
    """

    @web.middleware
    async def part(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if office.is_draining and not response.prepared:
            response.force_close()
        return response

    return part
