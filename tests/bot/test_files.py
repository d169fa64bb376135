"""Files go up and down through the SDK, and whatever is wrong comes out as one of its errors."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liaison.bot import Attachment, Client, Disconnected, MalformedFrame, Message, Refused
from liaison.bot.files import Files
from tests.sample_files import PDF
from tests.security.premises import Premises, open_premises

GENERAL = "joint/general"


@pytest.fixture
async def premises(tmp_path: Path) -> AsyncIterator[Premises]:
    async with open_premises(tmp_path / "premises") as opened:
        yield opened


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "통지문 1.pdf"
    file.write_bytes(PDF)
    return file


async def test_a_bot_attaches_a_file_and_the_other_sides_bot_gets_it(premises: Premises, report: Path) -> None:
    async with (
        Client(premises.url, premises.secrets["south-bot"]) as south,
        Client(premises.url, premises.secrets["north-bot"]) as north,
    ):
        attached = await south.upload(GENERAL, report)
        assert attached == await south.upload(GENERAL, report)
        assert (attached.name, attached.media_type, attached.size_bytes) == (
            "통지문 1.pdf",
            "application/pdf",
            len(PDF),
        )
        placed = await south.publish(GENERAL, "통지문입니다.", attachments=[attached])
        (message,) = (await north.history(GENERAL)).messages
        assert (message.seq, message.attachments) == (placed.seq, (attached,))
        assert await north.download(GENERAL, attached) == PDF


async def test_what_is_refused_says_why_with_its_reference(premises: Premises, report: Path, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"MZ")
    (tmp_path / "a.exe").write_bytes(b"MZ")
    async with Client(premises.url, premises.secrets["south-bot"]) as client:
        with pytest.raises(Refused) as caught:
            await client.upload(GENERAL, tmp_path / "a.pdf")
        assert (caught.value.name, len(caught.value.ref)) == ("attachment_mismatch", 8)
        with pytest.raises(Refused) as caught:
            await client.upload(GENERAL, tmp_path / "a.exe")
        assert caught.value.name == "attachment_type"
        with pytest.raises(Refused) as caught:
            await client.upload("north/desk", report)
        assert caught.value.name == "no_such_channel"
        with pytest.raises(Refused) as caught:
            await client.download(GENERAL, Attachment("00" * 32, "a.pdf", "application/pdf", 2))
        assert caught.value.name == "no_such_attachment"
        with pytest.raises(FileNotFoundError):
            await client.upload(GENERAL, tmp_path / "none.pdf")


async def test_an_office_that_cant_be_reached_is_told_from_one_that_refuses(report: Path) -> None:
    with pytest.raises(Disconnected):
        await asyncio.to_thread(Files("ws://127.0.0.1:9", "lsn_x").upload, GENERAL, report)


async def test_another_content_than_was_named_is_not_given_out(
    premises: Premises, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Client(premises.url, premises.secrets["south-bot"]) as client:
        attached = await client.upload(GENERAL, report)
        monkeypatch.setattr(client._files, "_ask", lambda _request: PDF + b"!")
        with pytest.raises(MalformedFrame):
            await client.download(GENERAL, attached)


def test_no_token_shows() -> None:
    assert "lsn_secret" not in repr(Files("wss://office.example/api/v1/socket", "lsn_secret"))


@pytest.mark.parametrize("data", ["{", "[]", '{"attachments":[{"sha256":5}]}', '{"attachments":[[]]}', "{}"])
def test_attachments_that_cant_be_read_are_malformed(data: str) -> None:
    message = Message("joint/general", 1, 1, 1, "x", "south", "k", "text", bytes(32), data=data)
    with pytest.raises(MalformedFrame):
        _ = message.attachments
