"""The head of a request as the edges look at it, and the reading of the one kind that comes by the thousand.

Everything of HTTP is aiohttp's to read. But what it makes for a connection costs more than all else that letting a
client in does, and a client that opens a socket needs it for one request. So an upgrade that is written as browsers,
proxies and our SDKs write it, and whole in the first bytes of its connection, is read here. Whatever differs in any
way, be it right or wrong, is not: aiohttp reads it from its first byte, and says what is wrong with it.
"""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from multidict import CIMultiDict, MultiMapping

from liaison.protocol.names import WEBSOCKET_PATH

# What aiohttp takes as one header at most; a whole head of a browser is a sixth of it.
_MOST_BYTES: Final = 8190
# Lines of printable ASCII with values that aren't empty. No two parts of it match the same character at a place where
# both could go on, so that nothing is tried twice.
_HEAD: Final = re.compile(
    rb"GET %s HTTP/1\.1\r\n((?:[A-Za-z0-9-]+: [!-~]+(?: [!-~]+)*\r\n)+)\r\n" % re.escape(WEBSOCKET_PATH.encode())
)
# A cookie beside it, or one in quotes, is read by more rules than these.
_ONE_COOKIE: Final = re.compile(r"([A-Za-z0-9_-]+)=([A-Za-z0-9_-]*)")
# Any of these and it is no plain upgrade, or one that says more of itself than is looked at here.
_NOT_PLAIN: Final = frozenset({"content-length", "transfer-encoding", "te", "trailer", "expect", "content-encoding"})


class RequestHead(Protocol):
    """What is asked of a request to know who sent it and what they want; aiohttp's requests have it."""

    @property
    def headers(self) -> MultiMapping[str]: ...

    @property
    def cookies(self) -> Mapping[str, str]: ...

    @property
    def remote(self) -> str | None:
        """The peer's address, without its port."""
        ...


class PlainUpgrade:
    """An upgrade that was read here, each of its headers once."""

    __slots__ = ("cookies", "headers", "remote")

    def __init__(self, headers: CIMultiDict[str], cookies: Mapping[str, str], remote: str | None) -> None:
        self.headers = headers
        self.cookies = cookies
        self.remote = remote


def read_plain_upgrade(data: bytes, remote: str | None) -> tuple[PlainUpgrade, bytes] | None:
    """Read an upgrade from the first bytes of a connection; give it and what came behind it. None: it is aiohttp's."""
    match = _HEAD.match(data, 0, _MOST_BYTES)
    if match is None:
        return None
    lines = match[1].decode("ascii").split("\r\n")
    # The last one is empty.
    lines.pop()
    headers: CIMultiDict[str] = CIMultiDict(
        (name, value) for name, _, value in (line.partition(": ") for line in lines)
    )
    if len(frozenset(map(str.lower, headers))) < len(lines) or "Host" not in headers:
        return None
    if not _NOT_PLAIN.isdisjoint(map(str.lower, headers)):
        return None
    cookies: Mapping[str, str] = {}
    if "Cookie" in headers:
        cookie = _ONE_COOKIE.fullmatch(headers["Cookie"])
        if cookie is None:
            return None
        cookies = {cookie[1]: cookie[2]}
    return PlainUpgrade(headers, cookies, remote), data[match.end() :]
