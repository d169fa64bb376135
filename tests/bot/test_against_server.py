"""The echo example against the real server: both are processes, and an official of the other side talks over HTTP.

Where the server needn't be killed, also against four workers on one port over PostgreSQL and Redis.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from liaison.bot import Client, FinalClose, Refused
from tests.bot.programs import SERVER, finished, program
from tests.live_server import LiveServer
from tests.postgres_server import PostgresServer
from tests.system.shared_stores import settings_of_workers

pytestmark = pytest.mark.system

CHANNEL = "joint/weather"
ECHO = ("-m", "liaison.bot.examples.echo")
PATIENCE_S = 20


@dataclass
class Served:
    """An office that runs: where, a token of a bot, and the people's passwords."""

    address: str
    token: str
    passwords: dict[str, str]


@dataclass
class Demo(Served):
    """A demonstration office, and its process."""

    process: asyncio.subprocess.Process


@asynccontextmanager
async def demo(data: Path, port: int = 0) -> AsyncIterator[Demo]:
    command = (sys.executable, "-m", "liaison", "demo", "--json", "--port", str(port), "--data", str(data))
    process = await asyncio.create_subprocess_exec(
        *command, env={"PYTHONPATH": str(SERVER)}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            printed = json.loads(await process.stdout.readline())
        yield Demo(printed["address"], printed["token"], printed["passwords"], process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture(scope="module")
def four_workers(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Served]:
    server = LiveServer(tmp_path_factory.mktemp("workers") / "data", settings_of_workers(postgres_server, 4))
    # Made before the start: a token of just now is known to one worker earlier than to another.
    token = server.token("bot", "south", [CHANNEL])
    with server:
        yield Served(server.url, token, {"north-1": server.password_of("north-1")})


@pytest.fixture(params=["one_node", "four_workers"])
async def office(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    if request.param == "four_workers":
        yield request.getfixturevalue("four_workers")
        return
    async with demo(tmp_path / "data") as served:
        yield served


class Official:
    """Somebody of the North side at a terminal."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def say(self, text: str, key: str) -> int:
        body = {"text": text, "key": key}
        async with self._http.post(f"/api/v1/channels/{CHANNEL}/messages", json=body) as response:
            answer = await response.json()
            assert response.status in (200, 201), answer
            return int(answer["seq"])

    async def answers_to(self, *seqs: int) -> list[str]:
        """Wait until each of these was answered, and give all answers to them in their order."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answers = [message for message in await self._newest() if message.get("ref") in seqs]
                if {message["ref"] for message in answers} == set(seqs):
                    return [message["text"] for message in answers]
                await asyncio.sleep(0.05)

    async def _newest(self) -> list[dict[str, Any]]:
        async with self._http.get(f"/api/v1/channels/{CHANNEL}/messages", params={"limit": "50"}) as response:
            messages: list[dict[str, Any]] = (await response.json())["messages"]
            return messages


@asynccontextmanager
async def signed_in(office: Served, user: str) -> AsyncIterator[Official]:
    # The cookie jar takes no cookies from bare addresses unless it is told to.
    jar = aiohttp.CookieJar(unsafe=True)
    headers = {"Sec-Fetch-Site": "same-origin"}
    async with aiohttp.ClientSession(office.address, cookie_jar=jar, headers=headers) as http:
        async with http.post("/api/v1/login", json={"user": user, "password": office.passwords[user]}) as response:
            assert response.status == 200, await response.text()
        yield Official(http)


async def followed(cursor: Path) -> None:
    """Wait until the bot follows its channel: on its first start it notes at once where it begins."""
    async with asyncio.timeout(PATIENCE_S):
        while not cursor.exists():
            await asyncio.sleep(0.02)


async def test_echo_answers_and_goes_on_where_it_stopped(office: Served, tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    async with signed_in(office, "north-1") as official:
        earliest = await official.say("!echo before its first start", "k0")
        async with program(*ECHO, url=office.address, cursor=cursor, token=office.token, channel=CHANNEL) as bot:
            await followed(cursor)
            first = await official.say("!echo 안녕하십니까", "k1")
            assert await official.answers_to(first) == ["안녕하십니까"]
            bot.terminate()
            await finished(bot)
        away = await official.say("!echo while it was away", "k2")
        async with program(*ECHO, url=office.address, cursor=cursor, token=office.token, channel=CHANNEL):
            last = await official.say("!echo back", "k3")
            # What came before the first start is not answered, and nothing is answered twice.
            everything = range(earliest, last + 3)
            assert await official.answers_to(away, last) == ["while it was away", "back"]
            answered = [message["text"] for message in await official._newest() if message.get("ref") in everything]
            assert answered == ["안녕하십니까", "while it was away", "back"]


async def test_bot_lives_on_when_the_server_is_killed_and_answers_each_message_once(tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    async with demo(tmp_path / "data") as office:
        port = int(office.address.rpartition(":")[2])
        async with program(*ECHO, url=office.address, cursor=cursor, token=office.token, channel=CHANNEL):
            await followed(cursor)
            async with signed_in(office, "north-1") as official:
                before = await official.say("!echo before", "k1")
                office.process.kill()
                await office.process.wait()
            async with demo(tmp_path / "data", port) as again, signed_in(again, "north-1") as official:
                after = await official.say("!echo after", "k2")
                assert await official.answers_to(before, after) == ["before", "after"]


async def test_client_asks_a_real_server_everything_it_can_ask(office: Served) -> None:
    async with Client(office.address, office.token) as client:
        assert client.welcome.role == "bot"
        placed = await client.publish(CHANNEL, "비가 옵니다", key="rain")
        assert await client.publish(CHANNEL, "비가 옵니다", key="rain") == type(placed)(
            placed.seq, placed.epoch, placed.time_ms, duplicate=True
        )
        with pytest.raises(Refused, match="conflict"):
            await client.publish(CHANNEL, "눈이 옵니다", key="rain")
        await client.correct(CHANNEL, placed.seq, "비가 그쳤습니다")
        await client.react(CHANNEL, placed.seq, "👍")
        page = await client.history(CHANNEL, after=placed.seq - 1)
        assert [(entry.kind, entry.ref) for entry in page.messages] == [
            ("text", 0),
            ("correction", placed.seq),
            ("reaction", placed.seq),
        ]
        assert (await client.search("그쳤", channel=CHANNEL)).messages[0].ref == placed.seq
        await client.withdraw(CHANNEL, placed.seq)
        assert (await client.channels())[CHANNEL].head == placed.seq + 3
        assert {side.delegation for side in (await client.presence()).sides} == {"south", "north"}
        await client.typing(CHANNEL)
        await client.read(CHANNEL, placed.seq)
        async with client.follow(CHANNEL, tail=2) as feed:
            assert [(await anext(feed)).kind for _ in range(2)] == ["reaction", "withdrawal"]
        with pytest.raises(Refused, match="no_such_channel") as raised:
            await client.history("north/desk")
        assert len(raised.value.ref) == 8
        with pytest.raises(FinalClose, match="code 4501, reference"):
            await Client(office.address, "lsn_of_nobody").__aenter__()
