"""The real server process: how it starts, what it refuses, what commands beside it do, and how it ends."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from liaison.bot import Client
from liaison.bot.errors import FinalClose
from liaison.cli.exits import Exit
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.names import SUBPROTOCOL_JSON
from tests import forked_liaison
from tests.cli.command_line import CommandLine
from tests.live_server import LiveServer

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
SERVE = [sys.executable, "-m", "liaison", "serve", "--port", "0", "--json"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "server")}

# A node in a program of its own, which goes on with what happens when it is ready.
NODE = """
import asyncio, sys
from liaison.cli.journal import set_up_journal
from liaison.cli.node import run_node
from liaison.config import load_config

config = load_config(None, {"LIAISON_DATA__DIRECTORY": sys.argv[1], "LIAISON_SERVER__PORT": "0"})
set_up_journal(config.log)

async def on_ready(running):
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with LiveServer(tmp_path / "data") as server:
        yield server


@pytest.fixture
def liaison(server: LiveServer) -> CommandLine:
    return CommandLine(server.data_dir)


async def sign_in(http: aiohttp.ClientSession, server: LiveServer, user: str) -> int:
    body = {"user": user, "password": server.password_of(user)}
    async with http.post(f"{server.url}/api/v1/login", json=body, headers={"Origin": server.url}) as answer:
        return answer.status


