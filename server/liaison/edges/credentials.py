"""What a request proves: whose it is, and that no foreign web page sent it. (PROTOCOL.md §2.3)

A bearer token proves both, because a page can't make a browser add one. A cookie proves only whose browser it is: what
it changes, and the socket it opens, must come from a page of our own.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from liaison.edges.request_head import RequestHead
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.limits import MAX_TOKEN_CHARS
from liaison.protocol.names import SESSION_COOKIE

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Presented:
    """A secret that came with a request; empty for none."""

    secret: str = field(repr=False)
    is_cookie: bool


def cookie_name(*, uses_tls: bool) -> str:
    """Give the session cookie's name: the `__Host-` prefix makes browsers insist on Secure, which needs TLS."""
    return f"__Host-{SESSION_COOKIE}" if uses_tls else SESSION_COOKIE


def presented(request: RequestHead, *, uses_tls: bool) -> Presented:
    """Read the secret a request came with. Raises Refused for an Authorization header that is no bearer token."""
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_CHARS:
            raise Refused(ErrorCode.UNAUTHENTICATED, "the Authorization header must be: Bearer TOKEN")
        return Presented(token, is_cookie=False)
    return Presented(request.cookies.get(cookie_name(uses_tls=uses_tls), "")[:MAX_TOKEN_CHARS], is_cookie=True)


def has_allowed_origin(request: RequestHead, allowed_origins: Collection[str]) -> bool:
    """Whether there is one Origin header and it is allowed. Origins are compared whole, byte by byte."""
    origins = request.headers.getall("Origin", [])
    return len(origins) == 1 and origins[0] in allowed_origins


def comes_from_own_page(request: web.Request, allowed_origins: Collection[str]) -> bool:
    """Whether the browser says that one of our own pages sent this."""
    if "Origin" in request.headers:
        return has_allowed_origin(request, allowed_origins)
    return request.headers.get("Sec-Fetch-Site") == "same-origin"


def check_no_forgery(request: web.Request, secret: Presented, allowed_origins: Collection[str]) -> None:
    """Refuse what a foreign page may have made a browser send. Raises Refused(ORIGIN_REFUSED)."""
    if request.method in _SAFE_METHODS or not secret.is_cookie:
        return
    if not comes_from_own_page(request, allowed_origins):
        raise Refused(ErrorCode.ORIGIN_REFUSED, "this origin may not act for a signed-in browser")


def check_login_origin(request: web.Request, allowed_origins: Collection[str]) -> None:
    """Refuse a sign-in that a foreign page sends; scripts send no Origin at all. Raises Refused(ORIGIN_REFUSED)."""
    is_from_script = "Origin" not in request.headers and "Sec-Fetch-Site" not in request.headers
    if not is_from_script and not comes_from_own_page(request, allowed_origins):
        raise Refused(ErrorCode.ORIGIN_REFUSED, "this origin may not sign anybody in")
