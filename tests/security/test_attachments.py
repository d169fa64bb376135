"""Attachments over HTTP, from outside and from the other side: nothing is had, stored or learnt that shouldn't be."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import func, select

from liaison.adapters.schema import CONTENT, UPLOAD
from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.edges.attachment_transfer import disposition
from liaison.office.attachments import AttachmentSettings
from liaison.office.settings import OfficeSettings
from liaison.protocol import media_types
from liaison.protocol.frames import Attachment
from tests.sample_files import IMPOSTORS, SAMPLES, png
from tests.security.premises import SIDES, Premises, comparable, open_desk, open_premises, other, strangers

GENERAL = "joint/general"
TEXT = "회의 기록\n".encode()

Json = dict[str, Any]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def path_of(channel: str, digest: str = "") -> str:
    return f"/api/v1/channels/{channel}/attachments" + (f"/{digest}" if digest else "")


async def upload(
    premises: Premises,
    user: str,
    content: bytes = TEXT,
    *,
    channel: str = GENERAL,
    name: str = "기록.txt",
    media_type: str = "text/plain",
) -> tuple[int, Json]:
    async with (
        premises.http(user) as http,
        http.post(
            path_of(channel), params={"name": name}, data=content, headers={"Content-Type": media_type}
        ) as response,
    ):
        return response.status, await response.json()


async def publish(
    premises: Premises, user: str, *attachments: Json, channel: str = GENERAL, key: str = "k"
) -> tuple[int, Json]:
    body = {"text": "첨부", "key": key, "attachments": attachments}
    async with premises.http(user) as http, http.post(f"/api/v1/channels/{channel}/messages", json=body) as response:
        return response.status, await response.json()


async def fetch(premises: Premises, user: str, digest: str, *, channel: str = GENERAL) -> tuple[int, bytes]:
    async with premises.http(user) as http, http.get(path_of(channel, digest)) as response:
        return response.status, await response.read()


async def stored(premises: Premises) -> tuple[int, int]:
    """How many contents there are, and how many rights to name one."""
    database = premises.log._database
    rows = [select(func.count()).select_from(table) for table in (CONTENT, UPLOAD)]
    first, second = [
        await database.read(lambda connection, query=query: int(connection.execute(query).scalar_one()))  # type: ignore[misc]
        for query in rows
    ]
    return first, second


@asynccontextmanager
async def office(tmp_path: Path, **settings: Any) -> AsyncIterator[Premises]:
    attachments = AttachmentSettings(**settings)
    async with open_premises(tmp_path, office_settings=OfficeSettings(attachments=attachments)) as premises:
        yield premises
        # Whatever was tried, nothing half-written stays.
        assert list((tmp_path / "incoming").glob("*")) == []


# ------------------------------------------------------------------------------------------------------- the whole way


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("media_type", media_types.ATTACHMENT_TYPES)
async def test_a_file_of_each_type_goes_from_each_side_to_the_other_to_the_byte(
    side: str, media_type: str, tmp_path: Path
) -> None:
    name, content = SAMPLES[media_type]
    async with office(tmp_path) as premises:
        status, attachment = await upload(premises, f"{side}-1", content, name=name, media_type=media_type)
        assert (status, attachment) == (
            201,
            {"sha256": sha256(content), "name": name, "media_type": media_type, "size_bytes": len(content)},
        )
        assert (await publish(premises, f"{side}-1", attachment))[0] == 201
        async with premises.client(f"{other(side)}-1") as client:
            await client.ask({"type": "subscribe", "channel": GENERAL, "tail": 10})
            await client.seen("message", key="k")
            (message,) = client.pushes("message", key="k")
        assert json.loads(message["data"]) == {"attachments": [attachment]}
        assert await fetch(premises, f"{other(side)}-1", attachment["sha256"]) == (200, content)


async def test_what_is_fetched_is_to_be_saved_and_never_to_be_shown_or_kept(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        _, attachment = await upload(premises, "south-1", name='남북 "공동" 기록.txt')
        await publish(premises, "south-1", attachment)
        async with premises.http("north-1") as http, http.get(path_of(GENERAL, attachment["sha256"])) as response:
            headers = response.headers
        assert headers["Content-Disposition"] == (
            "attachment; filename=\"__ ____ __.txt\"; filename*=UTF-8''"
            "%EB%82%A8%EB%B6%81%20_%EA%B3%B5%EB%8F%99_%20%EA%B8%B0%EB%A1%9D.txt"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "private, no-store"
        assert headers["Content-Type"] == "text/plain; charset=utf-8"
        assert headers["Content-Length"] == str(len(TEXT))
        assert "Content-Encoding" not in headers


def test_a_name_can_add_nothing_to_a_header() -> None:
    assert (
        disposition('a"; x="\r\n.txt')
        == "attachment; filename=\"a_; x=___.txt\"; filename*=UTF-8''a%22%3B%20x%3D%22%0D%0A.txt"
    )


async def test_a_message_may_be_withdrawn_and_the_record_keeps_what_is_attached(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        _, attachment = await upload(premises, "south-1")
        _, published = await publish(premises, "south-1", attachment)
        async with premises.client("south-1") as client:
            await client.ask({"type": "withdraw", "channel": GENERAL, "key": "w", "seq": published["seq"]})
        assert await fetch(premises, "north-1", attachment["sha256"]) == (200, TEXT)


async def test_a_repeat_is_a_repeat_and_other_attachments_are_a_conflict(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        _, first = await upload(premises, "south-1")
        _, second = await upload(premises, "south-1", png(), name="p.png", media_type="image/png")
        assert (await publish(premises, "south-1", first))[0] == 201
        assert (await publish(premises, "south-1", first))[0] == 200
        status, answer = await publish(premises, "south-1", second)
        assert (status, answer["name"]) == (409, "conflict")


async def test_on_a_socket_a_message_with_attachments_keeps_its_place_among_the_others(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        _, attachment = await upload(premises, "south-1")
        async with premises.client("south-1") as client:

            def say(key: str, **more: Any) -> Json:
                return {"type": "publish", "channel": GENERAL, "key": key, "text": key, **more}

            bad = {**attachment, "sha256": "00" * 32}
            async with asyncio.TaskGroup() as tasks:
                asked = [
                    tasks.create_task(client.ask_raw(command))
                    for command in (
                        say("a"),
                        say("b", attachments=[attachment]),
                        say("c"),
                        say("d", attachments=[bad]),
                        say("e"),
                    )
                ]
            answers = [json.loads(task.result()) for task in asked]
        assert [answer.get("seq", answer.get("name")) for answer in answers] == [
            1,
            2,
            3,
            "attachment_not_uploaded",
            4,
        ]


# ------------------------------------------------------------------------------------------------------ who has what


@pytest.mark.parametrize("side", SIDES)
async def test_strangers_get_the_same_answer_for_a_channel_with_the_file_and_for_one_that_does_not_exist(
    side: str, tmp_path: Path
) -> None:
    async with office(tmp_path) as premises:
        desk = await open_desk(premises, side)
        _, attachment = await upload(premises, f"{side}-1", channel=desk)
        await publish(premises, f"{side}-1", attachment, channel=desk)
        assert await fetch(premises, f"{side}-2", attachment["sha256"], channel=desk) == (200, TEXT)
        before = await stored(premises)
        for user in strangers(side):
            for channel in (desk, f"{side}/deskx"):
                status, answer = await fetch(premises, user, attachment["sha256"], channel=channel)
                assert (status, json.loads(answer)["name"]) == (404, "no_such_channel"), user
                status, refused = await upload(premises, user, channel=channel)
                assert (status, refused["name"]) == (404, "no_such_channel"), user
        assert await stored(premises) == before


@pytest.mark.parametrize("side", SIDES)
async def test_a_content_of_another_channel_is_answered_like_one_that_nobody_has(side: str, tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        desk = await open_desk(premises, side)
        _, attachment = await upload(premises, f"{side}-1", channel=desk)
        await publish(premises, f"{side}-1", attachment, channel=desk)
        for user in (f"{other(side)}-1", f"{other(side)}-bot", f"{side}-3", f"{side}-2"):
            answers = [
                (status, comparable(answer.decode()))
                for status, answer in [
                    await fetch(premises, user, digest) for digest in (attachment["sha256"], "00" * 32)
                ]
            ]
            assert answers[0] == answers[1]
            assert answers[0][0] == 404
            assert '"no_such_attachment"' in answers[0][1]
        status, answer = await publish(premises, f"{other(side)}-1", attachment)
        assert (status, answer["name"]) == (409, "attachment_not_uploaded")


async def test_the_other_sides_upload_of_the_same_content_neither_helps_nor_shows(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        _, south = await upload(premises, "south-1")
        # Not named yet: the other side has nothing, and can name nothing.
        assert (await fetch(premises, "north-1", south["sha256"]))[0] == 404
        assert (await publish(premises, "north-1", south))[0] == 409
        assert (await publish(premises, "south-2", south))[0] == 409
        status, north = await upload(premises, "north-1", name="우리 기록.txt")
        assert (status, north) == (201, {**south, "name": "우리 기록.txt"})
        assert await stored(premises) == (1, 2)
        assert (await publish(premises, "north-1", north))[0] == 201
        assert await fetch(premises, "south-2", south["sha256"]) == (200, TEXT)


async def test_ops_have_no_attachment_and_a_reader_uploads_none(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        _, attachment = await upload(premises, "south-1")
        await publish(premises, "south-1", attachment)
        assert (await fetch(premises, "ops", attachment["sha256"]))[0] == 404
        assert (await upload(premises, "ops"))[0] == 404
        await premises.office.accounts.set_member(GENERAL, "south-bot", can_write=False, by="test")
        await premises.office.registry.refresh()
        assert await fetch(premises, "south-bot", attachment["sha256"]) == (200, TEXT)
        status, answer = await upload(premises, "south-bot")
        assert (status, answer["name"]) == (403, "forbidden")


async def test_who_is_removed_fetches_nothing_any_more_and_an_upload_under_way_comes_to_nothing(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as premises:
        desk = await open_desk(premises, "south")
        _, attachment = await upload(premises, "south-1", channel=desk)
        await publish(premises, "south-1", attachment, channel=desk)
        assert (await fetch(premises, "south-2", attachment["sha256"], channel=desk))[0] == 200
        before = await stored(premises)
        has_begun, may_end = asyncio.Event(), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"first half"
            has_begun.set()
            await may_end.wait()
            yield b"second half"

        async def remove() -> None:
            await has_begun.wait()
            await premises.office.accounts.remove_member(desk, "south-2", by="test")
            await premises.office.registry.refresh()
            may_end.set()

        async with asyncio.TaskGroup() as tasks, premises.http("south-2") as http:
            tasks.create_task(remove())
            async with http.post(
                path_of(desk), params={"name": "a.txt"}, data=body(), headers={"Content-Type": "text/plain"}
            ) as response:
                assert (response.status, (await response.json())["name"]) == (404, "no_such_channel")
        assert await stored(premises) == before
        assert (await fetch(premises, "south-2", attachment["sha256"], channel=desk))[0] == 404


@pytest.mark.parametrize("side", SIDES)
async def test_what_is_attached_to_a_held_message_is_the_authors_alone_until_both_sides_resume(
    side: str, tmp_path: Path
) -> None:
    async with office(tmp_path) as premises:

        async def append(key: str, kind: EntryKind) -> None:
            draft = Draft(UserId(f"{side}-1"), DelegationId(side), key, kind)
            await premises.office.log.append(ChannelId(GENERAL), [draft], premises.office.clock.wall_ms())

        await append("s", EntryKind.SUSPENSION)
        _, attachment = await upload(premises, f"{side}-1")
        assert (await publish(premises, f"{side}-1", attachment))[0] == 202
        for user in (f"{other(side)}-1", f"{side}-2"):
            assert (await fetch(premises, user, attachment["sha256"]))[0] == 404
        assert await fetch(premises, f"{side}-1", attachment["sha256"]) == (200, TEXT)
        await append("r", EntryKind.RESUMPTION)
        assert await fetch(premises, f"{other(side)}-1", attachment["sha256"]) == (200, TEXT)


# ----------------------------------------------------------------------------------------------------- hostile inputs


@pytest.mark.parametrize("what", IMPOSTORS)
async def test_what_pretends_to_be_something_is_refused_and_stored_nowhere(what: str, tmp_path: Path) -> None:
    media_type, content = IMPOSTORS[what]
    ending = media_types.ATTACHMENT_TYPES[media_type][0]
    async with office(tmp_path) as premises:
        status, answer = await upload(premises, "south-1", content, name=f"a.{ending}", media_type=media_type)
        assert (status, answer["name"]) == (415, "attachment_mismatch")
        assert await stored(premises) == (0, 0)


@pytest.mark.parametrize(
    ("name", "media_type", "status", "error"),
    [
        ("a.svg", "image/svg+xml", 415, "attachment_type"),
        ("a.html", "text/html", 415, "attachment_type"),
        ("a.exe", "application/octet-stream", 415, "attachment_type"),
        ("a.zip", "application/zip", 415, "attachment_type"),
        ("a.txt", "TEXT/PLAIN; charset=utf-8", 201, ""),
        ("a.html", "text/plain", 400, "attachment_name"),
        ("a.txt.exe", "text/plain", 400, "attachment_name"),
        ("exe.\u202etxt.exe", "text/plain", 400, "attachment_name"),
        ("a", "text/plain", 400, "attachment_name"),
        ("/", "text/plain", 400, "attachment_name"),
        ("../../etc/a.txt", "text/plain", 201, "a.txt"),
        ("a.pdf", "application/pdf", 415, "attachment_mismatch"),
        ("a.csv", "text/csv", 201, ""),
        ("", "text/plain", 400, "invalid"),
        ("n" * 1025, "text/plain", 400, "invalid"),
    ],
)
async def test_name_type_and_bytes_must_agree(
    name: str, media_type: str, status: int, error: str, tmp_path: Path
) -> None:
    async with office(tmp_path) as premises:
        answered, answer = await upload(premises, "south-1", name=name, media_type=media_type)
        assert (answered, answer["name"]) == (status, error or name)
        assert await stored(premises) == ((1, 1) if status == 201 else (0, 0))


@pytest.mark.parametrize("says", [True, False])
async def test_a_file_that_is_too_large_is_refused_whether_it_says_so_or_not(says: bool, tmp_path: Path) -> None:
    async with office(tmp_path, max_bytes=100_000) as premises:
        assert (await upload(premises, "south-1", b"x" * 100_000))[0] == 201

        async def body() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield b"x" * 10_000

        async with (
            premises.http("south-1") as http,
            http.post(
                path_of(GENERAL),
                params={"name": "a.txt"},
                data=b"x" * 100_001 if says else body(),
                headers={"Content-Type": "text/plain"},
            ) as response,
        ):
            assert (response.status, (await response.json())["name"]) == (413, "attachment_too_large")
        assert await stored(premises) == (1, 1)


async def test_an_empty_file_is_incomplete(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        status, answer = await upload(premises, "south-1", b"")
        assert (status, answer["name"]) == (400, "attachment_incomplete")


async def raw(premises: Premises, user: str, length: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin an upload of so many bytes, by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", premises.port)
    head = (
        f"POST {path_of(GENERAL)}?name=a.txt HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {premises.secrets[user]}\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    )
    writer.write(head.encode())
    return reader, writer


async def test_a_body_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        _, writer = await raw(premises, "south-1", 1000)
        writer.write(b"x" * 500)
        await writer.drain()
        async with asyncio.timeout(5):
            while not list((tmp_path / "incoming").glob("*")):
                await asyncio.sleep(0.005)
            writer.transport.abort()
            while list((tmp_path / "incoming").glob("*")):
                await asyncio.sleep(0.005)
        assert await stored(premises) == (0, 0)


async def test_a_body_that_trickles_in_is_given_up(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        api: Any = next(
            getattr(route.handler, "__self__")  # noqa: B009  A handler is a method, which its type doesn't say.
            for route in premises.server._app.router.routes()
            if getattr(route.handler, "__name__", "") == "attach"
        )
        api._settings = replace(api._settings, body_timeout_ms=200)
        reader, writer = await raw(premises, "south-1", 1000)
        async with asyncio.timeout(5):
            writer.write(b"x")
            answer = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readuntil(b"}")
        writer.close()
        assert b" 408 " in answer.split(b"\r\n", 1)[0]
        assert b"attachment_slow" in body
        assert await stored(premises) == (0, 0)


async def test_one_user_has_so_many_uploads_under_way_and_no_more(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        begun = [await raw(premises, "south-1", 1000) for _ in range(4)]
        async with asyncio.timeout(5):
            while len(list((tmp_path / "incoming").glob("*"))) < 4:
                for _, writer in begun:
                    writer.write(b"x")
                await asyncio.sleep(0.01)
        status, answer = await upload(premises, "south-1")
        assert (status, answer["name"]) == (429, "busy")
        assert (await upload(premises, "south-2"))[0] == 201
        for _, writer in begun:
            writer.transport.abort()
        async with asyncio.timeout(5):
            while (await upload(premises, "south-1"))[0] != 201:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("side", SIDES)
async def test_a_sides_quota_is_its_own(side: str, tmp_path: Path) -> None:
    async with office(tmp_path, side_quota_bytes=2 * len(TEXT)) as premises:
        for line in (b"1" * len(TEXT), b"2" * len(TEXT)):
            assert (await upload(premises, f"{side}-1", line))[0] == 201
        status, answer = await upload(premises, f"{side}-2", b"3")
        assert (status, answer["name"]) == (403, "attachment_quota")
        assert (await upload(premises, f"{other(side)}-1", b"3"))[0] == 201


async def test_a_foreign_page_uploads_nothing_with_a_signed_in_browser(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        cookie = {"Cookie": f"liaison_session={premises.secrets['south-1']}", "Content-Type": "text/plain"}
        own = {"Origin": "http://liaison.test"}
        for headers in ({}, {"Origin": "http://evil.test"}, {"Origin": "null"}, own):
            async with (
                aiohttp.ClientSession(premises.url, cookie_jar=aiohttp.DummyCookieJar()) as http,
                http.post(
                    path_of(GENERAL), params={"name": "a.txt"}, data=TEXT, headers={**cookie, **headers}
                ) as response,
            ):
                assert response.status == (201 if headers is own else 403)


@pytest.mark.parametrize("fields", [{"size_bytes": 1}, {"media_type": "text/csv", "name": "a.csv"}])
async def test_another_size_or_type_than_was_uploaded_is_not_what_was_uploaded(fields: Json, tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        _, attachment = await upload(premises, "south-1")
        status, answer = await publish(premises, "south-1", {**attachment, **fields})
        assert (status, answer["name"]) == (409, "attachment_not_uploaded")


@pytest.mark.parametrize(
    ("name", "error"),
    [("../a.txt", "attachment_name"), ("a\u202e.txt", "attachment_name"), ("a.exe", "attachment_name")],
)
async def test_a_name_that_no_upload_answered_is_refused_when_it_is_named(
    name: str, error: str, tmp_path: Path
) -> None:
    async with office(tmp_path) as premises:
        _, attachment = await upload(premises, "south-1")
        status, answer = await publish(premises, "south-1", {**attachment, "name": name})
        assert (status, answer["name"]) == (400, "attachment_name")


async def test_an_address_that_is_no_hash_leads_nowhere(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        for digest in ("..%2F..%2Foffice.db", "AB" * 32, "ab", "%25" * 64):
            assert (await fetch(premises, "south-1", digest))[0] == 404


# ---------------------------------------------------------------------------------------------------------- clearing


async def test_what_nobody_names_is_cleared_away_and_what_is_named_stays(tmp_path: Path) -> None:
    async with office(tmp_path, keep_unused_ms=0) as premises:
        _, named = await upload(premises, "south-1")
        await publish(premises, "south-1", named)
        _, unused = await upload(premises, "south-1", b"unused")
        desk = premises.office.attachments
        assert desk.stores is not None
        await asyncio.sleep(0.01)
        assert await desk.clear(desk.stores) == 1
        assert await stored(premises) == (1, 1)
        status, answer = await publish(premises, "south-1", unused, key="late")
        assert (status, answer["name"]) == (409, "attachment_not_uploaded")
        assert await fetch(premises, "north-1", named["sha256"]) == (200, TEXT)


async def test_what_is_named_while_it_is_cleared_away_is_never_lost(tmp_path: Path) -> None:
    """The clearing looks at an upload that is old; it is claimed, and appended only later."""
    async with office(tmp_path, keep_unused_ms=60_000) as premises:
        _, attachment = await upload(premises, "south-1")
        desk, office_ = premises.office.attachments, premises.office
        assert desk.stores is not None
        stores = desk.stores

        async def an_hour_ago(work: str) -> None:
            table, column = (UPLOAD, UPLOAD.c.time_ms) if work == "upload" else (CONTENT, CONTENT.c.kept_ms)
            old = Millis(office_.clock.wall_ms() - 3_600_000)
            await premises.log._database.write(
                lambda connection: connection.execute(table.update().values({column: old}))
            )

        await an_hour_ago("upload")
        await an_hour_ago("content")
        await desk.claim(ChannelId(GENERAL), UserId("south-1"), [Attachment(**attachment)])
        assert await desk.clear(stores) == 0
        assert (await publish(premises, "south-1", attachment))[0] == 201
        assert await fetch(premises, "north-1", attachment["sha256"]) == (200, TEXT)


async def test_an_office_without_attachments_says_so(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        _, attachment = await upload(premises, "south-1")
        premises.office.attachments.stores = None
        for status, answer in (await upload(premises, "south-1"), await publish(premises, "south-1", attachment)):
            assert (status, answer["name"]) == (403, "attachments_off")
        assert premises.office.attachments.max_bytes == 0


async def test_numbers_tell_how_much_moved_and_neither_names_nor_hashes(tmp_path: Path) -> None:
    async with office(tmp_path) as premises:
        _, attachment = await upload(premises, "south-1")
        await publish(premises, "south-1", attachment)
        await fetch(premises, "north-1", attachment["sha256"])
        async with premises.http("ops") as http, http.get("/metrics") as response:
            text = await response.text()
        assert 'liaison_attachments_total{delegation="south",direction="in"} 1.0' in text
        assert f'liaison_attachment_bytes_total{{delegation="north",direction="out"}} {len(TEXT)}.0' in text
        assert "기록" not in text
        assert attachment["sha256"] not in text