class TestStart:
    def test_a_free_port_is_told_in_one_line_of_json(self, tmp_path: Path) -> None:
        command = [*SERVE, "--data", str(tmp_path / "data")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            assert told["pid"] == process.pid
            host, _, port = told["address"].removeprefix("http://").partition(":")
            socket.create_connection((host, int(port))).close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == Exit.OK

    def test_a_second_server_on_the_same_data_is_refused(self, server: LiveServer) -> None:
        finished = forked_liaison.run(["serve", "--data", str(server.data_dir)], environment=ENVIRONMENT)
        assert (finished.returncode, finished.stdout) == (Exit.UNAVAILABLE, "")
        assert finished.stderr == f"liaison: a server or a restore is using {server.data_dir}: stop it first\n"

    def test_a_port_in_use_is_refused_before_anything_is_made(self, server: LiveServer, tmp_path: Path) -> None:
        other = tmp_path / "other"
        arguments = ["serve", "--data", str(other), "--port", str(server.port)]
        finished = forked_liaison.run(arguments, environment=ENVIRONMENT)
        assert finished.returncode == Exit.UNAVAILABLE
        assert f"cannot listen on 127.0.0.1:{server.port}: Address already in use" in finished.stderr
        assert not other.exists()


class TestEnd:
    async def test_sigterm_drains_and_tells_who_is_connected(self, server: LiveServer) -> None:
        token = server.token("echo", "south", ["joint/general"])
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(server.ws_url, protocols=[SUBPROTOCOL_JSON], headers=headers) as bot,
        ):
            await bot.send_json({"type": "connect", "id": 1, "client": "test"})
            assert (await bot.receive_json())["type"] == "reply"
            os.kill(server.pid, signal.SIGTERM)
            assert "go_away" in [message.json()["type"] async for message in bot]
            assert bot.close_code == CloseCode.SERVICE_RESTART
        assert server.wait() == Exit.OK

    def test_an_interrupt_ends_it_too(self, server: LiveServer) -> None:
        os.kill(server.pid, signal.SIGINT)
        assert server.wait() == Exit.OK

    def test_a_second_signal_ends_it_at_once(self, tmp_path: Path) -> None:
        program = """
    async def drain_for_ever():
        print("draining", flush=True)
        await asyncio.Event().wait()

    running.office.drain = drain_for_ever
    print("ready", flush=True)

sys.exit(run_node(config, on_ready, before_abandoning=lambda: print("abandoned", flush=True)))
"""
        with subprocess.Popen(
            [sys.executable, "-c", NODE + program, str(tmp_path / "data")], env=ENVIRONMENT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == b"draining\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == b"abandoned\n"
            assert process.wait(3) == 128 + signal.SIGTERM

    def test_a_failed_commit_ends_it_with_a_code_for_the_supervisor(self, tmp_path: Path) -> None:
        program = """
    running.office.log._database._tell_fatal("fsync failed")

sys.exit(run_node(config, on_ready))
"""
        finished = subprocess.run(
            [sys.executable, "-c", NODE + program, str(tmp_path / "data")],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == Exit.INTERNAL
        assert json.loads(finished.stderr.splitlines()[0])["reason"] == "fsync failed"

    def test_what_was_acknowledged_is_there_after_sigkill(self, server: LiveServer) -> None:
        token = server.token("echo", "south", ["joint/general"])
        command = CommandLine(server.data_dir, {"LIAISON_TOKEN": token, "LIAISON_URL": server.url})
        assert command.run("send", "joint/general", "안녕하십니까").stdout == "joint/general 1\n"
        server.kill()
        server.start()
        assert command.run("tail", "joint/general", "--once", "--json").json["text"] == "안녕하십니까"


class TestBesideIt:
    async def test_a_disabled_user_is_out_within_a_second(self, server: LiveServer, liaison: CommandLine) -> None:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            assert await sign_in(http, server, "south-1") == 200
            socket = await http.ws_connect(server.ws_url, protocols=[SUBPROTOCOL_JSON], headers={"Origin": server.url})
            await socket.send_json({"type": "connect", "id": 1, "client": "test"})
            assert (await socket.receive_json())["user"] == "south-1"
            await asyncio.to_thread(liaison.ok, "user", "disable", "south-1")
            async with asyncio.timeout(1):
                async for _ in socket:
                    pass
            assert socket.close_code == CloseCode.REVOKED
            assert await sign_in(http, server, "south-1") == 401
            assert await sign_in(http, server, "south-2") == 200

    async def test_a_revoked_token_is_dead_within_a_second(self, server: LiveServer, liaison: CommandLine) -> None:
        token = server.token("echo", "south", ["joint/general"])
        async with Client(server.url, token) as client:
            await asyncio.to_thread(liaison.ok, "token", "revoke", "echo")
            with pytest.raises(FinalClose):
                async with asyncio.timeout(1):
                    await client.until_final()

    async def test_a_new_user_and_a_new_channel_are_there_within_a_second(
        self, server: LiveServer, liaison: CommandLine
    ) -> None:
        token = server.token("echo", "south", ["joint/general"])
        await asyncio.to_thread(liaison.ok, "channel", "create", "joint/new")
        async with Client(server.url, token) as client:
            added = asyncio.Event()
            client.on_push("channel", lambda _push: added.set())
            by_operator = ("--by-operator", "the bot is asked for by both sides")
            await asyncio.to_thread(liaison.ok, "channel", "add-member", "joint/new", "echo", *by_operator)
            async with asyncio.timeout(1):
                await added.wait()
            assert (await client.publish("joint/new", "첫 소식")).seq == 1

    def test_an_export_made_beside_it_verifies(self, server: LiveServer, liaison: CommandLine) -> None:
        token = server.token("echo", "south", ["joint/general"])
        network = {"LIAISON_TOKEN": token, "LIAISON_URL": server.url}
        for text in ("하나", "둘", "셋"):
            assert liaison.run("send", "joint/general", text, environment=network).code == Exit.OK
        exported = liaison.ok("export", "joint/general").stdout
        assert liaison.run("verify", "-", "--json", stdin=exported).json["seq"] == 3
        tampered = liaison.run("verify", "-", stdin=exported.replace("둘", "들"))
        assert (tampered.code, "line 3: changed" in tampered.stderr) == (Exit.BAD, True)

    def test_a_backup_is_made_beside_it_and_restored_without_it(
        self, server: LiveServer, liaison: CommandLine, tmp_path: Path
    ) -> None:
        token = server.token("echo", "south", ["joint/general"])
        network = {"LIAISON_TOKEN": token, "LIAISON_URL": server.url}
        backup = str(tmp_path / "backup.db")
        before = liaison.run("send", "joint/general", "전", "--json", environment=network).json
        liaison.ok("backup", backup)
        assert liaison.run("send", "joint/general", "후", environment=network).code == Exit.OK
        assert liaison.on("restore", backup).code == Exit.UNAVAILABLE
        assert server.stop() == Exit.OK
        liaison.ok("restore", backup)
        server.start()
        after = liaison.run("send", "joint/general", "다시", "--json", environment=network).json
        assert (before["epoch"], after["epoch"], after["seq"]) == (1, 2, 2)
        texts = [
            json.loads(line)["text"]
            for line in liaison.run("tail", "joint/general", "--once", "--json", environment=network).lines
        ]
        assert texts == ["전", "다시"]


class TestTalk:
    def test_a_repeat_with_the_same_key_is_the_same_message(self, server: LiveServer, liaison: CommandLine) -> None:
        network = {"LIAISON_TOKEN": server.token("echo", "south", ["joint/general"]), "LIAISON_URL": server.url}
        arguments = ("send", "joint/general", "안녕", "--key", "k1", "--json")
        first, second = (liaison.run(*arguments, environment=network).json for _ in range(2))
        assert (first["duplicate"], second["duplicate"], second["seq"]) == (False, True, first["seq"])

    def test_text_comes_from_stdin_and_the_token_from_a_file(
        self, server: LiveServer, liaison: CommandLine, tmp_path: Path
    ) -> None:
        file = tmp_path / "token"
        file.write_text(server.token("echo", "south", ["joint/general"]) + "\n")
        options = ("--url", server.url, "--token-file", str(file))
        assert liaison.run("send", "joint/general", "-", *options, stdin="첫 줄\n둘째 줄\n").code == Exit.OK
        shown = liaison.run("tail", "joint/general", "--once", *options).stdout
        assert shown.endswith("1 echo: 첫 줄\n    둘째 줄\n")

    def test_what_the_server_refuses_is_one_line(self, server: LiveServer, liaison: CommandLine) -> None:
        network = {"LIAISON_TOKEN": server.token("echo", "south", ["joint/general"]), "LIAISON_URL": server.url}
        finished = liaison.run("send", "north/desk", "안녕", environment=network)
        assert finished.code == Exit.BAD
        assert finished.stderr.startswith("liaison: there is no such channel (no_such_channel 300, reference ")
        finished = liaison.run("tail", "north/desk", environment=network)
        assert (finished.code, "no_such_channel" in finished.stderr) == (Exit.BAD, True)

    def test_a_wrong_token_is_said_to_be_so(self, server: LiveServer, liaison: CommandLine) -> None:
        network = {"LIAISON_TOKEN": "lsn_" + "A" * 43, "LIAISON_URL": server.url}
        finished = liaison.run("send", "joint/general", "안녕", environment=network)
        assert (finished.code, "sign in" in finished.stderr) == (Exit.BAD, True)

    def test_no_server_is_said_to_be_so_within_the_time_given(self, liaison: CommandLine, server: LiveServer) -> None:
        token = server.token("echo", "south", ["joint/general"])
        server.stop()
        began_s = time.monotonic()
        finished = liaison.run(
            "send",
            "joint/general",
            "안녕",
            "--timeout",
            "0.5",
            "--url",
            server.url,
            environment={"LIAISON_TOKEN": token},
        )
        assert (finished.code, f"no connection to {server.url} within 0.5 s" in finished.stderr) == (69, True)
        assert time.monotonic() - began_s < 5

    def test_tail_shows_what_is_said_until_it_is_interrupted(self, server: LiveServer, liaison: CommandLine) -> None:
        token = server.token("echo", "south", ["joint/general"])
        network = {"LIAISON_TOKEN": token, "LIAISON_URL": server.url}
        assert liaison.run("send", "joint/general", "전", environment=network).code == Exit.OK
        with subprocess.Popen(
            [sys.executable, "-u", "-m", "liaison", "tail", "joint/general"],
            env={**ENVIRONMENT, **network},
            stdout=subprocess.PIPE,
            text=True,
        ) as tail:
            assert tail.stdout is not None
            assert tail.stdout.readline().endswith("echo: 전\n")
            assert liaison.run("send", "joint/general", "후", environment=network).code == Exit.OK
            assert tail.stdout.readline().endswith("echo: 후\n")
            tail.send_signal(signal.SIGINT)
            assert tail.wait(10) == Exit.OK
