import asyncio
import re
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from liaison.edges.api import Api
from liaison.edges.api_routes import Route, routes
from liaison.edges.openapi import document
from tests.edges.conftest import ORIGIN, PASSWORD, Node, Site
from tests.edges.test_websocket import cookie_of

MESSAGE = {"text": "안녕하십니까", "key": "k1"}


async def publish(http: aiohttp.ClientSession, site: Site, key: str, *, bot: str = "south-bot") -> dict[str, Any]:
    body = {"text": f"text of {key}", "key": key}
    async with http.post(f"{site.room}/messages", json=body, headers=site.bearer(bot)) as response:
        assert response.status in (200, 201)
        answer: dict[str, Any] = await response.json()
        return answer


async def error(response: aiohttp.ClientResponse) -> tuple[int, str]:
    body = await response.json()
    assert set(body) - {"retry_after_ms"} == {"code", "name", "message", "temporary", "ref"}
    return response.status, body["name"]


async def test_a_new_message_is_201_and_its_repeat_200_with_the_same_place(
    site: Site, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{site.room}/messages", json=MESSAGE, headers=site.bearer("south-bot")) as response:
        assert response.status == 201
        first = await response.json()
    assert (first["seq"], first["duplicate"]) == (1, False)
    assert set(first) == {"seq", "epoch", "time_ms", "duplicate"}
    async with http.post(f"{site.room}/messages", json=MESSAGE, headers=site.bearer("south-bot")) as response:
        assert response.status == 200
        assert await response.json() == {**first, "duplicate": True}


async def test_a_channel_may_be_written_with_its_slash_escaped(site: Site, http: aiohttp.ClientSession) -> None:
    await publish(http, site, "k1")
    path = URL(f"{site.url}/api/v1/channels/{site.channel.replace('/', '%2F')}/messages", encoded=True)
    async with http.get(path, headers=site.bearer("north-bot")) as response:
        assert [message["seq"] for message in (await response.json())["messages"]] == [1]


async def test_history_pages_both_ways(site: Site, http: aiohttp.ClientSession) -> None:
    for number in range(1, 6):
        await publish(http, site, f"k{number}")

    async def page(**query: int) -> list[int]:
        async with http.get(f"{site.room}/messages", params=query, headers=site.bearer("north-bot")) as response:
            body = await response.json()
            assert set(body) == {"channel", "epoch", "head", "messages"}
            assert body["head"] == 5
            return [message["seq"] for message in body["messages"]]

    assert await page(after=1, limit=2) == [2, 3]
    assert await page(before=4, limit=2) == [2, 3]
    assert await page() == [1, 2, 3, 4, 5]


async def test_msgpack_comes_and_goes_by_the_headers(site: Site, http: aiohttp.ClientSession) -> None:
    headers = {**site.bearer("south-bot"), "Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    async with http.post(f"{site.room}/messages", data=msgspec.msgpack.encode(MESSAGE), headers=headers) as response:
        assert response.content_type == "application/msgpack"
        assert msgspec.msgpack.decode(await response.read())["seq"] == 1
    async with http.get(f"{site.room}/messages", headers=headers) as response:
        [message] = msgspec.msgpack.decode(await response.read())["messages"]
        assert len(message["link"]) == 32


async def test_correcting_reacting_withdrawing_and_reading(site: Site, http: aiohttp.ClientSession) -> None:
    await publish(http, site, "k1")
    headers = site.bearer("south-bot")
    steps = (
        ("messages/1/corrections", {"text": "better", "key": "k2"}, 201),
        ("messages/1/reactions", {"reaction": "👍", "key": "k3"}, 201),
        ("messages/1/withdrawal", {"key": "k4"}, 201),
        ("messages/1/withdrawal", {"key": "k4"}, 200),
        ("read", {"seq": 4}, 200),
    )
    for path, body, status in steps:
        async with http.post(f"{site.room}/{path}", json=body, headers=headers) as response:
            assert (path, response.status) == (path, status)
    async with http.get("/api/v1/channels", headers=headers) as response:
        channels = {info["channel"]: info for info in (await response.json())["channels"]}
    assert (channels[site.channel]["head"], channels[site.channel]["read_seq"]) == (4, 4)
    async with http.post(
        f"{site.room}/messages/1/corrections", json=steps[0][1], headers=site.bearer("north-bot")
    ) as it:
        assert await error(it) == (403, "not_author")


async def test_search_and_presence(site: Site, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{site.room}/messages", json=MESSAGE, headers=site.bearer("south-bot")):
        pass
    async with http.get(
        "/api/v1/search", params={"q": "안녕", "channel": site.channel}, headers=site.bearer("north-bot")
    ) as response:
        body = await response.json()
    assert [message["seq"] for message in body["messages"]] == [1]
    assert body["more"] is False
    async with http.get("/api/v1/presence", headers=site.bearer("north-bot")) as response:
        assert {"epoch", "version", "users", "sides"} <= set(await response.json())


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "messages", None),
        ("POST", "messages", MESSAGE),
        ("POST", "messages/1/corrections", MESSAGE),
        ("POST", "messages/1/withdrawal", {"key": "k"}),
        ("POST", "messages/1/reactions", {"key": "k", "reaction": "x"}),
        ("POST", "read", {"seq": 1}),
    ],
)
async def test_the_other_sides_channel_answers_like_one_that_does_not_exist(
    site: Site, http: aiohttp.ClientSession, method: str, path: str, body: object
) -> None:
    answers = []
    for channel in ("south/general", "south/nothing", "joint/nothing"):
        url = f"/api/v1/channels/{channel}/{path}"
        async with http.request(method, url, json=body, headers=site.bearer("north-bot")) as response:
            text = re.sub(r'"ref":"\w+"', "", await response.text())
            headers = {name: value for name, value in response.headers.items() if name != "Date"}
            answers.append((response.status, text, headers))
    assert answers[0][0] == 404
    assert answers[0] == answers[1] == answers[2]


