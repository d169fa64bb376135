"""The built client, from memory, under a policy that runs nothing but what the build put there."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from liaison.edges.settings import EdgeSettings

_log = structlog.get_logger(__name__)

_MANIFEST: Final = "manifest.json"
# A hashed name never changes its content, so a browser needs to ask once a year.
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_NOT_BUILT: Final = """<!doctype html>
<html lang="ko"><meta charset="utf-8"><title>Liaison</title>
<h1>화면이 아직 만들어지지 않았습니다</h1>
<p>프로젝트 폴더에서 <code>make client</code>를 실행한 다음 서버를 다시 시작하십시오.
API와 봇은 지금도 쓸 수 있습니다.</p>
<h1 lang="en">The pages have not been built yet</h1>
<p lang="en">Run <code>make client</code> in the project's directory and start the server again.
The API and bots work already.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """One built file with its encodings, by the name that Content-Encoding has for each; the empty one is plain."""

    content_type: str
    immutable: bool
    encodings: dict[str, bytes]


class BadBuild(Exception):
    """The build's directory is there but not whole; the message says what is missing."""


def load_build(directory: Path) -> dict[str, Asset]:
    """Read a whole build into memory; empty when there is none. Raises BadBuild."""
    try:
        manifest = json.loads((directory / _MANIFEST).read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise BadBuild(f"{directory / _MANIFEST} is not JSON; build the client again") from error
    try:
        return {
            name: _load(directory / name, immutable=bool(facts["immutable"]))
            for name, facts in manifest["files"].items()
        }
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise BadBuild(f"the client in {directory} is not whole ({error}); build it again") from error


def _load(path: Path, *, immutable: bool) -> Asset:
    encodings = {"": path.read_bytes()}
    for encoding, suffix in (("br", ".br"), ("gzip", ".gz")):
        twin = path.with_name(path.name + suffix)
        if twin.exists():
            encodings[encoding] = twin.read_bytes()
    return Asset(_CONTENT_TYPES.get(path.suffix, "application/octet-stream"), immutable, encodings)


def content_policy(allowed_origins: Iterable[str]) -> str:
    """Give the Content-Security-Policy of the pages.

    `'self'` covers sockets of the own origin in new browsers only, so each allowed origin's socket is named as well.
    """
    sockets = sorted("ws" + origin.removeprefix("http") for origin in allowed_origins if origin.startswith("http"))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            " ".join(("connect-src 'self'", *sockets)),
            "img-src 'self' data:",
            "font-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


class Pages:
    """Serves the two pages and what they load."""

    def __init__(self, settings: EdgeSettings) -> None:
        self._assets = load_build(settings.static_directory)
        self._policy = content_policy(settings.allowed_origins)
        if not self._assets:
            _log.warning("the browser client is not built", directory=str(settings.static_directory))

    def routes(self) -> list[web.RouteDef]:
        """Give the routes of the pages and their files."""
        return [web.get("/", self.chat), web.get("/ops", self.ops), web.get("/static/{name}", self.file)]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """The chat page."""
        return self._page(request, "index.html")

    async def ops(self, request: web.Request) -> web.StreamResponse:
        """The page for operators; what it shows is up to who signs in."""
        return self._page(request, "ops.html")

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A file of the build. Only names of the manifest exist, so no path can lead elsewhere."""
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        response = _respond(request, asset)
        response.headers["Cache-Control"] = _IMMUTABLE if asset.immutable else "no-cache"
        return response

    def _page(self, request: web.Request, name: str) -> web.Response:
        asset = self._assets.get(name)
        if asset is None:
            return web.Response(status=503, text=_NOT_BUILT, content_type="text/html")
        response = _respond(request, asset)
        response.headers["Content-Security-Policy"] = self._policy
        response.headers["Cache-Control"] = "no-store"
        return response


def _respond(request: web.Request, asset: Asset) -> web.Response:
    """Give the smallest encoding that the client takes."""
    accepted = _accepted_encodings(request.headers.get("Accept-Encoding", ""))
    encoding = min(
        (name for name in asset.encodings if not name or name in accepted), key=lambda name: len(asset.encodings[name])
    )
    response = web.Response(body=asset.encodings[encoding], headers={"Content-Type": asset.content_type})
    response.headers["Vary"] = "Accept-Encoding"
    if encoding:
        response.headers["Content-Encoding"] = encoding
    return response


def _accepted_encodings(header: str) -> frozenset[str]:
    accepted = set()
    for part in header.split(","):
        name, _, parameters = part.strip().lower().partition(";")
        if parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(name.strip())
    return frozenset(accepted)
