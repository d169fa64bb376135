"""What the README shows is run as it stands there, against a real server."""

import asyncio
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liaison.bot import Client
from tests.bot.programs import finished, program
from tests.cli.command_line import PASSWORD, CommandLine
from tests.docs.markdown import document, python_blocks
from tests.live_server import LiveServer

README = document("README.md")
PATIENCE_S = 15

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("office") / "data") as running:
        yield running


def test_the_bot_is_the_only_python_and_has_ten_lines() -> None:
    (block,) = python_blocks(README)
    assert len([line for line in block.splitlines() if line]) <= 10


def say(server: LiveServer, text: str, key: str) -> None:
    """Say something as an official does in a browser."""
    cookies = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(), urllib.request.ProxyHandler({}))
    headers = {"Origin": server.url, "Content-Type": "application/json"}
    login = {"user": "north-1", "password": server.password_of("north-1")}
    for path, body in (("login", login), ("channels/joint/weather/messages", {"text": text, "key": key})):
        request = urllib.request.Request(f"{server.url}/api/v1/{path}", json.dumps(body).encode(), headers)
        with cookies.open(request, timeout=PATIENCE_S):
            pass


async def test_the_bot_answers(server: LiveServer, tmp_path: Path) -> None:
    (block,) = python_blocks(README)
    bot, reader = (server.token(name, "south", ["joint/weather"]) for name in ("echo-bot", "reading-bot"))
    async with (
        program("-c", block, url=server.url, token=bot, cursor=tmp_path / "cursor") as process,
        Client(server.url, reader) as client,
        asyncio.timeout(PATIENCE_S),
    ):
        following = client.follow("joint/weather")
        # Nothing tells from outside when the bot listens, and it replays nothing on its first start.
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask_until_cancelled(server))
            async for message in following:
                if message.sender == "echo-bot":
                    assert message.text == "안녕"
                    break
            asking.cancel()
        process.terminate()
        await finished(process)


async def ask_until_cancelled(server: LiveServer) -> None:
    for number in itertools.count():
        await asyncio.to_thread(say, server, "!echo 안녕", f"ask-{number}")
        await asyncio.sleep(1)


def test_an_office_is_begun_by_the_commands_that_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"^```\npip install [^\n]*\n(liaison .*?)^```", README, re.DOTALL | re.MULTILINE)
    user, channel, serve = (shlex.split(line)[1:] for line in block.splitlines())
    monkeypatch.chdir(tmp_path)
    liaison = CommandLine(tmp_path / "data")
    for command in ([*user, "--password-file", "-"], channel):
        done = liaison.run(*command, stdin=f"{PASSWORD}\n")
        assert done.code == 0, done.stderr
    assert [account["role"] for account in liaison.ok("user", "list", "--json").json] == ["head"]
    # Options are looked at before the help is shown.
    assert liaison.run(*serve, "--help").code == 0


def curl_commands() -> list[str]:
    (block,) = re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    first, *commands = block.splitlines()
    assert first.startswith("auth=")
    return [f"{first}\n{command}" for command in commands]


def test_curl_lists_publishes_reads_and_follows(server: LiveServer) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("needs curl and bash")
    token = server.token("curl-bot", "south", ["joint/weather"])
    environment = {"PATH": os.environ["PATH"], "LIAISON_URL": server.url, "LIAISON_TOKEN": token, "no_proxy": "*"}

    def run(command: str) -> dict[str, Any]:
        done = subprocess.run(
            ["bash", "-euc", command], env=environment, capture_output=True, check=True, timeout=PATIENCE_S
        )
        return dict(json.loads(done.stdout))

    listing, publishing, reading, following = curl_commands()
    (channel,) = run(listing)["channels"]
    assert channel["channel"] == "joint/weather"
    published = run(publishing)
    assert published["duplicate"] is False
    assert run(publishing) == {**published, "duplicate": True}
    (message,) = run(reading)["messages"][-1:]
    assert (message["seq"], message["sender"]) == (published["seq"], "curl-bot")

    with subprocess.Popen(
        ["bash", "-euc", following.replace("\ncurl ", "\nexec curl ")], env=environment, stdout=subprocess.PIPE
    ) as stream:
        assert stream.stdout is not None
        try:
            lines = [stream.stdout.readline().decode() for _ in range(3)]
        finally:
            stream.kill()
    assert re.fullmatch(rf"id: {published['epoch']}:\d+\n", lines[0])
    assert lines[1] == "event: message\n"
    assert json.loads(lines[2].removeprefix("data: "))["channel"] == "joint/weather"
