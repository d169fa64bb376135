import gzip
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from liaison.edges.pages import BadBuild, content_policy, load_build
from liaison.edges.settings import EdgeSettings
from tests.edges.conftest import ORIGIN, Node

INDEX = b"<!doctype html><title>chat</title>"
SCRIPT = b"console.log(1);" * 100


def build(directory: Path) -> None:
    """Lay down what the client's build leaves."""
    directory.mkdir()
    files: dict[str, Any] = {}
    for name, content, immutable in (
        ("index.html", INDEX, False),
        ("ops.html", INDEX, False),
        ("a-X.js", SCRIPT, True),
    ):
        (directory / name).write_bytes(content)
        (directory / f"{name}.gz").write_bytes(gzip.compress(content))
        files[name] = {"bytes": len(content), "immutable": immutable}
    (directory / "a-X.js.br").write_bytes(b"brotli, for all the server knows")
    (directory / "secret.txt").write_text("not in the manifest")
    (directory / "manifest.json").write_text(json.dumps({"base": "/static/", "pages": {}, "files": files}))


@pytest.fixture
def settings(settings: EdgeSettings) -> EdgeSettings:
    build(settings.static_directory)
    return settings


async def test_the_pages_come_with_the_strict_policy_and_are_not_stored(
    node: Node, http: aiohttp.ClientSession
) -> None:
    for path in ("/", "/ops"):
        async with http.get(path) as response:
            assert response.status == 200
            assert await response.read() == INDEX
            assert response.headers["Content-Security-Policy"] == content_policy({ORIGIN})
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert "Strict-Transport-Security" not in response.headers


def test_the_policy_lets_nothing_in_but_what_is_named() -> None:
    policy = dict(
        part.split(" ", 1) for part in content_policy({"https://office.test", "http://localhost:8000"}).split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws://localhost:8000 wss://office.test"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in str(policy)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("", None), ("gzip", "gzip"), ("gzip, br", "br"), ("br;q=0, gzip", "gzip"), ("br; q=0.000", None), ("zstd", None)],
)
async def test_a_hashed_file_is_kept_for_ever_and_comes_as_small_as_the_client_takes_it(
    node: Node, http: aiohttp.ClientSession, accepted: str, encoding: str | None
) -> None:
    headers = {"Accept-Encoding": accepted}
    async with (
        aiohttp.ClientSession(node.url, auto_decompress=False) as raw,
        raw.get("/static/a-X.js", headers=headers) as response,
    ):
        assert response.status == 200
        assert response.headers.get("Content-Encoding") == encoding
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("name", ["secret.txt", "manifest.json", "..%2Fsecret.txt", "a-X.js.br", "x"])
async def test_only_what_the_manifest_names_exists(node: Node, http: aiohttp.ClientSession, name: str) -> None:
    async with http.get(f"/static/{name}") as response:
        assert response.status == 404


def test_a_build_that_lacks_a_file_is_refused(tmp_path: Path) -> None:
    build(tmp_path / "static")
    (tmp_path / "static/a-X.js").unlink()
    with pytest.raises(BadBuild, match=r"a-X\.js"):
        load_build(tmp_path / "static")
    (tmp_path / "static/manifest.json").write_text("{")
    with pytest.raises(BadBuild, match="manifest"):
        load_build(tmp_path / "static")