async def test_a_stream_of_the_other_sides_channel_answers_like_one_that_does_not_exist(
    site: Site, http: aiohttp.ClientSession
) -> None:
    for channel in ("south/general", "south/nothing"):
        async with http.get(
            "/api/v1/stream", params={"channel": channel}, headers=site.bearer("north-bot")
        ) as response:
            assert await error(response) == (404, "no_such_channel")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[" * 60_000, "application/json"),
        (b'{"text":"a","key":"k","admin":true}', "application/json"),
        (b'{"text":1,"key":"k"}', "application/json"),
        (b'{"text":"a","key":""}', "application/json"),
        (b'{"text":"a","key":"' + b"k" * 65 + b'"}', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"\xc1", "application/msgpack"),
        (b'{"text":"a","key":"k"}', "text/plain"),
        (b"text=a&key=k", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_bad_body_is_invalid_and_stores_nothing(
    site: Site, http: aiohttp.ClientSession, body: bytes, content_type: str
) -> None:
    headers = {**site.bearer("south-bot"), "Content-Type": content_type}
    async with http.post(f"{site.room}/messages", data=body, headers=headers) as response:
        assert await error(response) == (400, "invalid")
    async with http.get(f"{site.room}/messages", headers=headers) as response:
        assert (await response.json())["head"] == 0


async def test_a_large_body_is_refused(site: Site, http: aiohttp.ClientSession) -> None:
    body = {"text": "x" * 70_000, "key": "k"}
    async with http.post(f"{site.room}/messages", json=body, headers=site.bearer("south-bot")) as response:
        assert await error(response) == (413, "too_large")


@pytest.mark.parametrize("query", ["after=x", "limit=0", "limit=201", "after=-1", "unknown=1", "limit=1&limit=2"])
async def test_a_bad_query_is_invalid(site: Site, http: aiohttp.ClientSession, query: str) -> None:
    async with http.get(f"{site.room}/messages?{query}", headers=site.bearer("south-bot")) as response:
        assert await error(response) == (400, "invalid")


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer x", "Basic dTpw", "Bearer " + "x" * 5000, "lsn_x"])
async def test_a_secret_that_is_none_is_refused_everywhere(
    site: Site, http: aiohttp.ClientSession, header: str
) -> None:
    for path in ("/api/v1/me", "/api/v1/channels", f"{site.room}/messages", "/api/v1/stream?channel=joint/general"):
        async with http.get(path, headers={"Authorization": header} if header else {}) as response:
            assert await error(response) == (401, "unauthenticated")
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_unknown_paths_and_methods_answer_in_the_same_form(site: Site, http: aiohttp.ClientSession) -> None:
    async with http.get("/api/v1/nothing") as response:
        assert await error(response) == (404, "unknown_command")
    async with http.delete(f"{site.room}/messages") as response:
        assert await error(response) == (405, "unknown_command")
        assert response.headers["Allow"] == "GET,POST"


async def test_signing_in_sets_a_strict_cookie_and_signing_out_ends_it(site: Site, http: aiohttp.ClientSession) -> None:
    body = {"user": "south-1", "password": PASSWORD}
    async with http.post("/api/v1/login", json=body) as response:
        assert await response.json() == {
            "user": "south-1",
            "name": "south 1",
            "delegation": "south",
            "role": "official",
        }
        [cookie] = response.headers.getall("Set-Cookie")
    assert re.fullmatch(r"liaison_session=lsn_\S+; HttpOnly; Max-Age=\d+; Path=/; SameSite=Strict", cookie)
    headers = {"Cookie": cookie.partition(";")[0]}
    async with http.get("/api/v1/me", headers=headers) as response:
        assert (await response.json())["user"] == "south-1"
    async with http.post("/api/v1/logout", headers={**headers, "Origin": ORIGIN}) as response:
        assert response.status == 200
    await assert_signed_out(site, http, headers)


async def assert_signed_out(site: Site, http: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    """At once where it was ended; the other workers know within half a second, and then none lets them in.

    Each request goes to some worker: twenty in a row that are refused leave one of four out three times in a thousand.
    """
    patience_s, in_a_row = (0.0, 1) if isinstance(site, Node) else (0.5, 20)
    until_s = asyncio.get_running_loop().time() + patience_s
    refused = 0
    while refused < in_a_row:
        async with http.get("/api/v1/me", headers=headers) as response:
            if response.status == 200 and asyncio.get_running_loop().time() < until_s:
                refused = 0
                continue
            assert await error(response) == (401, "unauthenticated")
            refused += 1


async def sign_in(http: aiohttp.ClientSession, user: str, password: str = PASSWORD) -> dict[str, str]:
    async with http.post("/api/v1/login", json={"user": user, "password": password}) as response:
        assert response.status == 200
        return {"Cookie": set_cookie_of(response), "Origin": ORIGIN}


def set_cookie_of(response: aiohttp.ClientResponse) -> str:
    return response.headers["Set-Cookie"].partition(";")[0]


async def test_one_sees_where_one_is_signed_in_and_can_end_it_all(site: Site, http: aiohttp.ClientSession) -> None:
    first, second = await sign_in(http, "north-1"), await sign_in(http, "north-1")
    async with http.get("/api/v1/sign-ins", headers=second) as response:
        found = (await response.json())["sign_ins"]
    assert [(one["kind"], one["current"]) for one in found] == [("browser", False), ("browser", True)]
    assert found[0]["created_ms"] <= found[1]["created_ms"] < found[1]["expires_ms"]
    async with http.post("/api/v1/logout_everywhere", headers=second) as response:
        assert response.status == 200
        assert 'liaison_session=""' in response.headers["Set-Cookie"]
    for headers in (first, second):
        await assert_signed_out(site, http, headers)


async def test_a_changed_password_signs_out_the_others_and_lets_this_browser_in_anew(
    site: Site, http: aiohttp.ClientSession
) -> None:
    other, here = await sign_in(http, "south-2"), await sign_in(http, "south-2")
    body = {"current": PASSWORD, "new": "an entirely different sentence"}
    async with http.post("/api/v1/password", json={**body, "current": "wrong"}, headers=here) as response:
        assert await error(response) == (401, "wrong_credentials")
    async with http.post("/api/v1/password", json={**body, "new": "short"}, headers=here) as response:
        assert (await error(response))[1] == "invalid"
    async with http.post("/api/v1/password", json=body, headers=here) as response:
        assert response.status == 200
        anew = {"Cookie": set_cookie_of(response)}
    for headers in (other, here):
        await assert_signed_out(site, http, headers)
    async with http.get("/api/v1/me", headers=anew) as response:
        assert response.status == 200
    await sign_in(http, "south-2", body["new"])


async def test_wrong_credentials_look_alike(site: Site, http: aiohttp.ClientSession) -> None:
    for user, password in (("north-2", "wrong"), ("nobody", PASSWORD), ("south-bot", PASSWORD), ("north-2", "")):
        async with http.post("/api/v1/login", json={"user": user, "password": password}) as response:
            name = await error(response)
            assert name in ((401, "wrong_credentials"), (429, "rate_limited"))
            if name[0] == 429:
                assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"Origin": ORIGIN}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://evil.test"}, False),
        ({"Origin": ORIGIN + ".evil.test"}, False),
        ({"Origin": "http://evil.test", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
    ],
)
async def test_a_signed_in_browser_changes_things_for_our_own_pages_only(
    site: Site, http: aiohttp.ClientSession, headers: dict[str, str], passes: bool
) -> None:
    cookie = await cookie_of(http, "south-1")
    async with http.post(f"{site.room}/messages", json=MESSAGE, headers={**cookie, **headers}) as response:
        if passes:
            assert response.status == 201
        else:
            assert await error(response) == (403, "origin_refused")
    async with http.get(f"{site.room}/messages", headers=cookie) as response:
        assert (await response.json())["head"] == (1 if passes else 0)


async def test_a_foreign_page_signs_nobody_in(site: Site, http: aiohttp.ClientSession) -> None:
    body = {"user": "south-1", "password": PASSWORD}
    for headers in ({"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
        async with http.post("/api/v1/login", json=body, headers=headers) as response:
            assert await error(response) == (403, "origin_refused")


async def events(response: aiohttp.ClientResponse, count: int) -> list[dict[str, str]]:
    """Read so many events of a stream."""
    read: list[dict[str, str]] = [{}]
    async with asyncio.timeout(5):
        while len(read) <= count:
            line = (await response.content.readline()).decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                read[-1][name] = value
            else:
                read.append({})
    return read[:count]


async def test_a_stream_tails_follows_and_resumes_after_the_last_event_id(
    site: Site, http: aiohttp.ClientSession
) -> None:
    for number in range(1, 4):
        await publish(http, site, f"k{number}")
    headers = site.bearer("north-bot")
    params = {"channel": site.channel, "tail": "1"}
    async with http.get("/api/v1/stream", params=params, headers=headers) as response:
        assert response.content_type == "text/event-stream"
        assert [event["id"] for event in await events(response, 1)] == ["1:3"]
        await publish(http, site, "k4")
        [event] = await events(response, 1)
        assert (event["id"], event["event"]) == ("1:4", "message")
        assert msgspec.json.decode(event["data"])["text"] == "text of k4"
    for number in range(5, 8):
        await publish(http, site, f"k{number}")
    async with http.get("/api/v1/stream", params=params, headers={**headers, "Last-Event-ID": "1:4"}) as response:
        assert [event["id"] for event in await events(response, 3)] == ["1:5", "1:6", "1:7"]


async def test_a_stream_from_another_epoch_begins_with_a_reset(site: Site, http: aiohttp.ClientSession) -> None:
    await publish(http, site, "k1")
    headers = {**site.bearer("north-bot"), "Last-Event-ID": "9:500"}
    async with http.get(f"/api/v1/stream?channel={site.channel}", headers=headers) as response:
        [event] = await events(response, 1)
        assert event["event"] == "reset"


@pytest.mark.parametrize(
    ("query", "last_event_id"),
    [("", ""), ("channel=joint/general&channel=north/general", ""), ("channel=joint/general", "x")],
)
async def test_a_stream_needs_one_channel_and_an_id_it_has_given(
    site: Site, http: aiohttp.ClientSession, query: str, last_event_id: str
) -> None:
    headers = {**site.bearer("north-bot"), "Last-Event-ID": last_event_id}
    async with http.get(f"/api/v1/stream?{query}", headers=headers) as response:
        assert await error(response) == (400, "invalid")


async def test_revoking_a_token_ends_its_stream(node: Node, http: aiohttp.ClientSession) -> None:
    async with http.get("/api/v1/stream?channel=joint/general", headers=node.bearer("north-bot")) as response:
        await node.office.accounts.revoke_tokens("north-bot", by="test")
        async with asyncio.timeout(1):
            text = await response.text()
        assert "event: go_away" in text


def routes_of(node: Node) -> list[Route]:
    shared = node.server._group, node.server._door
    return list(routes(Api(node.office, shared[0], None, node.server._settings)))  # type: ignore[arg-type]  # Unused.


async def test_every_route_of_the_api_is_in_the_document_and_the_other_way_round(
    node: Node, http: aiohttp.ClientSession
) -> None:
    async with http.get("/api/v1/openapi.json") as response:
        served = await response.json(content_type="application/json")
    documented = {(method.upper(), path) for path, methods in served["paths"].items() for method in methods}
    routed = set()
    for route in node.server._app.router.routes():
        assert route.resource is not None
        path = re.sub(r"\{(\w+)[^{}]*(?:\{[^{}]*\})?[^{}]*\}", r"{\1}", _pattern(route.resource.get_info()))
        if path.startswith("/api/v1/") and route.method != "HEAD":
            routed.add((route.method, path))
    assert documented == routed - {("GET", "/api/v1/socket"), ("GET", "/api/v1/openapi.json")}


def _pattern(info: Any) -> str:
    return str(info.get("path") or info["formatter"])


async def test_every_reference_in_the_document_leads_somewhere(node: Node) -> None:
    made = document(routes_of(node))
    for reference in re.findall(r"#/components/schemas/(\w+)", msgspec.json.encode(made).decode()):
        assert reference in made["components"]["schemas"]
    assert "id" not in made["components"]["schemas"]["PublishReply"]["properties"]
