"""Files of an office over HTTP, for the client: up to name them in messages, and down. (PROTOCOL.md §14)

On the standard library, whose calls block: `Client` runs them in a thread.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from liaison.bot.errors import Disconnected, Refused
from liaison.bot.messages import Attachment, read
from liaison.protocol.errors import ErrorCode
from liaison.protocol.media_types import media_type_of

# A slow line has five minutes for the largest file that offices take by default; one that says nothing is broken.
SILENCE_TIMEOUT_S: Final = 60.0


class _NoRedirects(HTTPRedirectHandler):
    """The token is for the office alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Files:
    """The files of the office whose socket is at `url`. Its methods block, and raise Refused and Disconnected."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        scheme = {"ws": "http", "wss": "https"}[parts.scheme]
        self._office: Final = urlunsplit((scheme, parts.netloc, "", "", ""))
        self._headers: Final = {"Authorization": f"Bearer {token}"}
        self._open: Final = build_opener(_NoRedirects).open

    def __repr__(self) -> str:
        return f"Files({self._office!r}, '***')"

    def upload(self, channel: str, file: Path) -> Attachment:
        """Send a file, in pieces."""
        with file.open("rb") as content:
            return self.send(channel, file.name, content, file.stat().st_size)

    def send(self, channel: str, name: str, content: BinaryIO, size_bytes: int) -> Attachment:
        """Send so many bytes under a name, whose ending tells their type."""
        media_type = media_type_of(name)
        if not media_type:
            code = ErrorCode.ATTACHMENT_TYPE
            raise Refused(code.value.code, code.wire_name, f"a file called {name!r} can't be attached")
        headers = {"Content-Type": media_type, "Content-Length": str(size_bytes)}
        address = f"{self._address(channel)}?{urlencode({'name': name})}"
        request = Request(address, content, {**self._headers, **headers}, method="POST")  # noqa: S310 - http or https
        return read(Attachment, json.loads(self._ask(request)))

    def download(self, channel: str, sha256: str) -> bytes:
        """Fetch a file whole."""
        return self._ask(Request(f"{self._address(channel)}/{quote(sha256)}", headers=self._headers))  # noqa: S310

    def _address(self, channel: str) -> str:
        return f"{self._office}/api/v1/channels/{quote(channel)}/attachments"

    def _ask(self, request: Request) -> bytes:
        try:
            with self._open(request, timeout=SILENCE_TIMEOUT_S) as response:
                body: bytes = response.read()
                return body
        except HTTPError as error:
            with error:
                raise _refused(error) from error
        except (URLError, OSError, EOFError) as error:
            raise Disconnected(f"the file could not be moved: {error}") from error


def _refused(error: HTTPError) -> Refused:
    try:
        body = json.loads(error.read(65_536))
    except (ValueError, OSError):
        body = None
    told: Mapping[str, Any] = body if isinstance(body, dict) else {}
    return Refused(
        int(told.get("code", error.code)),
        str(told.get("name", "http")),
        str(told.get("message", error.reason)),
        ref=str(told.get("ref", "")),
        temporary=bool(told.get("temporary", error.code >= 500)),
    )
